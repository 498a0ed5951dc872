//! What travels between processes.

use std::sync::Arc;

use justping_core::model::{BusinessId, ConversationId, Event};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// One message of the channel, as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Heard<'a> {
    /// The process it comes from.
    pub(super) from: Uuid,
    /// Events before these that could not be sent.
    pub(super) missed: u64,
    #[serde(borrow)]
    pub(super) events: Vec<&'a RawValue>,
}

/// As much of an event as tells whether anybody listens.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    pub(super) business_id: BusinessId,
    #[serde(default)]
    pub(super) conversation_id: Option<ConversationId>,
}

#[derive(Serialize)]
struct Said<'a> {
    from: Uuid,
    missed: u64,
    events: &'a [Arc<Event>],
}

/// One message of the channel, as it is written.
pub(super) fn say(from: Uuid, missed: u64, events: &[Arc<Event>]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Said { from, missed, events })
}
