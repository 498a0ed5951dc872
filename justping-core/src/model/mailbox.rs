use serde::{Deserialize, Serialize};

use super::{CallId, CallResult, Content, MessageId, SessionId, TimerId};

/// Something a conversation has to deal with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MailboxEvent {
    /// The contact wrote.
    Message {
        /// The stored message.
        message_id: MessageId,
        /// What it says.
        content: Content,
        /// The provider's reference, so that it can be marked as read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_ref: Option<String>,
    },
    /// A timer of the session came due.
    Timer {
        /// The timer.
        timer_id: TimerId,
        /// The session that set it.
        session_id: SessionId,
        /// What the node called it.
        token: String,
    },
    /// A call came back.
    CallDone {
        /// The call.
        call_id: CallId,
        /// The session that made it.
        session_id: SessionId,
        /// The token of its request.
        token: String,
        /// Its outcome.
        result: CallResult,
    },
    /// Something happened outside that a session may wait for.
    Outside {
        /// The session it is for.
        session_id: SessionId,
        /// Which event.
        signal: Signal,
        /// Its data.
        data: serde_json::Value,
    },
}

/// Which outside event it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// The event of this name, from a program that may send events.
    Name(String),
    /// The session's link, by its number: each is good for one wait.
    Link(u32),
}

/// An event in the mailbox of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailboxEntry {
    /// Its place: entries of one conversation are consumed in this order.
    pub seq: i64,
    /// What happened.
    pub event: MailboxEvent,
}
