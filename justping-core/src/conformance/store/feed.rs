//! Feeds: each subscriber hears each stored event, in order, from one process at a time.

use crate::conformance::fixture::{
    World, assert_invalid, assert_not_found, assert_stale, at, together,
};
use crate::model::{BusinessId, Event, EventBody};
use crate::port::store::{FEED_BATCH_MAX, FeedClaim, FeedOutcome};
use crate::port::{FeedName, SUBSCRIPTION_NAME_MAX_BYTES, Store};

fn feed(world: &World<'_>, name: &str) -> FeedName {
    FeedName { business_id: world.business, name: name.to_owned() }
}

fn custom(world: &World<'_>, name: &str) -> Event {
    let body = EventBody::Custom { name: name.to_owned(), data: serde_json::Value::Null };
    Event { business_id: world.business, conversation_id: None, at: at(0), body }
}

async fn tell(world: &World<'_>, names: std::ops::Range<u32>) {
    for name in names {
        world.store.record_event(&custom(world, &name.to_string())).await.unwrap();
    }
}

async fn claim(world: &World<'_>, feed: &FeedName, second: i64, limit: u32) -> Option<FeedClaim> {
    world.store.claim_feed(feed, at(second), at(second + 10), limit).await.unwrap()
}

/// The names of the events of a claim.
fn names(claim: &FeedClaim) -> Vec<String> {
    let name = |event: &crate::port::FeedEvent| match &event.event.body {
        EventBody::Custom { name, .. } => name.clone(),
        other => panic!("expected a custom event: {other:?}"),
    };
    claim.events.iter().map(name).collect()
}

async fn told(world: &World<'_>, feed: &FeedName, claim: &FeedClaim) {
    let last = claim.events.last().unwrap().number;
    world.store.record_feed(feed, claim.fence, FeedOutcome::Told(last)).await.unwrap();
}

/// A feed begins with what happens after it was first asked for.
pub async fn feed_begins_at_its_first_claim(store: &dyn Store) {
    let world = World::new(store).await;
    world.quiet("ann").await;
    let feed = feed(&world, "f\u{0}é");
    assert_eq!(claim(&world, &feed, 0, 9).await, None);
    tell(&world, 0..2).await;
    let claimed = claim(&world, &feed, 1, 9).await.unwrap();
    assert_eq!((names(&claimed), claimed.failures), (vec!["0".to_owned(), "1".to_owned()], 0));
    assert_eq!(claimed.events[1].number, claimed.events[0].number + 1);
    assert_eq!(claimed.events[0].event, custom(&world, "0"));
}

/// Events come once each, in order and in batches, when each batch is recorded.
pub async fn feed_goes_on_behind_what_was_told(store: &dyn Store) {
    let world = World::new(store).await;
    let feed = feed(&world, "f");
    claim(&world, &feed, 0, 9).await;
    tell(&world, 0..5).await;
    let mut heard = Vec::new();
    while let Some(claimed) = claim(&world, &feed, 1, 2).await {
        heard.extend(names(&claimed));
        told(&world, &feed, &claimed).await;
    }
    assert_eq!(heard, ["0", "1", "2", "3", "4"]);
    tell(&world, 5..6).await;
    assert_eq!(names(&claim(&world, &feed, 1, 2).await.unwrap()), ["5"]);
}

/// A feed that is claimed is nobody else's until its lease is over; then the same events are told
/// again, one at a time.
pub async fn feed_lease_that_ran_out_is_told_again(store: &dyn Store) {
    let world = World::new(store).await;
    let feed = feed(&world, "f");
    claim(&world, &feed, 0, 9).await;
    tell(&world, 0..3).await;
    let first = claim(&world, &feed, 1, 9).await.unwrap();
    assert_eq!(claim(&world, &feed, 10, 9).await, None);
    let second = claim(&world, &feed, 11, 9).await.unwrap();
    assert_eq!((names(&second), second.failures), (vec!["0".to_owned()], 1));
    assert!(second.fence > first.fence);
    let late = FeedOutcome::Told(first.events[2].number);
    assert_stale(store.record_feed(&feed, first.fence, late).await);
    told(&world, &feed, &second).await;
    assert_stale(store.record_feed(&feed, second.fence, late).await);
    let third = claim(&world, &feed, 12, 9).await.unwrap();
    assert_eq!((names(&third), third.failures), (vec!["1".to_owned(), "2".to_owned()], 0));
}

