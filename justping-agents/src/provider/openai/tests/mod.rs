mod contract;
mod fold;
mod recorded;
mod server;

use justping_core::port::{AiError, ChatReply};

use super::chat::ChatFold;
use super::sse::EventReader;

/// Folds a stream that arrives in pieces; gives the deltas too.
fn fold(pieces: &[&[u8]]) -> (Vec<String>, Result<ChatReply, AiError>) {
    let mut deltas = Vec::new();
    let mut fold = ChatFold::default();
    let mut reader = EventReader::default();
    let mut keep = |text: &str| deltas.push(text.to_owned());
    let mut take = |data: &str| fold.event(data, &mut keep);
    let read = pieces.iter().try_for_each(|piece| reader.push(piece, &mut take));
    let read = read.and_then(|()| reader.finish(&mut take));
    (deltas, read.and_then(|()| fold.finish()))
}
