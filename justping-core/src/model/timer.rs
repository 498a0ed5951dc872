use serde::{Deserialize, Serialize};

use super::{BusinessId, ConversationId, SessionId, TimerId, Timestamp};

/// A moment at which something in a conversation happens. A row, never a sleep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Its id.
    pub id: TimerId,
    /// The business it is for.
    pub business_id: BusinessId,
    /// The conversation whose mailbox it enters.
    pub conversation_id: ConversationId,
    /// The session that set it.
    pub session_id: SessionId,
    /// When it is due.
    pub due_at: Timestamp,
    /// What the node calls it; comes back with the event.
    pub token: String,
}