/// What was not taken is told again at its moment, and its failures are counted.
pub async fn feed_waits_after_a_failure(store: &dyn Store) {
    let world = World::new(store).await;
    let feed = feed(&world, "f");
    claim(&world, &feed, 0, 9).await;
    tell(&world, 0..2).await;
    for failures in 0..3 {
        let second = i64::from(failures) * 20;
        let claimed = claim(&world, &feed, second + 5, 9).await.unwrap();
        assert_eq!(claimed.failures, failures);
        assert_eq!(names(&claimed).len(), if failures == 0 { 2 } else { 1 });
        let again = FeedOutcome::Again(at(second + 25));
        store.record_feed(&feed, claimed.fence, again).await.unwrap();
        assert_eq!(claim(&world, &feed, second + 24, 9).await, None);
    }
    let claimed = claim(&world, &feed, 65, 9).await.unwrap();
    told(&world, &feed, &claimed).await;
    assert_eq!(names(&claim(&world, &feed, 65, 9).await.unwrap()), ["1"]);
}

/// Subscribers of one business do not share how far they got, and a closed feed begins anew.
pub async fn feeds_have_names(store: &dyn Store) {
    let world = World::new(store).await;
    let (one, two) = (feed(&world, "one"), feed(&world, "two"));
    claim(&world, &one, 0, 9).await;
    tell(&world, 0..1).await;
    claim(&world, &two, 0, 9).await;
    tell(&world, 1..2).await;
    assert_eq!(names(&claim(&world, &one, 0, 9).await.unwrap()), ["0", "1"]);
    assert_eq!(names(&claim(&world, &two, 0, 9).await.unwrap()), ["1"]);
    store.close_feed(&one).await.unwrap();
    store.close_feed(&one).await.unwrap();
    assert_eq!(claim(&world, &one, 0, 9).await, None);
    tell(&world, 2..3).await;
    assert_eq!(names(&claim(&world, &one, 0, 9).await.unwrap()), ["2"]);
    for name in [String::new(), "n".repeat(SUBSCRIPTION_NAME_MAX_BYTES + 1)] {
        let odd = FeedName { name, ..one.clone() };
        assert_invalid(store.claim_feed(&odd, at(0), at(1), 1).await);
    }
}

/// A feed hears nothing of another business.
pub async fn foreign_events_are_not_told(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let (feed, foreign) = (feed(&ours, "f"), feed(&theirs, "f"));
    claim(&ours, &feed, 0, 9).await;
    claim(&theirs, &foreign, 0, 9).await;
    tell(&theirs, 0..1).await;
    assert_eq!(claim(&ours, &feed, 1, 9).await, None);
    let claimed = claim(&theirs, &foreign, 1, 9).await.unwrap();
    assert_stale(store.record_feed(&feed, claimed.fence, FeedOutcome::Told(1)).await);
    store.close_feed(&feed).await.unwrap();
    told(&theirs, &foreign, &claimed).await;
    let nobody = FeedName { business_id: BusinessId::from_uuid(ours.uuid()), ..feed };
    assert_not_found(store.claim_feed(&nobody, at(0), at(1), 1).await);
}

/// Whatever commits at the same time, no event is passed over.
pub async fn feed_has_no_gap_in_a_crowd(store: &dyn Store) {
    const CROWD: u32 = 24;
    let world = World::new(store).await;
    let feed = feed(&world, "f");
    claim(&world, &feed, 0, 9).await;
    let mut heard = Vec::new();
    let read = async {
        while heard.len() < CROWD as usize {
            let Some(claimed) = claim(&world, &feed, 1, 5).await else {
                tokio::task::yield_now().await;
                continue;
            };
            heard.extend(claimed.events.iter().map(|event| event.number));
            told(&world, &feed, &claimed).await;
        }
    };
    tokio::join!(together((0..CROWD).map(|n| tell(&world, n..n + 1))), read);
    let first = heard[0];
    assert_eq!(heard, (first..first + u64::from(CROWD)).collect::<Vec<_>>());
}

/// A batch has a bound, whatever is asked for.
pub async fn feed_batches_are_bounded(store: &dyn Store) {
    let world = World::new(store).await;
    let feed = feed(&world, "f");
    claim(&world, &feed, 0, 9).await;
    tell(&world, 0..FEED_BATCH_MAX + 1).await;
    assert_eq!(claim(&world, &feed, 1, 0).await, None);
    let claimed = claim(&world, &feed, 1, u32::MAX).await.unwrap();
    assert_eq!(claimed.events.len(), FEED_BATCH_MAX as usize);
}
