//! What many at once do to each other: a noisy neighbour, a provider that hangs or refuses, two
//! processes that share a sender. The loops really run; only time is made up, and passes when
//! everybody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;

use super::{EngineConfig, JustPing};
use crate::memory::{MemoryLimiter, MemoryStore, SeededEntropy};
use crate::model::*;
use crate::port::store::{Accept, Accepted, Post};
use crate::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, Clock, Finding, FlowRuntime,
    FlowRuntimeError, IdSource, Outbound, Program, Rate, Receipt, ReceiveError, Received,
    SendError, Store, WebhookRequest,
};

/// How long a provider takes for one message.
const LATENCY: Duration = Duration::from_millis(200);
/// Rows of one move while a queue is filled.
const BATCH: usize = 500;

/// Tokio's time as a clock: with paused time it jumps to whatever is waited for.
#[derive(Debug)]
struct TestClock {
    start: tokio::time::Instant,
}

const EPOCH_MS: i64 = 1_767_603_600_000;

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.start.elapsed().as_millis()).unwrap();
        Timestamp::from_millisecond(EPOCH_MS + passed).unwrap()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let left = until.as_millisecond() - EPOCH_MS;
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        tokio::time::sleep_until(self.start + left).await;
    }
}

#[derive(Debug)]
struct NoFlows;

impl FlowRuntime for NoFlows {
    fn check(&self, _: &Value) -> Vec<Finding> {
        Vec::new()
    }

    fn compile(&self, _: &Value) -> Result<Arc<dyn Program>, FlowRuntimeError> {
        unreachable!("nobody publishes a flow here")
    }

    fn content_hash(&self, document: &Value) -> String {
        document.to_string()
    }
}

/// How a channel's provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Takes,
    Hangs,
    /// Refuses everything as too fast.
    Refuses,
    /// Fails and says nothing more.
    Fails,
    /// Refuses what exceeds so many in a second.
    Limits(usize),
}

/// What the provider saw.
#[derive(Debug, Default)]
struct Log {
    /// Sends by channel, with the moment at which each began.
    taken: HashMap<ChannelId, Vec<(i64, String)>>,
    refused: u64,
}

#[derive(Debug)]
struct Carrier {
    capabilities: Capabilities,
    clock: Arc<TestClock>,
    manners: Mutex<HashMap<ChannelId, Manner>>,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug)]
struct Line {
    id: ChannelId,
    carrier: Arc<Carrier>,
}

#[derive(Debug)]
struct Carriers(Arc<Carrier>);

impl ChannelProvider for Carriers {
    fn name(&self) -> &str {
        "memory"
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::MEMORY
    }

    fn open(
        &self,
        config: &ChannelConfig,
        _: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        Ok(Arc::new(Line { id: config.id, carrier: Arc::clone(&self.0) }))
    }
}

#[async_trait]
impl Channel for Line {
    fn capabilities(&self) -> &Capabilities {
        &self.carrier.capabilities
    }

    async fn receive(&self, _: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        Err(ReceiveError::Unsupported)
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        let carrier = &self.carrier;
        let began = carrier.clock.now().as_millisecond();
        let manner = carrier.manners.lock().unwrap().get(&self.id).copied();
        let too_fast = |wait| Err(SendError::RateLimited { after: Some(wait) });
        match manner.unwrap_or(Manner::Takes) {
            Manner::Takes => {}
            Manner::Hangs => std::future::pending().await,
            Manner::Refuses => {
                carrier.log.lock().unwrap().refused += 1;
                return too_fast(Duration::from_secs(1));
            }
            Manner::Fails => {
                return Err(SendError::Retry { after: None, detail: "503".to_owned() });
            }
            Manner::Limits(most) => {
                let mut log = carrier.log.lock().unwrap();
                let sent = log.taken.entry(self.id).or_default().iter().rev();
                if sent.take_while(|(at, _)| began - at < 1_000).count() >= most {
                    log.refused += 1;
                    return too_fast(Duration::from_millis(500));
                }
            }
        }
        let text = outbound.content.plain().to_owned();
        carrier.log.lock().unwrap().taken.entry(self.id).or_default().push((began, text));
        tokio::time::sleep(LATENCY).await;
        Ok(Receipt { provider_ref: None })
    }

