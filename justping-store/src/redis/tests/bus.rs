use std::future::Future;

use justping_core::conformance::fixture::at as moment;
use justping_core::model::{BusinessId, ConversationId, Event, EventBody, Topic};
use justping_core::port::{BusError, EventBus, Subscription};
use serde_json::json;
use uuid::Uuid;

use super::server::{Memory, shared};
use super::*;

mod contract {
    use super::*;

    justping_core::bus_conformance!(async || Box::new(RedisBus::open(link_to(shared())).await));
}

/// Two processes, and a business that both know.
struct Pair {
    a: RedisBus,
    b: RedisBus,
    topic: Topic,
}

impl Pair {
    async fn on(server: &RedisServer) -> Self {
        let prefix = prefix();
        let link = || link_with(server, &prefix, PATIENCE);
        let (a, b) = (RedisBus::open(link()).await, RedisBus::open(link()).await);
        Self { a, b, topic: Topic::Business(business()) }
    }
}

fn business() -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(7))
}

fn event(n: u64) -> Event {
    Event {
        business_id: business(),
        conversation_id: Some(ConversationId::from_uuid(Uuid::from_u128(8))),
        at: moment(0),
        body: EventBody::Custom { name: "n".to_owned(), data: json!(n) },
    }
}

async fn soon<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, answer).await.expect("an answer")
}

async fn hear(subscription: &mut dyn Subscription) -> Result<u64, BusError> {
    let event = soon(subscription.next()).await?;
    match &event.body {
        EventBody::Custom { data, .. } => Ok(data.as_u64().unwrap()),
        other => panic!("an event nobody published: {other:?}"),
    }
}

/// Publishes until the other process hears it, past whatever it is told it missed.
async fn reach(from: &RedisBus, to: &mut dyn Subscription) {
    let mut n = 1_000;
    soon(async {
        loop {
            n += 1;
            from.publish(vec![event(n)]).await;
            let heard = tokio::time::timeout(Duration::from_millis(50), to.next()).await;
            if matches!(heard, Ok(Ok(_))) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn other_processes_hear_everything_in_order_and_the_own_hears_it_once() {
    let pair = Pair::on(shared()).await;
    let (mut own, mut other) = (pair.a.subscribe(pair.topic), pair.b.subscribe(pair.topic));
    for n in 0..1_000 {
        pair.a.publish(vec![event(2 * n), event(2 * n + 1)]).await;
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut expected = 0;
    while expected < 2_000 {
        match hear(&mut *own).await {
            Ok(n) => {
                assert_eq!(n, expected);
                expected += 1;
            }
            Err(BusError::Missed(count)) => expected += count,
            Err(BusError::Closed) => panic!("the bus is there"),
        }
    }
    // The last word of the other process shows that nothing of our own came back before it.
    let mut last = None;
    soon(async {
        while last != Some(1_999) {
            match hear(&mut *other).await {
                Ok(n) => {
                    assert!(last.is_none_or(|last| n > last), "{n} after {last:?}");
                    last = Some(n);
                }
                Err(error) => assert!(matches!(error, BusError::Missed(_))),
            }
        }
    })
    .await;
    pair.b.publish(vec![event(5_000)]).await;
    assert_eq!(hear(&mut *own).await, Ok(5_000));
    assert_eq!(hear(&mut *other).await, Ok(5_000));
}

#[tokio::test]
async fn an_event_is_the_same_in_other_processes() {
    let pair = Pair::on(shared()).await;
    let mut other = pair.b.subscribe(pair.topic);
    let nowhere = Event { conversation_id: None, ..event(1) };
    pair.a.publish(vec![nowhere.clone(), event(2)]).await;
    assert_eq!(*soon(other.next()).await.unwrap(), nowhere);
    assert_eq!(*soon(other.next()).await.unwrap(), event(2));
}

#[tokio::test]
async fn a_redis_that_died_is_a_gap_that_is_told() {
    let server = RedisServer::start(Memory::Forgets);
    let pair = Pair::on(&server).await;
    let (mut own, mut other) = (pair.a.subscribe(pair.topic), pair.b.subscribe(pair.topic));
    server.kill();
    pair.a.publish(vec![event(1)]).await;
    assert_eq!(hear(&mut *own).await, Ok(1), "its own process hears it all the same");
    let mut late = pair.b.subscribe(pair.topic);
    server.restart();
    for listener in [&mut own, &mut other, &mut late] {
        assert_eq!(hear(&mut **listener).await, Err(BusError::Missed(1)));
    }
    reach(&pair.a, &mut *other).await;
    reach(&pair.b, &mut *own).await;
}

#[tokio::test]
async fn a_redis_that_was_emptied_disturbs_nobody() {
    let server = RedisServer::start(Memory::Forgets);
    let pair = Pair::on(&server).await;
    let mut other = pair.b.subscribe(pair.topic);
    server.flush();
    pair.a.publish(vec![event(1)]).await;
    assert_eq!(hear(&mut *other).await, Ok(1));
}

#[tokio::test]
async fn more_than_redis_takes_is_missed_and_told() {
    let server = RedisServer::start(Memory::Forgets);
    let pair = Pair::on(&server).await;
    let mut other = pair.b.subscribe(pair.topic);
    server.freeze();
    for n in 0..2 * OUTGOING_MAX as u64 {
        pair.a.publish(vec![event(n)]).await;
    }
    server.thaw();
    soon(async { while hear(&mut *other).await.is_ok() {} }).await;
    reach(&pair.a, &mut *other).await;
}

#[tokio::test]
async fn what_is_missed_is_told_even_when_nothing_more_happens() {
    let server = RedisServer::start(Memory::Forgets);
    let pair = Pair::on(&server).await;
    let mut other = pair.b.subscribe(pair.topic);
    pair.a.shared.unsaid.store(3, std::sync::atomic::Ordering::Relaxed);
    pair.a.publish(vec![event(1)]).await;
    let (first, second) = (hear(&mut *other).await, hear(&mut *other).await);
    assert!([&first, &second].contains(&&Err(BusError::Missed(1))), "{first:?} {second:?}");
    assert!([&first, &second].contains(&&Ok(1)), "{first:?} {second:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_missed() {
    let server = RedisServer::start(Memory::Forgets);
    let pair = Pair::on(&server).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut stranger = client.get_multiplexed_async_connection().await.unwrap();
    let from = Uuid::from_u128(9);
    let later = json!({ "from": from, "missed": 0, "events": [
        { "business_id": business(), "event": "of.tomorrow", "at": "2026-01-01T00:00:00Z" }
    ] });
    for payload in [b"\xff\x00{".to_vec(), b"[]".to_vec(), later.to_string().into_bytes()] {
        let mut other = pair.b.subscribe(pair.topic);
        let channel = pair.b.shared.channel.clone();
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(payload).query_async::<()>(&mut stranger).await.unwrap();
        assert_eq!(hear(&mut *other).await, Err(BusError::Missed(1)));
    }
}

#[tokio::test]
async fn a_bus_without_redis_works_within_its_process() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_with(&server, "alone", Duration::from_millis(50));
    server.kill();
    let bus = RedisBus::open(link).await;
    let mut own = bus.subscribe(Topic::Business(business()));
    bus.publish(vec![event(1)]).await;
    assert_eq!(hear(&mut *own).await, Ok(1));
    drop(bus);
    soon(async { while own.next().await != Err(BusError::Closed) {} }).await;
}
