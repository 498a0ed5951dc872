//! Publications, and the sessions that live on the versions of a flow.

use std::collections::BTreeMap;

use crate::conformance::fixture::{
    FINISH, World, assert_invalid, assert_not_found, at, next_one, nonsense,
};
use crate::model::{
    ConversationChange, FlowId, FlowVersionId, LiveCount, PageRequest, Publication, Session,
    SessionPolicy, SessionStatus, StrandedPolicy,
};
use crate::port::Store;
use crate::port::store::TurnCommit;

/// Each publication is kept with its policy; the newest one counts, whatever version it is asked for.
pub async fn publications_are_kept(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = world.new_flow();
    store.create_flow(&flow).await.unwrap();
    let policies = [
        FINISH,
        SessionPolicy::Migrate {
            nodes: BTreeMap::from([("old \u{1f600}".to_owned(), "new\0".to_owned())]),
            stranded: StrandedPolicy::End,
        },
        SessionPolicy::Restart,
        SessionPolicy::End,
    ];
    let mut made = Vec::new();
    for (number, policy) in (1..).zip(&policies) {
        let version = world.new_version(flow.id, &number.to_string());
        let now = at(i64::from(number));
        let version = store.publish_flow(&version, policy, now).await.unwrap();
        made.push(Publication {
            business_id: world.business,
            flow_id: flow.id,
            number,
            version_id: version.id,
            policy: policy.clone(),
            published_at: now,
        });
        for publication in &made {
            let newest = store.publication_for(world.business, publication.version_id).await;
            assert_eq!(newest, Ok(made.last().cloned()));
        }
    }
    let first = store.publications(world.business, flow.id, &PageRequest::first(3)).await.unwrap();
    let second = store.publications(world.business, flow.id, &next_one(&first)).await.unwrap();
    assert_eq!([first.items, second.items].concat(), made);
    assert_eq!(second.next, None);
    assert_invalid(store.publications(world.business, flow.id, &nonsense()).await);
}

/// To go back is to publish an earlier version again: one more publication, no more versions.
pub async fn publication_of_an_earlier_version_is_one_more(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = world.new_flow();
    store.create_flow(&flow).await.unwrap();
    let one = store.publish_flow(&world.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    store.publish_flow(&world.new_version(flow.id, "b"), &FINISH, at(2)).await.unwrap();
    let back = store.publish_flow(&one, &SessionPolicy::Restart, at(3)).await.unwrap();
    assert_eq!(back, one);
    assert_eq!(store.flow(world.business, flow.id).await.unwrap().published, Some(one.id));
    let newest = store.publication_for(world.business, one.id).await.unwrap().unwrap();
    assert_eq!((newest.number, newest.version_id), (3, one.id));
    assert_eq!(newest.policy, SessionPolicy::Restart);
    let page = PageRequest::default();
    assert_eq!(store.flow_versions(world.business, flow.id, &page).await.unwrap().items.len(), 2);
}

/// What does not exist has no publications and no sessions.
pub async fn publications_need_their_flow(store: &dyn Store) {
    let world = World::new(store).await;
    let (flow, version) = (FlowId::from_uuid(world.uuid()), FlowVersionId::from_uuid(world.uuid()));
    let page = PageRequest::default();
    assert_not_found(store.publication_for(world.business, version).await);
    assert_not_found(store.publications(world.business, flow, &page).await);
    assert_not_found(store.live_counts(world.business, flow).await);
    assert_not_found(store.live_sessions(world.business, version, &page).await);
    let unpublished = world.new_flow();
    store.create_flow(&unpublished).await.unwrap();
    let none = store.publications(world.business, unpublished.id, &page).await.unwrap();
    assert_eq!(none.items, []);
    assert_eq!(store.live_counts(world.business, unpublished.id).await, Ok(Vec::new()));
}

/// Sessions that wait are counted by version and listed by id, a page at a time; others are not.
pub async fn live_sessions_are_counted_and_listed(store: &dyn Store) {
    let world = World::new(store).await;
    let (one, other) = (world.published().await, world.published().await);
    let next = world.new_version(one.flow_id, "next");
    let next = store.publish_flow(&next, &FINISH, at(1)).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..5 {
        let who = format!("ann {number}");
        waiting.push(world.session_of(&who, one.id, SessionStatus::Waiting).await);
    }
    world.session_of("bob", next.id, SessionStatus::Waiting).await;
    world.session_of("cid", other.id, SessionStatus::Waiting).await;
    world.session_of("dan", one.id, SessionStatus::Completed).await;
    let count = |version_id, number, sessions| LiveCount { version_id, number, sessions };
    let counts = store.live_counts(world.business, one.flow_id).await.unwrap();
    assert_eq!(counts, [count(one.id, 1, 5), count(next.id, 2, 1)]);
    waiting.sort_by_key(|session| session.id);
    let mut listed: Vec<Session> = Vec::new();
    let mut page = PageRequest::first(2);
    loop {
        let read = store.live_sessions(world.business, one.id, &page).await.unwrap();
        listed.extend(read.items.clone());
        if read.next.is_none() {
            break;
        }
        page = next_one(&read);
    }
    assert_eq!(listed, waiting);
    assert_invalid(store.live_sessions(world.business, one.id, &nonsense()).await);
}

/// A session that moves to another version, ends, or is closed with its conversation lives on no
/// longer where it was.
pub async fn live_sessions_move_and_end(store: &dyn Store) {
    let world = World::new(store).await;
    let one = world.published().await;
    let two = world.new_version(one.flow_id, "two");
    let two = store.publish_flow(&two, &FINISH, at(1)).await.unwrap();
    let moving = world.session_of("ann", one.id, SessionStatus::Waiting).await;
    let ending = world.session_of("bob", one.id, SessionStatus::Waiting).await;
    let closing = world.session_of("cid", one.id, SessionStatus::Waiting).await;
    let counts = async || {
        let counts = store.live_counts(world.business, one.flow_id).await.unwrap();
        counts.iter().map(|count| (count.number, count.sessions)).collect::<Vec<_>>()
    };
    assert_eq!(counts().await, [(1, 3)]);
    for (who, session) in [
        ("ann", Session { flow_version_id: two.id, ..moving.clone() }),
        ("bob", Session { status: SessionStatus::Cancelled, ..ending }),
    ] {
        world.arrive(world.hello(who, &format!("{who} again"))).await;
        let claim = world.claim_one(at(2)).await;
        let commit = TurnCommit { sessions: vec![session], ..world.done(&claim) };
        world.commit(commit).await;
    }
    assert_eq!(counts().await, [(1, 1), (2, 1)]);
    world.change(closing.conversation_id, ConversationChange::Close).await;
    assert_eq!(counts().await, [(2, 1)]);
    let page = PageRequest::default();
    let left = store.live_sessions(world.business, two.id, &page).await.unwrap().items;
    assert_eq!(left, [Session { flow_version_id: two.id, ..moving }]);
    assert_eq!(store.live_sessions(world.business, one.id, &page).await.unwrap().items, []);
}
