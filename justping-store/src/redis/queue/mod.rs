//! Work handed out through Redis Streams.

mod script;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use justping_core::port::{
    DeadItem, Delivery, ITEMS_PER_CALL_MAX, ItemLease, LANE_SHARE, Published, QUEUE_DEATHS_MAX,
    Queue, QueueError, QueueItem, QueueLengths, QueueResult, RETRY_AFTER_MAX, Settled, check_items,
};
use redis::{FromRedisValue, ScriptInvocation};

use self::script::Scripts;
use self::wire::{DeadEntry, Given, Held};
use super::RedisLink;

/// How long a worker may hold an item unless the configuration says otherwise.
pub const LEASE_DEFAULT: Duration = Duration::from_secs(60);
/// Live items of a queue unless the configuration says otherwise.
pub const LIVE_MAX_DEFAULT: u64 = 1_000_000;
/// Dead items of a queue unless the configuration says otherwise.
pub const DEAD_MAX_DEFAULT: u64 = 10_000;
/// Most items of one claim.
pub const CLAIM_MAX: u32 = 1_000;
/// Items that one claim moves from those that wait for their time to those that are ready.
const MOVED_MAX: u32 = 1_000;
/// Most dead items told or replayed at once.
const DEAD_PER_CALL_MAX: u32 = 1_000;

/// How a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisQueueConfig {
    /// What it is called: queues of other names have nothing to do with it.
    pub name: String,
    /// How long a worker may hold an item.
    pub lease: Duration,
    /// Most items that wait or are held.
    pub live_max: u64,
    /// Most dead items.
    pub dead_max: u64,
}

impl RedisQueueConfig {
    /// A queue with the defaults of this module.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lease: LEASE_DEFAULT,
            live_max: LIVE_MAX_DEFAULT,
            dead_max: DEAD_MAX_DEFAULT,
        }
    }
}

/// A queue of three streams, one a lane, read by one consumer group.
///
/// Every move is one script, so it happens or it does not. An entry's delivery count is its fence:
/// whoever answers about an item says how often it had been given out, and is not heard when it was
/// given out again since. Items that wait for their time are in a sorted set, and become due by
/// Redis' own clock.
///
/// # Durability
/// As much as Redis is told to have (`appendonly`); the work itself is in the store.
#[derive(Debug)]
pub struct RedisQueue {
    link: RedisLink,
    config: RedisQueueConfig,
    scripts: Scripts,
}

impl RedisQueue {
    /// A queue behind a link.
    pub fn new(link: RedisLink, config: RedisQueueConfig) -> Self {
        let scripts = Scripts::new(link.prefix(), &config.name);
        Self { link, config, scripts }
    }

    async fn ack_some(&self, leases: &[ItemLease]) -> QueueResult<Vec<Settled>> {
        let held: Vec<Option<Held<'_>>> = leases.iter().map(Held::read).collect();
        let mut invocation = self.scripts.ack();
        for held in held.iter().flatten() {
            held.tell_all(&mut invocation);
        }
        let known = held.iter().flatten().count();
        let answers: Vec<i64> = if known > 0 { self.ask(invocation).await? } else { Vec::new() };
        let mut answers = answers.into_iter();
        let tell = |held: Option<Held<'_>>| {
            held.and_then(|_| answers.next()).map_or(Settled::Stale, settled)
        };
        Ok(held.into_iter().map(tell).collect())
    }

    async fn ask<T: FromRedisValue>(&self, invocation: ScriptInvocation<'_>) -> QueueResult<T> {
        let mut connection = self.link.connection();
        let answer = self.link.ask(invocation.invoke_async(&mut connection)).await;
        answer.map_err(|fault| QueueError::Unavailable(fault.to_string()))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn settled(done: i64) -> Settled {
    if done == 1 { Settled::Done } else { Settled::Stale }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn publish(&self, items: &[QueueItem]) -> QueueResult<Vec<Published>> {
        check_items(items)?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut invocation = self.scripts.publish();
        invocation.arg(self.config.live_max);
        for item in items {
            invocation.arg(wire::lane(item.lane)).arg(item.business_id.to_string());
            invocation.arg(item.id.as_str()).arg(item.body.as_slice());
        }
        let answers: Vec<i64> = self.ask(invocation).await?;
        let told = |answer| match answer {
            1 => Ok(Published::New),
            0 => Ok(Published::Duplicate),
            _ => Err(QueueError::Full),
        };
        answers.into_iter().map(told).collect()
    }

    async fn claim(&self, limit: u32) -> QueueResult<Vec<Delivery>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut invocation = self.scripts.claim();
        invocation.arg(limit.min(CLAIM_MAX)).arg(millis(self.config.lease)).arg(LANE_SHARE);
        invocation.arg(QUEUE_DEATHS_MAX).arg(self.config.dead_max).arg(MOVED_MAX);
        let given: Vec<Given> = self.ask(invocation).await?;
        Ok(given.into_iter().filter_map(wire::delivery).collect())
    }

    async fn ack(&self, leases: &[ItemLease]) -> QueueResult<Vec<Settled>> {
        let mut all = Vec::with_capacity(leases.len());
        for some in leases.chunks(ITEMS_PER_CALL_MAX) {
            all.extend(self.ack_some(some).await?);
        }
        Ok(all)
    }

    async fn retry(&self, lease: &ItemLease, after: Duration) -> QueueResult<Settled> {
        let Some(held) = Held::read(lease) else { return Ok(Settled::Stale) };
        let mut invocation = self.scripts.retry();
        held.tell(&mut invocation);
        invocation.arg(millis(after.min(RETRY_AFTER_MAX)));
        Ok(settled(self.ask(invocation).await?))
    }

    async fn bury(&self, lease: &ItemLease, reason: &str) -> QueueResult<Settled> {
        let Some(held) = Held::read(lease) else { return Ok(Settled::Stale) };
        let mut invocation = self.scripts.bury();
        held.tell(&mut invocation);
        invocation.arg(reason).arg(self.config.dead_max);
        Ok(settled(self.ask(invocation).await?))
    }

    async fn dead(&self, limit: u32) -> QueueResult<Vec<DeadItem>> {
        let mut connection = self.link.connection();
        let mut command = redis::cmd("XRANGE");
        command.arg(self.scripts.dead_key()).arg("-").arg("+");
        command.arg("COUNT").arg(limit.min(DEAD_PER_CALL_MAX));
        let answer = self.link.ask(command.query_async::<Vec<DeadEntry>>(&mut connection)).await;
        let entries = answer.map_err(|fault| QueueError::Unavailable(fault.to_string()))?;
        Ok(entries.into_iter().filter_map(wire::dead).collect())
    }

    async fn replay(&self, limit: u32) -> QueueResult<u64> {
        if limit == 0 {
            return Ok(0);
        }
        let mut invocation = self.scripts.replay();
        invocation.arg(limit.min(DEAD_PER_CALL_MAX));
        self.ask(invocation).await
    }

    async fn lengths(&self) -> QueueResult<QueueLengths> {
        let [a, b, c, delayed, leased, dead]: [u64; 6] = self.ask(self.scripts.lengths()).await?;
        Ok(QueueLengths { ready: [a, b, c], delayed, leased, dead })
    }
}
