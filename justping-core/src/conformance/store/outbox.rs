//! The outbox: order, leases, outcomes.

use crate::conformance::fixture::{LEASE_S, World, at, sent_as};
use crate::model::{
    Content, Conversation, DeliveryStatus, Failure, FailureKind, Lane, Message, OutboxState,
};
use crate::port::Store;
use crate::port::store::{Post, SendClaim, SendOutcome, SendQuota};

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Rejected,
        code: Some("131047".to_owned()),
        detail: "no".to_owned(),
    }
}

/// A conversation with `count` messages waiting to leave.
async fn queued(world: &World<'_>, who: &str, count: usize) -> (Conversation, Vec<Message>) {
    let conversation = world.quiet(who).await;
    let mut messages = Vec::new();
    for n in 0..count {
        messages.push(world.posted(world.post(conversation.id, &format!("{who} {n}"))).await);
    }
    (conversation, messages)
}

fn texts(claims: &[SendClaim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.message.content.plain()).collect()
}

/// A claim carries everything a send needs, and the row as it was found.
pub async fn send_claim_carries_what_a_send_needs(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, messages) = queued(&world, "ann", 1).await;
    let claim = world.send_one(at(1)).await;
    assert_eq!(claim.message, messages[0]);
    assert_eq!(claim.conversation, world.conversation(conversation.id).await);
    let contact = store.contact(world.business, conversation.contact_id).await.unwrap();
    assert_eq!(claim.contact, contact);
    assert_eq!((claim.row.state, claim.row.attempts), (OutboxState::Pending, 0));
    assert_eq!((claim.row.channel_id, claim.row.contact_id), (world.channel, contact.id));
}

/// The messages of a conversation leave one after the other, in order.
pub async fn sends_keep_the_order_of_a_conversation(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 3).await;
    for n in 0..3 {
        let claims = world.sends(at(1)).await;
        assert_eq!(texts(&claims), [format!("ann {n}")]);
        assert_eq!(world.sends(at(1)).await, [], "the next waits for this one");
        world.record(&claims[0], sent_as(&format!("p{n}"))).await;
    }
    assert_eq!(world.sends(at(1)).await, []);
}

/// A message that is held up holds up those behind it.
pub async fn sends_wait_behind_a_retry(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 2).await;
    let claim = world.send_one(at(1)).await;
    world.record(&claim, SendOutcome::Retry { due_at: at(10) }).await;
    assert_eq!(world.sends(at(9)).await, []);
    assert_eq!(texts(&world.sends(at(10)).await), ["ann 0"]);
}

/// A message that is not due yet holds up those behind it.
pub async fn sends_wait_for_their_moment(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let mut commit = world.done(&claim);
    commit.messages = vec![world.say("later")];
    commit.messages[0].due_at = at(60);
    world.commit(commit).await;
    world.posted(world.post(claim.conversation.id, "behind it")).await;
    assert_eq!(store.next_due(at(0)).await, Ok(Some(at(60))));
    assert_eq!(world.sends(at(59)).await, []);
    assert_eq!(texts(&world.sends(at(60)).await), ["later"]);
}

/// Urgent lanes go first, and within a lane the oldest.
pub async fn sends_go_by_lane_then_age(store: &dyn Store) {
    let world = World::new(store).await;
    let posts = [
        ("ann", Lane::Bulk, 1),
        ("bob", Lane::Interactive, 3),
        ("cem", Lane::Transactional, 1),
        ("dan", Lane::Interactive, 2),
        ("eve", Lane::Bulk, 0),
    ];
    for (who, lane, second) in posts {
        let id = world.quiet(who).await.id;
        world.posted(Post { lane, now: at(second), ..world.post(id, who) }).await;
    }
    let mut order = Vec::new();
    for _ in posts {
        let claims = store
            .claim_outbox(&world.options(at(5), 1), &SendQuota::default(), at(1_000))
            .await
            .unwrap();
        assert_eq!(claims.len(), 1);
        order.push(claims[0].message.content.plain().to_owned());
    }
    assert_eq!(order, ["dan", "bob", "cem", "eve", "ann"]);
}

