use std::fmt::Debug;

use async_trait::async_trait;
use uuid::Uuid;

use super::{CounterFilter, StoreResult};
use crate::model::{
    AgentId, BudgetScope, BusinessCaps, BusinessId, ConversationId, Date, Spend, Timestamp,
    UsageCaps, UsageDay, UsageOwner,
};

/// Most bytes of a model's name that are kept.
pub const USAGE_MODEL_MAX_BYTES: usize = 200;

/// Room that an answer takes in budgets while it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHold {
    /// Names the hold; another one with the same id takes its place.
    pub id: Uuid,
    /// Whose budgets.
    pub owner: UsageOwner,
    /// Now.
    pub at: Timestamp,
    /// When it ends by itself, as its worker must have died.
    pub until: Timestamp,
    /// The most tokens it can take.
    pub tokens: u64,
    /// The most money it can take.
    pub micros: u64,
    /// The budgets.
    pub caps: UsageCaps,
}

/// What an answer took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEntry {
    /// The hold that it ends.
    pub hold: Uuid,
    /// Whose usage.
    pub owner: UsageOwner,
    /// When.
    pub at: Timestamp,
    /// The model, as the provider named it, at most [`USAGE_MODEL_MAX_BYTES`].
    pub model: String,
    /// What it took; nothing when there was no answer.
    pub spend: Spend,
}

/// Which usage is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageFilter {
    /// The first day, in UTC.
    pub from: Date,
    /// The last day; it is read too.
    pub to: Date,
    /// That of this agent; `None` is that of all.
    pub agent_id: Option<AgentId>,
}

impl UsageFilter {
    /// Refuses days as [`CounterFilter::check`] does.
    pub fn check(&self) -> StoreResult<()> {
        CounterFilter { from: self.from, to: self.to, channel_id: None }.check()
    }
}

/// Accounts of what models cost, and the budgets they must keep.
///
/// # Contract
/// - An answer is allowed while every budget has room for what is spent and held
///   ([`UsageCaps::exceeded`]); then it holds the most it can take until its entry is made. So what
///   is spent never exceeds a budget by more than one answer, however many are made at once, as long
///   as no answer takes more than it held.
/// - [`hold_usage`](Self::hold_usage) of one business are judged one after another.
/// - A hold that is over ([`UsageHold::until`]) holds nothing.
/// - Entries add up; one without any spend only ends its hold.
///
/// # Ordering and idempotency
/// Days come in order, then agents (none first), then models by name. An entry made twice counts
/// twice: money that was spent twice is.
#[async_trait]
pub trait UsageStore: Send + Sync + Debug + 'static {
    /// Asks for room: `None` grants it, else the budget that has none.
    async fn hold_usage(&self, hold: &UsageHold) -> StoreResult<Option<BudgetScope>>;

    /// Enters what an answer took and ends its hold.
    async fn enter_usage(&self, entry: &UsageEntry) -> StoreResult<()>;

    /// What a business lets be spent; nothing is limited until somebody says so.
    async fn business_caps(&self, business: BusinessId) -> StoreResult<BusinessCaps>;

    /// Says what a business lets be spent.
    async fn set_business_caps(&self, business: BusinessId, caps: &BusinessCaps)
    -> StoreResult<()>;

    /// What was used by day, agent and model.
    async fn usage(&self, business: BusinessId, filter: &UsageFilter)
    -> StoreResult<Vec<UsageDay>>;

    /// What a conversation has used; nothing when there is none.
    async fn conversation_usage(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Spend>;
}
