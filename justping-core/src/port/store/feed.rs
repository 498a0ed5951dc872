use std::fmt::Debug;

use async_trait::async_trait;

use super::{StoreError, StoreResult};
use crate::model::Timestamp;
use crate::port::{FeedEvent, FeedName, SUBSCRIPTION_NAME_MAX_BYTES};

/// Most events of one batch of a feed.
pub const FEED_BATCH_MAX: u32 = 200;

/// Events of a feed, leased.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedClaim {
    /// The next events, in order; at least one.
    pub events: Vec<FeedEvent>,
    /// How often their telling has begun without an end before.
    pub failures: u32,
    /// Proves the lease.
    pub fence: u64,
}

/// How the telling of events ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedOutcome {
    /// Everything up to this number was told, or given up.
    Told(u64),
    /// It was not taken; again then.
    Again(Timestamp),
}

/// Feeds: how far each subscriber has heard the stored events of a business.
///
/// # Contract
/// - A feed begins at the newest event of the moment it is first asked for.
/// - A claim leases a feed to one process; it gives the next events in the order of their commits,
///   without a gap. After a claim that came to no good end it gives one event only, so that an event
///   nobody can take is found.
/// - A claim counts as a failure until [`FeedOutcome::Told`] is recorded: a process that dies leaves it
///   so.
///
/// # Ordering & idempotency
/// The numbers of events are given out under a lock of their business that is held until the commit:
/// whoever sees an event sees all that have a smaller number.
///
/// # Errors
/// A business that does not exist is [`NotFound`](super::StoreError::NotFound), a name that is empty or
/// too long is [`Invalid`](super::StoreError::Invalid), a lease that is over and was taken by
/// somebody else is [`Stale`](super::StoreError::Stale).
#[async_trait]
pub trait FeedStore: Send + Sync + Debug + 'static {
    /// Leases a feed until `until` and gives its next events, at most `limit`; `None` when there are
    /// none, it waits, or somebody else has it.
    async fn claim_feed(
        &self,
        feed: &FeedName,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<FeedClaim>>;

    /// Ends a lease.
    async fn record_feed(
        &self,
        feed: &FeedName,
        fence: u64,
        outcome: FeedOutcome,
    ) -> StoreResult<()>;

    /// Forgets a feed, if it is there: asked for again, it begins anew.
    async fn close_feed(&self, feed: &FeedName) -> StoreResult<()>;
}

impl FeedName {
    /// Refuses a name that is empty or too long.
    pub fn check(&self) -> StoreResult<()> {
        if (1..=SUBSCRIPTION_NAME_MAX_BYTES).contains(&self.name.len()) {
            Ok(())
        } else {
            Err(StoreError::Invalid("feed"))
        }
    }
}
