use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;

use super::{StoreError, StoreResult};
use crate::model::{
    Agent, Author, BusinessId, Call, CallId, CallResult, ChannelConfig, ChannelId, Contact,
    ContactId, ContactPatch, Content, Conversation, ConversationChange, ConversationId,
    DeliveryStatus, Direction, Event, Failure, FlowVersionId, GroupId, InboundMessage, Lane,
    MailboxEntry, MailboxEvent, Message, MessageId, OutboxRow, Owner, Session, SessionId, Signal,
    StatusUpdate, Timer, Timestamp, TraceStep, WorkerId,
};
use crate::policy::{LANES, LaneQuota};

/// An inbound message to record.
#[derive(Debug, Clone, PartialEq)]
pub struct Accept {
    /// The business.
    pub business_id: BusinessId,
    /// The channel it came by.
    pub channel_id: ChannelId,
    /// What came.
    pub message: InboundMessage,
    /// Who gets a conversation that is new or was closed.
    pub owner: Owner,
    /// The message's id, if it is new.
    pub message_id: MessageId,
    /// The contact's id, if it is new.
    pub contact_id: ContactId,
    /// The conversation's id, if it is new.
    pub conversation_id: ConversationId,
    /// When.
    pub now: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is new, so a box would only cost")]
pub enum Accepted {
    /// It was recorded.
    New {
        /// The message.
        message: Message,
        /// The conversation with the message in it.
        conversation: Conversation,
        /// Whether the contact was created for it.
        contact_created: bool,
        /// Whether the conversation was created for it.
        conversation_created: bool,
    },
    /// It had been recorded before; nothing changed.
    Duplicate {
        /// The conversation of the first.
        conversation_id: ConversationId,
        /// The place of the first.
        seq: u64,
    },
}

/// Who claims, until when, how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimOptions {
    /// The worker.
    pub worker: WorkerId,
    /// The moment.
    pub now: Timestamp,
    /// Until when the claim holds unless it is finished or released.
    pub lease_until: Timestamp,
    /// Most rows.
    pub limit: u32,
}

/// What a worker may take of the outbox, given what it is sending already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendQuota {
    /// How much of each lane.
    pub lanes: LaneQuota,
    /// Most rows of a business that the worker may be sending at once, counted in each lane.
    pub per_business: u32,
    /// Most rows of a channel that the worker may be sending at once, counted in each lane.
    pub per_channel: u32,
    /// What the worker is sending.
    pub held: Vec<Held>,
    /// The business that had the last turn in each lane, by [`Lane::rank`]: the next one begins.
    pub after: [Option<BusinessId>; LANES],
}

/// Sends of one lane, business and channel that a worker has under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Their lane.
    pub lane: Lane,
    /// Their business.
    pub business: BusinessId,
    /// Their channel.
    pub channel: ChannelId,
    /// How many.
    pub count: u32,
}

impl Default for SendQuota {
    /// Everything, the urgent first.
    fn default() -> Self {
        Self {
            lanes: LaneQuota::default(),
            per_business: u32::MAX,
            per_channel: u32::MAX,
            held: Vec::new(),
            after: [None; LANES],
        }
    }
}

impl SendQuota {
    /// How many more rows of a business a claim may take in a lane.
    #[must_use]
    pub fn business_room(&self, lane: Lane, business: BusinessId) -> u32 {
        let held = self.held.iter().filter(|held| held.lane == lane && held.business == business);
        self.per_business.saturating_sub(held.map(|held| held.count).sum())
    }

    /// How many more rows of a channel a claim may take in a lane.
    #[must_use]
    pub fn channel_room(&self, lane: Lane, business: BusinessId, channel: ChannelId) -> u32 {
        let held = self
            .held
            .iter()
            .filter(|held| (held.lane, held.business, held.channel) == (lane, business, channel));
        self.per_channel.saturating_sub(held.map(|held| held.count).sum())
    }

    /// How many businesses of a lane the worker is sending for.
    #[must_use]
    pub fn businesses(&self, lane: Lane) -> u32 {
        let held = self.held.iter().filter(|held| held.lane == lane).map(|held| held.business);
        u32::try_from(held.collect::<BTreeSet<_>>().len()).unwrap_or(u32::MAX)
    }
}

