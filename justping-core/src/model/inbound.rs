use serde::{Deserialize, Serialize};

use super::{Content, DeliveryStatus, Failure, Identity, Timestamp};

/// Something a channel heard from its provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Inbound {
    /// A contact wrote.
    Message(InboundMessage),
    /// News about a message of ours.
    Status(StatusUpdate),
    /// A contact is known by a further or a different identity.
    IdentityChanged {
        /// An identity we know.
        known: Identity,
        /// The identities that are the same person.
        also: Vec<Identity>,
    },
    /// Somebody wrote to a contact by the same sender, but not through us.
    Echo(Echo),
    /// News that no rule here understands; kept for the log, never an error.
    Unsupported {
        /// The provider's name for it.
        kind: String,
        /// The provider's own JSON.
        raw: serde_json::Value,
    },
}

/// A message that people sent past us, such as with the provider's app on a phone: whoever answers
/// there has taken the conversation over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    /// The provider's id of the message: unique within the channel.
    pub provider_ref: String,
    /// Whom it went to, by every identity the provider gave; never empty.
    pub to: Vec<Identity>,
    /// What it says.
    pub content: Content,
}

/// A message from a contact, as a channel parsed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The provider's id of the message: unique within the channel, the key of de-duplication.
    pub provider_ref: String,
    /// Who wrote, by every identity the provider gave; never empty.
    pub from: Vec<Identity>,
    /// The name the provider gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it says.
    pub content: Content,
    /// The provider's reference of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// When the provider says it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
}

/// News about a message of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusUpdate {
    /// The provider's id of the message.
    pub provider_ref: String,
    /// Our own idempotency key, where the provider echoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How far it got.
    pub status: DeliveryStatus,
    /// When, by the provider's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}
