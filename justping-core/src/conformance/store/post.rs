//! Messages written outside a turn.

use crate::conformance::fixture::{
    World, assert_conflict, assert_invalid, assert_not_found, assert_stale, at,
};
use crate::model::{
    Author, ConversationChange, ConversationId, ConversationStatus, DeliveryStatus, Direction,
    Lane, Origin, Owner,
};
use crate::port::Store;
use crate::port::store::{Accepted, Post, StatusOutcome};

/// A member's answer takes the next place and gets a row in the outbox.
pub async fn post_records_and_queues(store: &dyn Store) {
    let world = World::new(store).await;
    let before = world.quiet("ann").await;
    let mut post = world.post(before.id, "hello Ann");
    post.lane = Lane::Transactional;
    post.reply_to = Some("m0".to_owned());
    let committed = store.post(vec![post.clone()]).await.unwrap().remove(0).unwrap();
    let message = &committed.messages[0];
    assert_eq!((message.id, message.seq), (post.message_id, 2));
    assert_eq!((message.direction, message.status), (Direction::Outbound, DeliveryStatus::Queued));
    assert_eq!((&message.author, &message.content), (&post.author, &post.content));
    assert_eq!((message.reply_to.as_deref(), message.created_at), (Some("m0"), at(1)));
    assert_eq!(world.messages(before.id).await[1], *message);
    assert_eq!(committed.conversation, world.conversation(before.id).await);
    assert_eq!(committed.conversation.waiting_since, None);
    assert_eq!(committed.conversation.owner, before.owner);
    let row = world.send_one(at(1)).await.row;
    assert_eq!((row.origin, row.lane, row.due_at), (Origin::Human, Lane::Transactional, at(1)));
    assert_eq!((row.message_id, row.generation), (message.id, before.generation));
}

/// A note takes a place and goes nowhere; the contact still waits.
pub async fn post_of_a_note_goes_nowhere(store: &dyn Store) {
    let world = World::new(store).await;
    let before = world.quiet("ann").await;
    let post = Post { direction: Direction::Note, ..world.post(before.id, "she is upset") };
    assert_eq!(world.posted(post).await.seq, 2);
    let after = world.conversation(before.id).await;
    assert_eq!((after.last_seq, after.waiting_since), (2, before.waiting_since));
    assert_eq!(after.first_reply_at, None);
    assert_eq!(world.sends(at(9)).await, []);
}

/// Whoever takes the conversation with a message stops what the bot was about to do.
pub async fn post_takes_over(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let owner = Owner::Member(world.member);
    let post = Post { owner: Some(owner), ..world.post(claim.conversation.id, "I am here") };
    world.posted(post).await;
    let after = world.conversation(claim.conversation.id).await;
    assert_eq!((after.owner, after.status), (owner, ConversationStatus::Open));
    assert_eq!(after.generation, claim.conversation.generation + 1);
    assert_stale(world.try_commit(world.done(&claim)).await);
    assert_eq!(world.send_one(at(1)).await.row.generation, after.generation);
}

/// A message without a new owner lets a running turn go through.
pub async fn post_alone_disturbs_no_turn(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    world.posted(world.post(claim.conversation.id, "by the way")).await;
    world.commit(world.done(&claim)).await;
}

/// A bot's post can be overtaken like a bot's turn.
pub async fn post_of_a_bot_is_marked(store: &dyn Store) {
    let world = World::new(store).await;
    let session = world.waiting("ann").await.session;
    let author = Author::Bot(session.id);
    world.posted(Post { author, ..world.post(session.conversation_id, "bot") }).await;
    assert_eq!(world.send_one(at(1)).await.row.origin, Origin::Bot);
}

