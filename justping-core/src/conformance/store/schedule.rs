//! Timers, calls, and the next moment at which something is due.

use serde_json::json;

use crate::conformance::fixture::{LEASE_S, World, at};
use crate::model::{
    CallId, CallResult, ConversationChange, ConversationId, MailboxEvent, Owner, Session,
    SessionId, SessionStatus, Signal,
};
use crate::port::store::{CallClaim, CallFinish, OutsideMail, TurnCommit};
use crate::port::{Store, StoreError};

fn finish(world: &World<'_>, claim: &CallClaim) -> CallFinish {
    CallFinish {
        business_id: world.business,
        call_id: claim.call.id,
        fence: claim.fence,
        result: CallResult::Ok(json!({ "status": 200 })),
    }
}

async fn calls(world: &World<'_>, seconds: i64) -> Vec<CallClaim> {
    world.store.claim_calls(&world.options(at(seconds), 100)).await.unwrap()
}

/// A timer enters its conversation's mailbox when it is due, once.
pub async fn timer_fires_once(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    assert_eq!(store.fire_due(at(99), 9).await, Ok(0));
    assert_eq!(world.claim(at(99)).await, []);
    assert_eq!(store.fire_due(at(100), 9).await, Ok(1));
    assert_eq!(store.fire_due(at(100), 9).await, Ok(0));
    let claim = world.claim_one(at(100)).await;
    assert_eq!(claim.session, Some(waiting.session.clone()));
    let expected = MailboxEvent::Timer {
        timer_id: waiting.timer.id,
        session_id: waiting.session.id,
        token: waiting.timer.token,
    };
    assert_eq!(claim.entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>(), [expected]);
}

/// Due timers fire in the order of their moments, a bounded number at once.
pub async fn timers_fire_in_order(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let session = world.session(&claim, SessionStatus::Waiting);
    let timers: Vec<_> = [30, 10, 20].map(|due| world.timer(&session, at(due))).to_vec();
    let order = [timers[1].id, timers[2].id, timers[0].id];
    world.commit(TurnCommit { sessions: vec![session], timers, ..world.done(&claim) }).await;
    assert_eq!(store.fire_due(at(40), 2).await, Ok(2));
    assert_eq!(store.fire_due(at(40), 2).await, Ok(1));
    let entries = world.claim_one(at(40)).await.entries;
    let fired = entries.iter().map(|entry| match &entry.event {
        MailboxEvent::Timer { timer_id, .. } => *timer_id,
        other => panic!("expected a timer: {other:?}"),
    });
    assert!(fired.eq(order));
}

/// A call is performed by one worker and its result enters the mailbox, once.
pub async fn call_comes_back_once(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    let claim = calls(&world, 2).await.remove(0);
    assert_eq!(claim.call, waiting.call);
    assert_eq!(calls(&world, 2).await, []);
    assert_eq!(store.finish_calls(vec![finish(&world, &claim)]).await, Ok(1));
    assert_eq!(store.finish_calls(vec![finish(&world, &claim)]).await, Ok(0));
    let entries = world.claim_one(at(3)).await.entries;
    let expected = MailboxEvent::CallDone {
        call_id: waiting.call.id,
        session_id: waiting.session.id,
        token: waiting.call.request.token,
        result: CallResult::Ok(json!({ "status": 200 })),
    };
    assert_eq!(entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>(), [expected]);
    assert_eq!(calls(&world, 1_000).await, []);
}

/// A failed call comes back like any other.
pub async fn call_may_fail(store: &dyn Store) {
    let world = World::new(store).await;
    world.waiting("ann").await;
    let claim = calls(&world, 2).await.remove(0);
    let result = CallResult::Error { code: "timeout".to_owned(), detail: "too slow".to_owned() };
    let finish = CallFinish { result: result.clone(), ..finish(&world, &claim) };
    assert_eq!(store.finish_calls(vec![finish]).await, Ok(1));
    let entry = world.claim_one(at(3)).await.entries.remove(0);
    assert!(matches!(entry.event, MailboxEvent::CallDone { result: found, .. } if found == result));
}

/// When a worker dies the call goes to the next, and the late result changes nothing.
pub async fn call_lease_that_ran_out_goes_to_the_next(store: &dyn Store) {
    let world = World::new(store).await;
    world.waiting("ann").await;
    let late = calls(&world, 2).await.remove(0);
    assert_eq!(late.call.attempts, 0);
    assert_eq!(calls(&world, 1 + LEASE_S).await, []);
    let next = calls(&world, 2 + LEASE_S).await.remove(0);
    assert_eq!(next.call.attempts, 1, "earlier claims are counted");
    assert!(next.fence > late.fence);
    let batch = vec![finish(&world, &late), finish(&world, &next)];
    assert_eq!(store.finish_calls(batch).await, Ok(1));
    assert_eq!(world.claim_one(at(90)).await.entries.len(), 1);
}

/// Two workers never perform one call, and a claim is bounded.
pub async fn calls_are_claimed_once(store: &dyn Store) {
    let world = World::new(store).await;
    for who in ["ann", "bob", "cem"] {
        world.waiting(who).await;
    }
    assert_eq!(store.claim_calls(&world.options(at(2), 1)).await.unwrap().len(), 1);
    let (mine, yours) = tokio::join!(calls(&world, 2), calls(&world, 2));
    assert_eq!(mine.len() + yours.len(), 2);
}

/// A result of a call that does not exist changes nothing.
pub async fn call_result_of_nothing_is_ignored(store: &dyn Store) {
    let world = World::new(store).await;
    world.waiting("ann").await;
    let claim = calls(&world, 2).await.remove(0);
    let lost = CallFinish { call_id: CallId::from_uuid(world.uuid()), ..finish(&world, &claim) };
    assert_eq!(store.finish_calls(vec![lost]).await, Ok(0));
    assert_eq!(world.claim(at(9)).await, []);
}

