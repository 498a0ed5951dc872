//! Processes that share a store hand work to each other through Redis, and lose nothing with it.

#[path = "../../justping-store/src/redis/tests/server.rs"]
#[allow(dead_code, reason = "it is shared with other tests, which need more of it")]
mod server;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use justping::JustPing;
use justping::agents::Flows;
use justping::engine::{EngineConfig, Relay};
use justping::memory::{MemoryBus, MemoryStore};
use justping::model::{ChannelKind, Content, Identity, Inbound, InboundMessage};
use justping::port::{Queue, Store};
use justping::stage::Stage;
use justping::store::redis::{RedisConfig, RedisLink, RedisQueue, RedisQueueConfig};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use server::{Memory, RedisServer};

const MESSAGES: usize = 2_000;
/// How late a message may be whose hint was lost: a poll, and a busy machine.
const POLL: Duration = Duration::from_secs(1);
/// Longest wait for all replies. Reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// One process: an engine and its relay, over the store that all share.
struct Process {
    engine: JustPing,
    relay: Arc<Relay>,
    queue: Arc<RedisQueue>,
}

async fn stage(store: &Arc<dyn Store>) -> Stage {
    let echo = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "reply", "type": "text", "data": {"text": "You said {{ message.text }}"}},
        ],
        "edges": [{"id": "1", "source": "start", "target": "reply"}],
    });
    let builder = Stage::builder(Arc::new(Flows::new())).store(Arc::clone(store));
    builder.open(&[echo]).await.unwrap()
}

fn process(server: &RedisServer, store: &Arc<dyn Store>, stage: &Stage) -> Process {
    let link = RedisLink::open(&RedisConfig::new(server.url())).unwrap();
    let queue = Arc::new(RedisQueue::new(link, RedisQueueConfig::new("hints")));
    let relay = Arc::new(Relay::new(Arc::new(MemoryBus::new()), Arc::clone(&queue) as _));
    let mut config = EngineConfig::default();
    config.poll = POLL;
    let engine = JustPing::builder()
        .store(Arc::clone(store))
        .provider(Arc::clone(stage.provider()) as _)
        .flows(Arc::new(Flows::new()))
        .bus(relay.bus())
        .config(config)
        .build()
        .unwrap();
    Process { engine, relay, queue }
}

impl Process {
    /// Runs what a process that works runs.
    fn work(&self, tasks: &mut JoinSet<()>, stop: &watch::Sender<()>) {
        let engine = self.engine.clone();
        let stopped = stopped(stop);
        tasks.spawn(async move { engine.run(stopped).await });
        let (relay, engine) = (Arc::clone(&self.relay), self.engine.clone());
        let stopped = self::stopped(stop);
        tasks.spawn(async move { relay.hear(&engine, stopped).await });
        self.tell(tasks, stop);
    }

    /// Runs what every process runs.
    fn tell(&self, tasks: &mut JoinSet<()>, stop: &watch::Sender<()>) {
        let (relay, stopped) = (Arc::clone(&self.relay), stopped(stop));
        tasks.spawn(async move { relay.tell(stopped).await });
    }
}

fn stopped(stop: &watch::Sender<()>) -> impl Future<Output = ()> + Send + use<> {
    let mut stopped = stop.subscribe();
    async move { drop(stopped.changed().await) }
}

fn message(n: usize) -> Inbound {
    Inbound::Message(InboundMessage {
        provider_ref: n.to_string(),
        // Four messages of each contact, so that order within a conversation is at stake too.
        from: vec![Identity::new(ChannelKind::MEMORY, format!("contact {}", n / 4))],
        name: None,
        content: Content::text(n.to_string()),
        reply_to: None,
        sent_at: None,
    })
}

async fn until_answered(stage: &Stage, count: usize) {
    let channel = stage.provider().channel(stage.channel());
    let answered = async {
        while channel.sent().len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("every message is answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_flushed_and_killed_and_every_message_is_answered_once() {
    let server = RedisServer::start(Memory::Forgets);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let stage = stage(&store).await;
    let processes: Vec<Process> = (0..3).map(|_| process(&server, &store, &stage)).collect();
    let (mut tasks, stop) = (JoinSet::new(), watch::Sender::new(()));
    // The first only takes messages; the others work.
    processes[0].tell(&mut tasks, &stop);
    processes[1].work(&mut tasks, &stop);
    processes[2].work(&mut tasks, &stop);
    for n in 0..MESSAGES {
        if n == MESSAGES / 4 || n == MESSAGES * 7 / 8 {
            server.flush();
        }
        if n == MESSAGES / 2 {
            server.kill();
        }
        if n == MESSAGES * 3 / 4 {
            server.restart();
        }
        let front = &processes[0].engine;
        front.receive(stage.business(), stage.channel(), vec![message(n)]).await.unwrap();
    }
    until_answered(&stage, MESSAGES).await;
    drop(stop);
    while tasks.join_next().await.is_some() {}
    let channel = stage.provider().channel(stage.channel());
    let sent = channel.sent();
    let texts: BTreeSet<&str> = sent.iter().map(|outbound| outbound.content.plain()).collect();
    assert_eq!((sent.len(), texts.len()), (MESSAGES, MESSAGES));
    assert_eq!(channel.tries(), MESSAGES as u64, "nothing was sent twice");
    let mut last = std::collections::HashMap::new();
    for outbound in &sent {
        let n: usize = outbound.content.plain().rsplit(' ').next().unwrap().parse().unwrap();
        let before = last.insert(n / 4, n);
        assert!(before.is_none_or(|before| before < n), "{n} after {before:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_are_what_carries_work_while_redis_is_there() {
    let server = RedisServer::start(Memory::Forgets);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let stage = stage(&store).await;
    let (front, worker) = (process(&server, &store, &stage), process(&server, &store, &stage));
    let (mut tasks, stop) = (JoinSet::new(), watch::Sender::new(()));
    front.tell(&mut tasks, &stop);
    // No engine runs at the worker, so the hint stays where it is until somebody takes it.
    let received = front.engine.receive(stage.business(), stage.channel(), vec![message(1)]).await;
    assert_eq!(received.unwrap().len(), 1);
    let told = async {
        while worker.queue.lengths().await.map_or(0, |lengths| lengths.live()) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the hint is told");
    worker.work(&mut tasks, &stop);
    until_answered(&stage, 1).await;
    let taken = async {
        while worker.queue.lengths().await.unwrap().live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the hint is taken");
    drop(stop);
    while tasks.join_next().await.is_some() {}
}
