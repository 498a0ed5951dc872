use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{BusinessId, ChannelId, ContactId, ConversationId, MemberId, Timestamp};

/// How long free-form messages are allowed after the contact's last message on channels that have
/// a customer-service window (WhatsApp: 24 hours).
pub const SERVICE_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationStatus {
    /// People should look at it.
    Open,
    /// A bot is on it.
    Pending,
    /// Hidden until a moment or a message.
    Snoozed,
    /// Done, until the contact writes again.
    Closed,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum Owner {
    /// A flow.
    Bot,
    /// Nobody yet.
    Queue,
    /// A member.
    Member(MemberId),
}

/// How urgent it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can wait.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Soon.
    High,
    /// Now.
    Urgent,
}

/// Contact × channel: the thread, its owner and its window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The channel.
    pub channel_id: ChannelId,
    /// The contact.
    pub contact_id: ContactId,
    /// Where it stands.
    pub status: ConversationStatus,
    /// Who answers.
    pub owner: Owner,
    /// Grows whenever somebody changes the owner or closes the conversation: what a bot prepared
    /// before can no longer leave. A closed conversation that the contact reopens keeps it, so that
    /// a good-bye still on its way arrives.
    pub generation: u64,
    /// Grows with every change of what a turn reads; a turn commits only against what it read.
    pub revision: u64,
    /// How urgent it is.
    pub priority: Priority,
    /// The `seq` of the newest message.
    pub last_seq: u64,
    /// When the newest message was recorded.
    pub last_message_at: Timestamp,
    /// Until when free-form messages are allowed, on channels that have a window.
    pub window_expires_at: Option<Timestamp>,
    /// Since when the contact waits for an answer.
    pub waiting_since: Option<Timestamp>,
    /// When the first answer was recorded.
    pub first_reply_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A change somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ConversationChange {
    /// Gives it to a member, the queue or the bot; a closed one opens again.
    Assign {
        /// The new owner.
        owner: Owner,
    },
    /// Ends it until the contact writes again; a running session ends too.
    Close,
    /// Opens it again.
    Reopen,
    /// Changes how urgent it is.
    SetPriority {
        /// The new priority.
        priority: Priority,
    },
}

impl Conversation {
    /// A conversation without a message yet, as [`on_inbound`](Self::on_inbound) expects it.
    pub fn new(
        id: ConversationId,
        business_id: BusinessId,
        channel_id: ChannelId,
        contact_id: ContactId,
        owner: Owner,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            business_id,
            channel_id,
            contact_id,
            status: status_for(owner),
            owner,
            generation: 1,
            revision: 1,
            priority: Priority::default(),
            last_seq: 0,
            last_message_at: now,
            window_expires_at: None,
            waiting_since: None,
            first_reply_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Applies a change; every store uses this, so that all agree. `false` when nothing changes.
    pub fn apply(&mut self, change: &ConversationChange, now: Timestamp) -> bool {
        let before = self.clone();
        match change {
            ConversationChange::Assign { owner } => {
                self.owner = *owner;
                self.status = status_for(*owner);
            }
            ConversationChange::Close => {
                self.status = ConversationStatus::Closed;
                self.owner = Owner::Queue;
                self.waiting_since = None;
            }
            ConversationChange::Reopen if self.status == ConversationStatus::Closed => {
                self.status = status_for(self.owner);
            }
            ConversationChange::Reopen => {}
            ConversationChange::SetPriority { priority } => self.priority = *priority,
        }
        if *self == before {
            return false;
        }
        if self.owner != before.owner || self.status == ConversationStatus::Closed {
            self.generation += 1;
        }
        self.revision += 1;
        self.updated_at = now;
        true
    }

    /// Records that the contact wrote: the window opens, a closed conversation opens for `owner`.
    pub fn on_inbound(&mut self, owner: Owner, now: Timestamp) {
        if self.status == ConversationStatus::Closed {
            self.owner = owner;
            self.status = status_for(owner);
            self.revision += 1;
        }
        if self.status == ConversationStatus::Snoozed {
            self.status = status_for(self.owner);
        }
        self.last_seq += 1;
        self.last_message_at = now;
        self.window_expires_at = now.checked_add(SERVICE_WINDOW).ok();
        self.waiting_since = self.waiting_since.or(Some(now));
        self.updated_at = now;
    }

    /// Records one outbound message and returns its `seq`.
    pub fn on_outbound(&mut self, now: Timestamp) -> u64 {
        self.last_seq += 1;
        self.last_message_at = now;
        self.waiting_since = None;
        self.first_reply_at = self.first_reply_at.or(Some(now));
        self.updated_at = now;
        self.last_seq
    }

    /// Records one note between members and returns its `seq`: nobody was answered by it.
    pub fn on_note(&mut self, now: Timestamp) -> u64 {
        self.last_seq += 1;
        self.last_message_at = now;
        self.updated_at = now;
        self.last_seq
    }
}

/// The status that goes with an owner while a conversation is live.
pub(crate) fn status_for(owner: Owner) -> ConversationStatus {
    match owner {
        Owner::Bot => ConversationStatus::Pending,
        Owner::Queue | Owner::Member(_) => ConversationStatus::Open,
    }
}
