//! Leases, and the upkeep that is done under one.

use std::time::Duration;

use uuid::Uuid;

use super::group::add_group;
use crate::conformance::fixture::{World, assert_stale, at, next_one};
use crate::model::{BusinessId, ConversationChange, DeliveryStatus, Owner, PageRequest, WorkerId};
use crate::port::Store;
use crate::port::store::{
    Accepted, IdempotencyRecord, IdempotencyStart, Retention, StatusOutcome, StoreResult,
    UPKEEP_LEASE, UpkeepOptions, UpkeepReport,
};

/// Rows of one move in these checks.
const LIMIT: u32 = 2;
/// Moves after which upkeep that does not end is a failure.
const MOVES_MAX: usize = 100;

fn worker(number: u128) -> WorkerId {
    WorkerId::from_uuid(Uuid::from_u128(number))
}

async fn take(store: &dyn Store, who: u128, now: i64, until: i64) -> Option<u64> {
    store.take_lease(UPKEEP_LEASE, worker(who), at(now), at(until)).await.unwrap()
}

/// A lease is held by one worker until its moment.
pub async fn lease_is_held_by_one(store: &dyn Store) {
    let fence = take(store, 1, 0, 10).await;
    assert!(fence.is_some());
    assert_eq!(take(store, 2, 0, 10).await, None);
    assert_eq!(take(store, 2, 9, 19).await, None);
    assert!(take(store, 2, 10, 20).await > fence);
    assert_eq!(take(store, 1, 11, 21).await, None);
}

/// Whoever holds a lease extends it under the same fence.
pub async fn lease_is_extended_by_its_holder(store: &dyn Store) {
    let fence = take(store, 1, 0, 10).await;
    assert_eq!(take(store, 1, 9, 30).await, fence);
    assert_eq!(take(store, 2, 20, 40).await, None);
}

/// A lease that ran out is another one, even for the worker that held it.
pub async fn lease_that_is_over_has_another_fence(store: &dyn Store) {
    let first = take(store, 1, 0, 10).await;
    let second = take(store, 1, 10, 20).await;
    let third = take(store, 2, 20, 30).await;
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
}

/// A lease that is given back is free at once, unless somebody else has it by now.
pub async fn lease_is_given_back(store: &dyn Store) {
    let first = take(store, 1, 0, 100).await.unwrap();
    store.release_lease(UPKEEP_LEASE, first).await.unwrap();
    let second = take(store, 2, 1, 100).await.unwrap();
    assert!(second > first);
    store.release_lease(UPKEEP_LEASE, first).await.unwrap();
    store.release_lease("never taken", 1).await.unwrap();
    assert_eq!(take(store, 1, 2, 100).await, None);
}

/// Leases of different names have nothing to do with each other.
pub async fn leases_have_names(store: &dyn Store) {
    let one = store.take_lease("one", worker(1), at(0), at(10)).await.unwrap();
    let two = store.take_lease("two", worker(2), at(0), at(10)).await.unwrap();
    assert!(one.is_some() && two.is_some());
    assert_eq!(store.take_lease("two", worker(1), at(0), at(10)).await, Ok(None));
}

/// What is older than a minute goes.
fn minute() -> Retention {
    let minute = Some(Duration::from_secs(60));
    Retention { events: minute, references: minute, parked: minute, ..Retention::default() }
}

fn options(fence: u64, now: i64) -> UpkeepOptions {
    let keep = Retention { requests: Some(Duration::from_secs(60)), ..minute() };
    UpkeepOptions { fence, now: at(now), keep, limit: LIMIT, after: None }
}

/// Does all of the upkeep under a lease; what it did together.
async fn upkeep(store: &dyn Store, now: i64) -> UpkeepReport {
    let fence = take(store, 1, now, now + 10).await.unwrap();
    let mut options = options(fence, now);
    let mut sum = UpkeepReport::default();
    for _ in 0..MOVES_MAX {
        sum.add(store.upkeep(&options).await.unwrap());
        match sum.next.take() {
            Some(next) => options.after = Some(next),
            None => {
                store.release_lease(UPKEEP_LEASE, fence).await.unwrap();
                return sum;
            }
        }
    }
    panic!("the upkeep does not end: {sum:?}");
}

