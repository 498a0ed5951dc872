//! What handing work over costs: queues in memory and in Redis at batches of 1 and 100, events
//! across processes, tokens of a shared limiter.
//!
//! `cargo bench -p justping-store --features redis --bench queue` starts a Redis of its own (append
//! only, flushed each second) and prints a JSON line a figure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench tells its figures and fails by a panic"
)]

#[path = "../src/redis/tests/server.rs"]
#[allow(dead_code, reason = "it is shared with tests, which need more of it")]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use justping_core::memory::MemoryQueue;
use justping_core::model::{BusinessId, Event, EventBody, Lane, Timestamp, Topic};
use justping_core::port::{EventBus, Queue, QueueItem, Rate, RateLimiter, Subscription};
use justping_core::system::SystemClock;
use justping_store::redis::{
    RedisBus, RedisConfig, RedisLimiter, RedisLink, RedisQueue, RedisQueueConfig,
};
use serde_json::json;
use server::{Memory, RedisServer};
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(60);
/// Events whose way is timed one by one.
const TIMED: u64 = 2_000;
/// Events that are published at once.
const FLOOD: u64 = 20_000;
const TAKES: u32 = 10_000;

fn business() -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(1))
}

fn link(server: &RedisServer) -> RedisLink {
    let patience = Duration::from_secs(10);
    RedisLink::open(&RedisConfig { patience, ..RedisConfig::new(server.url()) }).unwrap()
}

async fn queue(backend: &str, queue: &dyn Queue, batch: usize, count: usize) {
    let items: Vec<QueueItem> = (0..count)
        .map(|n| QueueItem {
            business_id: business(),
            id: n.to_string(),
            lane: Lane::Interactive,
            body: vec![b'x'; 100],
        })
        .collect();
    let begun = Instant::now();
    for some in items.chunks(batch) {
        queue.publish(some).await.unwrap();
    }
    let published = begun.elapsed();
    let begun = Instant::now();
    let mut done = 0;
    while done < count {
        let claimed = queue.claim(u32::try_from(batch).unwrap()).await.unwrap();
        let leases: Vec<_> = claimed.into_iter().map(|delivery| delivery.lease).collect();
        done += queue.ack(&leases).await.unwrap().len();
    }
    let per_second = |span: Duration| (count as f64 / span.as_secs_f64()).round();
    println!(
        "{}",
        json!({
            "figure": "queue", "backend": backend, "batch": batch, "items": count,
            "publish_per_s": per_second(published), "claim_and_ack_per_s": per_second(begun.elapsed()),
        })
    );
}

fn event(n: u64) -> Event {
    let body = EventBody::Custom { name: "n".to_owned(), data: json!(n) };
    Event { business_id: business(), conversation_id: None, at: Timestamp::UNIX_EPOCH, body }
}

async fn hear(listener: &mut dyn Subscription) -> u64 {
    match &listener.next().await.unwrap().body {
        EventBody::Custom { data, .. } => data.as_u64().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn bus(server: &RedisServer) {
    let (a, b) = (RedisBus::open(link(server)).await, RedisBus::open(link(server)).await);
    let topic = Topic::Business(business());
    let (mut own, mut other) = (a.subscribe(topic), b.subscribe(topic));
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for n in 0..TIMED {
        let begun = Instant::now();
        a.publish(vec![event(n)]).await;
        assert_eq!(hear(&mut *own).await, n);
        near.push(begun.elapsed());
        assert_eq!(hear(&mut *other).await, n);
        far.push(begun.elapsed());
    }
    let begun = Instant::now();
    let mut heard = 0;
    for some in 0..FLOOD / 500 {
        a.publish((0..500).map(|n| event(some * 500 + n)).collect()).await;
        for _ in 0..500 {
            hear(&mut *other).await;
            heard += 1;
        }
    }
    let micros = |times: &mut Vec<Duration>, part: f64| {
        times.sort_unstable();
        times[((times.len() - 1) as f64 * part) as usize].as_micros()
    };
    println!(
        "{}",
        json!({
            "figure": "bus", "same_process_us": micros(&mut near, 0.5),
            "other_process_us": micros(&mut far, 0.5), "other_process_p99_us": micros(&mut far, 0.99),
            "events_per_s": (f64::from(heard) / begun.elapsed().as_secs_f64()).round(),
        })
    );
}

async fn limiter(server: &RedisServer) {
    let limiter = RedisLimiter::new(link(server), Arc::new(SystemClock::new()));
    let rate = Rate { per_second: 1_000_000, burst: 1_000_000 };
    let begun = Instant::now();
    for _ in 0..TAKES {
        limiter.take("sender", rate).await;
    }
    let each = begun.elapsed() / TAKES;
    println!("{}", json!({ "figure": "limiter", "take_us": each.as_micros() }));
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = RedisServer::start(Memory::Lasts);
    for (batch, memory, redis) in [(1, 200_000, 10_000), (100, 500_000, 100_000)] {
        let queue_in_memory = MemoryQueue::new(Arc::new(SystemClock::new()), LEASE);
        queue("memory", &queue_in_memory, batch, memory).await;
        let config = RedisQueueConfig::new(format!("bench{batch}"));
        queue("redis", &RedisQueue::new(link(&server), config), batch, redis).await;
    }
    bus(&server).await;
    limiter(&server).await;
}
