//! Accepting inbound messages.

use crate::conformance::fixture::{World, assert_not_found, at, identity};
use crate::model::{
    Author, ChannelId, Content, ConversationChange, ConversationStatus, DeliveryStatus, Direction,
    MailboxEvent, Message, Owner, PageRequest, SERVICE_WINDOW, Timeline,
};
use crate::port::Store;
use crate::port::store::{Accept, Accepted};

/// The first message makes the contact, the conversation and the message, under the given ids.
pub async fn accept_makes_contact_and_conversation(store: &dyn Store) {
    let world = World::new(store).await;
    let mut hello = world.hello("ann", "m1");
    hello.message.name = Some("Ann".to_owned());
    hello.message.reply_to = Some("m0".to_owned());
    let accepted = world.accept(hello.clone()).await;
    let Accepted::New { message, conversation, contact_created, conversation_created } = accepted
    else {
        panic!("expected a new message: {accepted:?}");
    };
    assert!(contact_created && conversation_created);
    let expected = Message {
        id: hello.message_id,
        business_id: world.business,
        conversation_id: hello.conversation_id,
        seq: 1,
        direction: Direction::Inbound,
        author: Author::Contact,
        content: hello.message.content,
        status: DeliveryStatus::Received,
        timeline: Timeline::default(),
        failure: None,
        provider_ref: Some("m1".to_owned()),
        reply_to: Some("m0".to_owned()),
        created_at: at(0),
    };
    assert_eq!(message, expected);
    assert_eq!(world.messages(conversation.id).await, [expected]);
    assert_eq!(world.conversation(conversation.id).await, conversation);
    assert_eq!(
        (conversation.id, conversation.contact_id),
        (hello.conversation_id, hello.contact_id)
    );
    assert_eq!(
        (conversation.owner, conversation.status),
        (Owner::Bot, ConversationStatus::Pending)
    );
    let contact = store.contact(world.business, hello.contact_id).await.unwrap();
    assert_eq!((contact.name.as_deref(), contact.revision), (Some("Ann"), 1));
    assert_eq!(contact.identities, [identity("ann")]);
}

/// A message opens the service window and starts the contact's wait.
pub async fn accept_opens_the_window(store: &dyn Store) {
    let world = World::new(store).await;
    world.arrive(world.hello("ann", "m1")).await;
    let later = Accept { now: at(60), ..world.hello("ann", "m2") };
    let conversation = world.arrive(later).await;
    let window = at(60).checked_add(SERVICE_WINDOW).unwrap();
    assert_eq!(conversation.window_expires_at, Some(window));
    assert_eq!((conversation.waiting_since, conversation.last_message_at), (Some(at(0)), at(60)));
}

/// A message that comes again changes nothing and answers with the first.
pub async fn accept_drops_duplicates(store: &dyn Store) {
    let world = World::new(store).await;
    let conversation = world.arrive(world.hello("ann", "m1")).await;
    world.arrive(world.hello("ann", "m2")).await;
    let before = world.conversation(conversation.id).await;
    for (reference, seq) in [("m1", 1), ("m2", 2)] {
        let again = world.accept(Accept { now: at(9), ..world.hello("ann", reference) }).await;
        assert_eq!(again, Accepted::Duplicate { conversation_id: conversation.id, seq });
    }
    assert_eq!(world.conversation(conversation.id).await, before);
    assert_eq!(world.claim_one(at(9)).await.entries.len(), 2);
}

/// A message that comes twice in one batch is recorded once.
pub async fn accept_drops_duplicates_within_a_batch(store: &dyn Store) {
    let world = World::new(store).await;
    let batch = vec![world.hello("ann", "m1"), world.hello("bob", "m2"), world.hello("ann", "m1")];
    let answers = store.accept(batch.clone()).await.unwrap();
    assert!(
        matches!(answers[0], Accepted::New { .. }) && matches!(answers[1], Accepted::New { .. })
    );
    let conversation_id = batch[0].conversation_id;
    assert_eq!(answers[2], Accepted::Duplicate { conversation_id, seq: 1 });
    assert_eq!(world.messages(conversation_id).await.len(), 1);
}