/// What went by the provider past us is written once, whoever repeats it, and takes over once.
pub async fn post_past_us_is_written_once(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let (id, before) = (claim.conversation.id, claim.conversation);
    let note = |text| Post {
        direction: Direction::Note,
        provider_ref: Some("wamid.\"phone\"".to_owned()),
        owner: Some(Owner::Queue),
        ..world.post(id, text)
    };
    let message = world.posted(note("on the phone")).await;
    assert_eq!(message.provider_ref.as_deref(), Some("wamid.\"phone\""));
    assert_eq!(world.messages(id).await.last(), Some(&message));
    let after = world.conversation(id).await;
    assert_eq!((after.owner, after.generation), (Owner::Queue, before.generation + 1));
    // Given back to the bot, it stays there: a repeat takes nothing over.
    let given = world.change(id, ConversationChange::Assign { owner: Owner::Bot }).await;
    let mut answers = store.post(vec![note("again"), note("and again")]).await.unwrap();
    assert_conflict(answers.pop().unwrap());
    assert_conflict(answers.pop().unwrap());
    assert_eq!(world.conversation(id).await, given);
    assert_eq!(world.messages(id).await.last(), Some(&message));
}

/// A reference is one of its channel, for what contacts wrote and what went past us alike.
pub async fn post_past_us_knows_what_was_accepted(store: &dyn Store) {
    let world = World::new(store).await;
    let (ann, ben) = (world.quiet("ann").await.id, world.quiet("ben").await.id);
    let past = |id, reference: &str| Post {
        direction: Direction::Note,
        provider_ref: Some(reference.to_owned()),
        ..world.post(id, "on the phone")
    };
    let received = world.messages(ann).await[0].provider_ref.clone().unwrap();
    let batch = vec![past(ann, &received), past(ann, "p1"), past(ben, "p1"), past(ben, "p2")];
    let mut answers = store.post(batch).await.unwrap();
    assert_eq!(answers.pop().unwrap().unwrap().messages[0].conversation_id, ben);
    assert_conflict(answers.pop().unwrap());
    let place = answers.pop().unwrap().unwrap().messages[0].seq;
    assert_conflict(answers.pop().unwrap());
    let accepted = world.accept(world.hello("ann", "p1")).await;
    assert_eq!(accepted, Accepted::Duplicate { conversation_id: ann, seq: place });
    // News of it is news of nothing we sent.
    let news = world.hear(world.news("p1", DeliveryStatus::Read)).await;
    assert_eq!(news, StatusOutcome::Parked);
}

/// What is written for one thing is written once, whoever asks again and however it is worded; the
/// message has no reference by it, and a contact's reference of the same words is another.
pub async fn post_for_one_thing_is_written_once(store: &dyn Store) {
    let world = World::new(store).await;
    let (ann, ben) = (world.quiet("ann").await.id, world.quiet("ben").await.id);
    let once = |id, name: &str| Post { once: Some(name.to_owned()), ..world.post(id, name) };
    let batch = vec![once(ann, "call_1"), once(ann, "call_1"), once(ben, "call_1")];
    let mut answers = store.post(batch).await.unwrap();
    assert_conflict(answers.pop().unwrap());
    assert_conflict(answers.pop().unwrap());
    let written = answers.pop().unwrap().unwrap().messages.remove(0);
    assert_eq!((written.seq, &written.provider_ref), (2, &None));
    assert_conflict(store.post(vec![once(ann, "call_1")]).await.unwrap().remove(0));
    assert_eq!(world.messages(ann).await.len(), 2);
    world.sent(at(1), "p1").await;
    assert_eq!(world.sends(at(9)).await, []);
    assert_conflict(store.post(vec![once(ann, "call_1")]).await.unwrap().remove(0));
    assert_eq!(world.posted(once(ann, "call_2")).await.seq, 3);
    let heard = world.accept(world.hello("ann", "call_1")).await;
    assert!(matches!(heard, Accepted::New { .. }), "{heard:?}");
}

/// Of a batch, those that cannot be posted fail alone.
pub async fn post_fails_alone(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    let missing = world.post(ConversationId::from_uuid(world.uuid()), "lost");
    let forged = Post { direction: Direction::Inbound, ..world.post(id, "forged") };
    let batch = vec![world.post(id, "one"), missing, forged, world.post(id, "two")];
    let mut answers = store.post(batch).await.unwrap();
    assert_eq!(answers.pop().unwrap().unwrap().messages[0].seq, 3);
    assert_invalid(answers.pop().unwrap());
    assert_not_found(answers.pop().unwrap());
    assert_eq!(answers.pop().unwrap().unwrap().messages[0].seq, 2);
}
