use std::sync::Arc;

use justping_core::conformance::QueueSubject;
use justping_core::conformance::queue::Names;
use justping_core::model::{BusinessId, Lane};
use justping_core::port::{Delivery, ItemLease, Queue, QueueError, QueueItem, Settled};
use uuid::Uuid;

use super::server::{Memory, shared};
use super::*;

/// So long that it ends only when a test says so.
const LEASE: Duration = Duration::from_secs(3_600);

mod contract {
    use super::*;

    async fn subject() -> QueueSubject {
        let link = link_to(shared());
        let queue = Arc::new(RedisQueue::new(link.clone(), config()));
        QueueSubject {
            queue,
            pass: Box::new(|span| Box::pin(tokio::time::sleep(span))),
            die: Box::new(move || {
                let link = link.clone();
                Box::pin(async move { end_leases(&link).await })
            }),
            names: Names::Known,
        }
    }

    justping_core::queue_conformance!(subject);
}

fn config() -> RedisQueueConfig {
    RedisQueueConfig { lease: LEASE, ..RedisQueueConfig::new("work") }
}

/// Makes everything that is held look as if it had been held for the whole lease.
async fn end_leases(link: &RedisLink) {
    let mut connection = link.connection();
    for lane in ["interactive", "transactional", "bulk"] {
        let key = format!("{}:queue:{{work}}:{lane}", link.prefix());
        let mut pending = redis::cmd("XPENDING");
        pending.arg(&key).arg("workers").arg("-").arg("+").arg(10_000);
        let held: Vec<(String, String, u64, u64)> =
            pending.query_async(&mut connection).await.unwrap();
        for (entry, ..) in held {
            let mut claim = redis::cmd("XCLAIM");
            claim.arg(&key).arg("workers").arg("any").arg(0).arg(entry);
            claim.arg("IDLE").arg(LEASE.as_millis() as u64).arg("JUSTID");
            claim.query_async::<redis::Value>(&mut connection).await.unwrap();
        }
    }
}

fn item(n: usize) -> QueueItem {
    QueueItem {
        business_id: BusinessId::from_uuid(Uuid::from_u128(1)),
        id: n.to_string(),
        lane: Lane::Transactional,
        body: n.to_string().into_bytes(),
    }
}

fn leases(deliveries: &[Delivery]) -> Vec<ItemLease> {
    deliveries.iter().map(|delivery| delivery.lease.clone()).collect()
}

#[tokio::test]
async fn processes_share_a_queue_and_queues_are_apart() {
    let prefix = prefix();
    let open = |name: &str| {
        let link = link_with(shared(), &prefix, PATIENCE);
        RedisQueue::new(link, RedisQueueConfig { name: name.to_owned(), ..config() })
    };
    let (a, b, other) = (open("work"), open("work"), open("other"));
    a.publish(&[item(1)]).await.unwrap();
    assert_eq!(other.claim(1).await, Ok(vec![]));
    let claimed = b.claim(1).await.unwrap();
    assert_eq!(claimed[0].item, item(1));
    assert_eq!(a.claim(1).await, Ok(vec![]));
    assert_eq!(a.ack(&leases(&claimed)).await, Ok(vec![Settled::Done]), "whoever may answer");
}

#[tokio::test]
async fn a_lease_ends_with_its_time() {
    let lease = Duration::from_millis(30);
    let queue = RedisQueue::new(link_to(shared()), RedisQueueConfig { lease, ..config() });
    queue.publish(&[item(1)]).await.unwrap();
    let first = queue.claim(1).await.unwrap();
    assert_eq!(first.len(), 1);
    until(|| async { queue.claim(1).await.is_ok_and(|claimed| !claimed.is_empty()) }).await;
    assert_eq!(queue.ack(&leases(&first)).await, Ok(vec![Settled::Stale]));
}

#[tokio::test]
async fn every_dead_workers_item_is_found_however_many_are_held() {
    let link = link_to(shared());
    let queue = RedisQueue::new(link.clone(), config());
    let items: Vec<QueueItem> = (0..1_000).map(item).collect();
    queue.publish(&items).await.unwrap();
    let all = queue.claim(1_000).await.unwrap();
    assert_eq!(all.len(), 1_000);
    end_leases(&link).await;
    let mut found = 0;
    while found < 1_000 {
        let claimed = queue.claim(7).await.unwrap();
        assert!(!claimed.is_empty(), "{found} were found");
        assert!(claimed.iter().all(|delivery| delivery.attempt == 2));
        found += claimed.len();
        queue.ack(&leases(&claimed)).await.unwrap();
    }
    assert_eq!(queue.lengths().await.unwrap().live(), 0);
}