/// A conversation with something in its mailbox, leased to one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnClaim {
    /// The conversation as it stands; its `revision` is what the commit compares.
    pub conversation: Conversation,
    /// The contact.
    pub contact: Contact,
    /// The groups it is in.
    pub groups: BTreeSet<GroupId>,
    /// The channel.
    pub channel: ChannelConfig,
    /// The channel's agent, if it has one.
    pub agent: Option<Agent>,
    /// The current published versions of the agent's flows, in the agent's order.
    pub versions: Vec<FlowVersionId>,
    /// The waiting session, if there is one.
    pub session: Option<Session>,
    /// The events, in order, up to a bound of the store's own.
    pub entries: Vec<MailboxEntry>,
    /// Proves the lease: grows with every claim of the conversation.
    pub fence: u64,
}

/// A message that a turn writes.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnMessage {
    /// Its id.
    pub id: MessageId,
    /// [`Direction::Outbound`], or [`Direction::Note`] for what only members see.
    pub direction: Direction,
    /// Who says it.
    pub author: Author,
    /// What it says.
    pub content: Content,
    /// Not before this moment.
    pub due_at: Timestamp,
}

/// Everything a turn decided, committed as one.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnCommit {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The lease.
    pub fence: u64,
    /// The revision the turn read.
    pub revision: u64,
    /// When.
    pub now: Timestamp,
    /// Entries that were dealt with.
    pub consumed: Vec<i64>,
    /// Sessions the turn started, moved or ended, in that order; at most the last one waits.
    pub sessions: Vec<Session>,
    /// The steps taken, with their session.
    pub trace: Vec<(SessionId, TraceStep)>,
    /// Messages to record, in order; those that go out get an outbox row. An author that is a bot
    /// makes the row overtakable.
    pub messages: Vec<TurnMessage>,
    /// Whether timers of the conversation set before are removed.
    pub clear_timers: bool,
    /// Timers to set.
    pub timers: Vec<Timer>,
    /// Whether calls of the conversation made before are forgotten.
    pub cancel_calls: bool,
    /// Calls to make.
    pub calls: Vec<Call>,
    /// A change of the contact. Of its groups as much as is possible:
    /// [`GroupChange::possible`](super::GroupChange::possible).
    pub contact: ContactPatch,
    /// Changes of the conversation, in order.
    pub changes: Vec<ConversationChange>,
    /// Events to store.
    pub events: Vec<Event>,
}

/// What a committed turn left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnCommitted {
    /// The conversation afterwards.
    pub conversation: Conversation,
    /// The messages, in order.
    pub messages: Vec<Message>,
}

/// A lease to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnRelease {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The lease.
    pub fence: u64,
    /// Not before this moment again.
    pub not_before: Timestamp,
}

/// A message to send, leased to one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct SendClaim {
    /// The row as it was found: `Pending`, or `Unknown` when an earlier try's outcome is not known.
    pub row: OutboxRow,
    /// What it says.
    pub message: Message,
    /// The conversation.
    pub conversation: Conversation,
    /// The contact.
    pub contact: Contact,
    /// Proves the lease.
    pub fence: u64,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq)]
pub enum SendOutcome {
    /// The provider took it.
    Sent {
        /// The provider's id.
        provider_ref: Option<String>,
        /// What left, if it was not what the message says: from now on the message says this.
        changed: Option<Box<Content>>,
    },
    /// It did not leave; try again then. Counts as a try.
    Retry {
        /// When.
        due_at: Timestamp,
    },
    /// It was not tried: back to the queue. Does not count.
    Defer {
        /// When.
        due_at: Timestamp,
    },
    /// It may have left; wait for a status until then.
    Unknown {
        /// When to decide by the channel's policy.
        due_at: Timestamp,
    },
    /// It will not arrive.
    Failed(Failure),
}

/// The result of a claimed send.
#[derive(Debug, Clone, PartialEq)]
pub struct SendRecord {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message's place.
    pub seq: u64,
    /// The lease.
    pub fence: u64,
    /// When.
    pub now: Timestamp,
    /// How it ended.
    pub outcome: SendOutcome,
}

/// News about a message, to record.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusRecord {
    /// The business.
    pub business_id: BusinessId,
    /// The channel it came by.
    pub channel_id: ChannelId,
    /// The news.
    pub update: StatusUpdate,
    /// When it came.
    pub now: Timestamp,
}

/// What became of news about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusOutcome {
    /// The message moved forward.
    Applied {
        /// The conversation.
        conversation_id: ConversationId,
        /// The message.
        message_id: MessageId,
        /// Its place.
        seq: u64,
        /// Where it is now.
        status: DeliveryStatus,
    },
    /// Old, repeated or impossible news.
    Unchanged,
    /// The provider's id is not known yet; the news waits for it.
    Parked,
}