/// A word about hearing from us changes the contact with its message, in the order of a batch,
/// whether the contact is new, known, or made by the batch itself.
pub async fn accept_knows_words_of_consent(store: &dyn Store) {
    let world = World::new(store).await;
    let says = |who: &str, reference: &str, word: &str| {
        let mut accept = world.hello(who, reference);
        accept.message.name = Some("Somebody".to_owned());
        accept.message.content = Content::text(word);
        accept
    };
    let silent = async |who: &str| {
        let contact = store.contact_by_identity(world.business, &identity(who)).await.unwrap();
        contact.opted_out.contains(&identity(who).kind)
    };
    world.arrive(says("ann", "a1", "hello")).await;
    let known = world.arrive(says("ann", "a2", "STOP")).await;
    world.arrive(says("bob", "b1", "stop")).await;
    assert!(silent("ann").await && silent("bob").await);
    let contact = store.contact(world.business, known.contact_id).await.unwrap();
    assert_eq!((contact.revision, contact.updated_at), (2, at(0)));
    let batch = ["start", "stop", "start"].into_iter().zip(1..);
    let batch = |who: &str| -> Vec<Accept> {
        let word = |(word, n)| says(who, &format!("{who} {n}"), word);
        batch.clone().map(word).collect()
    };
    store.accept([batch("ann"), batch("eve")].concat()).await.unwrap();
    assert!(!silent("ann").await && !silent("eve").await);
    world.arrive(says("eve", "e9", "please stop it")).await;
    assert!(!silent("eve").await);
}

/// A word that comes again does not undo a newer one.
pub async fn accept_hears_a_repeated_word_once(store: &dyn Store) {
    let world = World::new(store).await;
    let says = |reference: &str, word: &str| {
        let mut accept = world.hello("ann", reference);
        accept.message.content = Content::text(word);
        accept
    };
    let conversation = world.arrive(says("m1", "start")).await;
    world.arrive(says("m2", "stop")).await;
    let before = store.contact(world.business, conversation.contact_id).await.unwrap();
    assert_eq!(before.opted_out.len(), 1);
    let again = world.accept(says("m1", "start")).await;
    assert_eq!(again, Accepted::Duplicate { conversation_id: conversation.id, seq: 1 });
    let after = store.contact(world.business, conversation.contact_id).await.unwrap();
    assert_eq!(after, before);
}

/// The provider's ids of two channels have nothing to do with each other.
pub async fn accept_dedupes_within_a_channel_only(store: &dyn Store) {
    let world = World::new(store).await;
    let channel_id = world.add_channel().await;
    let first = world.arrive(world.hello("ann", "m1")).await;
    let second = world.arrive(Accept { channel_id, ..world.hello("ann", "m1") }).await;
    assert_ne!(first.id, second.id);
    assert_eq!(first.contact_id, second.contact_id);
}

