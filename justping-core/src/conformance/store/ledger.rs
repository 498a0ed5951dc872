//! Stored events and answered requests.

use crate::conformance::fixture::{World, assert_not_found, at, next_one};
use crate::model::{
    BusinessId, ConversationChange, Event, EventBody, Owner, PageRequest, Priority,
};
use crate::port::Store;
use crate::port::store::{IdempotencyRecord, IdempotencyStart, Post};

async fn events(world: &World<'_>) -> Vec<Event> {
    world.store.events(world.business, &PageRequest::first(200)).await.unwrap().items
}

/// An accepted message leaves the events of what it created, and a duplicate leaves none.
pub async fn events_of_an_accept(store: &dyn Store) {
    let world = World::new(store).await;
    let conversation = world.arrive(world.hello("ann", "m1")).await;
    world.accept(world.hello("ann", "m1")).await;
    world.arrive(world.hello("ann", "m2")).await;
    let expected = [
        Event {
            business_id: world.business,
            conversation_id: None,
            at: at(0),
            body: EventBody::ContactCreated { contact_id: conversation.contact_id },
        },
        Event {
            business_id: world.business,
            conversation_id: Some(conversation.id),
            at: at(0),
            body: EventBody::ConversationCreated { conversation },
        },
    ];
    assert_eq!(events(&world).await, expected);
}