async fn start(
    store: &dyn Store,
    business: BusinessId,
    key: &str,
    second: i64,
) -> StoreResult<IdempotencyStart> {
    let now = at(second);
    let record = IdempotencyRecord { key: key.to_owned(), request_sha256: [1; 32], now };
    store.start_request(business, &record, at(-600)).await
}

/// Without the lease nothing is done.
pub async fn upkeep_needs_the_lease(store: &dyn Store) {
    let world = World::new(store).await;
    start(store, world.business, "k", 0).await.unwrap();
    assert_stale(store.upkeep(&options(1, 100)).await);
    let fence = take(store, 1, 100, 110).await.unwrap();
    assert_stale(store.upkeep(&options(fence + 1, 100)).await);
    assert_eq!(start(store, world.business, "k", 100).await, Ok(IdempotencyStart::InFlight));
    assert_eq!(store.upkeep(&options(fence, 100)).await.unwrap().requests, 1);
}

/// A leader that slept past its lease and finds another one in its place changes nothing.
pub async fn upkeep_of_an_old_leader_changes_nothing(store: &dyn Store) {
    let world = World::new(store).await;
    let zombie = take(store, 1, 0, 10).await.unwrap();
    let leader = take(store, 2, 10, 20).await.unwrap();
    start(store, world.business, "k", 0).await.unwrap();
    assert_stale(store.upkeep(&options(zombie, 100)).await);
    assert_eq!(start(store, world.business, "k", 100).await, Ok(IdempotencyStart::InFlight));
    assert_eq!(store.upkeep(&options(leader, 100)).await.unwrap().requests, 1);
    assert_eq!(start(store, world.business, "k", 100).await, Ok(IdempotencyStart::Started));
}

/// Old answers to requests go, whosever they are.
pub async fn upkeep_forgets_requests_of_all_businesses(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    for (business, key, second) in [
        (world.business, "a", 1),
        (rival.business, "b", 2),
        (world.business, "c", 3),
        (world.business, "d", 4),
        (world.business, "e", 5),
        (rival.business, "young", 41),
    ] {
        start(store, business, key, second).await.unwrap();
    }
    assert_eq!(upkeep(store, 100).await.requests, 5);
    assert_eq!(start(store, world.business, "a", 100).await, Ok(IdempotencyStart::Started));
    assert_eq!(start(store, rival.business, "young", 100).await, Ok(IdempotencyStart::InFlight));
}

/// News that nobody named a message for goes after its time.
pub async fn upkeep_drops_parked_news(store: &dyn Store) {
    let world = World::new(store).await;
    for reference in ["p1", "p2", "p3"] {
        let news = world.news(reference, DeliveryStatus::Delivered);
        assert_eq!(world.hear(news).await, StatusOutcome::Parked);
    }
    assert_eq!(upkeep(store, 50).await.parked, 0);
    assert_eq!(upkeep(store, 100).await.parked, 3);
    let conversation = world.quiet("ann").await.id;
    world.posted(world.post(conversation, "hi")).await;
    let claim = world.sent(at(100), "p1").await;
    let messages = world.messages(conversation).await;
    let sent = messages.iter().find(|message| message.seq == claim.row.seq).unwrap();
    assert_eq!(sent.status, DeliveryStatus::Sent, "what was dropped is not told any more");
}

