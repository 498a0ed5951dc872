//! Turns: lease, fence, revision, commit.

use serde_json::json;

use crate::conformance::fixture::{
    FINISH, LEASE_S, World, assert_invalid, assert_not_found, assert_stale, at, text_of,
};
use crate::model::{
    Agent, Author, ConversationChange, ConversationId, ConversationStatus, DeliveryStatus,
    Direction, Event, EventBody, Message, Origin, OutboxState, Owner, PageRequest, SessionStatus,
};
use crate::port::Store;
use crate::port::store::{
    Accept, TURN_ENTRIES_MAX, TurnClaim, TurnCommit, TurnMessage, TurnRelease,
};

fn release(world: &World<'_>, claim: &TurnClaim, seconds: i64) -> TurnRelease {
    TurnRelease {
        business_id: world.business,
        conversation_id: claim.conversation.id,
        fence: claim.fence,
        not_before: at(seconds),
    }
}

/// A claim carries everything a turn reads.
pub async fn claim_carries_what_a_turn_reads(store: &dyn Store) {
    let world = World::new(store).await;
    let (first, idle, second) = (world.new_flow(), world.new_flow(), world.new_flow());
    for flow in [&first, &idle, &second] {
        store.create_flow(flow).await.unwrap();
    }
    let b = store.publish_flow(&world.new_version(second.id, "b"), &FINISH, at(1)).await.unwrap();
    store.publish_flow(&world.new_version(first.id, "old"), &FINISH, at(1)).await.unwrap();
    let a = store.publish_flow(&world.new_version(first.id, "a"), &FINISH, at(1)).await.unwrap();
    let agent = store.agent(world.business, world.agent).await.unwrap();
    let agent = Agent { flows: vec![first.id, idle.id, second.id], ..agent };
    let agent = store.update_agent(&agent).await.unwrap();
    let conversation = world.arrive(world.hello("ann", "m1")).await;
    let claim = world.claim_one(at(0)).await;
    assert_eq!(claim.conversation, conversation);
    let contact = store.contact(world.business, conversation.contact_id).await.unwrap();
    assert_eq!((claim.contact, claim.agent), (contact, Some(agent)));
    assert_eq!(claim.channel, store.channel(world.business, world.channel).await.unwrap());
    assert_eq!(claim.versions, [a.id, b.id]);
    assert_eq!(claim.session, None);
    assert_eq!(claim.entries.len(), 1);
}

/// A channel without an agent is claimed without one.
pub async fn claim_goes_without_an_agent(store: &dyn Store) {
    let world = World::new(store).await;
    store.delete_agent(world.business, world.agent).await.unwrap();
    let claim = world.turn("ann").await;
    assert_eq!((claim.agent, claim.versions), (None, Vec::new()));
}

/// What one worker holds, no other gets.
pub async fn claim_is_exclusive(store: &dyn Store) {
    let world = World::new(store).await;
    world.arrive(world.hello("ann", "m1")).await;
    world.arrive(world.hello("bob", "m2")).await;
    let (mine, yours) = tokio::join!(world.claim(at(0)), world.claim(at(0)));
    assert_eq!(mine.len() + yours.len(), 2);
    assert_eq!(world.claim(at(1)).await, []);
    world.arrive(world.hello("ann", "m3")).await;
    assert_eq!(world.claim(at(1)).await, []);
}

/// The conversation with the oldest mail is first, whatever else was written since.
pub async fn claim_takes_the_oldest_mail_first(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for who in ["ann", "bob", "cem"] {
        ids.push(world.arrive(world.hello(who, who)).await.id);
    }
    world.arrive(world.hello("ann", "ann again")).await;
    for expected in ids {
        let claims = store.claim_turns(&world.options(at(0), 1), None).await.unwrap();
        let found: Vec<ConversationId> = claims.iter().map(|claim| claim.conversation.id).collect();
        assert_eq!(found, [expected]);
    }
    assert_eq!(store.claim_turns(&world.options(at(0), 1), None).await, Ok(Vec::new()));
}

/// One claim carries a bounded piece of a long mailbox; the rest follows, in order.
pub async fn claim_is_bounded(store: &dyn Store) {
    let world = World::new(store).await;
    let count = TURN_ENTRIES_MAX + 5;
    let batch = (0..count).map(|n| world.hello("ann", &format!("m{n}"))).collect();
    store.accept(batch).await.unwrap();
    let mut read = Vec::new();
    for size in [TURN_ENTRIES_MAX, 5] {
        let claim = world.claim_one(at(0)).await;
        assert_eq!(claim.entries.len(), size);
        read.extend(claim.entries.iter().map(|entry| text_of(&entry.event).to_owned()));
        world.commit(world.done(&claim)).await;
    }
    let expected: Vec<String> = (0..count).map(|n| format!("ann says m{n}")).collect();
    assert_eq!(read, expected);
    assert_eq!(world.claim(at(1)).await, []);
}

