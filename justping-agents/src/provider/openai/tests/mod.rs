mod contract;
mod fold;
mod recorded;
mod responses;
mod server;

use justping_core::port::{AiError, ChatReply};

use super::chat::ChatFold;
use crate::provider::recorded as cassette;

/// Folds a stream of chunks that arrives in pieces; gives the deltas too.
fn fold(pieces: &[&[u8]]) -> (Vec<String>, Result<ChatReply, AiError>) {
    cassette::fold::<ChatFold>(pieces)
}
