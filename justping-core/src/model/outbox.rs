use serde::{Deserialize, Serialize};

use super::{
    Author, BusinessId, ChannelId, ContactId, Conversation, ConversationId, Direction, Message,
    MessageId, Timestamp,
};

/// How urgent a send is against others.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Somebody waits for it now.
    #[default]
    Interactive,
    /// Somebody expects it soon.
    Transactional,
    /// A campaign.
    Bulk,
}

impl Lane {
    /// Every lane, the urgent first: a lane's place here is its rank.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Transactional, Self::Bulk];

    /// Its rank: smaller goes first.
    pub fn rank(self) -> u8 {
        match self {
            Self::Interactive => 0,
            Self::Transactional => 1,
            Self::Bulk => 2,
        }
    }
}

/// Who prepared a send: a bot's can be overtaken by a human, a human's cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A flow.
    Bot,
    /// A member or the platform.
    Human,
}

/// Where a send stands. A send that reached an end has no row any more: the message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// Waits for its turn.
    Pending,
    /// A worker is sending it.
    Sending,
    /// A worker died while sending it: it may or may not have left.
    Unknown,
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The message.
    pub message_id: MessageId,
    /// The business that sends.
    pub business_id: BusinessId,
    /// The conversation; its rows leave in the order of `seq`.
    pub conversation_id: ConversationId,
    /// The message's place in the conversation.
    pub seq: u64,
    /// The channel it leaves by.
    pub channel_id: ChannelId,
    /// The contact it goes to.
    pub contact_id: ContactId,
    /// How urgent it is.
    pub lane: Lane,
    /// Who prepared it.
    pub origin: Origin,
    /// The conversation's generation when it was prepared.
    pub generation: u64,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this moment.
    pub due_at: Timestamp,
    /// When it was prepared.
    pub created_at: Timestamp,
}

impl OutboxRow {
    /// The row of a message that was just recorded, or `None` for one that does not go out.
    ///
    /// It carries the generation the conversation has now: a turn that hands over takes its own
    /// last words along, and whoever takes over later stops what a bot had still to say.
    pub fn of(
        message: &Message,
        conversation: &Conversation,
        lane: Lane,
        due_at: Timestamp,
    ) -> Option<Self> {
        if message.direction != Direction::Outbound {
            return None;
        }
        Some(Self {
            message_id: message.id,
            business_id: conversation.business_id,
            conversation_id: conversation.id,
            seq: message.seq,
            channel_id: conversation.channel_id,
            contact_id: conversation.contact_id,
            lane,
            origin: match message.author {
                Author::Bot(_) => Origin::Bot,
                Author::Contact | Author::Member(_) | Author::System => Origin::Human,
            },
            generation: conversation.generation,
            state: OutboxState::Pending,
            attempts: 0,
            due_at,
            created_at: message.created_at,
        })
    }

    /// The key under which a provider may recognise a repeated send, and which a status may echo.
    ///
    /// It names the row, so that a status finds its message before the send's answer is stored, and
    /// when it was made, so that a store which keeps messages by month looks in one month only.
    pub fn idempotency_key(&self) -> String {
        let key = Self::key(self.conversation_id, self.seq);
        format!("{key}.{}", self.created_at.as_millisecond())
    }

    /// The key of the message with this place in a conversation.
    pub fn key(conversation: ConversationId, seq: u64) -> String {
        format!("{conversation}.{seq}")
    }

    /// Reads a key made by [`idempotency_key`](Self::idempotency_key) or [`key`](Self::key).
    pub fn parse_key(key: &str) -> Option<(ConversationId, u64)> {
        let (conversation, rest) = key.split_once('.')?;
        let seq = rest.split_once('.').map_or(rest, |(seq, _)| seq);
        Some((conversation.parse().ok()?, seq.parse().ok()?))
    }

    /// When the message of a key was made, in milliseconds, where the key says so.
    pub fn moment_of_key(key: &str) -> Option<i64> {
        key.splitn(3, '.').nth(2)?.parse().ok()
    }
}