/// When a lease runs out the next worker gets the same mail, and the late one can commit nothing.
pub async fn lease_that_ran_out_goes_to_the_next(store: &dyn Store) {
    let world = World::new(store).await;
    let late = world.turn("ann").await;
    assert_eq!(world.claim(at(LEASE_S - 1)).await, []);
    let next = world.claim_one(at(LEASE_S)).await;
    assert!(next.fence > late.fence);
    assert_eq!(next.entries, late.entries);
    let commit = TurnCommit { messages: vec![world.say("late")], ..world.done(&late) };
    assert_stale(world.try_commit(commit).await);
    assert_eq!(world.messages(late.conversation.id).await.len(), 1);
    world.commit(world.done(&next)).await;
    assert_eq!(world.claim(at(500)).await, []);
}

/// A lease that ran out still commits while nobody else has taken the conversation.
pub async fn lease_that_ran_out_stands_until_taken(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    world.commit(TurnCommit { now: at(LEASE_S + 5), ..world.done(&claim) }).await;
    assert_eq!(world.claim(at(500)).await, []);
}

/// A conversation whose workers die again and again does not keep the others waiting.
pub async fn lease_of_a_poison_pill_blocks_nobody(store: &dyn Store) {
    let world = World::new(store).await;
    let pill = world.arrive(world.hello("ann", "poison")).await.id;
    let mut fence = 0;
    for round in 0..4 {
        let now = at(round * LEASE_S);
        let claims = store.claim_turns(&world.options(now, 1), None).await.unwrap();
        assert_eq!(claims[0].conversation.id, pill);
        assert!(claims[0].fence > fence);
        fence = claims[0].fence;
        world.arrive(Accept { now, ..world.hello("bob", &format!("m{round}")) }).await;
        let healthy = store.claim_turns(&world.options(now, 1), None).await.unwrap().remove(0);
        assert_ne!(healthy.conversation.id, pill);
        world.commit(world.done(&healthy)).await;
    }
}

/// A turn that read an older revision commits nothing, and its mail stays.
pub async fn commit_compares_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let owner = Owner::Member(world.member);
    let taken = world.change(claim.conversation.id, ConversationChange::Assign { owner }).await;
    let session = world.session(&claim, SessionStatus::Waiting);
    let mut commit = world.done(&claim);
    commit.messages = vec![world.say("too late")];
    commit.timers = vec![world.timer(&session, at(5))];
    commit.calls = vec![world.call(&session)];
    commit.contact.name = Some("Never".to_owned());
    commit.changes = vec![ConversationChange::Close];
    commit.sessions = vec![session.clone()];
    assert_stale(world.try_commit(commit).await);
    assert_eq!(world.conversation(taken.id).await, taken);
    assert_eq!(world.messages(taken.id).await.len(), 1);
    assert_eq!(world.sends(at(9)).await, []);
    assert_eq!(store.fire_due(at(9), 9).await, Ok(0));
    assert_eq!(store.claim_calls(&world.options(at(9), 9)).await, Ok(Vec::new()));
    assert_not_found(store.session(world.business, session.id).await);
    let contact = store.contact(world.business, taken.contact_id).await.unwrap();
    assert_eq!(contact.name, None);
    store.release_turns(&[release(&world, &claim, 2)]).await.unwrap();
    assert_eq!(world.claim_one(at(2)).await.entries, claim.entries);
}

/// A commit ends the lease: the same commit again is stale.
pub async fn commit_goes_through_once(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let commit = TurnCommit { messages: vec![world.say("hi")], ..world.done(&claim) };
    let after = world.commit(commit.clone()).await.conversation;
    assert_eq!(after.revision, claim.conversation.revision + 1);
    assert_stale(world.try_commit(commit.clone()).await);
    assert_stale(world.try_commit(TurnCommit { revision: after.revision, ..commit }).await);
    assert_eq!(world.messages(after.id).await.len(), 2);
}