/// Whatever changes a conversation leaves one event with how it is afterwards; what changes
/// nothing leaves none.
pub async fn events_of_changes(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    let before = events(&world).await.len();
    let priority = ConversationChange::SetPriority { priority: Priority::High };
    let mut expected = vec![world.change(id, priority.clone()).await];
    world.change(id, priority).await;
    let owner = Owner::Member(world.member);
    world.posted(Post { owner: Some(owner), ..world.post(id, "mine") }).await;
    expected.push(world.conversation(id).await);
    world.posted(Post { owner: Some(owner), ..world.post(id, "still mine") }).await;
    expected.push(world.change(id, ConversationChange::Close).await);
    expected.push(world.arrive(world.hello("ann", "again")).await);
    let found: Vec<_> = events(&world).await.split_off(before);
    let found = found.into_iter().map(|event| match event.body {
        EventBody::ConversationUpdated { conversation } => conversation,
        other => panic!("expected an update: {other:?}"),
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

/// Events are paged in the order of their commits, also while more are added.
pub async fn events_are_paged_in_order(store: &dyn Store) {
    let world = World::new(store).await;
    world.quiet("ann").await;
    world.quiet("bob").await;
    let all = events(&world).await;
    let mut page = store.events(world.business, &PageRequest::first(1)).await.unwrap();
    let mut seen = page.items.clone();
    world.quiet("cem").await;
    while page.next.is_some() {
        page = store.events(world.business, &next_one(&page)).await.unwrap();
        seen.extend(page.items.clone());
    }
    assert_eq!(seen, events(&world).await);
    assert_eq!(seen[..all.len()], all);
}

/// An event that no move brings is recorded behind the others; one that is not stored is left out.
pub async fn an_event_is_recorded_by_itself(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    ours.quiet("ann").await;
    let mut expected = events(&ours).await;
    let event = |body| Event { business_id: ours.business, conversation_id: None, at: at(7), body };
    let dropped = event(EventBody::MessageDropped {
        channel_id: ours.channel,
        provider_ref: "m\u{0}1".to_owned(),
        reason: "spam".to_owned(),
    });
    for _ in 0..2 {
        store.record_event(&dropped).await.unwrap();
        expected.push(dropped.clone());
    }
    let fleeting = event(EventBody::MessageDelta { text: "par".to_owned() });
    store.record_event(&fleeting).await.unwrap();
    assert_eq!(events(&ours).await, expected);
    ours.quiet("bob").await;
    assert_eq!(events(&ours).await[..expected.len()], expected);
    assert!(events(&ours).await.len() > expected.len());
    assert_eq!(events(&theirs).await, []);
    let nobody = Event { business_id: BusinessId::from_uuid(ours.uuid()), ..dropped };
    assert_not_found(store.record_event(&nobody).await);
}

fn request(key: &str, content: u8, seconds: i64) -> IdempotencyRecord {
    IdempotencyRecord { key: key.to_owned(), request_sha256: [content; 32], now: at(seconds) }
}

/// A request under a new key is started; until it is answered the same request is in flight.
pub async fn request_is_started_once(store: &dyn Store) {
    let world = World::new(store).await;
    let start = |record| async move {
        store.start_request(world.business, &record, at(-60)).await.unwrap()
    };
    assert_eq!(start(request("k", 1, 0)).await, IdempotencyStart::Started);
    assert_eq!(start(request("k", 1, 1)).await, IdempotencyStart::InFlight);
    assert_eq!(start(request("k", 2, 1)).await, IdempotencyStart::Mismatch);
    assert_eq!(start(request("other", 2, 1)).await, IdempotencyStart::Started);
}

/// An answered request gives the same answer again, and another request under its key is refused.
pub async fn request_is_answered_again(store: &dyn Store) {
    let world = World::new(store).await;
    let business = world.business;
    store.start_request(business, &request("k", 1, 0), at(-60)).await.unwrap();
    store.finish_request(business, "k", 201, r#"{"id":"✓"}"#).await.unwrap();
    let again = store.start_request(business, &request("k", 1, 90), at(30)).await;
    let answer = IdempotencyStart::Done { status: 201, body: r#"{"id":"✓"}"#.to_owned() };
    assert_eq!(again, Ok(answer));
    let other = store.start_request(business, &request("k", 2, 90), at(30)).await;
    assert_eq!(other, Ok(IdempotencyStart::Mismatch));
    assert_not_found(store.finish_request(business, "unknown", 200, "").await);
}

/// A request that was started long ago and never answered may be started anew.
pub async fn request_that_was_abandoned_starts_anew(store: &dyn Store) {
    let world = World::new(store).await;
    let business = world.business;
    store.start_request(business, &request("k", 1, 0), at(-60)).await.unwrap();
    let early = store.start_request(business, &request("k", 1, 60), at(0)).await;
    assert_eq!(early, Ok(IdempotencyStart::InFlight));
    let anew = store.start_request(business, &request("k", 1, 61), at(1)).await;
    assert_eq!(anew, Ok(IdempotencyStart::Started));
    let again = store.start_request(business, &request("k", 1, 62), at(2)).await;
    assert_eq!(again, Ok(IdempotencyStart::InFlight));
}

/// A request that came to nothing is forgotten; an answered one is not.
pub async fn request_is_forgotten(store: &dyn Store) {
    let world = World::new(store).await;
    let business = world.business;
    let start = async || store.start_request(business, &request("k", 1, 0), at(-60)).await.unwrap();
    start().await;
    store.forget_request(business, "k").await.unwrap();
    store.forget_request(business, "k").await.unwrap();
    assert_eq!(start().await, IdempotencyStart::Started);
    store.finish_request(business, "k", 200, "").await.unwrap();
    store.forget_request(business, "k").await.unwrap();
    assert!(matches!(start().await, IdempotencyStart::Done { .. }));
}

/// Old requests are removed, of every business, a bounded number at once.
pub async fn requests_expire(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    for (business, key, second) in [
        (world.business, "a", 1),
        (rival.business, "b", 2),
        (world.business, "c", 3),
        (world.business, "d", 4),
    ] {
        store.start_request(business, &request(key, 1, second), at(-60)).await.unwrap();
    }
    store.finish_request(world.business, "a", 200, "").await.unwrap();
    assert_eq!(store.expire_requests(at(4), 2).await, Ok(2));
    assert_eq!(store.expire_requests(at(4), 2).await, Ok(1));
    assert_eq!(store.expire_requests(at(4), 2).await, Ok(0));
    let kept = store.start_request(world.business, &request("d", 1, 9), at(-60)).await;
    assert_eq!(kept, Ok(IdempotencyStart::InFlight));
    let gone = store.start_request(world.business, &request("a", 1, 9), at(-60)).await;
    assert_eq!(gone, Ok(IdempotencyStart::Started));
}
