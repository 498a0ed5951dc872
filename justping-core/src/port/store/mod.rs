//! The store: one small trait a noun, and the engine's atomic moves.
//!
//! # Contract
//! - Every method is one transaction: all of it happened or nothing.
//! - Whatever a method takes a [`BusinessId`](crate::model::BusinessId) for stays inside that
//!   business: a foreign id is [`StoreError::NotFound`], exactly like a missing one.
//! - Whatever is created in a business that does not exist is [`StoreError::NotFound`]; an id that
//!   is taken is [`StoreError::Conflict`].
//! - Lists are paged by key: a cursor of another list is [`StoreError::Invalid`], and rows added
//!   meanwhile move no page.
//! - What a method returned is durable.
//!
//! # Implementing
//! Implement the traits and run [`conformance::store`](crate::conformance::store) on a factory.
//! What every store must do alike is in the model: [`Conversation`](crate::model::Conversation)
//! (`new`, `apply`), [`Message`](crate::model::Message) (`received`, `written`, `hear`),
//! [`Contact`](crate::model::Contact) (`learn`, `apply`), [`GroupChange`] and
//! [`OutboxRow::of`](crate::model::OutboxRow::of).

mod counter;
mod error;
mod feed;
mod group;
mod knowledge;
mod moves;
mod noun;
mod plugin;
mod search;
mod tool;
mod upkeep;
mod usage;

pub use counter::{COUNTER_DAYS_MAX, CounterFilter, CounterStore};
pub use error::{StoreError, StoreResult};
pub use feed::{FEED_BATCH_MAX, FeedClaim, FeedOutcome, FeedStore};
pub use group::{GROUP_BATCH_MAX, GroupChange, GroupStore};
pub use knowledge::{
    KNOWLEDGE_BATCH_MAX, KNOWLEDGE_HITS_MAX, KnowledgeFound, KnowledgeHit, KnowledgeQuery,
    KnowledgeStore, Meaning, SourceClaim, SourceHold, SourceNext, SourceReport, Unembedded,
};
pub use moves::{
    Accept, Accepted, CallClaim, CallFinish, ClaimOptions, EngineStore, Held, IdempotencyRecord,
    IdempotencyStart, LaneStats, OutsideMail, Post, QueueStats, SendClaim, SendOutcome, SendQuota,
    SendRecord, StatusOutcome, StatusRecord, TurnClaim, TurnCommit, TurnCommitted, TurnMessage,
    TurnRelease,
};
pub use noun::{
    AgentStore, ApiKeyStore, BusinessStore, ChannelStore, ContactStore, ConversationFilter,
    ConversationStore, EventStore, FlowStore, IdempotencyStore, MemberStore, MessageOrder,
    SessionStore,
};
pub use plugin::{
    KvSum, KvWrite, PLUGIN_BATCH_MAX, PLUGIN_KEYS_MAX, PluginDayFilter, PluginKeys,
    PluginReleaseKey, PluginStore, PluginWrite, check_lines, plugin_sum,
};
pub use search::{MessageFilter, SearchIndex};
pub use tool::ToolStore;
pub use upkeep::{
    LeaseStore, Retention, UPKEEP_LEASE, USAGE_KEPT_MIN, UpkeepOptions, UpkeepReport, UpkeepStore,
};
pub use usage::{USAGE_MODEL_MAX_BYTES, UsageEntry, UsageFilter, UsageHold, UsageStore};

/// Most mailbox entries that one claim of a conversation carries.
pub const TURN_ENTRIES_MAX: usize = 64;

/// Everything a platform remembers.
pub trait Store:
    AgentStore
    + ApiKeyStore
    + BusinessStore
    + ChannelStore
    + ContactStore
    + ConversationStore
    + CounterStore
    + EngineStore
    + EventStore
    + FeedStore
    + FlowStore
    + GroupStore
    + IdempotencyStore
    + KnowledgeStore
    + LeaseStore
    + MemberStore
    + PluginStore
    + SearchIndex
    + SessionStore
    + ToolStore
    + UpkeepStore
    + UsageStore
{
}

impl<S> Store for S where
    S: AgentStore
        + ApiKeyStore
        + BusinessStore
        + ChannelStore
        + ContactStore
        + ConversationStore
        + CounterStore
        + EngineStore
        + EventStore
        + FeedStore
        + FlowStore
        + GroupStore
        + IdempotencyStore
        + KnowledgeStore
        + LeaseStore
        + MemberStore
        + PluginStore
        + SearchIndex
        + SessionStore
        + ToolStore
        + UpkeepStore
        + UsageStore
{
}
