//! News about messages, in any order and any number.

use crate::conformance::fixture::{World, at, sent_as};
use crate::model::{ConversationId, DeliveryStatus, Failure, FailureKind, Message, OutboxState};
use crate::port::Store;
use crate::port::store::{SendClaim, SendOutcome, StatusOutcome};

use DeliveryStatus::{Delivered, Failed, Queued, Read, Received, Sent};

/// A message that was just claimed for sending.
async fn leaving(world: &World<'_>) -> SendClaim {
    let id = world.quiet("ann").await.id;
    world.posted(world.post(id, "hello")).await;
    world.send_one(at(1)).await
}

async fn message(world: &World<'_>, claim: &SendClaim) -> Message {
    world.messages(claim.row.conversation_id).await.remove(1)
}

fn applied(claim: &SendClaim, status: DeliveryStatus) -> StatusOutcome {
    StatusOutcome::Applied {
        conversation_id: claim.row.conversation_id,
        message_id: claim.row.message_id,
        seq: claim.row.seq,
        status,
    }
}

/// News by the provider's id moves the message and its timeline, by the provider's clock.
pub async fn status_is_found_by_reference(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.record(&claim, sent_as("p1")).await;
    let mut news = world.news("p1", Delivered);
    news.update.at = Some(at(4));
    assert_eq!(world.hear(news).await, applied(&claim, Delivered));
    assert_eq!(world.hear(world.news("p1", Read)).await, applied(&claim, Read));
    let timeline = message(&world, &claim).await.timeline;
    assert_eq!((timeline.sent_at, timeline.delivered_at), (Some(at(2)), Some(at(4))));
    assert_eq!(timeline.read_at, Some(at(5)), "without a moment, the one it came at");
}

/// Repeated, older and impossible news changes nothing.
pub async fn status_never_goes_back(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.record(&claim, sent_as("p1")).await;
    assert_eq!(world.hear(world.news("p1", Read)).await, applied(&claim, Read));
    let before = message(&world, &claim).await;
    for status in [Read, Delivered, Sent, Failed, Queued, Received] {
        assert_eq!(world.hear(world.news("p1", status)).await, StatusOutcome::Unchanged);
    }
    assert_eq!(message(&world, &claim).await, before);
}

/// A batch of news is applied in its order.
pub async fn status_batches_keep_their_order(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.record(&claim, sent_as("p1")).await;
    let batch = [Delivered, Sent, Read].map(|status| world.news("p1", status)).to_vec();
    let outcomes = store.record_statuses(batch).await.unwrap();
    let expected = [applied(&claim, Delivered), StatusOutcome::Unchanged, applied(&claim, Read)];
    assert_eq!(outcomes, expected);
}

/// News with our key arrives before the send's answer: it ends the row and names the message, and
/// the answer changes nothing any more.
pub async fn status_by_key_overtakes_the_answer(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    let outcome = world.hear(world.keyed(&claim.row, "p1", Delivered)).await;
    assert_eq!(outcome, applied(&claim, Delivered));
    let stored = message(&world, &claim).await;
    assert_eq!((stored.status, stored.provider_ref.as_deref()), (Delivered, Some("p1")));
    assert_eq!(world.record(&claim, sent_as("p1")).await, []);
    let failure =
        Failure { kind: FailureKind::Exhausted, code: None, detail: "gave up".to_owned() };
    assert_eq!(world.record(&claim, SendOutcome::Failed(failure)).await, []);
    assert_eq!(message(&world, &claim).await, stored);
    assert_eq!(world.sends(at(2_000)).await, []);
    assert_eq!(world.hear(world.news("p1", Read)).await, applied(&claim, Read));
}

/// News with our key reconciles a send whose outcome a crash hid.
pub async fn status_by_key_reconciles_the_unknown(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.posted(world.post(claim.row.conversation_id, "behind it")).await;
    world.record(&claim, SendOutcome::Unknown { due_at: at(500) }).await;
    assert_eq!(world.hear(world.keyed(&claim.row, "p1", Sent)).await, applied(&claim, Sent));
    let next = world.send_one(at(6)).await;
    assert_eq!(next.message.content.plain(), "behind it");
    assert_eq!(next.row.state, OutboxState::Pending);
}

/// News with our key about a row that waits for another try ends it: the try before did leave.
pub async fn status_by_key_ends_a_pending_row(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.record(&claim, SendOutcome::Retry { due_at: at(60) }).await;
    assert_eq!(world.hear(world.keyed(&claim.row, "p1", Sent)).await, applied(&claim, Sent));
    assert_eq!(world.sends(at(2_000)).await, []);
}

