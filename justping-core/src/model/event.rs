use serde::{Deserialize, Serialize};

use super::{
    BusinessId, ChannelId, ContactId, Conversation, ConversationId, DeliveryStatus, MemberId,
    Message, MessageId, SessionId, SessionStatus, Timestamp, Typist,
};

/// A fact that happened. Sockets, outgoing webhooks, analytics and plugins live on these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The business it happened in.
    pub business_id: BusinessId,
    /// The conversation it happened in, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum EventBody {
    /// A message was recorded, in either direction.
    #[serde(rename = "message.new")]
    MessageNew {
        /// The message.
        message: Message,
    },
    /// A message got further, or failed.
    #[serde(rename = "message.status")]
    MessageStatus {
        /// The message.
        message_id: MessageId,
        /// Its place in the conversation.
        seq: u64,
        /// How far it got.
        status: DeliveryStatus,
    },
    /// A part of an answer that is still being written. Not stored, may be missed.
    #[serde(rename = "message.delta")]
    MessageDelta {
        /// The part.
        text: String,
    },
    /// A message was received and went no further: a hook of the business stopped it. Told again when
    /// the provider repeats the message.
    #[serde(rename = "message.dropped")]
    MessageDropped {
        /// The channel it came by.
        channel_id: ChannelId,
        /// The provider's id of the message.
        provider_ref: String,
        /// Why.
        reason: String,
    },
    /// A conversation was opened by its first message.
    #[serde(rename = "conversation.created")]
    ConversationCreated {
        /// The conversation.
        conversation: Conversation,
    },
    /// A conversation changed its owner, status or priority.
    #[serde(rename = "conversation.updated")]
    ConversationUpdated {
        /// The conversation.
        conversation: Conversation,
    },
    /// A contact was created.
    #[serde(rename = "contact.created")]
    ContactCreated {
        /// The contact.
        contact_id: ContactId,
    },
    /// A session moved to another status.
    #[serde(rename = "session.status")]
    SessionStatus {
        /// The session.
        session_id: SessionId,
        /// Where it stands.
        status: SessionStatus,
    },
    /// A member is here, or still is. Not stored; it is gone at that moment unless it says so again.
    #[serde(rename = "member.online")]
    MemberOnline {
        /// The member.
        member_id: MemberId,
        /// Until when.
        until: Timestamp,
    },
    /// A member left. Not stored.
    #[serde(rename = "member.offline")]
    MemberOffline {
        /// The member.
        member_id: MemberId,
    },
    /// Somebody is writing, or still is. Not stored; it is over at that moment unless it is said
    /// again.
    #[serde(rename = "typing.start")]
    TypingStarted {
        /// Who.
        typist: Typist,
        /// Until when.
        until: Timestamp,
    },
    /// Somebody stopped writing. Not stored.
    #[serde(rename = "typing.stop")]
    TypingStopped {
        /// Who.
        typist: Typist,
    },
    /// A flow told the world something.
    #[serde(rename = "flow.event")]
    Custom {
        /// The name the flow gave.
        name: String,
        /// Its data.
        data: serde_json::Value,
    },
}

impl EventBody {
    /// Says whether stores keep the event: messages are their own record, and what holds for
    /// seconds is nobody's history.
    pub fn is_stored(&self) -> bool {
        !matches!(
            self,
            Self::MessageNew { .. }
                | Self::MessageStatus { .. }
                | Self::MessageDelta { .. }
                | Self::MemberOnline { .. }
                | Self::MemberOffline { .. }
                | Self::TypingStarted { .. }
                | Self::TypingStopped { .. }
        )
    }
}

/// What a subscriber wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everything of a business.
    Business(BusinessId),
    /// Everything of one conversation.
    Conversation(BusinessId, ConversationId),
}
