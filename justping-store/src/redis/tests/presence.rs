use std::sync::Arc;

use justping_core::conformance::PresenceSubject;
use justping_core::model::{BusinessId, ContactId, ConversationId, MemberId, Typist};
use justping_core::port::{Change, Presence, PresenceError};
use uuid::Uuid;

use super::server::{Memory, shared};
use super::*;

mod contract {
    use super::*;

    async fn subject() -> PresenceSubject {
        let pass = Box::new(|span| Box::pin(tokio::time::sleep(span)) as _);
        PresenceSubject { presence: Arc::new(RedisPresence::new(link_to(shared()))), pass }
    }

    justping_core::presence_conformance!(subject);
}

fn ours() -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(1))
}

fn member(n: u128) -> MemberId {
    MemberId::from_uuid(Uuid::from_u128(n))
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn processes_see_each_others_members() {
    let prefix = prefix();
    let open = || RedisPresence::new(link_with(shared(), &prefix, PATIENCE));
    let (a, b) = (open(), open());
    let talk = ConversationId::from_uuid(Uuid::from_u128(2));
    let contact = Typist::Contact(ContactId::from_uuid(Uuid::from_u128(3)));
    assert_eq!(a.arrive(ours(), member(1), LONG).await, Ok(Change::Changed));
    assert_eq!(b.arrive(ours(), member(1), LONG).await, Ok(Change::Unchanged));
    a.start_typing(ours(), talk, contact, LONG).await.unwrap();
    assert_eq!(b.members(ours()).await, Ok(vec![member(1)]));
    assert_eq!(b.typists(ours(), talk).await, Ok(vec![contact]));
}

#[tokio::test]
async fn a_room_goes_with_the_last_who_is_in_it() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_to(&server);
    let presence = RedisPresence::new(link.clone());
    presence.arrive(ours(), member(1), Duration::from_millis(20)).await.unwrap();
    until(|| async {
        let mut connection = link.connection();
        redis::cmd("DBSIZE").query_async::<u64>(&mut connection).await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn without_redis_nothing_is_known_and_heartbeats_bring_it_back() {
    let server = RedisServer::start(Memory::Forgets);
    let presence = RedisPresence::new(link_to(&server));
    presence.arrive(ours(), member(1), LONG).await.unwrap();
    server.kill();
    assert_eq!(presence.members(ours()).await, Err(PresenceError::Unavailable));
    let arrived = presence.arrive(ours(), member(1), LONG).await;
    assert_eq!(arrived, Err(PresenceError::Unavailable));
    server.restart();
    until(|| async { presence.members(ours()).await == Ok(vec![]) }).await;
    assert_eq!(presence.arrive(ours(), member(1), LONG).await, Ok(Change::Changed));
}
