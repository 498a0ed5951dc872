//! Hints for other processes: what was committed here is worth a look there.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

use super::JustPing;
use crate::model::{Direction, Event, EventBody, Lane, Topic};
use crate::port::{Delivery, EventBus, ItemLease, Queue, QueueItem, Subscription};

/// Hints that wait to be handed over; beyond it they are dropped, and the store is polled.
pub const HINTS_MAX: usize = 8_192;
/// Hints handed over in one call.
const HINTS_PER_CALL: usize = 256;
/// Hints one process takes at once: few, so that others get some.
const HINTS_PER_CLAIM: u32 = 8;
/// Shortest and longest rest of a process that found no hints.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
/// Rest after the queue failed.
const REST_AWAY: Duration = Duration::from_secs(1);

/// Tells other processes through a [`Queue`] that there is work in the store.
///
/// What travels is a hint, never the work: which business and conversation, and whether it is a turn
/// or a send. Whoever takes the hint claims from the store as ever, with lease and fence. So a hint
/// may be lost, come twice or come to the wrong one, and only time is lost: every process also looks
/// by itself each [`EngineConfig::poll`](super::EngineConfig::poll).
///
/// A hint is acknowledged before the work is looked for. Whatever is committed while the hint of the
/// same conversation still counts as a duplicate is therefore seen by that look.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// use justping_core::engine::Relay;
/// use justping_core::memory::{MemoryBus, MemoryQueue};
/// use justping_core::system::SystemClock;
///
/// let clock = Arc::new(SystemClock::new());
/// let queue = Arc::new(MemoryQueue::new(clock, Duration::from_secs(30)));
/// let relay = Relay::new(Arc::new(MemoryBus::new()), queue);
/// // The engine publishes on this bus; `relay.tell` and `relay.hear` run beside it.
/// let builder = justping_core::JustPing::builder().bus(relay.bus());
/// # drop(builder);
/// ```
#[derive(Debug)]
pub struct Relay {
    bus: Arc<HintingBus>,
    queue: Arc<dyn Queue>,
    hints: Mutex<mpsc::Receiver<QueueItem>>,
}

impl Relay {
    /// A relay for an engine whose events go to `bus`.
    pub fn new(bus: Arc<dyn EventBus>, queue: Arc<dyn Queue>) -> Self {
        let (sender, hints) = mpsc::channel(HINTS_MAX);
        Self { bus: Arc::new(HintingBus { bus, hints: sender }), queue, hints: Mutex::new(hints) }
    }

    /// The bus to give to the engine: every committed fact passes it.
    pub fn bus(&self) -> Arc<dyn EventBus> {
        Arc::clone(&self.bus) as _
    }

    /// Hands over hints of what this process committed, until `shutdown` is ready.
    pub async fn tell(&self, shutdown: impl Future<Output = ()> + Send) {
        let telling = async {
            let mut hints = self.hints.lock().await;
            let mut batch = Vec::with_capacity(HINTS_PER_CALL);
            while hints.recv_many(&mut batch, HINTS_PER_CALL).await > 0 {
                if let Err(error) = self.queue.publish(&batch).await {
                    tracing::debug!(%error, hints = batch.len(), "hints were dropped");
                }
                batch.clear();
            }
        };
        tokio::select! {
            () = telling => {}
            () = shutdown => {}
        }
    }

    /// Takes hints and lets `engine` look for the work, until `shutdown` is ready.
    pub async fn hear(&self, engine: &JustPing, shutdown: impl Future<Output = ()> + Send) {
        let hearing = async {
            let mut rest = REST.0;
            loop {
                rest = self.hear_once(engine, rest).await;
                let until = engine.later(rest);
                engine.clock().sleep_until(until).await;
            }
        };
        tokio::select! {
            () = hearing => {}
            () = shutdown => {}
        }
    }

    /// Takes what there is and returns how long to rest.
    async fn hear_once(&self, engine: &JustPing, rest: Duration) -> Duration {
        let hints = match self.queue.claim(HINTS_PER_CLAIM).await {
            Ok(hints) if hints.is_empty() => return (rest * 2).min(REST.1),
            Ok(hints) => hints,
            Err(error) => {
                tracing::debug!(%error, "no hints");
                return REST_AWAY;
            }
        };
        let leases: Vec<ItemLease> = hints.iter().map(|hint| hint.lease.clone()).collect();
        if let Err(error) = self.queue.ack(&leases).await {
            // They come again, to somebody; looking now does no harm.
            tracing::debug!(%error, "hints were not acknowledged");
        }
        for work in hints.iter().filter_map(Work::read) {
            engine.look_for(work);
        }
        REST.0
    }
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Turns,
    Sends,
}

impl Work {
    /// What follows from a fact.
    fn of(event: &Event) -> Option<Self> {
        match &event.body {
            EventBody::MessageNew { message } => match message.direction {
                Direction::Inbound => Some(Self::Turns),
                Direction::Outbound => Some(Self::Sends),
                Direction::Note => None,
            },
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Turns => "turns",
            Self::Sends => "sends",
        }
    }

    fn read(hint: &Delivery) -> Option<Self> {
        [Self::Turns, Self::Sends].into_iter().find(|work| work.name().as_bytes() == hint.item.body)
    }

    fn hint(self, event: &Event) -> Option<QueueItem> {
        let name = self.name();
        Some(QueueItem {
            business_id: event.business_id,
            id: format!("{name}:{}", event.conversation_id?),
            lane: Lane::Interactive,
            body: name.as_bytes().to_vec(),
        })
    }
}

impl JustPing {
    fn look_for(&self, work: Work) {
        match work {
            Work::Turns => self.inner.wake.turns.notify_one(),
            Work::Sends => self.inner.wake.sends.notify_one(),
        }
    }
}

/// A bus that makes hints of what passes. Never waits.
#[derive(Debug)]
struct HintingBus {
    bus: Arc<dyn EventBus>,
    hints: mpsc::Sender<QueueItem>,
}

#[async_trait]
impl EventBus for HintingBus {
    async fn publish(&self, events: Vec<Event>) {
        for event in &events {
            if let Some(hint) = Work::of(event).and_then(|work| work.hint(event)) {
                // Beyond the bound the store is polled.
                let _ = self.hints.try_send(hint);
            }
        }
        self.bus.publish(events).await;
    }

    fn subscribe(&self, topic: Topic) -> Box<dyn Subscription> {
        self.bus.subscribe(topic)
    }
}