/// A burst keeps its order without a gap: in the answers, in the thread, in the mailbox.
pub async fn accept_keeps_the_order_of_a_burst(store: &dyn Store) {
    let world = World::new(store).await;
    let batch: Vec<Accept> =
        (1..=20).map(|n| world.hello(["ann", "bob"][n % 2], &format!("m{n}"))).collect();
    let wanted: Vec<Content> = batch.iter().map(|accept| accept.message.content.clone()).collect();
    let answers = store.accept(batch).await.unwrap();
    for (answer, wanted) in answers.iter().zip(&wanted) {
        assert!(matches!(answer, Accepted::New { message, .. } if message.content == *wanted));
    }
    for claim in world.claim(at(1)).await {
        let thread = world.messages(claim.conversation.id).await;
        let places: Vec<u64> = thread.iter().map(|message| message.seq).collect();
        assert_eq!(places, (1..=10).collect::<Vec<_>>());
        let mail = claim.entries.iter().map(|entry| match &entry.event {
            MailboxEvent::Message { message_id, content, provider_ref } => {
                (*message_id, content.clone(), provider_ref.clone())
            }
            other => panic!("expected a message: {other:?}"),
        });
        let written = thread.into_iter().map(|row| (row.id, row.content, row.provider_ref));
        assert!(mail.eq(written));
        assert!(claim.entries.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    }
}

/// The contact is found by any of its identities, and gets the others.
pub async fn accept_finds_the_contact_by_any_identity(store: &dyn Store) {
    let world = World::new(store).await;
    let ann = world.add_contact(&["ann"]).await;
    let mut hello = world.hello("ann-new", "m1");
    hello.message.from = vec![identity("ann-new"), identity("ann"), identity("ann-new")];
    let accepted = world.accept(hello).await;
    assert!(matches!(accepted, Accepted::New { contact_created: false, .. }));
    let after = store.contact_by_identity(world.business, &identity("ann-new")).await.unwrap();
    assert_eq!((after.id, after.revision), (ann.id, ann.revision + 1));
    assert_eq!(after.identities, [identity("ann"), identity("ann-new")]);
    let conversation = world.arrive(world.hello("ann-new", "m2")).await;
    assert_eq!((conversation.contact_id, conversation.last_seq), (ann.id, 2));
}

/// An identity of another contact stays there, even when a message names both.
pub async fn accept_takes_no_identity_away(store: &dyn Store) {
    let world = World::new(store).await;
    let (ann, bob) = (world.add_contact(&["ann"]).await, world.add_contact(&["bob"]).await);
    let mut hello = world.hello("ann", "m1");
    hello.message.from = vec![identity("ann"), identity("bob")];
    assert_eq!(world.arrive(hello).await.contact_id, ann.id);
    assert_eq!(store.contact(world.business, bob.id).await, Ok(bob));
    assert_eq!(store.contact(world.business, ann.id).await, Ok(ann));
}

/// A name is taken from the channel only while there is none.
pub async fn accept_sets_a_first_name_only(store: &dyn Store) {
    let world = World::new(store).await;
    let named = |name: &str, reference: &str| {
        let mut hello = world.hello("ann", reference);
        hello.message.name = Some(name.to_owned());
        hello
    };
    world.arrive(world.hello("ann", "m1")).await;
    for (name, reference) in [("Ann", "m2"), ("Anna", "m3")] {
        world.arrive(named(name, reference)).await;
    }
    let contact = store.contact_by_identity(world.business, &identity("ann")).await.unwrap();
    assert_eq!((contact.name.as_deref(), contact.revision), (Some("Ann"), 2));
}

/// A contact has one conversation a channel, however much it writes.
pub async fn accept_opens_one_conversation_a_channel(store: &dyn Store) {
    let world = World::new(store).await;
    let first = world.arrive(world.hello("ann", "m1")).await;
    let second = world.accept(world.hello("ann", "m2")).await;
    assert!(matches!(
        second,
        Accepted::New { conversation, contact_created: false, conversation_created: false, .. }
            if conversation.id == first.id && conversation.last_seq == 2
    ));
}

/// A closed conversation opens again for the owner the message brings.
pub async fn accept_reopens_what_was_closed(store: &dyn Store) {
    let world = World::new(store).await;
    let first = world.arrive(world.hello("ann", "m1")).await;
    let closed = world.change(first.id, ConversationChange::Close).await;
    assert_eq!(closed.status, ConversationStatus::Closed);
    let again = world.arrive(world.hello("ann", "m2")).await;
    assert_eq!((again.id, again.owner), (first.id, Owner::Bot));
    assert_eq!(again.status, ConversationStatus::Pending);
    assert!(again.revision > closed.revision);
    assert_eq!(again.generation, closed.generation);
    assert_eq!(world.claim_one(at(2)).await.entries.len(), 1);
}

/// An open conversation keeps its owner, whoever the message would bring.
pub async fn accept_keeps_a_live_owner(store: &dyn Store) {
    let world = World::new(store).await;
    let conversation = world.quiet("ann").await;
    let owner = Owner::Member(world.member);
    world.change(conversation.id, ConversationChange::Assign { owner }).await;
    let after = world.arrive(world.hello("ann", "m2")).await;
    assert_eq!((after.owner, after.status), (owner, ConversationStatus::Open));
}

/// Only a bot gets mail: what people answer waits in no mailbox.
pub async fn accept_delivers_to_bots_only(store: &dyn Store) {
    let world = World::new(store).await;
    let conversation = world.quiet("ann").await;
    assert_eq!(conversation.status, ConversationStatus::Open);
    assert_eq!(world.claim(at(9)).await, []);
}

/// A message for a channel that is not there is refused, and its whole batch with it.
pub async fn accept_needs_the_channel(store: &dyn Store) {
    let world = World::new(store).await;
    let channel_id = ChannelId::from_uuid(world.uuid());
    let lost = Accept { channel_id, ..world.hello("ann", "m2") };
    assert_not_found(store.accept(vec![world.hello("ann", "m1"), lost]).await);
    let contacts = store.contacts(world.business, &PageRequest::default()).await.unwrap();
    assert_eq!(contacts.items, []);
    let again = world.accept(world.hello("ann", "m1")).await;
    assert!(matches!(again, Accepted::New { .. }));
}

/// An empty batch is fine.
pub async fn accept_of_nothing_is_nothing(store: &dyn Store) {
    assert_eq!(store.accept(Vec::new()).await, Ok(Vec::new()));
}

/// Messages that many workers accept at once are all recorded, each once.
pub async fn accept_survives_a_crowd(store: &dyn Store) {
    let world = World::new(store).await;
    let hello = |n: usize| world.accept(world.hello("ann", &format!("m{}", n % 6)));
    let (a, b, c) = (hello(0), hello(1), hello(2));
    let (d, e, f) = (hello(3), hello(4), hello(5));
    let (g, h, i) = (hello(6), hello(7), hello(8));
    tokio::join!(a, b, c, d, e, f, g, h, i);
    let claim = world.claim_one(at(1)).await;
    assert_eq!(claim.entries.len(), 6);
    let places: Vec<u64> =
        world.messages(claim.conversation.id).await.iter().map(|message| message.seq).collect();
    assert_eq!(places, [1, 2, 3, 4, 5, 6]);
}

/// A batch is as large as its webhooks make it: everyone in it is known by two identities, writes
/// twice and is heard twice.
pub async fn accept_takes_a_large_batch(store: &dyn Store) {
    const PEOPLE: usize = 200;
    let world = World::new(store).await;
    let says = |person: usize, word: &str| {
        let mut accept = world.hello(&format!("p{person}"), &format!("{word}{person}"));
        accept.message.from.push(identity(&format!("also p{person}")));
        accept
    };
    let words = ["one", "two", "one"];
    let batch = words.iter().flat_map(|word| (0..PEOPLE).map(|person| says(person, word)));
    let accepted = store.accept(batch.collect()).await.unwrap();
    assert_eq!(accepted.len(), words.len() * PEOPLE);
    let (new, known) = accepted.split_at(2 * PEOPLE);
    for (index, outcome) in new.iter().enumerate() {
        let Accepted::New { message, conversation, contact_created, .. } = outcome else {
            panic!("expected a new message: {outcome:?}");
        };
        assert_eq!(*contact_created, index < PEOPLE);
        assert_eq!((message.seq, conversation.last_seq > 0), (1 + (index / PEOPLE) as u64, true));
    }
    for (first, again) in new.iter().zip(known) {
        let Accepted::New { message, .. } = first else { panic!("expected a new message") };
        let (conversation_id, seq) = (message.conversation_id, 1);
        assert_eq!(*again, Accepted::Duplicate { conversation_id, seq });
    }
    let also = store.contact_by_identity(world.business, &identity("also p199")).await.unwrap();
    let conversation = store.conversation_of(world.business, world.channel, also.id).await.unwrap();
    assert_eq!(world.messages(conversation.id).await.len(), 2);
}
