use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::json;

use super::super::tests::Puppet;
use super::*;
use crate::memory::MemorySubscriber;
use crate::model::{Event, EventBody, PageRequest};
use crate::port::{Clock, SubscriberError};
use crate::stage::Stage;

/// A stage, its events, and an engine of its own over its store that tells `subscriber`.
async fn stage() -> Stage {
    Stage::builder(Arc::new(Puppet)).open(&[json!({})]).await.unwrap()
}

fn teller(stage: &Stage, subscriber: Arc<dyn EventSubscriber>) -> JustPing {
    let builder = JustPing::builder().flows(Arc::new(Puppet)).subscriber(subscriber);
    let clock = Arc::clone(stage.clock()) as Arc<dyn Clock>;
    builder.store(Arc::clone(stage.engine().store())).clock(clock).build().unwrap()
}

fn feed(stage: &Stage) -> FeedName {
    FeedName { business_id: stage.business(), name: "test".to_owned() }
}

async fn stored(stage: &Stage) -> Vec<Event> {
    let page = PageRequest::first(200);
    stage.engine().store().events(stage.business(), &page).await.unwrap().items
}

fn heard(subscriber: &MemorySubscriber) -> Vec<Event> {
    subscriber.told().into_iter().map(|(_, event)| event.event).collect()
}

