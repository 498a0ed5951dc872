//! The contract of [`Queue`]: run it with [`queue_conformance!`](crate::queue_conformance).

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::clock::Pass;
use crate::model::{BusinessId, Lane};
use crate::port::{
    Delivery, ITEM_BYTES_MAX, ITEM_ID_BYTES_MAX, ITEMS_PER_CALL_MAX, ItemLease, LANE_SHARE,
    Published, QUEUE_DEATHS_MAX, Queue, QueueError, QueueItem, Settled,
};

/// Makes every worker die that holds something: lets their leases run out, or cuts them off.
pub type Die = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Whether a queue knows that an item of the same name waits already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// It does.
    Known,
    /// It does not: whoever does the work has to.
    Unknown,
}

/// A queue under test.
pub struct QueueSubject {
    /// The queue, empty, for at least [`QueueSubject::ROOM`] live items.
    pub queue: Arc<dyn Queue>,
    /// Lets time pass on its clock: moves it, or really waits. Never so long that a lease ends.
    pub pass: Pass,
    /// Makes workers die.
    pub die: Die,
    /// What it knows about names.
    pub names: Names,
}

impl fmt::Debug for QueueSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSubject").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// How often a queue that answers late is asked before it counts as empty.
const ASKED_MAX: usize = 2_000;

fn business(n: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(n))
}

fn item(n: usize) -> QueueItem {
    let (id, body) = (format!("item {n}"), n.to_string().into_bytes());
    QueueItem { business_id: business(1), id, lane: Lane::Interactive, body }
}

fn on(lane: Lane, n: usize) -> QueueItem {
    QueueItem { lane, ..item(n) }
}

fn bodies(deliveries: &[Delivery]) -> Vec<usize> {
    let read = |delivery: &Delivery| std::str::from_utf8(&delivery.item.body).unwrap().parse();
    deliveries.iter().map(|delivery| read(delivery).unwrap()).collect()
}

fn leases(deliveries: &[Delivery]) -> Vec<ItemLease> {
    deliveries.iter().map(|delivery| delivery.lease.clone()).collect()
}

impl QueueSubject {
    /// Live items a queue under test must have room for.
    pub const ROOM: usize = 2_000;

    async fn publish(&self, items: &[QueueItem]) {
        let published = self.queue.publish(items).await.unwrap();
        assert_eq!(published, vec![Published::New; items.len()]);
    }

    /// Takes so many items; asks again while they are on their way.
    async fn claim(&self, count: usize) -> Vec<Delivery> {
        let mut claimed = Vec::new();
        for _ in 0..ASKED_MAX {
            let limit = u32::try_from(count - claimed.len()).unwrap();
            claimed.extend(self.queue.claim(limit).await.unwrap());
            assert!(claimed.len() <= count, "more than was asked for");
            if claimed.len() == count {
                return claimed;
            }
            (self.pass)(Duration::from_millis(2)).await;
        }
        panic!("{} of {count} items came", claimed.len());
    }

    async fn claim_one(&self) -> Delivery {
        self.claim(1).await.pop().unwrap()
    }

    async fn ack(&self, delivery: &Delivery) -> Settled {
        self.queue.ack(std::slice::from_ref(&delivery.lease)).await.unwrap()[0]
    }

    async fn assert_empty(&self) {
        assert_eq!(self.queue.claim(10).await, Ok(vec![]));
        let lengths = self.queue.lengths().await.unwrap();
        assert_eq!(lengths.live(), 0, "{lengths:?}");
    }
}

/// An item comes out as it went in, and is gone when it is acknowledged.
pub async fn item_is_done_once_acknowledged(subject: &QueueSubject) {
    subject.assert_empty().await;
    let body = (0..=255).collect();
    let item = QueueItem { business_id: business(7), id: "ä:{}|\0".to_owned(), body, ..item(1) };
    subject.publish(std::slice::from_ref(&item)).await;
    let delivery = subject.claim_one().await;
    assert_eq!((&delivery.item, delivery.attempt), (&item, 1));
    assert_eq!(subject.queue.claim(10).await, Ok(vec![]), "one worker holds it");
    assert_eq!(subject.ack(&delivery).await, Settled::Done);
    assert_eq!(subject.ack(&delivery).await, Settled::Stale, "it is settled");
    subject.assert_empty().await;
}