/// Of a batch, those that are stale fail alone.
pub async fn commit_fails_alone(store: &dyn Store) {
    let world = World::new(store).await;
    world.arrive(world.hello("ann", "m1")).await;
    world.arrive(world.hello("bob", "m2")).await;
    let claims = world.claim(at(0)).await;
    let stale = TurnCommit { fence: claims[0].fence + 1, ..world.done(&claims[0]) };
    let conversation_id = ConversationId::from_uuid(world.uuid());
    let lost = TurnCommit { conversation_id, ..world.done(&claims[0]) };
    let good = world.done(&claims[1]);
    let mut answers = store.commit_turns(vec![stale, lost, good]).await.unwrap();
    assert!(answers.pop().unwrap().is_ok());
    assert_not_found(answers.pop().unwrap());
    assert_stale(answers.pop().unwrap());
}

/// Only the entries it names are consumed: mail that came meanwhile is claimed next.
pub async fn commit_consumes_what_it_names(store: &dyn Store) {
    let world = World::new(store).await;
    world.arrive(world.hello("ann", "m1")).await;
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(0)).await;
    world.arrive(world.hello("ann", "m3")).await;
    let consumed = vec![claim.entries[0].seq, 1 << 40];
    world.commit(TurnCommit { consumed, ..world.done(&claim) }).await;
    let next = world.claim_one(at(1)).await;
    let texts: Vec<&str> = next.entries.iter().map(|entry| text_of(&entry.event)).collect();
    assert_eq!(texts, ["ann says m2", "ann says m3"]);
    assert_eq!(next.conversation.last_seq, 3);
}

/// Messages get the next places and rows in the outbox, behind what arrived meanwhile.
pub async fn commit_records_messages(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    world.arrive(world.hello("ann", "meanwhile")).await;
    let (one, two) = (world.say("one"), world.say("two"));
    let commit = TurnCommit { messages: vec![one.clone(), two], ..world.done(&claim) };
    let committed = world.commit(commit).await;
    let [first, second] = &committed.messages[..] else { panic!("two messages") };
    assert_eq!((first.seq, second.seq), (3, 4));
    let expected = Message {
        id: one.id,
        direction: Direction::Outbound,
        author: one.author,
        content: one.content,
        status: DeliveryStatus::Queued,
        created_at: at(1),
        ..first.clone()
    };
    assert_eq!(*first, expected);
    assert_eq!(world.messages(claim.conversation.id).await[2..], committed.messages);
    let conversation = world.conversation(claim.conversation.id).await;
    assert_eq!(committed.conversation, conversation);
    assert_eq!((conversation.last_seq, conversation.waiting_since), (4, None));
    assert_eq!(conversation.first_reply_at, Some(at(1)));
    let send = world.send_one(at(1)).await;
    assert_eq!(send.message, *first);
    assert_eq!((send.conversation, send.row.state), (conversation, OutboxState::Pending));
    assert_eq!((send.row.origin, send.row.seq, send.row.attempts), (Origin::Bot, 3, 0));
}

/// Who writes decides whether a later owner can stop the message.
pub async fn commit_marks_who_wrote(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let system = TurnMessage { author: Author::System, ..world.say("from the platform") };
    world.commit(TurnCommit { messages: vec![system], ..world.done(&claim) }).await;
    assert_eq!(world.send_one(at(1)).await.row.origin, Origin::Human);
}

/// A note takes a place in the thread and nothing leaves.
pub async fn commit_keeps_notes_inside(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let note = TurnMessage { direction: Direction::Note, ..world.say("please call back") };
    let committed = world.commit(TurnCommit { messages: vec![note], ..world.done(&claim) }).await;
    assert_eq!((committed.messages[0].seq, committed.conversation.last_seq), (2, 2));
    assert_eq!(committed.messages[0].direction, Direction::Note);
    assert_eq!(committed.conversation.waiting_since, Some(at(0)));
    assert_eq!(committed.conversation.first_reply_at, None);
    assert_eq!(world.sends(at(9)).await, []);
}

/// Sessions are added and moved; the one that waits comes with the next claim.
pub async fn commit_moves_sessions(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let mut session = world.session(&claim, SessionStatus::Waiting);
    let trace = vec![(session.id, world.step(1))];
    let sessions = vec![session.clone()];
    world.commit(TurnCommit { sessions, trace, ..world.done(&claim) }).await;
    assert_eq!(store.session(world.business, session.id).await, Ok(session.clone()));
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(2)).await;
    assert_eq!(claim.session, Some(session.clone()));
    session.status = SessionStatus::Failed;
    session.failure = Some("too many steps".to_owned());
    session.steps = 2;
    session.state = "{}".to_owned();
    let trace = vec![(session.id, world.step(2))];
    let sessions = vec![session.clone()];
    world.commit(TurnCommit { sessions, trace, ..world.done(&claim) }).await;
    assert_eq!(store.session(world.business, session.id).await, Ok(session.clone()));
    let steps = store.trace(world.business, session.id, &PageRequest::default()).await.unwrap();
    assert_eq!(steps.items, [world.step(1), world.step(2)]);
    world.arrive(world.hello("ann", "m3")).await;
    assert_eq!(world.claim_one(at(3)).await.session, None);
}