/// An outside event enters the mailbox of the session that waits, and of no other.
pub async fn outside_event_reaches_the_session_that_waits(store: &dyn Store) {
    let world = World::new(store).await;
    let other = World::new(store).await;
    let waiting = world.waiting("ann").await;
    let bob = world.quiet("bob").await;
    let mail = |name: &str| OutsideMail {
        business_id: world.business,
        conversation_id: waiting.conversation.id,
        session_id: waiting.session.id,
        signal: Signal::Name(name.to_owned()),
        data: json!({ "amount": 3, "text": "é\u{0}\"" }),
    };
    let stray = |change: fn(&mut OutsideMail, &World<'_>)| {
        let mut mail = mail("stray");
        change(&mut mail, &other);
        mail
    };
    let elsewhere = OutsideMail { conversation_id: bob.id, ..mail("stray") };
    let batch = vec![
        stray(|mail, other| mail.business_id = other.business),
        stray(|mail, other| mail.session_id = SessionId::from_uuid(other.uuid())),
        stray(|mail, other| mail.conversation_id = ConversationId::from_uuid(other.uuid())),
        elsewhere,
    ];
    assert_eq!(store.put_outside(batch).await, Ok(0));
    assert_eq!(world.claim(at(2)).await, []);
    let link = OutsideMail { signal: Signal::Link(7), data: json!(null), ..mail("") };
    let (paid, again) = (mail("paid"), mail("again"));
    let batch = vec![paid.clone(), link.clone(), again.clone()];
    assert_eq!(store.put_outside(batch).await, Ok(3));
    let entries = world.claim_one(at(2)).await.entries;
    let found: Vec<MailboxEvent> = entries.into_iter().map(|entry| entry.event).collect();
    assert_eq!(found, [paid.event(), link.event(), again.event()]);
    assert_eq!(store.put_outside(Vec::new()).await, Ok(0));
}

/// The session that waits in a conversation is found, until it ends.
pub async fn waiting_session_is_found_until_it_ends(store: &dyn Store) {
    let world = World::new(store).await;
    let other = World::new(store).await;
    let waiting = world.waiting("ann").await;
    let bob = world.quiet("bob").await;
    let find = async |business, id| store.waiting_session(business, id).await;
    let id = waiting.conversation.id;
    assert_eq!(find(world.business, id).await, Ok(Some(waiting.session.clone())));
    assert_eq!(find(world.business, bob.id).await, Ok(None));
    assert!(matches!(find(other.business, id).await, Err(StoreError::NotFound(_))));
    store.fire_due(at(100), 9).await.unwrap();
    let claim = world.claim_one(at(100)).await;
    let ended = Session { status: SessionStatus::Completed, ..waiting.session };
    world.commit(TurnCommit { sessions: vec![ended], ..world.done(&claim) }).await;
    assert_eq!(find(world.business, id).await, Ok(None));
}

/// How often conversations changed hands is told in the order of the question, also of one that is
/// asked for twice; of those that are not there, or are another business's, nothing is told.
pub async fn generations_are_told_in_order(store: &dyn Store) {
    let world = World::new(store).await;
    let other = World::new(store).await;
    let (ann, bob) = (world.quiet("ann").await, world.quiet("bob").await);
    let assign = ConversationChange::Assign { owner: Owner::Member(world.member) };
    let taken = store.change_conversation(world.business, bob.id, &assign, at(1)).await.unwrap();
    assert!(taken.generation > bob.generation);
    let nobody = ConversationId::from_uuid(world.uuid());
    let asked = [
        (world.business, bob.id),
        (world.business, nobody),
        (world.business, ann.id),
        (other.business, ann.id),
        (world.business, bob.id),
    ];
    let (ann, bob) = (Some(ann.generation), Some(taken.generation));
    assert_eq!(store.generations(&asked).await, Ok(vec![bob, None, ann, None, bob]));
    assert_eq!(store.generations(&[]).await, Ok(vec![]));
}

/// A new store waits for nothing.
pub async fn next_due_of_nothing_is_none(store: &dyn Store) {
    assert_eq!(store.next_due(at(0)).await, Ok(None));
    let world = World::new(store).await;
    world.quiet("ann").await;
    assert_eq!(store.next_due(at(0)).await, Ok(None));
}

/// The next moment is that of whatever comes first: a send, a call, a lease, a timer.
pub async fn next_due_is_the_first_of_all(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(waiting.call.created_at)), "the call");
    let call = calls(&world, 2).await.remove(0);
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(2 + LEASE_S))), "the call's lease");
    world.posted(world.post(waiting.conversation.id, "hello")).await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(1))), "the send");
    let send = world.send_one(at(1)).await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(1 + LEASE_S))), "the send's lease");
    world.record(&send, crate::conformance::fixture::sent_as("p1")).await;
    store.finish_calls(vec![finish(&world, &call)]).await.unwrap();
    let turn = world.claim_one(at(3)).await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(3 + LEASE_S))), "the turn's lease");
    world.commit(world.done(&turn)).await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(100))), "the timer");
    store.fire_due(at(100), 9).await.unwrap();
    let turn = world.claim_one(at(100)).await;
    world.commit(world.done(&turn)).await;
    assert_eq!(store.next_due(at(0)).await, Ok(None));
}

/// Rows that wait behind another of their conversation are not due: nobody could take them.
pub async fn next_due_looks_at_first_rows_only(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    world.posted(world.post(id, "one")).await;
    world.posted(world.post(id, "two")).await;
    world.send_one(at(1)).await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(1 + LEASE_S))));
}
