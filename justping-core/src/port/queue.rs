use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, Lane, Timestamp};

/// How many workers an item may outlive: when that many died holding it, it is buried.
pub const QUEUE_DEATHS_MAX: u32 = 3;
/// Most bytes of an item's body. Large things are in the store; the item names them.
pub const ITEM_BYTES_MAX: usize = 64 * 1_024;
/// Most bytes of an item's id.
pub const ITEM_ID_BYTES_MAX: usize = 128;
/// Most items of one call.
pub const ITEMS_PER_CALL_MAX: usize = 1_000;
/// Of a claim, one place in this many is kept for each lane that is less urgent, when that lane has
/// items: urgent work goes first, but never alone.
pub const LANE_SHARE: u32 = 8;
/// Longest wait before an item comes back.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the queue did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It does not answer; nothing is known about what was asked. Try again later.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// It is full; nothing was published.
    #[error("the queue is full")]
    Full,
    /// An id, a body or their number is beyond its limit; nothing was published.
    #[error("too much for the queue")]
    TooLarge,
}

/// What a queue returns.
pub type QueueResult<T> = Result<T, QueueError>;

/// A piece of work for whoever comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueItem {
    /// The business it is done for.
    pub business_id: BusinessId,
    /// Its name within the business: while one waits or is being done, another of the same name is
    /// a duplicate.
    pub id: String,
    /// How urgent it is.
    pub lane: Lane,
    /// What to do.
    pub body: Vec<u8>,
}

/// What became of an item that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It waits.
    New,
    /// Another of the same name waits or is being done.
    Duplicate,
}

/// Proves that one worker holds an item. Only the queue that gave it can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemLease(pub String);

/// An item that one worker holds until its lease runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The item.
    pub item: QueueItem,
    /// How often it was given to a worker, this time included.
    pub attempt: u32,
    /// Proves the lease.
    pub lease: ItemLease,
}

/// What became of an answer about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is so.
    Done,
    /// The lease ran out and the item is somebody else's; nothing changed.
    Stale,
}

/// An item nobody could do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadItem {
    /// The item.
    pub item: QueueItem,
    /// Why it was given up.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// How many items there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLengths {
    /// Those that wait, by [`Lane::rank`].
    pub ready: [u64; 3],
    /// Those that come back later.
    pub delayed: u64,
    /// Those that workers hold.
    pub leased: u64,
    /// Those that were given up.
    pub dead: u64,
}

impl QueueLengths {
    /// All that are still to be done.
    pub fn live(&self) -> u64 {
        self.ready.iter().sum::<u64>() + self.delayed + self.leased
    }
}

/// Hands work to whichever machine is free. The work itself is in the store: a queue may be lost
/// with everything in it, and then only time is lost.
///
/// # Contract
/// - An item that was published is given out at least once, until it is acknowledged or buried. How
///   long one worker may hold it is set when the queue is opened.
/// - An item whose worker died, which its lease tells, is given to another one; after
///   [`QUEUE_DEATHS_MAX`] deaths it is buried, because it may be what kills them.
/// - A queue has a bound and refuses what is beyond it; it never drops an item that waits or is
///   held. Of dead items the oldest go.
///
/// # Ordering & idempotency
/// More urgent lanes first, within [`LANE_SHARE`]; about in the order of publishing within a lane.
/// Items may be given out twice, so doing one twice must be harmless.
///
/// # Cancellation
/// A dropped call may or may not have happened: items claimed by it come back when their lease
/// runs out.
///
/// # Errors
/// After [`QueueError::Unavailable`] nothing is known; after the others nothing happened.
#[async_trait]
pub trait Queue: Send + Sync + Debug + 'static {
    /// Adds items, all or none; tells for each whether it is new.
    async fn publish(&self, items: &[QueueItem]) -> QueueResult<Vec<Published>>;

    /// Takes at most `limit` items, without waiting for any.
    async fn claim(&self, limit: u32) -> QueueResult<Vec<Delivery>>;

    /// The items were done.
    async fn ack(&self, leases: &[ItemLease]) -> QueueResult<Vec<Settled>>;

    /// The item is to be tried again, not before this time has passed. That is no death.
    async fn retry(&self, lease: &ItemLease, after: Duration) -> QueueResult<Settled>;

    /// The item cannot be done.
    async fn bury(&self, lease: &ItemLease, reason: &str) -> QueueResult<Settled>;

    /// Dead items, the oldest first.
    async fn dead(&self, limit: u32) -> QueueResult<Vec<DeadItem>>;

    /// Gives the oldest dead items another life, as if they had just been published; how many.
    async fn replay(&self, limit: u32) -> QueueResult<u64>;

    /// How many items there are.
    async fn lengths(&self) -> QueueResult<QueueLengths>;
}

/// Says whether items keep the limits; for those who implement [`Queue`].
///
/// # Errors
/// [`QueueError::TooLarge`] when they do not.
pub fn check_items(items: &[QueueItem]) -> QueueResult<()> {
    let fits =
        |item: &QueueItem| item.id.len() <= ITEM_ID_BYTES_MAX && item.body.len() <= ITEM_BYTES_MAX;
    if items.len() <= ITEMS_PER_CALL_MAX && items.iter().all(fits) {
        return Ok(());
    }
    Err(QueueError::TooLarge)
}

/// How many items a claim takes from each lane, given how many wait there; for those who implement
/// [`Queue`].
pub fn share_lanes(limit: u32, ready: [u64; 3]) -> [u64; 3] {
    let limit = u64::from(limit);
    let least = limit / u64::from(LANE_SHARE);
    let [first, second, third] = ready;
    let kept_third = third.min(least);
    let kept_second = second.min(least);
    let first = first.min(limit - kept_second - kept_third);
    let second = second.min(limit - first - kept_third);
    [first, second, third.min(limit - first - second)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_lanes_go_first_but_never_alone() {
        assert_eq!(share_lanes(80, [100, 100, 100]), [60, 10, 10]);
        assert_eq!(share_lanes(80, [100, 0, 0]), [80, 0, 0]);
        assert_eq!(share_lanes(80, [0, 0, 100]), [0, 0, 80]);
        assert_eq!(share_lanes(80, [10, 100, 3]), [10, 67, 3]);
        assert_eq!(share_lanes(1, [1, 1, 1]), [1, 0, 0]);
        assert_eq!(share_lanes(0, [1, 1, 1]), [0, 0, 0]);
        assert_eq!(share_lanes(u32::MAX, [u64::MAX, 0, 1])[2], 1);
    }
}
