use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, Event};

/// Most bytes of the name of a subscription.
pub const SUBSCRIPTION_NAME_MAX_BYTES: usize = 128;

/// Who hears the events of a business, under a name that stays: the feed remembers under it how far
/// it got.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedName {
    /// The business.
    pub business_id: BusinessId,
    /// The name, such as `plugin.plg_…`; 1 to [`SUBSCRIPTION_NAME_MAX_BYTES`] bytes.
    pub name: String,
}

/// An event of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEvent {
    /// Its place among the stored events of its business: 1, 2, 3 … The same whenever it is told
    /// again; with the business, it is the event's id.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// Events were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SubscriberError {
    /// Why, for people.
    pub detail: String,
    /// When the same events may be taken; without it, the wait grows with each failure.
    pub retry_after: Option<Duration>,
}

/// Hears what happened: every stored event of a business, however often processes die.
///
/// # Contract
/// - What [`feeds`](Self::feeds) names is told from the moment it is first seen on; what is no longer
///   named is not told, and goes on where it stopped when it is named again.
/// - [`handle`](Self::handle) takes all of its events or fails: after a failure the same ones are told
///   again, one at a time. An event that fails over and over is given up
///   ([`FEED_TRIES_MAX`](crate::engine::FEED_TRIES_MAX)) and the next one is told.
/// - Told are the events that stores keep ([`EventBody::is_stored`](crate::model::EventBody::is_stored)),
///   for as long as they keep them: who is away for longer than that misses some.
///
/// # Ordering and idempotency
/// Events of one feed come in the order of their commits, one batch after the other, from one process
/// at a time. Each comes at least once: a process that dies between handling and remembering tells
/// again. Whoever must not do something twice remembers [`FeedEvent::number`].
///
/// # Cancellation
/// A dropped `handle` is a failure that nobody recorded: its events are told again once the lease is
/// over. The engine drops it when the lease ends.
///
/// # Errors
/// [`SubscriberError`]; the events are told again.
///
/// # Implementing
/// See [`memory::MemorySubscriber`](crate::memory::MemorySubscriber) for the smallest one.
#[async_trait]
pub trait EventSubscriber: Send + Sync + Debug + 'static {
    /// The feeds there are now. Asked at each look for events: it costs no more than a look in memory.
    fn feeds(&self) -> Vec<FeedName>;

    /// Says whether a feed is to hear an event; the others are passed over.
    fn wants(&self, feed: &FeedName, event: &Event) -> bool;

    /// Takes events, in their order.
    async fn handle(&self, feed: &FeedName, events: &[FeedEvent]) -> Result<(), SubscriberError>;

    /// Hears that an event was given up, and why.
    async fn gave_up(&self, feed: &FeedName, event: &FeedEvent, detail: &str);
}
