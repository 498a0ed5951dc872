mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use justping_core::conformance::QueueSubject;
use justping_core::conformance::queue::Names;
use justping_core::model::{BusinessId, Lane};
use justping_core::system::SystemClock;
use uuid::Uuid;

use self::server::server;
use super::*;

/// Longer than a test takes.
const LEASE: Duration = Duration::from_secs(3_600);

mod contract {
    use super::*;

    async fn subject() -> QueueSubject {
        let queue = Arc::new(queue(config()));
        let dying = Arc::clone(&queue);
        QueueSubject {
            queue,
            pass: Box::new(|span| Box::pin(tokio::time::sleep(span))),
            die: Box::new(move || {
                let queue = Arc::clone(&dying);
                Box::pin(async move { die(&queue).await })
            }),
            names: Names::Unknown,
        }
    }

    justping_core::queue_conformance!(subject);
}

fn config() -> RabbitQueueConfig {
    static QUEUES: AtomicU32 = AtomicU32::new(0);
    let name = format!("test{}", QUEUES.fetch_add(1, Ordering::Relaxed));
    let patience = Duration::from_secs(60);
    RabbitQueueConfig { lease: LEASE, patience, ..RabbitQueueConfig::new(server().url(), name) }
}

fn queue(config: RabbitQueueConfig) -> RabbitQueue {
    RabbitQueue::new(config, Arc::new(SystemClock::new()))
}

/// Cuts the connection, as the death of the process does, and waits until the broker knows.
async fn die(queue: &RabbitQueue) {
    let session = queue.session.lock().await.take();
    if let Some(session) = session {
        session.cut().await;
    }
}

fn item(n: usize) -> QueueItem {
    QueueItem {
        business_id: BusinessId::from_uuid(Uuid::from_u128(1)),
        id: n.to_string(),
        lane: Lane::Bulk,
        body: n.to_string().into_bytes(),
    }
}

/// Asks until there is something.
async fn claim_one(queue: &RabbitQueue) -> Delivery {
    let asking = async {
        loop {
            if let Some(delivery) = queue.claim(1).await.unwrap().pop() {
                return delivery;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("an item")
}

#[tokio::test]
async fn a_lease_ends_with_its_time() {
    let queue = queue(RabbitQueueConfig { lease: Duration::from_millis(1), ..config() });
    queue.publish(&[item(1)]).await.unwrap();
    let first = claim_one(&queue).await;
    let second = claim_one(&queue).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(queue.ack(&[first.lease]).await, Ok(vec![Settled::Stale]));
}

#[tokio::test]
async fn a_full_lane_refuses() {
    let queue = queue(RabbitQueueConfig { live_max: 5, ..config() });
    let mut published = 0;
    // The broker notices a little late that a lane is full.
    while queue.publish(&[item(published)]).await.is_ok() {
        published += 1;
        assert!(published < 1_000, "the lane has no bound");
    }
    assert!(published >= 5, "{published}");
    let refused = queue.publish(&[item(published)]).await;
    assert_eq!(refused, Err(QueueError::Full));
    for n in 0..published {
        assert_eq!(claim_one(&queue).await.item, item(n), "nothing was dropped");
    }
}

#[tokio::test]
async fn processes_share_a_queue() {
    let config = config();
    let (a, b) = (queue(config.clone()), queue(config));
    a.publish(&[item(1)]).await.unwrap();
    let delivery = claim_one(&b).await;
    assert_eq!(a.claim(1).await, Ok(vec![]));
    assert_eq!(a.ack(std::slice::from_ref(&delivery.lease)).await, Ok(vec![Settled::Stale]));
    assert_eq!(b.ack(&[delivery.lease]).await, Ok(vec![Settled::Done]));
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_unavailable() {
    let url = "amqp://user:secret@127.0.0.1:1/%2f";
    let queue = queue(RabbitQueueConfig::new(url, "none"));
    let away = queue.publish(&[item(1)]).await;
    let Err(QueueError::Unavailable(why)) = away else { panic!("{away:?}") };
    assert!(!why.contains("secret"), "{why}");
    let nonsense = self::queue(RabbitQueueConfig::new("nonsense", "none"));
    assert!(matches!(nonsense.claim(1).await, Err(QueueError::Unavailable(_))));
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused() {
    let queue = queue(RabbitQueueConfig { name: "n".repeat(300), ..config() });
    assert!(matches!(queue.claim(1).await, Err(QueueError::Unavailable(_))));
}