/// Items of a lane come in the order of publishing, as many as asked for.
pub async fn items_come_in_order(subject: &QueueSubject) {
    subject.publish(&(0..30).map(item).collect::<Vec<_>>()).await;
    subject.publish(&(30..40).map(item).collect::<Vec<_>>()).await;
    let mut seen = bodies(&subject.claim(7).await);
    seen.extend(bodies(&subject.claim(33).await));
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    assert_eq!(subject.queue.claim(0).await, Ok(vec![]));
}

/// Urgent lanes go first, but leave the others their share.
pub async fn urgent_lanes_go_first(subject: &QueueSubject) {
    for (lane, from) in [(Lane::Bulk, 200), (Lane::Transactional, 100), (Lane::Interactive, 0)] {
        subject.publish(&(from..from + 40).map(|n| on(lane, n)).collect::<Vec<_>>()).await;
    }
    let claimed = subject.claim(2 * LANE_SHARE as usize).await;
    let of = |lane| claimed.iter().filter(|delivery| delivery.item.lane == lane).count();
    let shares = [of(Lane::Interactive), of(Lane::Transactional), of(Lane::Bulk)];
    assert_eq!(shares, [2 * LANE_SHARE as usize - 4, 2, 2]);
    let single = subject.claim_one().await;
    assert_eq!(single.item.lane, Lane::Interactive);
    let rest = subject.claim(120 - claimed.len() - 1).await;
    let all: BTreeSet<usize> =
        [bodies(&claimed), bodies(&[single]), bodies(&rest)].concat().into_iter().collect();
    assert_eq!(all.len(), 120);
}

/// While an item waits or is held, another of its name is a duplicate, in its business only.
pub async fn names_are_known_while_an_item_lives(subject: &QueueSubject) {
    if subject.names == Names::Unknown {
        // Then both are given out, and nothing is lost.
        subject.publish(&[item(1), item(1)]).await;
        assert_eq!(bodies(&subject.claim(2).await), [1, 1]);
        return;
    }
    let theirs = QueueItem { business_id: business(2), ..item(1) };
    let published = subject.queue.publish(&[item(1), item(1), theirs]).await.unwrap();
    assert_eq!(published, [Published::New, Published::Duplicate, Published::New]);
    let claimed = subject.claim(2).await;
    let again = subject.queue.publish(&[item(1)]).await;
    assert_eq!(again, Ok(vec![Published::Duplicate]), "it is being done");
    subject.queue.retry(&claimed[0].lease, Duration::from_secs(600)).await.unwrap();
    let again = subject.queue.publish(&[item(1)]).await;
    assert_eq!(again, Ok(vec![Published::Duplicate]), "it comes back");
    subject.queue.ack(&leases(&claimed[1..])).await.unwrap();
    let theirs = QueueItem { business_id: business(2), ..item(1) };
    subject.publish(&[theirs]).await;
}

/// An item whose worker died goes to another; the first has no say any more.
pub async fn item_outlives_its_worker(subject: &QueueSubject) {
    subject.publish(&[item(1)]).await;
    let first = subject.claim_one().await;
    (subject.die)().await;
    let second = subject.claim_one().await;
    assert_eq!((second.attempt, &second.item), (2, &first.item));
    assert_eq!(subject.ack(&first).await, Settled::Stale);
    assert_eq!(subject.queue.retry(&first.lease, Duration::ZERO).await, Ok(Settled::Stale));
    assert_eq!(subject.queue.bury(&first.lease, "no").await, Ok(Settled::Stale));
    assert_eq!(subject.ack(&second).await, Settled::Done);
    subject.assert_empty().await;
    assert_eq!(subject.queue.lengths().await.unwrap().dead, 0);
}