/// One claim takes many conversations, but each once.
pub async fn sends_claim_one_a_conversation(store: &dyn Store) {
    let world = World::new(store).await;
    for who in ["ann", "bob", "cem"] {
        queued(&world, who, 2).await;
    }
    let claims = world.sends(at(1)).await;
    assert_eq!(texts(&claims), ["ann 0", "bob 0", "cem 0"]);
}

/// Two workers never hold one row.
pub async fn sends_are_exclusive(store: &dyn Store) {
    let world = World::new(store).await;
    for who in ["ann", "bob", "cem"] {
        queued(&world, who, 2).await;
    }
    let (mine, yours) = tokio::join!(world.sends(at(1)), world.sends(at(1)));
    assert_eq!(mine.len() + yours.len(), 3);
}

/// A message that left has no row any more and knows its provider's id.
pub async fn send_recorded_as_sent(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, messages) = queued(&world, "ann", 1).await;
    let claim = world.send_one(at(1)).await;
    let changed = world.record(&claim, sent_as("p1")).await;
    let stored = world.messages(conversation.id).await.remove(1);
    assert_eq!(changed, std::slice::from_ref(&stored));
    assert_eq!((stored.id, stored.status), (messages[0].id, DeliveryStatus::Sent));
    assert_eq!(stored.provider_ref.as_deref(), Some("p1"));
    assert_eq!(stored.timeline.sent_at, Some(at(2)));
    assert_eq!(world.sends(at(2_000)).await, []);
    assert_eq!(world.record(&claim, SendOutcome::Failed(failure())).await, []);
    assert_eq!(world.messages(conversation.id).await.remove(1), stored);
}

/// What left instead of a message is what it says from then on.
pub async fn send_recorded_with_a_change(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, messages) = queued(&world, "ann", 2).await;
    let claim = world.send_one(at(1)).await;
    let content = Content::text("instead \u{0}é");
    let changed = Some(Box::new(content.clone()));
    let outcome = SendOutcome::Sent { provider_ref: Some("p1".to_owned()), changed };
    let told = world.record(&claim, outcome.clone()).await;
    assert_eq!((told[0].status, &told[0].content), (DeliveryStatus::Sent, &content));
    let thread = world.messages(conversation.id).await;
    assert_eq!((thread[1].id, &thread[1].content), (messages[0].id, &content));
    assert_eq!(thread[2].content, messages[1].content, "the other is what it was");
    let claim = world.send_one(at(2)).await;
    world.record(&SendClaim { fence: claim.fence + 1, ..claim }, outcome).await;
    assert_eq!(world.messages(conversation.id).await[2].content, messages[1].content);
}

/// A provider without ids is fine.
pub async fn send_recorded_without_a_reference(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 1).await;
    let claim = world.send_one(at(1)).await;
    let changed =
        world.record(&claim, SendOutcome::Sent { provider_ref: None, changed: None }).await;
    assert_eq!((changed[0].status, &changed[0].provider_ref), (DeliveryStatus::Sent, &None));
}

/// A message that failed says why, and the next one leaves.
pub async fn send_recorded_as_failed(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, _) = queued(&world, "ann", 2).await;
    let claim = world.send_one(at(1)).await;
    let changed = world.record(&claim, SendOutcome::Failed(failure())).await;
    assert_eq!(
        (changed[0].status, &changed[0].failure),
        (DeliveryStatus::Failed, &Some(failure()))
    );
    assert_eq!(changed[0].timeline.failed_at, Some(at(2)));
    assert_eq!(world.messages(conversation.id).await[1], changed[0]);
    assert_eq!(texts(&world.sends(at(2)).await), ["ann 1"]);
}

/// A try that came to nothing counts, and one that was not made does not.
pub async fn send_retry_counts_and_defer_does_not(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 1).await;
    let outcomes = [
        (SendOutcome::Defer { due_at: at(10) }, 10, 0),
        (SendOutcome::Retry { due_at: at(20) }, 20, 1),
        (SendOutcome::Defer { due_at: at(30) }, 30, 1),
        (SendOutcome::Retry { due_at: at(40) }, 40, 2),
    ];
    let mut now = 1;
    for (outcome, due, attempts) in outcomes {
        let claim = world.send_one(at(now)).await;
        assert_eq!(world.record(&claim, outcome).await, []);
        assert_eq!(store.next_due(at(0)).await, Ok(Some(at(due))));
        assert_eq!(world.sends(at(due - 1)).await, []);
        let found = world.send_one(at(due)).await;
        assert_eq!((found.row.state, found.row.attempts), (OutboxState::Pending, attempts));
        world.record(&found, SendOutcome::Defer { due_at: at(due + 1) }).await;
        now = due + 1;
    }
}