/// A turn that starts a second session after ending the first leaves the second waiting.
pub async fn commit_ends_one_session_and_starts_another(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    world.arrive(world.hello("ann", "restart")).await;
    let claim = world.claim_one(at(2)).await;
    let mut ended = waiting.session.clone();
    ended.status = SessionStatus::Completed;
    let fresh = world.session(&claim, SessionStatus::Waiting);
    let sessions = vec![ended, fresh.clone()];
    world.commit(TurnCommit { sessions, ..world.done(&claim) }).await;
    world.arrive(world.hello("ann", "next")).await;
    assert_eq!(world.claim_one(at(3)).await.session, Some(fresh));
}

/// Timers replace those set before only when the turn says so.
pub async fn commit_sets_and_clears_timers(store: &dyn Store) {
    let world = World::new(store).await;
    let session = world.waiting("ann").await.session;
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(2)).await;
    let timers = vec![world.timer(&session, at(50))];
    world.commit(TurnCommit { timers, ..world.done(&claim) }).await;
    assert_eq!(store.next_due(at(0)).await.unwrap().unwrap(), at(1), "the call");
    assert_eq!(store.fire_due(at(50), 9).await, Ok(1));
    let claim = world.claim_one(at(50)).await;
    let timers = vec![world.timer(&session, at(200))];
    world.commit(TurnCommit { clear_timers: true, timers, ..world.done(&claim) }).await;
    assert_eq!(store.fire_due(at(199), 9).await, Ok(0));
    assert_eq!(store.fire_due(at(200), 9).await, Ok(1));
}

/// Calls made before are forgotten only when the turn says so.
pub async fn commit_makes_and_cancels_calls(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(2)).await;
    let fresh = world.call(&waiting.session);
    let calls = vec![fresh.clone()];
    world.commit(TurnCommit { cancel_calls: true, calls, ..world.done(&claim) }).await;
    let claims = store.claim_calls(&world.options(at(2), 9)).await.unwrap();
    assert_eq!(claims.into_iter().map(|claim| claim.call).collect::<Vec<_>>(), [fresh]);
}

/// A change of the contact is part of the commit.
pub async fn commit_changes_the_contact(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let mut commit = world.done(&claim);
    commit.contact.name = Some("Ann".to_owned());
    commit.contact.fields.insert("plan".to_owned(), json!("gold"));
    let mut expected = claim.contact.clone();
    expected.apply(&commit.contact, at(1));
    world.commit(commit).await;
    assert_eq!(store.contact(world.business, expected.id).await, Ok(expected));
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(2)).await;
    world.commit(world.done(&claim)).await;
    let contact = store.contact(world.business, claim.contact.id).await.unwrap();
    assert_eq!(contact.revision, claim.contact.revision, "a turn without a patch is no change");
}

/// A turn's last words before it hands over still leave; what an earlier turn said does not count
/// as the new owner's.
pub async fn commit_hands_over_with_its_last_words(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let changes = vec![ConversationChange::Assign { owner: Owner::Queue }];
    let messages = vec![world.say("a person will answer")];
    let commit = TurnCommit { changes, messages, ..world.done(&claim) };
    let after = world.commit(commit).await.conversation;
    assert_eq!((after.owner, after.status), (Owner::Queue, ConversationStatus::Open));
    assert_eq!(after.generation, claim.conversation.generation + 1);
    assert_eq!(after.revision, claim.conversation.revision + 1, "one commit, one revision");
    assert_eq!(world.send_one(at(1)).await.row.generation, after.generation);
}

/// A row keeps the generation of its turn when somebody takes over afterwards.
pub async fn commit_rows_are_overtaken_by_people(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let commit = TurnCommit { messages: vec![world.say("bot")], ..world.done(&claim) };
    let before = world.commit(commit).await.conversation;
    let owner = Owner::Member(world.member);
    world.change(before.id, ConversationChange::Assign { owner }).await;
    let send = world.send_one(at(1)).await;
    assert_eq!(send.row.generation, before.generation);
    assert_eq!(send.conversation.generation, before.generation + 1);
}