/// What providers called old messages is forgotten; the messages stay, and so do young names.
pub async fn upkeep_forgets_references(store: &dyn Store) {
    let world = World::new(store).await;
    let mut conversation = world.quiet("ann").await.id;
    for reference in ["m1", "m2", "m3"] {
        conversation = world.arrive(world.hello("ann", reference)).await.id;
    }
    world.posted(world.post(conversation, "hi")).await;
    world.sent(at(5), "p1").await;
    let before = world.messages(conversation).await;

    let report = upkeep(store, 30).await;
    assert_eq!((report.received, report.sent), (0, 0));
    let duplicate = world.accept(world.hello("ann", "m2")).await;
    assert!(matches!(duplicate, Accepted::Duplicate { .. }), "{duplicate:?}");

    let report = upkeep(store, 200).await;
    assert_eq!((report.received, report.sent), (4, 1));
    assert_eq!(world.messages(conversation).await, before);
    let news = world.news("p1", DeliveryStatus::Read);
    assert_eq!(world.hear(news).await, StatusOutcome::Parked);
    let again = world.accept(world.hello("ann", "m2")).await;
    assert!(matches!(again, Accepted::New { .. }), "{again:?}");
}

/// Old events go from the front of each business's list, all but its newest; numbers and cursors
/// stay what they were.
pub async fn upkeep_drops_events_in_order(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    for (world, who) in [(&world, "ann"), (&world, "bob"), (&rival, "cem")] {
        world.quiet(who).await;
    }
    let all = PageRequest::first(50);
    let first = PageRequest::first(1);
    let page = store.events(world.business, &first).await.unwrap();
    let old = store.events(world.business, &all).await.unwrap().items;
    let conversation = world.quiet("dan").await.id;
    let change = ConversationChange::Assign { owner: Owner::Member(world.member) };
    store.change_conversation(world.business, conversation, &change, at(90)).await.unwrap();

    let dropped = upkeep(store, 100).await.events;
    let left = store.events(world.business, &all).await.unwrap().items;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].at, at(90));
    assert_eq!(store.events(rival.business, &all).await.unwrap().items.len(), 1);
    assert!(dropped > old.len() as u64, "{dropped}");
    // A reader who had stopped in what is gone goes on with what is there.
    let next = store.events(world.business, &next_one(&page)).await.unwrap();
    assert_eq!(next.items, left);

    // Whoever comes next continues the numbers.
    store
        .change_conversation(world.business, conversation, &ConversationChange::Close, at(91))
        .await
        .unwrap();
    let page = store.events(world.business, &first).await.unwrap();
    assert_eq!(page.items, left);
    let next = store.events(world.business, &next_one(&page)).await.unwrap();
    assert_eq!(next.items[0].at, at(91));
}

/// Two that work under one fence remove each row once between them.
pub async fn upkeep_twice_at_once_is_once(store: &dyn Store) {
    let world = World::new(store).await;
    for number in 0..10 {
        start(store, world.business, &format!("k{number}"), 0).await.unwrap();
    }
    let fence = take(store, 1, 100, 110).await.unwrap();
    let all = UpkeepOptions { limit: 100, ..options(fence, 100) };
    let (a, b, c) = tokio::join!(store.upkeep(&all), store.upkeep(&all), store.upkeep(&all));
    let counts = [a, b, c].map(|report| report.unwrap().requests);
    assert_eq!(counts.iter().sum::<u64>(), 10, "{counts:?}");
}

/// Who was in a deleted group is forgotten by and by; who is in another one stays in it.
pub async fn upkeep_drops_memberships(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let mut kept = Vec::new();
    for world in [&world, &rival] {
        let (group, gone) = (add_group(world, "kept").await, add_group(world, "gone").await);
        let mut contacts = Vec::new();
        for who in ["ann", "bob", "cem", "dan"] {
            contacts.push(world.add_contact(&[who]).await.id);
        }
        for group in [group, gone] {
            store.add_to_group(world.business, group, &contacts, at(0)).await.unwrap();
        }
        store.delete_group(world.business, gone).await.unwrap();
        kept.push((world.business, group));
    }
    assert_eq!(upkeep(store, 100).await.memberships, 8);
    assert_eq!(upkeep(store, 200).await.memberships, 0);
    for (business, group) in kept {
        assert_eq!(store.group_size(business, group).await, Ok(4));
    }
}