/// A message somebody writes outside a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message's id.
    pub message_id: MessageId,
    /// [`Direction::Outbound`] or [`Direction::Note`].
    pub direction: Direction,
    /// Who writes.
    pub author: Author,
    /// What it says.
    pub content: Content,
    /// How urgent it is.
    pub lane: Lane,
    /// The provider's reference of the message it answers.
    pub reply_to: Option<String>,
    /// The provider's reference, when it went by the provider past us: such a message enters its
    /// channel once, as inbound ones do.
    pub provider_ref: Option<String>,
    /// What it is written for, when that may be asked for again: a message of this name enters its
    /// channel once. Providers' references are other names.
    pub once: Option<String>,
    /// Who owns the conversation afterwards, when that changes.
    pub owner: Option<Owner>,
    /// When.
    pub now: Timestamp,
}

impl Post {
    /// The name by which its channel knows it again, if it must.
    pub fn reference(&self) -> Option<Cow<'_, str>> {
        let once = self.once.as_ref().map(|once| Cow::Owned(format!("{ONCE}{once}")));
        once.or_else(|| self.provider_ref.as_deref().map(Cow::Borrowed))
    }
}

/// What stands before names of this side, so that no provider's reference is one.
const ONCE: &str = "\u{1}once:";

/// A call to perform, leased to one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct CallClaim {
    /// The call; `attempts` counts earlier claims.
    pub call: Call,
    /// Proves the lease.
    pub fence: u64,
}

/// How much is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Sends that could leave now, by [`Lane::rank`]. What waits behind another message of its
    /// conversation is not counted.
    pub lanes: [LaneStats; LANES],
    /// Sends that wait for their moment.
    pub later: u64,
    /// Sends that somebody is sending.
    pub sending: u64,
    /// Entries of all mailboxes.
    pub mail: u64,
}

/// How much of a lane is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneStats {
    /// How many sends.
    pub due: u64,
    /// Since when the first of them is due.
    pub oldest_due: Option<Timestamp>,
}

/// The result of a claimed call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallFinish {
    /// The business.
    pub business_id: BusinessId,
    /// The call.
    pub call_id: CallId,
    /// The lease.
    pub fence: u64,
    /// Its outcome; enters the conversation's mailbox.
    pub result: CallResult,
}

/// Something that happened outside, for a session that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct OutsideMail {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The session.
    pub session_id: SessionId,
    /// Which event.
    pub signal: Signal,
    /// Its data.
    pub data: serde_json::Value,
}

impl OutsideMail {
    /// What enters the mailbox.
    pub fn event(self) -> MailboxEvent {
        let Self { session_id, signal, data, .. } = self;
        MailboxEvent::Outside { session_id, signal, data }
    }
}

/// A request that carries an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The key.
    pub key: String,
    /// A digest of method, path and body: the same key with another request is refused.
    pub request_sha256: [u8; 32],
    /// When.
    pub now: Timestamp,
}

/// What became of a request with this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyStart {
    /// It is new: do it, then store the answer.
    Started,
    /// It is being done.
    InFlight,
    /// The key was used for another request.
    Mismatch,
    /// It was done; this was the answer.
    Done {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
}

