//! The contract of [`EventBus`]: run it with [`bus_conformance!`](crate::bus_conformance).

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::fixture::at;
use crate::model::{BusinessId, ConversationId, Event, EventBody, Topic};
use crate::port::{BusError, Entropy, EventBus, Subscription};
use crate::system::SystemEntropy;

/// Longest wait for an event that was published. Reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// More events than a bus keeps for one that does not listen.
const FLOOD: u64 = 10_000;

fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    Uuid::from_bytes(bytes)
}

/// A business and one of its conversations.
#[derive(Clone, Copy)]
struct Place(BusinessId, ConversationId);

impl Place {
    fn new() -> Self {
        Self(BusinessId::from_uuid(uuid()), ConversationId::from_uuid(uuid()))
    }

    fn business(self) -> Topic {
        Topic::Business(self.0)
    }

    fn conversation(self) -> Topic {
        Topic::Conversation(self.0, self.1)
    }

    fn event(self, n: u64) -> Event {
        Event {
            business_id: self.0,
            conversation_id: Some(self.1),
            at: at(0),
            body: EventBody::Custom { name: "n".to_owned(), data: json!(n) },
        }
    }
}

async fn hear(subscription: &mut dyn Subscription) -> Result<u64, BusError> {
    let event = tokio::time::timeout(PATIENCE, subscription.next()).await.expect("an event")?;
    match &event.body {
        EventBody::Custom { data, .. } => Ok(data.as_u64().unwrap()),
        other => panic!("an event nobody published: {other:?}"),
    }
}

/// An event reaches those who listen to its business and those who listen to its conversation.
pub async fn event_reaches_both_topics(bus: &dyn EventBus) {
    let place = Place::new();
    let mut business = bus.subscribe(place.business());
    let mut conversation = bus.subscribe(place.conversation());
    let event = place.event(1);
    bus.publish(vec![event.clone()]).await;
    for subscription in [&mut business, &mut conversation] {
        let heard = tokio::time::timeout(PATIENCE, subscription.next()).await.unwrap().unwrap();
        assert_eq!(*heard, event);
    }
}

/// An event without a conversation reaches those who listen to its business.
pub async fn event_may_have_no_conversation(bus: &dyn EventBus) {
    let place = Place::new();
    let mut business = bus.subscribe(place.business());
    let mut conversation = bus.subscribe(place.conversation());
    bus.publish(vec![Event { conversation_id: None, ..place.event(1) }, place.event(2)]).await;
    assert_eq!(hear(&mut *business).await, Ok(1));
    assert_eq!(hear(&mut *business).await, Ok(2));
    assert_eq!(hear(&mut *conversation).await, Ok(2));
}

/// Nobody hears another business or another conversation.
pub async fn event_stays_in_its_topics(bus: &dyn EventBus) {
    let (ours, theirs) = (Place::new(), Place::new());
    let sibling = Place(ours.0, theirs.1);
    let mut business = bus.subscribe(theirs.business());
    let mut conversation = bus.subscribe(ours.conversation());
    let mut same_id = bus.subscribe(Topic::Conversation(theirs.0, ours.1));
    bus.publish(vec![sibling.event(1), ours.event(2), theirs.event(3)]).await;
    bus.publish(vec![Place(theirs.0, ours.1).event(4)]).await;
    assert_eq!(hear(&mut *business).await, Ok(3));
    assert_eq!(hear(&mut *conversation).await, Ok(2));
    assert_eq!(hear(&mut *same_id).await, Ok(4));
}

/// A listener hears what is published from now on.
pub async fn subscription_starts_now(bus: &dyn EventBus) {
    let place = Place::new();
    let mut early = bus.subscribe(place.business());
    bus.publish(vec![place.event(1)]).await;
    assert_eq!(hear(&mut *early).await, Ok(1));
    let mut late = bus.subscribe(place.business());
    bus.publish(vec![place.event(2)]).await;
    assert_eq!(hear(&mut *late).await, Ok(2));
}

/// Events of a conversation arrive in order, at every listener.
pub async fn events_keep_their_order(bus: &dyn EventBus) {
    let place = Place::new();
    let mut listeners = [place.business(), place.business(), place.conversation()]
        .map(|topic| bus.subscribe(topic));
    bus.publish((0..50).map(|n| place.event(n)).collect()).await;
    for n in 50..100 {
        bus.publish(vec![place.event(n)]).await;
    }
    for listener in &mut listeners {
        for n in 0..100 {
            assert_eq!(hear(&mut **listener).await, Ok(n));
        }
    }
}

/// Publishing does not wait for a slow listener, who is told how much it missed and goes on.
pub async fn slow_listener_is_told(bus: &dyn EventBus) {
    let place = Place::new();
    let mut slow = bus.subscribe(place.business());
    let flood = async {
        for n in 0..FLOOD {
            bus.publish(vec![place.event(n)]).await;
        }
    };
    tokio::time::timeout(PATIENCE, flood).await.expect("publishing waits for a listener");
    let mut expected = 0;
    while expected < FLOOD {
        match hear(&mut *slow).await {
            Ok(n) => {
                assert_eq!(n, expected, "what was missed was told, and no more");
                expected += 1;
            }
            Err(BusError::Missed(count)) => expected += count,
            Err(BusError::Closed) => panic!("the bus is there"),
        }
    }
}

/// Who stops waiting loses no event.
pub async fn waiting_can_be_cancelled(bus: &dyn EventBus) {
    let place = Place::new();
    let mut subscription = bus.subscribe(place.business());
    for n in 0..10 {
        tokio::select! {
            biased;
            _ = subscription.next() => panic!("nothing was published"),
            () = std::future::ready(()) => {}
        }
        bus.publish(vec![place.event(n)]).await;
        assert_eq!(hear(&mut *subscription).await, Ok(n));
    }
}

/// A listener that leaves takes nothing from the others, and the topic can be listened to again.
pub async fn listener_may_leave(bus: &dyn EventBus) {
    let place = Place::new();
    let mut stays = bus.subscribe(place.business());
    drop(bus.subscribe(place.business()));
    drop(bus.subscribe(place.conversation()));
    bus.publish(vec![place.event(1)]).await;
    assert_eq!(hear(&mut *stays).await, Ok(1));
    drop(stays);
    bus.publish(vec![place.event(2)]).await;
    let mut again = bus.subscribe(place.business());
    bus.publish(vec![place.event(3)]).await;
    assert_eq!(hear(&mut *again).await, Ok(3));
}

/// Events that nobody listens to are fine, and so are none.
pub async fn nobody_has_to_listen(bus: &dyn EventBus) {
    bus.publish(Vec::new()).await;
    bus.publish(vec![Place::new().event(1)]).await;
}

/// How many checks there are.
pub const CHECKS: usize = 9;

/// Turns the contract of event buses into tests; the factory gives a fresh bus behind anything
/// that dereferences to it.
#[macro_export]
macro_rules! bus_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { bus, $factory, subject => &*subject, [
            event_reaches_both_topics
            event_may_have_no_conversation
            event_stays_in_its_topics
            subscription_starts_now
            events_keep_their_order
            slow_listener_is_told
            waiting_can_be_cancelled
            listener_may_leave
            nobody_has_to_listen
        ] }
    };
}