/// News before the provider's id is known waits for it, and is told with the send's answer.
pub async fn status_waits_for_the_reference(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    for status in [Delivered, Sent, Delivered] {
        assert_eq!(world.hear(world.news("p1", status)).await, StatusOutcome::Parked);
    }
    assert_eq!(message(&world, &claim).await.status, Queued);
    let changed = world.record(&claim, sent_as("p1")).await;
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].status, changed[0].timeline.delivered_at), (Delivered, Some(at(5))));
    assert_eq!(message(&world, &claim).await, changed[0]);
    assert_eq!(world.hear(world.news("p1", Read)).await, applied(&claim, Read));
}

/// News that waited is told as well when news with our key brings the provider's id.
pub async fn status_waits_for_the_reference_of_a_key(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    assert_eq!(world.hear(world.news("p1", Read)).await, StatusOutcome::Parked);
    assert_eq!(world.hear(world.keyed(&claim.row, "p1", Sent)).await, applied(&claim, Read));
    assert_eq!(message(&world, &claim).await.status, Read);
}

/// A failure that waited ends the message as failed.
pub async fn status_failure_waits_too(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    let failure =
        Failure { kind: FailureKind::InvalidRecipient, code: None, detail: "gone".to_owned() };
    let mut news = world.news("p1", Failed);
    news.update.failure = Some(failure.clone());
    assert_eq!(world.hear(news).await, StatusOutcome::Parked);
    let changed = world.record(&claim, sent_as("p1")).await;
    assert_eq!((changed[0].status, &changed[0].failure), (Failed, &Some(failure)));
}

/// News that a message failed ends its row and lets the next one leave.
pub async fn status_failure_ends_the_row(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.posted(world.post(claim.row.conversation_id, "behind it")).await;
    let mut news = world.keyed(&claim.row, "p1", Failed);
    let failure = Failure {
        kind: FailureKind::Rejected,
        code: Some("131026".to_owned()),
        detail: "undeliverable".to_owned(),
    };
    news.update.failure = Some(failure.clone());
    assert_eq!(world.hear(news).await, applied(&claim, Failed));
    assert_eq!(message(&world, &claim).await.failure, Some(failure));
    assert_eq!(world.send_one(at(6)).await.message.content.plain(), "behind it");
}

/// A message that was delivered has not failed.
pub async fn status_failure_after_delivery_is_ignored(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.record(&claim, sent_as("p1")).await;
    world.hear(world.news("p1", Delivered)).await;
    assert_eq!(world.hear(world.news("p1", Failed)).await, StatusOutcome::Unchanged);
    assert_eq!(message(&world, &claim).await.failure, None);
}

/// A key that is not ours, or names no message of ours, is no key: the provider's id decides.
pub async fn status_key_must_name_a_message(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    world.record(&claim, sent_as("p1")).await;
    let id = claim.row.conversation_id;
    let nowhere = ConversationId::from_uuid(world.uuid());
    let keys = [
        "campaign-7".to_owned(),
        format!("{id}"),
        format!("{id}.99"),
        format!("{id}.0"),
        format!("{id}.18446744073709551615"),
        format!("{id}.1"),
        format!("{nowhere}.2"),
    ];
    for (n, key) in keys.into_iter().enumerate() {
        let mut news = world.news(&format!("other {n}"), Delivered);
        news.update.key = Some(key.clone());
        assert_eq!(world.hear(news.clone()).await, StatusOutcome::Parked, "{key}");
        news.update.provider_ref = "p1".to_owned();
        news.update.status = if n == 0 { Delivered } else { Sent };
        assert_ne!(world.hear(news).await, StatusOutcome::Parked, "{key}");
    }
    assert_eq!(message(&world, &claim).await.status, Delivered);
}

/// News by another channel is about another message, whatever its key and id.
pub async fn status_stays_on_its_channel(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = leaving(&world).await;
    let channel_id = world.add_channel().await;
    let mut news = world.keyed(&claim.row, "p1", Failed);
    news.channel_id = channel_id;
    assert_eq!(world.hear(news).await, StatusOutcome::Parked);
    let changed = world.record(&claim, sent_as("p1")).await;
    assert_eq!(changed[0].status, Sent);
}

/// An inbound message takes no news, even under its own id.
pub async fn status_of_an_inbound_message_waits_in_vain(store: &dyn Store) {
    let world = World::new(store).await;
    let conversation = world.arrive(world.hello("ann", "m1")).await;
    assert_eq!(world.hear(world.news("m1", Read)).await, StatusOutcome::Parked);
    assert_eq!(world.messages(conversation.id).await[0].status, Received);
}
