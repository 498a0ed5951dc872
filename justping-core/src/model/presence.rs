use serde::{Deserialize, Serialize};

use super::{ContactId, MemberId};

/// Somebody who may be writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Typist {
    /// A member of the business.
    Member(MemberId),
    /// The contact of the conversation.
    Contact(ContactId),
    /// The bot of the conversation.
    Bot,
}
