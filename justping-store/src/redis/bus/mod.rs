//! Events across processes.

mod listen;
mod speak;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use justping_core::memory::MemoryBus;
use justping_core::model::{Event, Topic};
use justping_core::port::{BusError, Entropy, EventBus, Subscription};
use justping_core::system::SystemEntropy;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::RedisLink;

pub use speak::{OUTGOING_MAX, PER_MESSAGE_MAX};

/// A bus over all processes that share a Redis.
///
/// # Delivery
/// Listeners of the same process hear an event at once and exactly once, whether Redis is there or
/// not. The others hear it through one channel that every process listens to with one connection;
/// an event of a business nobody listens to here is dropped unread.
///
/// # Gaps
/// When the connection was lost, or more was published than Redis took ([`OUTGOING_MAX`]), events
/// are missed elsewhere. Each listener there is told with [`BusError::Missed`] after the connection
/// is back, so that what it reads from the store is complete. The number is 1: nobody counted.
#[derive(Debug)]
pub struct RedisBus {
    pub(super) shared: Arc<Shared>,
    outgoing: mpsc::Sender<Arc<Event>>,
    tasks: [AbortHandle; 2],
}

#[derive(Debug)]
pub(super) struct Shared {
    link: RedisLink,
    pub(super) channel: String,
    /// Marks what this process published itself.
    own: Uuid,
    local: MemoryBus,
    /// How often events of other processes were missed.
    gaps: watch::Sender<u64>,
    /// Events that the others have not been told they missed.
    pub(super) unsaid: AtomicU64,
    /// How often a connection began to listen.
    listening: watch::Sender<u64>,
}

impl RedisBus {
    /// A bus behind a link; needs a tokio runtime. Returns when it listens, or when Redis has had
    /// the link's patience to let it: it then goes on trying.
    pub async fn open(link: RedisLink) -> Self {
        let mut own = [0; 16];
        SystemEntropy.fill(&mut own);
        let shared = Arc::new(Shared {
            channel: format!("{}:events", link.prefix()),
            own: Uuid::from_bytes(own),
            local: MemoryBus::new(),
            gaps: watch::Sender::new(0),
            unsaid: AtomicU64::new(0),
            listening: watch::Sender::new(0),
            link,
        });
        let (outgoing, queued) = mpsc::channel(OUTGOING_MAX);
        let mut listening = shared.listening.subscribe();
        let tasks = [
            tokio::spawn(listen::listen(Arc::clone(&shared))).abort_handle(),
            tokio::spawn(speak::speak(Arc::clone(&shared), queued)).abort_handle(),
        ];
        let listens = listening.wait_for(|times| *times > 0);
        // In vain when Redis is away, which the log says.
        drop(tokio::time::timeout(shared.link.patience(), listens).await);
        Self { shared, outgoing, tasks }
    }
}

impl Shared {
    /// Tells every present listener that it missed something.
    fn miss(&self) {
        self.gaps.send_modify(|gaps| *gaps += 1);
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl EventBus for RedisBus {
    async fn publish(&self, events: Vec<Event>) {
        for event in events.into_iter().map(Arc::new) {
            self.shared.local.share(&event);
            if self.outgoing.try_send(event).is_err() {
                self.shared.unsaid.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn subscribe(&self, topic: Topic) -> Box<dyn Subscription> {
        let gaps = self.shared.gaps.subscribe();
        Box::new(RedisSubscription { gaps, events: self.shared.local.subscribe(topic) })
    }
}

#[derive(Debug)]
struct RedisSubscription {
    gaps: watch::Receiver<u64>,
    events: Box<dyn Subscription>,
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self) -> Result<Arc<Event>, BusError> {
        tokio::select! {
            biased;
            gap = self.gaps.changed() => match gap {
                Ok(()) => Err(BusError::Missed(1)),
                Err(_) => Err(BusError::Closed),
            },
            event = self.events.next() => event,
        }
    }
}
