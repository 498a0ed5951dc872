use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::super::tests::Puppet;
use super::*;
use crate::engine::EngineConfig;
use crate::memory::{MemoryBus, MemoryQueue, MemoryStore};
use crate::model::{Content, Identity, Inbound, InboundMessage};
use crate::port::{
    DeadItem, FlowRuntime, Published, QueueError, QueueLengths, QueueResult, Settled, Store,
};
use crate::stage::Stage;
use crate::system::SystemClock;

/// Longest wait for what must come. Reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a test takes.
const NEVER: Duration = Duration::from_secs(3_600);

/// A queue that is not there.
#[derive(Debug)]
struct NoQueue;

#[async_trait]
impl Queue for NoQueue {
    async fn publish(&self, _: &[QueueItem]) -> QueueResult<Vec<Published>> {
        away()
    }

    async fn claim(&self, _: u32) -> QueueResult<Vec<Delivery>> {
        away()
    }

    async fn ack(&self, _: &[ItemLease]) -> QueueResult<Vec<Settled>> {
        away()
    }

    async fn retry(&self, _: &ItemLease, _: Duration) -> QueueResult<Settled> {
        away()
    }

    async fn bury(&self, _: &ItemLease, _: &str) -> QueueResult<Settled> {
        away()
    }

    async fn dead(&self, _: u32) -> QueueResult<Vec<DeadItem>> {
        away()
    }

    async fn replay(&self, _: u32) -> QueueResult<u64> {
        away()
    }

    async fn lengths(&self) -> QueueResult<QueueLengths> {
        away()
    }
}

fn away<T>() -> QueueResult<T> {
    Err(QueueError::Unavailable("it is not there".to_owned()))
}

/// Two processes over one store: one only takes webhooks, the other only works.
struct Fleet {
    stage: Stage,
    front: JustPing,
    worker: JustPing,
    relays: [Arc<Relay>; 2],
    stop: watch::Sender<()>,
}

impl Fleet {
    async fn on(queue: Arc<dyn Queue>, poll: Duration) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let flows: Arc<dyn FlowRuntime> = Arc::new(Puppet);
        let stage = Stage::builder(Arc::clone(&flows)).store(Arc::clone(&store));
        let stage = stage.open(&[json!({})]).await.unwrap();
        let relay = || Arc::new(Relay::new(Arc::new(MemoryBus::new()), Arc::clone(&queue)));
        let relays = [relay(), relay()];
        let engine = |relay: &Relay| {
            let config = EngineConfig { poll, ..EngineConfig::default() };
            let builder = JustPing::builder().store(Arc::clone(&store)).flows(Arc::clone(&flows));
            let builder = builder.provider(Arc::clone(stage.provider()) as _);
            builder.bus(relay.bus()).config(config).build().unwrap()
        };
        let (front, worker) = (engine(&relays[0]), engine(&relays[1]));
        Self { front, worker, relays, stop: watch::Sender::new(()), stage }
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stop.subscribe();
        async move { drop(stopped.changed().await) }
    }

    /// Starts the worker and the relays; the front never works.
    fn start(&self) -> tokio::task::JoinSet<()> {
        let mut tasks = tokio::task::JoinSet::new();
        let (worker, stopped) = (self.worker.clone(), self.stopped());
        tasks.spawn(async move { worker.run(stopped).await });
        for relay in &self.relays {
            let (relay, stopped) = (Arc::clone(relay), self.stopped());
            tasks.spawn(async move { relay.tell(stopped).await });
        }
        let (relay, worker) = (Arc::clone(&self.relays[1]), self.worker.clone());
        let stopped = self.stopped();
        tasks.spawn(async move { relay.hear(&worker, stopped).await });
        tasks
    }

    async fn hear(&self, contact: &str, text: &str) {
        let message = InboundMessage {
            provider_ref: format!("{contact} {text}"),
            from: vec![Identity::new(crate::model::ChannelKind::MEMORY, contact)],
            name: None,
            content: Content::text(text),
            reply_to: None,
            sent_at: None,
        };
        let news = vec![Inbound::Message(message)];
        self.front.receive(self.stage.business(), self.stage.channel(), news).await.unwrap();
    }

    async fn until_sent(&self, count: usize) {
        let channel = self.stage.provider().channel(self.stage.channel());
        let sent = async {
            while channel.sent().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, sent).await.expect("the replies come");
        assert_eq!(channel.sent().len(), count);
    }
}

fn memory() -> Arc<MemoryQueue> {
    Arc::new(MemoryQueue::new(Arc::new(SystemClock::new()), NEVER))
}

#[tokio::test]
async fn a_hint_brings_work_to_another_process() {
    let queue = memory();
    let fleet = Fleet::on(Arc::clone(&queue) as _, NEVER).await;
    let mut tasks = fleet.start();
    // The worker's first look finds nothing, and by itself it never looks again.
    fleet.hear("ann", "a").await;
    fleet.until_sent(1).await;
    for n in 0..50 {
        fleet.hear(&format!("contact {n}"), "b").await;
        fleet.hear("ann", &n.to_string()).await;
    }
    fleet.until_sent(101).await;
    drop(fleet.stop);
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn without_a_queue_the_store_is_polled() {
    let fleet = Fleet::on(Arc::new(NoQueue), Duration::from_millis(20)).await;
    let mut tasks = fleet.start();
    for text in ["a", "b", "c"] {
        fleet.hear("ann", text).await;
    }
    fleet.until_sent(3).await;
    drop(fleet.stop);
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn hints_that_come_twice_or_make_no_sense_do_no_harm() {
    let queue = memory();
    let fleet = Fleet::on(Arc::clone(&queue) as _, NEVER).await;
    let hint = |n: usize, body: &str| QueueItem {
        business_id: fleet.stage.business(),
        id: n.to_string(),
        lane: Lane::Bulk,
        body: body.as_bytes().to_vec(),
    };
    let hints: Vec<QueueItem> =
        (0..200).map(|n| hint(n, ["turns", "sends", "nonsense", ""][n % 4])).collect();
    queue.publish(&hints).await.unwrap();
    fleet.hear("ann", "a").await;
    let mut tasks = fleet.start();
    fleet.until_sent(1).await;
    let emptied = async {
        while queue.lengths().await.unwrap().live() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.expect("all hints are taken");
    fleet.until_sent(1).await;
    drop(fleet.stop);
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn more_hints_than_the_bound_are_dropped_without_waiting() {
    let fleet = Fleet::on(memory(), NEVER).await;
    for n in 0..HINTS_MAX + 100 {
        let hint = QueueItem {
            business_id: fleet.stage.business(),
            id: n.to_string(),
            lane: Lane::Bulk,
            body: Vec::new(),
        };
        let taken = fleet.relays[0].bus.hints.try_send(hint).is_ok();
        assert_eq!(taken, n < HINTS_MAX);
    }
    fleet.hear("ann", "accepted all the same").await;
}