/// A turn that closes ends its session with timers and calls, but keeps mail it has not read.
pub async fn commit_that_closes_ends_the_session(store: &dyn Store) {
    let world = World::new(store).await;
    let session = world.waiting("ann").await.session;
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(2)).await;
    world.arrive(world.hello("ann", "unread")).await;
    let changes = vec![ConversationChange::Close];
    let messages = vec![world.say("bye")];
    let commit = TurnCommit { changes, messages, ..world.done(&claim) };
    let after = world.commit(commit).await.conversation;
    assert_eq!((after.status, after.owner), (ConversationStatus::Closed, Owner::Queue));
    let session = store.session(world.business, session.id).await.unwrap();
    assert_eq!(session.status, SessionStatus::Cancelled);
    assert_eq!(store.fire_due(at(1_000), 9).await, Ok(0));
    assert_eq!(store.claim_calls(&world.options(at(9), 9)).await, Ok(Vec::new()));
    assert_eq!(world.send_one(at(1)).await.row.generation, after.generation);
    let unread = world.claim_one(at(3)).await;
    assert_eq!((unread.entries.len(), unread.session), (1, None));
}

/// A commit that writes into another conversation is refused.
pub async fn commit_stays_in_its_conversation(store: &dyn Store) {
    let world = World::new(store).await;
    let other = world.waiting("bob").await;
    let claim = world.turn("ann").await;
    let good = world.done(&claim);
    let sessions = vec![other.session.clone()];
    assert_invalid(world.try_commit(TurnCommit { sessions, ..good.clone() }).await);
    let mut stolen = world.session(&claim, SessionStatus::Waiting);
    stolen.id = other.session.id;
    let sessions = vec![stolen];
    assert_invalid(world.try_commit(TurnCommit { sessions, ..good.clone() }).await);
    let trace = vec![(other.session.id, world.step(1))];
    assert_invalid(world.try_commit(TurnCommit { trace, ..good.clone() }).await);
    let timers = vec![other.timer.clone()];
    assert_invalid(world.try_commit(TurnCommit { timers, ..good.clone() }).await);
    let calls = vec![other.call.clone()];
    assert_invalid(world.try_commit(TurnCommit { calls, ..good.clone() }).await);
    let inbound = TurnMessage { direction: Direction::Inbound, ..world.say("forged") };
    let messages = vec![inbound];
    assert_invalid(world.try_commit(TurnCommit { messages, ..good.clone() }).await);
    world.commit(good).await;
    assert_eq!(store.session(world.business, other.session.id).await, Ok(other.session));
}

/// Events of a turn are stored in order, those about messages left out.
pub async fn commit_stores_events(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let event = |body| Event {
        business_id: world.business,
        conversation_id: Some(claim.conversation.id),
        at: at(1),
        body,
    };
    let custom = |name: &str| event(EventBody::Custom { name: name.to_owned(), data: json!(1) });
    let message = event(EventBody::MessageDelta { text: "hi".to_owned() });
    let before = store.events(world.business, &PageRequest::default()).await.unwrap().items.len();
    let commit = TurnCommit {
        events: vec![custom("one"), message, custom("two")],
        changes: vec![ConversationChange::Assign { owner: Owner::Queue }],
        ..world.done(&claim)
    };
    let conversation = world.commit(commit).await.conversation;
    let stored = store.events(world.business, &PageRequest::default()).await.unwrap().items;
    let updated = event(EventBody::ConversationUpdated { conversation });
    assert_eq!(stored[before..], [custom("one"), custom("two"), updated]);
}

/// A released conversation comes back at its moment, with the same mail.
pub async fn release_gives_back(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    store.release_turns(&[release(&world, &claim, 10)]).await.unwrap();
    assert_stale(world.try_commit(world.done(&claim)).await);
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(10))));
    assert_eq!(world.claim(at(9)).await, []);
    let again = world.claim_one(at(10)).await;
    assert_eq!(again.entries, claim.entries);
    assert!(again.fence > claim.fence);
}

/// A stale release takes nothing from the worker that holds the conversation now.
pub async fn release_that_is_stale_is_ignored(store: &dyn Store) {
    let world = World::new(store).await;
    let old = world.turn("ann").await;
    let held = world.claim_one(at(LEASE_S)).await;
    let mut lost = release(&world, &old, 0);
    lost.conversation_id = ConversationId::from_uuid(world.uuid());
    store.release_turns(&[release(&world, &old, 0), lost]).await.unwrap();
    assert_eq!(world.claim(at(LEASE_S + 1)).await, []);
    world.commit(world.done(&held)).await;
}
