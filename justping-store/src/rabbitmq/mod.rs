//! Work handed out through RabbitMQ.
//!
//! # Topology
//! Each queue of ours is a handful of quorum queues: one a lane, one for the dead, and one for each
//! length of delay, whose messages go back into their lane when their time is over. Every message is
//! published with a confirm.

mod broker;
mod config;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use justping_core::port::{
    Clock, DeadItem, Delivery, ItemLease, Published, Queue, QueueError, QueueItem, QueueLengths,
    QueueResult, Settled, check_items,
};
use tokio::sync::Mutex;

use self::broker::Broker;
pub use self::config::{LIVE_MAX_DEFAULT, PATIENCE_DEFAULT, RabbitQueueConfig};
use self::session::Session;

/// Most items of one claim, and most dead items told or replayed at once.
pub const CLAIM_MAX: u32 = 1_000;

/// A queue in RabbitMQ.
///
/// # Where it knows less than others
/// - It knows no names: two items of one name are both given out. Whoever does the work has to see
///   that it is done.
/// - Publishing several items is one confirm each: after [`QueueError::Full`] some may be in.
/// - A delay is rounded up to a power of two milliseconds.
/// - Dead items are in the order of their deaths as long as there are at most [`CLAIM_MAX`].
/// - [`QueueLengths::leased`] counts what this process holds.
///
/// # Leases
/// The broker takes back what a process holds when its connection ends; what is held too long is
/// given back with the next claim. Both count as a death of its worker, which the broker counts.
pub struct RabbitQueue {
    clock: Arc<dyn Clock>,
    broker: Arc<Broker>,
    /// None before the first use and after a failure; what it held is the broker's again.
    session: Mutex<Option<Session>>,
}

impl fmt::Debug for RabbitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitQueue").finish_non_exhaustive()
    }
}

fn away(error: impl fmt::Display) -> QueueError {
    QueueError::Unavailable(error.to_string())
}

impl RabbitQueue {
    /// A queue; it connects when it is first used, and again whenever the connection broke. Needs a
    /// tokio runtime. `clock` dates the dead.
    pub fn new(config: RabbitQueueConfig, clock: Arc<dyn Clock>) -> Self {
        Self { clock, broker: Arc::new(Broker::new(config)), session: Mutex::default() }
    }

    /// The session, or a new one.
    async fn open(&self, kept: Option<Session>) -> QueueResult<Session> {
        match kept {
            Some(session) if session.stands() => Ok(session),
            _ => self.in_time(Session::open(Arc::clone(&self.broker))).await,
        }
    }

    /// Waits for an answer, but not for long.
    async fn in_time<T>(&self, answer: impl Future<Output = QueueResult<T>>) -> QueueResult<T> {
        let answer = tokio::time::timeout(self.broker.config.patience, answer).await;
        answer.unwrap_or_else(|_| Err(away("no answer in time")))
    }
}

/// Does something with the session, and keeps it unless it failed.
macro_rules! with_session {
    ($self:ident, |$session:ident| $answer:expr) => {{
        let mut place = $self.session.lock().await;
        let mut $session = $self.open(place.take()).await?;
        let answer = $self.in_time($answer).await;
        if !matches!(answer, Err(QueueError::Unavailable(_))) {
            *place = Some($session);
        }
        answer
    }};
}

#[async_trait]
impl Queue for RabbitQueue {
    async fn publish(&self, items: &[QueueItem]) -> QueueResult<Vec<Published>> {
        check_items(items)?;
        with_session!(self, |session| session.publish(items))
    }

    async fn claim(&self, limit: u32) -> QueueResult<Vec<Delivery>> {
        with_session!(self, |session| session.claim(limit.min(CLAIM_MAX)))
    }

    async fn ack(&self, leases: &[ItemLease]) -> QueueResult<Vec<Settled>> {
        with_session!(self, |session| session.ack(leases))
    }

    async fn retry(&self, lease: &ItemLease, after: Duration) -> QueueResult<Settled> {
        with_session!(self, |session| session.retry(lease, after))
    }

    async fn bury(&self, lease: &ItemLease, reason: &str) -> QueueResult<Settled> {
        let now = self.clock.now();
        with_session!(self, |session| session.bury(lease, reason, now))
    }

    async fn dead(&self, limit: u32) -> QueueResult<Vec<DeadItem>> {
        with_session!(self, |session| session.dead(limit))
    }

    async fn replay(&self, limit: u32) -> QueueResult<u64> {
        with_session!(self, |session| session.replay(limit.min(CLAIM_MAX)))
    }

    async fn lengths(&self) -> QueueResult<QueueLengths> {
        with_session!(self, |session| session.lengths())
    }
}