/// An item that kills its workers is buried with the reason.
pub async fn poison_is_buried(subject: &QueueSubject) {
    subject.publish(&[item(1)]).await;
    for attempt in 1..=QUEUE_DEATHS_MAX {
        assert_eq!(subject.claim_one().await.attempt, attempt);
        (subject.die)().await;
    }
    let mut dead = Vec::new();
    for _ in 0..ASKED_MAX {
        assert_eq!(subject.queue.claim(1).await, Ok(vec![]));
        dead = subject.queue.dead(10).await.unwrap();
        if !dead.is_empty() {
            break;
        }
        (subject.pass)(Duration::from_millis(2)).await;
    }
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].item, item(1));
    assert!(dead[0].reason.contains("died"), "{}", dead[0].reason);
    subject.assert_empty().await;
}

/// An item that is to be tried again comes back when its time has come, any number of times.
pub async fn retry_waits_and_is_no_death(subject: &QueueSubject) {
    subject.publish(&[item(1)]).await;
    for attempt in 1..=QUEUE_DEATHS_MAX + 2 {
        let delivery = subject.claim_one().await;
        assert_eq!((delivery.attempt, &delivery.item), (attempt, &item(1)));
        let after = Duration::from_millis(u64::from(attempt) * 10);
        assert_eq!(subject.queue.retry(&delivery.lease, after).await, Ok(Settled::Done));
        assert_eq!(subject.ack(&delivery).await, Settled::Stale, "it is settled");
    }
    let delivery = subject.claim_one().await;
    subject.queue.retry(&delivery.lease, Duration::from_secs(600)).await.unwrap();
    assert_eq!(subject.queue.claim(1).await, Ok(vec![]));
    let lengths = subject.queue.lengths().await.unwrap();
    assert_eq!((lengths.delayed, lengths.dead), (1, 0), "{lengths:?}");
}

/// A short wait is over before a long one.
pub async fn shorter_waits_end_first(subject: &QueueSubject) {
    subject.publish(&[item(1), item(2)]).await;
    let claimed = subject.claim(2).await;
    subject.queue.retry(&claimed[0].lease, Duration::from_secs(600)).await.unwrap();
    subject.queue.retry(&claimed[1].lease, Duration::from_millis(10)).await.unwrap();
    assert_eq!(bodies(&[subject.claim_one().await]), [2]);
}

/// What was buried is told with its reason, and lives again when it is replayed.
pub async fn buried_items_can_be_replayed(subject: &QueueSubject) {
    subject.publish(&[item(1), on(Lane::Bulk, 2), item(3)]).await;
    for delivery in subject.claim(3).await {
        let reason = format!("no use: {}", delivery.item.id);
        assert_eq!(subject.queue.bury(&delivery.lease, &reason).await, Ok(Settled::Done));
        assert_eq!(subject.ack(&delivery).await, Settled::Stale);
    }
    subject.assert_empty().await;
    let dead = subject.queue.dead(10).await.unwrap();
    let ids: Vec<&str> = dead.iter().map(|dead| dead.item.id.as_str()).collect();
    assert_eq!(ids, ["item 1", "item 3", "item 2"]);
    assert!(dead.iter().all(|dead| dead.reason == format!("no use: {}", dead.item.id)));
    assert_eq!(subject.queue.dead(1).await.unwrap().len(), 1);
    assert_eq!(subject.queue.replay(2).await, Ok(2));
    let again = subject.claim(2).await;
    assert_eq!(bodies(&again), [1, 3]);
    assert!(again.iter().all(|delivery| delivery.attempt == 1));
    assert_eq!(subject.queue.replay(10).await, Ok(1));
    assert_eq!(subject.queue.replay(10).await, Ok(0));
    let last = subject.claim_one().await;
    assert_eq!(last.item, on(Lane::Bulk, 2));
    subject.queue.ack(&leases(&[again, vec![last]].concat())).await.unwrap();
    subject.assert_empty().await;
}

/// Lengths count every item in its place.
pub async fn lengths_count_every_item(subject: &QueueSubject) {
    subject.publish(&[item(1), item(2), item(3), on(Lane::Bulk, 4)]).await;
    let claimed = subject.claim(3).await;
    subject.queue.retry(&claimed[0].lease, Duration::from_secs(600)).await.unwrap();
    subject.queue.bury(&claimed[1].lease, "no").await.unwrap();
    let lengths = subject.queue.lengths().await.unwrap();
    assert_eq!((lengths.ready, lengths.delayed), ([0, 0, 1], 1), "{lengths:?}");
    assert_eq!((lengths.leased, lengths.dead, lengths.live()), (1, 1, 3), "{lengths:?}");
}