#[tokio::test]
async fn whoever_subscribed_hears_everything_in_order() {
    let stage = stage().await;
    let subscriber = Arc::new(MemorySubscriber::new(vec![feed(&stage)]));
    let teller = teller(&stage, Arc::clone(&subscriber) as _);
    assert_eq!(teller.tell_subscribers().await, Ok(0));
    for (who, what) in [("ann", "hello"), ("bob", "people"), ("ann", "end")] {
        stage.say(who, what).await.unwrap();
        teller.tell_subscribers().await.unwrap();
    }
    assert_eq!(heard(&subscriber), stored(&stage).await);
    assert!(heard(&subscriber).iter().any(|e| matches!(e.body, EventBody::SessionStatus { .. })));
    assert_eq!(teller.tell_subscribers().await, Ok(0), "each once");
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_later() {
    let stage = stage().await;
    let subscriber = Arc::new(MemorySubscriber::new(vec![feed(&stage)]));
    let teller = teller(&stage, Arc::clone(&subscriber) as _);
    teller.tell_subscribers().await.unwrap();
    stage.say("ann", "hello").await.unwrap();
    subscriber.fail(3);
    for _ in 0..FEED_TRIES_MAX {
        teller.tell_subscribers().await.unwrap();
        stage.clock().advance(SignedDuration::from_mins(10));
    }
    assert_eq!(heard(&subscriber), stored(&stage).await);
    assert_eq!(subscriber.given_up(), []);
}

#[tokio::test]
async fn an_event_that_nobody_can_take_is_given_up_alone() {
    let stage = stage().await;
    let subscriber = Arc::new(MemorySubscriber::new(vec![feed(&stage)]));
    let teller = teller(&stage, Arc::clone(&subscriber) as _);
    teller.tell_subscribers().await.unwrap();
    stage.say("ann", "hello").await.unwrap();
    stage.say("bob", "hello").await.unwrap();
    let poison = 2;
    subscriber.choke_on(poison);
    for _ in 0..2 * FEED_TRIES_MAX {
        teller.tell_subscribers().await.unwrap();
        stage.clock().advance(SignedDuration::from_mins(10));
    }
    let mut expected = stored(&stage).await;
    expected.remove(1);
    assert_eq!(heard(&subscriber), expected);
    assert_eq!(subscriber.given_up(), [(feed(&stage), poison)]);
}

/// Takes events, and then never says so: what a process sees that dies in between.
#[derive(Debug)]
struct Dying {
    inner: MemorySubscriber,
    deaths: AtomicUsize,
}

#[async_trait]
impl EventSubscriber for Dying {
    fn feeds(&self) -> Vec<FeedName> {
        self.inner.feeds()
    }

    fn wants(&self, feed: &FeedName, event: &Event) -> bool {
        self.inner.wants(feed, event)
    }

    async fn handle(&self, feed: &FeedName, events: &[FeedEvent]) -> Result<(), SubscriberError> {
        self.inner.handle(feed, events).await?;
        if self.deaths.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn gave_up(&self, feed: &FeedName, event: &FeedEvent, detail: &str) {
        self.inner.gave_up(feed, event, detail).await;
    }
}

#[tokio::test]
async fn a_process_that_dies_between_handling_and_remembering_loses_nothing() {
    let stage = stage().await;
    let inner = MemorySubscriber::new(vec![feed(&stage)]);
    let subscriber = Arc::new(Dying { inner, deaths: AtomicUsize::new(0) });
    let teller = teller(&stage, Arc::clone(&subscriber) as _);
    teller.tell_subscribers().await.unwrap();
    for who in ["ann", "bob", "cem"] {
        stage.say(who, "hello").await.unwrap();
    }
    let expected = stored(&stage).await.len() as u64;
    let mut rounds = 0;
    loop {
        let mut telling = Box::pin(teller.tell_subscribers());
        // One poll of a store in memory goes as far as the subscriber does; then the process is
        // gone.
        let poll = std::future::poll_fn(|cx| Poll::Ready(telling.as_mut().poll(cx))).await;
        if let Poll::Ready(done) = poll {
            done.unwrap();
            break;
        }
        drop(telling);
        stage.clock().advance(SignedDuration::from_mins(10));
        rounds += 1;
        assert!(rounds < 100, "the feed stands still");
    }
    let numbers: Vec<u64> = subscriber.inner.told().iter().map(|(_, e)| e.number).collect();
    let mut each = numbers.clone();
    each.sort_unstable();
    each.dedup();
    assert_eq!(each, (1..=expected).collect::<Vec<_>>(), "each at least once");
    assert!(numbers.len() > each.len(), "and some again");
    // The first time that each is told is in order.
    let mut first = Vec::new();
    for number in numbers {
        if !first.contains(&number) {
            first.push(number);
        }
    }
    assert_eq!(first, each);
    assert_eq!(subscriber.inner.given_up(), []);
}

#[tokio::test]
async fn a_feed_of_nobody_keeps_no_other_from_being_told() {
    let stage = stage().await;
    let nobody = crate::model::BusinessId::from_uuid(uuid::Uuid::nil());
    let missing = FeedName { business_id: nobody, ..feed(&stage) };
    let odd = FeedName { name: String::new(), ..feed(&stage) };
    let subscriber = Arc::new(MemorySubscriber::new(vec![missing, odd, feed(&stage)]));
    let teller = teller(&stage, Arc::clone(&subscriber) as _);
    teller.tell_subscribers().await.unwrap();
    stage.say("ann", "hello").await.unwrap();
    teller.tell_subscribers().await.unwrap();
    assert_eq!(heard(&subscriber), stored(&stage).await);
}

#[tokio::test]
async fn two_processes_tell_each_event_once() {
    let stage = stage().await;
    let subscriber = Arc::new(MemorySubscriber::new(vec![feed(&stage)]));
    let one = teller(&stage, Arc::clone(&subscriber) as _);
    let two = teller(&stage, Arc::clone(&subscriber) as _);
    one.tell_subscribers().await.unwrap();
    for who in ["ann", "bob", "cem"] {
        stage.say(who, "hello").await.unwrap();
        let (a, b) = tokio::join!(one.tell_subscribers(), two.tell_subscribers());
        a.unwrap();
        b.unwrap();
    }
    assert_eq!(heard(&subscriber), stored(&stage).await);
}

#[tokio::test]
async fn to_settle_is_to_tell() {
    let stage = stage().await;
    let subscriber = Arc::new(MemorySubscriber::new(vec![feed(&stage)]));
    let teller = teller(&stage, Arc::clone(&subscriber) as _);
    teller.settle().await.unwrap();
    stage.say("ann", "hello").await.unwrap();
    teller.settle().await.unwrap();
    assert_eq!(heard(&subscriber), stored(&stage).await);
}