#[tokio::test]
async fn leases_are_settled_in_any_order_and_number() {
    let queue = RedisQueue::new(link_to(shared()), config());
    for part in (0..3_000).map(item).collect::<Vec<_>>().chunks(1_000) {
        queue.publish(part).await.unwrap();
    }
    let mut held = Vec::new();
    while held.len() < 3_000 {
        held.extend(leases(&queue.claim(1_000).await.unwrap()));
    }
    // Far apart, backwards, and one of them twice.
    let some = [&held[2_900], &held[7], &held[7], &held[1_500]].map(Clone::clone);
    let told = queue.ack(&some).await.unwrap();
    assert_eq!(told, [Settled::Done, Settled::Done, Settled::Stale, Settled::Done]);
    held.reverse();
    let told = queue.ack(&held).await.unwrap();
    assert_eq!(told.iter().filter(|settled| **settled == Settled::Done).count(), 2_997);
    assert_eq!(queue.lengths().await.unwrap().live(), 0);
}

#[tokio::test]
async fn a_full_queue_refuses_and_drops_only_what_is_dead() {
    let full = RedisQueueConfig { live_max: 2, dead_max: 1, ..config() };
    let queue = RedisQueue::new(link_to(shared()), full);
    let many: Vec<QueueItem> = (1..=3).map(item).collect();
    assert_eq!(queue.publish(&many).await, Err(QueueError::Full));
    queue.publish(&many[..2]).await.unwrap();
    assert_eq!(queue.publish(&many[2..]).await, Err(QueueError::Full));
    for delivery in queue.claim(2).await.unwrap() {
        queue.bury(&delivery.lease, "no").await.unwrap();
    }
    let dead = queue.dead(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].item.id, "2");
    queue.publish(&many[2..]).await.unwrap();
}

#[tokio::test]
async fn a_queue_lasts_as_long_as_redis_is_told_to() {
    let server = RedisServer::start(Memory::Lasts);
    let queue = RedisQueue::new(link_to(&server), config());
    for n in 0..50 {
        queue.publish(&[item(n)]).await.unwrap();
    }
    let held = queue.claim(10).await.unwrap();
    queue.retry(&held[0].lease, Duration::ZERO).await.unwrap();
    server.kill();
    let away = queue.publish(&[item(99)]).await;
    assert!(matches!(away, Err(QueueError::Unavailable(_))), "{away:?}");
    server.restart();
    until(|| async { queue.lengths().await.is_ok() }).await;
    let lengths = queue.lengths().await.unwrap();
    assert_eq!((lengths.live(), lengths.leased, lengths.delayed), (50, 9, 1), "{lengths:?}");
    assert_eq!(queue.ack(&leases(&held[1..])).await.unwrap(), vec![Settled::Done; 9]);
}

#[tokio::test]
async fn an_emptied_queue_goes_on() {
    let server = RedisServer::start(Memory::Forgets);
    let queue = RedisQueue::new(link_to(&server), config());
    queue.publish(&[item(1), item(2)]).await.unwrap();
    let held = queue.claim(1).await.unwrap();
    server.flush();
    assert_eq!(queue.ack(&leases(&held)).await, Ok(vec![Settled::Stale]));
    assert_eq!(queue.lengths().await.unwrap().live(), 0);
    queue.publish(&[item(1)]).await.unwrap();
    assert_eq!(queue.claim(10).await.unwrap().len(), 1);
}

/// Somebody else's entries in our streams are no work of ours.
#[tokio::test]
async fn what_somebody_else_wrote_is_left_out() {
    let link = link_to(shared());
    let queue = RedisQueue::new(link.clone(), config());
    let mut connection = link.connection();
    let key = format!("{}:queue:{{work}}:dead", link.prefix());
    let mut add = redis::cmd("XADD");
    add.arg(key).arg("*").arg("p").arg(b"\xff").arg("b").arg("nobody");
    add.query_async::<String>(&mut connection).await.unwrap();
    assert_eq!(queue.dead(10).await, Ok(vec![]));
    let key = format!("{}:queue:{{work}}:interactive", link.prefix());
    let mut add = redis::cmd("XADD");
    add.arg(key).arg("*").arg("a").arg("many").arg("?").arg("?");
    add.query_async::<String>(&mut connection).await.unwrap();
    queue.publish(&[item(1)]).await.unwrap();
    for _ in 0..5 {
        let claimed = queue.claim(10).await.unwrap();
        assert!(claimed.iter().all(|delivery| delivery.item == item(1)));
        queue.ack(&leases(&claimed)).await.unwrap();
        end_leases(&link).await;
    }
    let lengths = queue.lengths().await.unwrap();
    assert_eq!((lengths.live(), lengths.dead), (0, 2), "{lengths:?}");
}