/// Several workers share the items: each goes to one of them.
pub async fn crowds_share_the_items(subject: &QueueSubject) {
    let count = 500;
    subject.publish(&(0..count).map(item).collect::<Vec<_>>()).await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let queue = Arc::clone(&subject.queue);
        crowd.spawn(async move {
            let mut done = Vec::new();
            let mut idle = 0;
            while idle < 20 {
                let claimed = queue.claim(17).await.unwrap();
                idle = if claimed.is_empty() { idle + 1 } else { 0 };
                let settled = queue.ack(&leases(&claimed)).await.unwrap();
                assert!(settled.iter().all(|settled| *settled == Settled::Done));
                done.extend(bodies(&claimed));
            }
            done
        });
    }
    let mut done = crowd.join_all().await.concat();
    let rest = subject.queue.lengths().await.unwrap().live();
    let rest = subject.claim(usize::try_from(rest).unwrap()).await;
    subject.queue.ack(&leases(&rest)).await.unwrap();
    done.extend(bodies(&rest));
    done.sort_unstable();
    assert_eq!(done, (0..count).collect::<Vec<_>>());
    subject.assert_empty().await;
}

/// Limits are kept, and nothing of a refused call is published.
pub async fn limits_are_kept(subject: &QueueSubject) {
    let queue = &subject.queue;
    let largest = QueueItem {
        id: "n".repeat(ITEM_ID_BYTES_MAX),
        body: vec![b'0'; ITEM_BYTES_MAX],
        ..item(1)
    };
    subject.publish(std::slice::from_ref(&largest)).await;
    assert_eq!(subject.claim_one().await.item, largest);
    let body = vec![b'0'; ITEM_BYTES_MAX + 1];
    let id = "n".repeat(ITEM_ID_BYTES_MAX + 1);
    for wrong in [QueueItem { body, ..item(2) }, QueueItem { id, ..item(2) }] {
        assert_eq!(queue.publish(&[item(3), wrong]).await, Err(QueueError::TooLarge));
    }
    let many: Vec<QueueItem> = (0..=ITEMS_PER_CALL_MAX).map(item).collect();
    assert_eq!(queue.publish(&many).await, Err(QueueError::TooLarge));
    assert_eq!(queue.lengths().await.unwrap().live(), 1);
    assert_eq!(queue.publish(&[]).await, Ok(vec![]));
    assert_eq!(queue.ack(&[]).await, Ok(vec![]));
}

/// A lease nobody gave is stale, whatever it looks like.
pub async fn foreign_leases_are_stale(subject: &QueueSubject) {
    subject.publish(&[item(1)]).await;
    let delivery = subject.claim_one().await;
    for text in ["", "0", "x|y|z", "9|9-9|9|9", "0|0-0|1|", "-1", &"9".repeat(40)] {
        let lease = ItemLease(text.to_owned());
        assert_eq!(subject.queue.ack(std::slice::from_ref(&lease)).await, Ok(vec![Settled::Stale]));
        assert_eq!(subject.queue.retry(&lease, Duration::ZERO).await, Ok(Settled::Stale));
        assert_eq!(subject.queue.bury(&lease, "no").await, Ok(Settled::Stale), "{text}");
    }
    assert_eq!(subject.ack(&delivery).await, Settled::Done);
}

/// How many checks there are.
pub const CHECKS: usize = 13;

/// Turns the contract of queues into tests; the factory gives a
/// [`QueueSubject`](crate::conformance::QueueSubject).
#[macro_export]
macro_rules! queue_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { queue, $factory, subject => &subject, [
            item_is_done_once_acknowledged
            items_come_in_order
            urgent_lanes_go_first
            names_are_known_while_an_item_lives
            item_outlives_its_worker
            poison_is_buried
            retry_waits_and_is_no_death
            shorter_waits_end_first
            buried_items_can_be_replayed
            lengths_count_every_item
            crowds_share_the_items
            limits_are_kept
            foreign_leases_are_stale
        ] }
    };
}