/// A send whose outcome is unknown waits for news until its moment, and is then found as unknown.
pub async fn send_recorded_as_unknown(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, _) = queued(&world, "ann", 1).await;
    let claim = world.send_one(at(1)).await;
    assert_eq!(world.record(&claim, SendOutcome::Unknown { due_at: at(120) }).await, []);
    assert_eq!(world.messages(conversation.id).await[1].status, DeliveryStatus::Queued);
    assert_eq!(world.sends(at(119)).await, []);
    let found = world.send_one(at(120)).await;
    assert_eq!((found.row.state, found.row.attempts), (OutboxState::Unknown, 1));
    world.record(&found, SendOutcome::Failed(failure())).await;
    assert_eq!(world.sends(at(2_000)).await, []);
}

/// When a worker dies while it sends, the row is of unknown outcome and due when the claim says.
pub async fn send_lease_that_ran_out_is_unknown(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 2).await;
    world.send_one(at(1)).await;
    assert_eq!(world.sends(at(LEASE_S)).await, []);
    let options = world.options(at(1 + LEASE_S), 9);
    assert_eq!(store.claim_outbox(&options, &SendQuota::default(), at(300)).await, Ok(Vec::new()));
    assert_eq!(world.sends(at(299)).await, []);
    let found = world.send_one(at(300)).await;
    assert_eq!((found.row.state, found.row.attempts), (OutboxState::Unknown, 1));
    assert_eq!(found.message.content.plain(), "ann 0");
}

/// The answer of a worker that was too slow still counts while nobody else has taken the row.
pub async fn send_answer_may_come_late(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 1).await;
    let late = world.send_one(at(1)).await;
    assert_eq!(world.sends(at(1 + LEASE_S)).await, []);
    let changed = world.record(&late, sent_as("p1")).await;
    assert_eq!(changed[0].status, DeliveryStatus::Sent);
    assert_eq!(world.sends(at(2_000)).await, []);
}

/// Once another worker has the row, the answer of the first changes nothing.
pub async fn send_answer_of_an_old_lease_is_ignored(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, _) = queued(&world, "ann", 1).await;
    let late = world.send_one(at(1)).await;
    world.sends(at(1 + LEASE_S)).await;
    let next = world.send_one(at(1_000)).await;
    assert!(next.fence > late.fence);
    for outcome in [sent_as("p1"), SendOutcome::Retry { due_at: at(1) }] {
        assert_eq!(world.record(&late, outcome).await, []);
    }
    assert_eq!(world.messages(conversation.id).await[1].status, DeliveryStatus::Queued);
    assert_eq!(world.sends(at(1_001)).await, []);
    assert_eq!(world.record(&next, sent_as("p2")).await.len(), 1);
}

/// An outcome that is recorded twice counts once.
pub async fn send_outcome_counts_once(store: &dyn Store) {
    let world = World::new(store).await;
    queued(&world, "ann", 1).await;
    let claim = world.send_one(at(1)).await;
    let retry = world.result(&claim, SendOutcome::Retry { due_at: at(10) });
    let again = world.result(&claim, SendOutcome::Retry { due_at: at(90) });
    assert_eq!(store.record_sends(vec![retry, again]).await, Ok(Vec::new()));
    assert_eq!(world.record(&claim, sent_as("p1")).await, []);
    assert_eq!(world.send_one(at(10)).await.row.attempts, 1);
}

/// A row of a person leaves whatever the conversation's state: also when it was closed meanwhile.
pub async fn sends_survive_a_close(store: &dyn Store) {
    let world = World::new(store).await;
    let (conversation, _) = queued(&world, "ann", 1).await;
    world.change(conversation.id, crate::model::ConversationChange::Close).await;
    let claim = world.send_one(at(1)).await;
    assert!(claim.conversation.generation > claim.row.generation);
}
