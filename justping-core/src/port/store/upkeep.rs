use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreResult;
use crate::model::{Cursor, Timestamp, WorkerId};

/// The lease under which a process does the upkeep of everybody.
pub const UPKEEP_LEASE: &str = "upkeep";

/// One day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long days of usage are kept at least: the budget of a month is judged by them.
pub const USAGE_KEPT_MIN: Duration = Duration::from_secs(62 * 24 * 60 * 60);

/// Leases by name: who may do what only one process may do at a time.
///
/// # Contract
/// A lease is held by one worker until its moment, by the clocks of those who ask. Clocks differ,
/// and a worker may sleep past its moment without noticing: that it holds a lease is therefore
/// only a reason to begin. What proves it is the fence, which every new holding raises, and which
/// a move that must not happen twice compares inside its own transaction.
///
/// # Ordering & idempotency
/// Of workers that ask at the same time one gets it. To ask again while holding it extends it under
/// the same fence.
#[async_trait]
pub trait LeaseStore: Send + Sync + Debug + 'static {
    /// Takes a lease that is free or ran out, or extends one that the worker holds; its fence, or
    /// `None` while another worker holds it.
    async fn take_lease(
        &self,
        name: &str,
        worker: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Option<u64>>;

    /// Gives a lease back before its moment. One that somebody else has taken since stays.
    async fn release_lease(&self, name: &str, fence: u64) -> StoreResult<()>;
}

/// How long things are kept; `None` is for ever.
///
/// By default everything that customers said and heard is kept for ever, and what only serves the
/// platform's own bookkeeping goes when nobody can ask for it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Messages. Only stores that keep them in parts by month can let them go: a month is put aside
    /// as a whole, once its last message is older than this.
    pub messages: Option<Duration>,
    /// Stored events. The newest of a business stays, however old it is.
    pub events: Option<Duration>,
    /// What providers call messages. Without it a message that a provider repeats is new again,
    /// and news that carries no key of ours finds no message.
    pub references: Option<Duration>,
    /// News of messages that nobody ever named.
    pub parked: Option<Duration>,
    /// Answers to requests that carried an idempotency key.
    pub requests: Option<Duration>,
    /// Daily counters.
    pub counters: Option<Duration>,
    /// Lines of plugins' logs.
    pub plugin_lines: Option<Duration>,
    /// What plugins took, by day.
    pub plugin_days: Option<Duration>,
    /// What models were used for, by day; at least [`USAGE_KEPT_MIN`], as months have budgets.
    pub usage: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            messages: None,
            events: Some(90 * DAY),
            references: Some(90 * DAY),
            parked: Some(30 * DAY),
            requests: Some(DAY),
            counters: Some(5 * 366 * DAY),
            plugin_lines: Some(90 * DAY),
            plugin_days: Some(5 * 366 * DAY),
            usage: Some(5 * 366 * DAY),
        }
    }
}

impl Retention {
    /// The moment before which days of usage go.
    pub fn usage_before(&self, now: Timestamp) -> Option<Timestamp> {
        Self::before(self.usage.map(|kept| kept.max(USAGE_KEPT_MIN)), now)
    }

    /// The moment before which things go that are kept for a time, in whole seconds.
    pub fn before(kept: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
        let kept = i64::try_from(kept?.as_secs()).ok()?;
        Timestamp::from_second(now.as_second().checked_sub(kept)?).ok()
    }
}

/// One move of the upkeep.
#[derive(Debug, Clone, PartialEq)]
pub struct UpkeepOptions {
    /// The fence of [`UPKEEP_LEASE`].
    pub fence: u64,
    /// The present moment.
    pub now: Timestamp,
    /// How long things are kept.
    pub keep: Retention,
    /// About how many rows of a kind one move looks at and removes.
    pub limit: u32,
    /// Where the move before stopped; `None` for the first.
    pub after: Option<Cursor>,
}

/// What a move of the upkeep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpkeepReport {
    /// Months of messages that were prepared.
    pub months_made: u64,
    /// Months of messages that were put aside.
    pub months_detached: u64,
    /// Months that should go, but hold messages on which work still waits.
    pub months_held: u64,
    /// Answered requests that were forgotten.
    pub requests: u64,
    /// Parked news that was dropped.
    pub parked: u64,
    /// Names of received messages that were forgotten.
    pub received: u64,
    /// Names of sent messages that were forgotten.
    pub sent: u64,
    /// Events that were dropped.
    pub events: u64,
    /// Counters that were dropped.
    pub counters: u64,
    /// Values of plugins that were over.
    pub plugin_values: u64,
    /// Lines of plugins' logs that were dropped.
    pub plugin_lines: u64,
    /// Days of plugins that were dropped.
    pub plugin_days: u64,
    /// Days of usage that were dropped.
    pub usage_days: u64,
    /// Memberships of deleted groups that were dropped.
    pub memberships: u64,
    /// Where the next move goes on; `None` when all is done.
    pub next: Option<Cursor>,
}

impl UpkeepReport {
    /// Adds what the next move did.
    pub fn add(&mut self, more: Self) {
        self.months_made += more.months_made;
        self.months_detached += more.months_detached;
        self.months_held += more.months_held;
        self.requests += more.requests;
        self.parked += more.parked;
        self.received += more.received;
        self.sent += more.sent;
        self.events += more.events;
        self.counters += more.counters;
        self.plugin_values += more.plugin_values;
        self.plugin_lines += more.plugin_lines;
        self.plugin_days += more.plugin_days;
        self.usage_days += more.usage_days;
        self.memberships += more.memberships;
        self.next = more.next;
    }
}

/// Prepares what will be needed and removes what nobody needs any more.
#[async_trait]
pub trait UpkeepStore: Send + Sync + Debug + 'static {
    /// Does a bounded part of it, of every business.
    /// [`Stale`](super::StoreError::Stale) when the lease was taken by somebody else: then nothing
    /// changes. Several at once under one fence are harmless: each row goes once.
    async fn upkeep(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport>;
}
