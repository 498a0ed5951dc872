use serde::{Deserialize, Serialize};

use super::{
    BusinessId, Content, Conversation, ConversationId, DeliveryStatus, Failure, InboundMessage,
    MemberId, MessageId, Owner, SessionId, Timestamp,
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
    /// The contact wrote: takes the next place in the conversation
    /// ([`Conversation::on_inbound`]).
    pub fn received(
        id: MessageId,
        conversation: &mut Conversation,
        inbound: InboundMessage,
        owner: Owner,
        now: Timestamp,
    ) -> Self {
        conversation.on_inbound(owner, now);
        Self {
            provider_ref: Some(inbound.provider_ref),
            reply_to: inbound.reply_to,
            ..Self::at_the_end(
                id,
                conversation,
                Direction::Inbound,
                Author::Contact,
                inbound.content,
                now,
            )
        }
    }

    /// This side wrote, to the contact or as a note: takes the next place in the conversation
    /// ([`Conversation::on_outbound`], [`Conversation::on_note`]).
    pub fn written(
        id: MessageId,
        conversation: &mut Conversation,
        direction: Direction,
        author: Author,
        content: Content,
        now: Timestamp,
    ) -> Self {
        match direction {
            Direction::Note => conversation.on_note(now),
            Direction::Inbound | Direction::Outbound => conversation.on_outbound(now),
        };
        Self::at_the_end(id, conversation, direction, author, content, now)
    }

    /// The message at the conversation's newest place, before anything happened to it. Notes go
    /// nowhere, so they count as received.
    fn at_the_end(
        id: MessageId,
        conversation: &Conversation,
        direction: Direction,
        author: Author,
        content: Content,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            business_id: conversation.business_id,
            conversation_id: conversation.id,
            seq: conversation.last_seq,
            direction,
            author,
            content,
            status: match direction {
                Direction::Outbound => DeliveryStatus::Queued,
                Direction::Inbound | Direction::Note => DeliveryStatus::Received,
            },
            timeline: Timeline::default(),
            failure: None,
            provider_ref: None,
            reply_to: None,
            created_at: now,
        }
    }

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
