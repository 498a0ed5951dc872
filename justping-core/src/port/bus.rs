use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Event, Topic};

/// Why a subscriber did not get an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// It read too slowly, or a way between processes broke; this many events passed by, or more
    /// where nobody could count them. Read them from the store and go on.
    #[error("{0} events were missed")]
    Missed(u64),
    /// The bus is gone.
    #[error("the bus is closed")]
    Closed,
}

/// Carries events to whoever listens now. Truth is in the store: an event may be missed, and the
/// subscriber is told so.
///
/// # Ordering
/// Events of one conversation arrive in the order in which they were published by one process;
/// between processes `seq` tells the order of messages.
///
/// # Implementing
/// Publishing never waits for a subscriber; a slow one gets [`BusError::Missed`].
#[async_trait]
pub trait EventBus: Send + Sync + Debug + 'static {
    /// Hands events to all present subscribers of their topics.
    async fn publish(&self, events: Vec<Event>);

    /// Starts listening; hears what is published from now on.
    fn subscribe(&self, topic: Topic) -> Box<dyn Subscription>;
}

/// One listener.
#[async_trait]
pub trait Subscription: Send + Debug {
    /// Waits for the next event. Safe to cancel: no event is lost by it.
    ///
    /// # Errors
    /// [`BusError::Missed`] when events passed by; [`BusError::Closed`] when no more will come.
    async fn next(&mut self) -> Result<Arc<Event>, BusError>;
}