    async fn mark_read(&self, _: &str) -> Result<(), SendError> {
        Ok(())
    }

    async fn verify(&self) -> Result<(), SendError> {
        Ok(())
    }
}

/// A store with its provider, and as many processes as there are engines.
struct Town {
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
    carrier: Arc<Carrier>,
    ids: IdSource,
    engines: Vec<JustPing>,
}

impl Town {
    fn new(processes: usize, rate: Rate) -> Self {
        let clock = Arc::new(TestClock { start: tokio::time::Instant::now() });
        let entropy = Arc::new(SeededEntropy::new(7));
        let ids = IdSource::new(Arc::clone(&clock) as Arc<dyn Clock>, entropy);
        let memory = crate::memory::MemoryProvider::new();
        let any = ChannelId::from_uuid(ids.uuid());
        let capabilities = Capabilities { rate, ..memory.channel(any).capabilities().clone() };
        let carrier = Arc::new(Carrier {
            capabilities,
            clock: Arc::clone(&clock),
            manners: Mutex::default(),
            log: Arc::default(),
        });
        let store = Arc::new(MemoryStore::new());
        let limiter = Arc::new(MemoryLimiter::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let engine = |seed| {
            JustPing::builder()
                .store(Arc::clone(&store) as Arc<dyn Store>)
                .limiter(Arc::clone(&limiter) as _)
                .clock(Arc::clone(&clock) as Arc<dyn Clock>)
                .entropy(Arc::new(SeededEntropy::new(seed)))
                .provider(Arc::new(Carriers(Arc::clone(&carrier))))
                .flows(Arc::new(NoFlows))
                .config(EngineConfig::default())
                .build()
                .unwrap()
        };
        let engines = (0..processes).map(|seed| engine(100 + seed as u64)).collect();
        Self { store, clock, carrier, ids, engines }
    }

    fn start(&self) {
        for engine in &self.engines {
            let engine = engine.clone();
            tokio::spawn(async move { engine.run(std::future::pending()).await });
        }
    }

    async fn business(&self) -> BusinessId {
        let id = BusinessId::from_uuid(self.ids.uuid());
        let row = Business { id, name: "Acme".to_owned(), created_at: self.clock.now() };
        crate::port::store::BusinessStore::create_business(&*self.store, &row).await.unwrap();
        id
    }

    async fn channel(&self, business: BusinessId, manner: Manner) -> ChannelId {
        let id = ChannelId::from_uuid(self.ids.uuid());
        let now = self.clock.now();
        let row = ChannelConfig {
            id,
            business_id: business,
            provider: "memory".to_owned(),
            name: "Line".to_owned(),
            settings: Value::Null,
            agent_id: None,
            enabled: true,
            unknown_policy: UnknownPolicy::AtMostOnce,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        let none = ChannelSecrets::new();
        crate::port::store::ChannelStore::create_channel(&*self.store, &row, &none).await.unwrap();
        self.carrier.manners.lock().unwrap().insert(id, manner);
        id
    }

    /// Has `count` contacts of a channel, each with one message ready to leave.
    async fn queue(&self, (business, channel): (BusinessId, ChannelId), lane: Lane, count: usize) {
        let engine = &self.engines[0];
        for first in (0..count).step_by(BATCH) {
            let batch = first..(first + BATCH).min(count);
            let accepts = batch.map(|n| self.hello(business, channel, n)).collect();
            let accepted = engine.store().accept(accepts).await.unwrap();
            let posts = accepted.iter().map(|accepted| match accepted {
                Accepted::New { conversation, .. } => self.post(conversation, lane),
                Accepted::Duplicate { .. } => panic!("each is new"),
            });
            for posted in engine.store().post(posts.collect()).await.unwrap() {
                posted.unwrap();
            }
        }
        self.engines.iter().for_each(|engine| engine.inner.wake.sends.notify_one());
    }

    fn hello(&self, business_id: BusinessId, channel_id: ChannelId, n: usize) -> Accept {
        let name = format!("{n} {}", self.ids.uuid());
        Accept {
            business_id,
            channel_id,
            message: InboundMessage {
                provider_ref: name.clone(),
                from: vec![Identity::new(ChannelKind::MEMORY, name)],
                name: None,
                content: Content::text("hi"),
                reply_to: None,
                sent_at: None,
            },
            owner: Owner::Queue,
            message_id: MessageId::from_uuid(self.ids.uuid()),
            contact_id: ContactId::from_uuid(self.ids.uuid()),
            conversation_id: ConversationId::from_uuid(self.ids.uuid()),
            now: self.clock.now(),
        }
    }

    /// A message whose text is the moment at which it was written.
    fn post(&self, conversation: &Conversation, lane: Lane) -> Post {
        let now = self.clock.now();
        Post {
            business_id: conversation.business_id,
            conversation_id: conversation.id,
            message_id: MessageId::from_uuid(self.ids.uuid()),
            direction: Direction::Outbound,
            author: Author::System,
            content: Content::text(now.as_millisecond().to_string()),
            lane,
            reply_to: None,
            provider_ref: None,
            once: None,
            owner: None,
            now,
        }
    }

    async fn pass(&self, span: Duration) {
        let until = self.clock.now().checked_add(SignedDuration::try_from(span).unwrap());
        self.clock.sleep_until(until.unwrap()).await;
    }

    /// How long each message of a channel waited until its send began, in milliseconds.
    fn waits(&self, channel: ChannelId) -> Vec<i64> {
        let log = self.carrier.log.lock().unwrap();
        let sent = log.taken.get(&channel).into_iter().flatten();
        let mut waits: Vec<i64> =
            sent.map(|(at, written)| at - written.parse::<i64>().unwrap()).collect();
        waits.sort_unstable();
        waits
    }

    /// The most sends of a channel that began within one second.
    fn busiest_second(&self, channel: ChannelId) -> usize {
        let log = self.carrier.log.lock().unwrap();
        let mut sent: Vec<i64> = log.taken[&channel].iter().map(|(at, _)| *at).collect();
        sent.sort_unstable();
        let inside = |n: usize| sent[n..].iter().take_while(|at| **at - sent[n] < 1_000).count();
        (0..sent.len()).map(inside).max().unwrap_or(0)
    }
}

const FAST: Rate = Rate { per_second: 10_000, burst: 10_000 };

/// One business has a hundred thousand messages due on three channels, another one a message a
/// second in the same lane.
#[tokio::test(start_paused = true)]
async fn a_noisy_neighbour_is_not_noticed() {
    const SECONDS: usize = 10;
    let town = Town::new(1, FAST);
    let noisy = town.business().await;
    let mut lines = Vec::new();
    for count in [60_000, 20_000, 20_000] {
        let channel = town.channel(noisy, Manner::Takes).await;
        town.queue((noisy, channel), Lane::Bulk, count).await;
        lines.push(channel);
    }
    let quiet = town.business().await;
    let line = (quiet, town.channel(quiet, Manner::Takes).await);
    town.start();
    town.pass(Duration::from_secs(1)).await;
    for _ in 0..SECONDS {
        town.queue(line, Lane::Bulk, 1).await;
        town.pass(Duration::from_secs(1)).await;
    }
    let waits = town.waits(line.1);
    assert_eq!(waits.len(), SECONDS);
    assert!(*waits.last().unwrap() <= 2_000, "{waits:?}");
    let sent: usize = lines.iter().map(|line| town.waits(*line).len()).sum();
    // Its bound, taken again whenever a send ends: 96 places, five times a second.
    assert!(sent >= 96 * 5 * SECONDS * 9 / 10, "the neighbour goes on: {sent}");
}

/// A million campaign messages, figuratively, and answers in the same business and channel.
#[tokio::test(start_paused = true)]
async fn answers_do_not_queue_behind_a_campaign() {
    let town = Town::new(1, Rate::within(40));
    let business = town.business().await;
    let line = (business, town.channel(business, Manner::Takes).await);
    town.queue(line, Lane::Bulk, 3_000).await;
    town.start();
    town.pass(Duration::from_secs(2)).await;
    let before = town.waits(line.1).len();
    for _ in 0..10 {
        town.queue(line, Lane::Interactive, 1).await;
        town.pass(Duration::from_secs(1)).await;
    }
    let log = town.carrier.log.lock().unwrap();
    let written = |text: &str| text.parse::<i64>().unwrap() - EPOCH_MS;
    let answers = log.taken[&line.1].iter().filter(|(_, text)| written(text) >= 2_000);
    let waits: Vec<i64> = answers.map(|(at, text)| at - text.parse::<i64>().unwrap()).collect();
    drop(log);
    assert_eq!(waits.len(), 10);
    assert!(waits.iter().all(|wait| *wait <= 1_200), "a poll and a few tokens: {waits:?}");
    assert!(town.waits(line.1).len() - before >= 10 * 30, "and the campaign goes on");
    assert!(town.busiest_second(line.1) <= 40);
}

/// How long the messages of a channel wait on average while another one behaves like this.
async fn mean_wait_beside(manner: Manner) -> f64 {
    const ROUNDS: usize = 8;
    let town = Town::new(1, FAST);
    let other = town.business().await;
    let trouble = (other, town.channel(other, manner).await);
    let business = town.business().await;
    let line = (business, town.channel(business, Manner::Takes).await);
    town.queue(trouble, Lane::Interactive, 1_000).await;
    town.start();
    town.pass(Duration::from_secs(1)).await;
    for _ in 0..ROUNDS {
        town.queue(line, Lane::Interactive, 60).await;
        town.pass(Duration::from_secs(1)).await;
    }
    let waits = town.waits(line.1);
    assert_eq!(waits.len(), ROUNDS * 60, "{manner:?}");
    waits.iter().sum::<i64>() as f64 / waits.len() as f64
}

#[tokio::test(start_paused = true)]
async fn a_provider_in_trouble_slows_down_nobody_else() {
    let calm = mean_wait_beside(Manner::Takes).await;
    for manner in [Manner::Hangs, Manner::Refuses, Manner::Fails] {
        let mean = mean_wait_beside(manner).await;
        // The clock counts whole milliseconds.
        assert!(mean <= calm * 1.2 + 1.0, "{manner:?}: {mean} ms, otherwise {calm} ms");
    }
}

/// Two processes over one store and one limiter, and a provider that counts.
#[tokio::test(start_paused = true)]
async fn two_processes_never_exceed_the_limit_of_a_sender() {
    let town = Town::new(2, Rate::within(20));
    let business = town.business().await;
    let line = (business, town.channel(business, Manner::Limits(20)).await);
    town.queue(line, Lane::Bulk, 400).await;
    town.start();
    town.pass(Duration::from_secs(60)).await;
    assert_eq!(town.waits(line.1).len(), 400);
    assert_eq!(town.carrier.log.lock().unwrap().refused, 0);
    assert!(town.busiest_second(line.1) <= 20);
}

/// The provider allows less than was configured: both processes slow down, and all arrives.
#[tokio::test(start_paused = true)]
async fn two_processes_slow_down_for_a_provider_that_allows_less() {
    let town = Town::new(2, Rate::within(40));
    let business = town.business().await;
    let line = (business, town.channel(business, Manner::Limits(20)).await);
    town.queue(line, Lane::Bulk, 600).await;
    town.start();
    town.pass(Duration::from_secs(120)).await;
    let sent = town.waits(line.1).len();
    let refused = town.carrier.log.lock().unwrap().refused;
    assert_eq!(sent, 600, "{refused} refused");
    assert!(refused > 0 && refused < 300, "{refused} refused");
    assert!(town.busiest_second(line.1) <= 20);
}