/// The moves of the engine: each takes and returns batches and is one transaction.
///
/// # Ordering and idempotency
/// - Events of a conversation are consumed in the order of [`MailboxEntry::seq`].
/// - A conversation is claimed by one worker at a time; a commit whose fence or revision is no
///   longer the stored one changes nothing.
/// - Rows of the outbox leave in the order of `seq` within a conversation: a row is claimable only
///   when no earlier row of its conversation is left.
#[async_trait]
pub trait EngineStore: Send + Sync + Debug + 'static {
    /// Records inbound messages in order: de-duplicated on (channel, provider reference), contact
    /// found by any of its identities or created (further identities and a first name are added),
    /// conversation found or opened, message appended, and, when a bot owns the conversation, an
    /// entry put into its mailbox. A new message that is a word about hearing from us changes the
    /// contact with it ([`consent_patch`](crate::policy::consent_patch)). Answers in the order of the batch. A channel that is not there
    /// ([`StoreError::NotFound`]) or a message without a sender ([`StoreError::Invalid`]) refuses
    /// the whole batch.
    async fn accept(&self, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>>;

    /// Leases conversations that have mail and no live lease, with at most
    /// [`TURN_ENTRIES_MAX`](super::TURN_ENTRIES_MAX) entries each: one of each business in turn, in
    /// the order of their ids beginning behind `after`, and of a business the one whose mail is
    /// oldest ([`take_turns`](crate::policy::take_turns)).
    ///
    /// # Implementing
    /// What a claim costs must not grow with how much of one business is due.
    async fn claim_turns(
        &self,
        options: &ClaimOptions,
        after: Option<BusinessId>,
    ) -> StoreResult<Vec<TurnClaim>>;

    /// Commits turns, each on its own: one that lost its lease or its revision is
    /// [`StoreError::Stale`] and changes nothing, the others go through. Ends the lease. A lease
    /// that ran out stands until another worker takes the conversation.
    ///
    /// The revision grows by one. Changes come before messages, so that what a turn says carries
    /// the generation it leaves behind. A change that closes cancels the waiting session with its
    /// timers and calls; mail that came meanwhile stays. A commit that writes into another
    /// conversation is [`StoreError::Invalid`]. Stored are the events but those of messages, then
    /// one `conversation.updated` if the changes changed anything.
    async fn commit_turns(
        &self,
        batch: Vec<TurnCommit>,
    ) -> StoreResult<Vec<Result<TurnCommitted, StoreError>>>;

    /// Gives leases back; stale ones are ignored.
    async fn release_turns(&self, batch: &[TurnRelease]) -> StoreResult<()>;

    /// Adds messages written outside a turn, with an outbox row for those that go out. Each on its
    /// own: a missing conversation is [`StoreError::NotFound`], an inbound direction is
    /// [`StoreError::Invalid`]. A new owner is an assignment
    /// ([`ConversationChange::Assign`]) that comes before the message. A [reference](Post::reference)
    /// that the channel knows of a message that was accepted or posted is [`StoreError::Conflict`].
    async fn post(&self, batch: Vec<Post>) -> StoreResult<Vec<Result<TurnCommitted, StoreError>>>;

    /// Leases due rows, at most one a conversation: which ones and in what order says
    /// [`choose_sends`](crate::policy::choose_sends), which every store asks. Before that, rows
    /// whose lease ran out while sending become `Unknown`, due at `unknown_until`. A claim counts
    /// as a try, unless it ends in [`SendOutcome::Defer`].
    ///
    /// # Implementing
    /// What a claim costs must not grow with how much of one business is due.
    async fn claim_outbox(
        &self,
        options: &ClaimOptions,
        quota: &SendQuota,
        unknown_until: Timestamp,
    ) -> StoreResult<Vec<SendClaim>>;

    /// Records results; those whose row is gone or pending or whose fence is old change nothing.
    /// Returns the messages that changed their status, statuses that had been parked for them
    /// included. An answer that comes after its lease ran out counts until the row is claimed anew.
    async fn record_sends(&self, batch: Vec<SendRecord>) -> StoreResult<Vec<Message>>;

    /// Records news about messages, found by our key, else by the provider's id. News that a
    /// message left or failed ends its outbox row, whatever state that is in. News of unknown
    /// messages is parked by (channel, provider id) and told as soon as that id is known. A key
    /// counts only if it names an outbound message of this business and channel. A channel that is
    /// not there refuses the whole batch ([`StoreError::NotFound`]).
    async fn record_statuses(&self, batch: Vec<StatusRecord>) -> StoreResult<Vec<StatusOutcome>>;

    /// Moves due timers into the mailboxes of their conversations; returns how many.
    async fn fire_due(&self, now: Timestamp, limit: u32) -> StoreResult<u64>;

    /// Leases calls that nobody performs.
    async fn claim_calls(&self, options: &ClaimOptions) -> StoreResult<Vec<CallClaim>>;

    /// Puts results into the mailboxes; those whose call is gone or whose fence is old change
    /// nothing. Returns how many went through.
    async fn finish_calls(&self, batch: Vec<CallFinish>) -> StoreResult<u64>;

    /// Puts outside events into the mailboxes, in order; those whose session is not the one that
    /// waits in the conversation change nothing. Returns how many went through.
    async fn put_outside(&self, batch: Vec<OutsideMail>) -> StoreResult<u64>;

    /// How often each of these conversations has changed hands
    /// ([`Conversation::generation`]), in their order; `None` where there is none. What it tells
    /// was so after it was called.
    async fn generations(
        &self,
        conversations: &[(BusinessId, ConversationId)],
    ) -> StoreResult<Vec<Option<u64>>>;

    /// How much is queued. Reads indexes as long as the queues: for a gauge that is read now and
    /// then, not for a decision.
    async fn queue_stats(&self, now: Timestamp) -> StoreResult<QueueStats>;

    /// The next moment at which a timer, a send, a lease or a call becomes due, `now` when one is due
    /// already; `None` when there is nothing to wait for. Sends that wait behind another of their
    /// conversation do not count.
    ///
    /// # Implementing
    /// When something is due already, what it costs to say so must not grow with how much is.
    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>>;
}
