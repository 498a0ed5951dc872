use serde::{Deserialize, Serialize};

use super::{
    BusinessId, Content, ConversationId, DeliveryStatus, Failure, MemberId, MessageId, SessionId,
    Timestamp,
};

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the contact.
    Inbound,
    /// To the contact.
    Outbound,
    /// Between members; never sent.
    Note,
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum Author {
    /// The contact.
    Contact,
    /// A flow, in this session.
    Bot(SessionId),
    /// A member.
    Member(MemberId),
    /// The platform itself.
    System,
}

/// When a message reached each status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the provider accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When it reached the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// When it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Timestamp>,
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The conversation it belongs to.
    pub conversation_id: ConversationId,
    /// Its place in the conversation: 1, 2, 3 … without a gap, in the order of commits.
    pub seq: u64,
    /// Which way it went.
    pub direction: Direction,
    /// Who wrote it.
    pub author: Author,
    /// What it says.
    pub content: Content,
    /// How far it got.
    pub status: DeliveryStatus,
    /// When it reached each status.
    pub timeline: Timeline,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The provider's reference, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<String>,
    /// The provider's reference of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

impl Message {
    /// Applies news about delivery; `false` when the news changes nothing.
    pub fn hear(&mut self, news: DeliveryStatus, at: Timestamp, failure: Option<Failure>) -> bool {
        let Some(next) = self.status.advance(news) else {
            return false;
        };
        self.status = next;
        let slot = match next {
            DeliveryStatus::Sent => &mut self.timeline.sent_at,
            DeliveryStatus::Delivered => &mut self.timeline.delivered_at,
            DeliveryStatus::Read => &mut self.timeline.read_at,
            DeliveryStatus::Failed => &mut self.timeline.failed_at,
            DeliveryStatus::Received | DeliveryStatus::Queued => return true,
        };
        *slot = Some(at);
        if next == DeliveryStatus::Failed {
            self.failure = failure;
        }
        true
    }
}
