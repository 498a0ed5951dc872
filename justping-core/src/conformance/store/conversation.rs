//! Conversations, their messages, and paging.

use serde_json::json;

use crate::conformance::fixture::{
    World, assert_invalid, assert_not_found, at, identity, next_one, nonsense,
};
use crate::model::{
    CallResult, ChannelId, Contact, ContactId, Conversation, ConversationChange, ConversationId,
    ConversationStatus, Event, EventBody, MailboxEvent, Owner, PAGE_MAX, PageRequest, Priority,
    SessionStatus,
};
use crate::port::Store;
use crate::port::store::{Accept, CallFinish, ConversationFilter, MessageOrder, Post, TurnCommit};

async fn listed(world: &World<'_>, filter: &ConversationFilter) -> Vec<ConversationId> {
    let page = PageRequest::default();
    let page = world.store.conversations(world.business, filter, &page).await.unwrap();
    page.items.iter().map(|row| row.id).collect()
}

/// The conversation of a contact on a channel is found by the two.
pub async fn conversation_is_found_by_its_pair(store: &dyn Store) {
    let world = World::new(store).await;
    let row = world.quiet("ann").await;
    let found = store.conversation_of(world.business, world.channel, row.contact_id).await;
    assert_eq!(found, Ok(row.clone()));
    let missing = ConversationId::from_uuid(world.uuid());
    assert_not_found(store.conversation(world.business, missing).await);
    let nobody = ContactId::from_uuid(world.uuid());
    assert_not_found(store.conversation_of(world.business, world.channel, nobody).await);
    let nowhere = ChannelId::from_uuid(world.uuid());
    assert_not_found(store.conversation_of(world.business, nowhere, row.contact_id).await);
}

/// A conversation that nobody wrote in yet.
async fn silent(world: &World<'_>, who: &str) -> Conversation {
    let contact_id = ContactId::from_uuid(world.uuid());
    let mut contact = Contact::new(contact_id, world.business, at(1));
    contact.identities.push(identity(who));
    world.store.create_contact(&contact).await.unwrap();
    let id = ConversationId::from_uuid(world.uuid());
    let owner = Owner::Queue;
    Conversation {
        status: ConversationStatus::Closed,
        ..Conversation::new(id, world.business, world.channel, contact_id, owner, at(1))
    }
}

/// A conversation is there before a word was said, and goes on like any other.
pub async fn conversation_opens_before_a_word(store: &dyn Store) {
    let world = World::new(store).await;
    let row = silent(&world, "ann").await;
    assert_eq!(store.open_conversation(&row).await, Ok(row.clone()));
    assert_eq!(world.conversation(row.id).await, row);
    let found = store.conversation_of(world.business, world.channel, row.contact_id).await;
    assert_eq!(found, Ok(row.clone()));
    assert_eq!(listed(&world, &ConversationFilter::default()).await, [row.id]);
    let news = store.events(world.business, &PageRequest::default()).await.unwrap().items;
    let created = |event: &&Event| match &event.body {
        EventBody::ConversationCreated { conversation } => *conversation == row,
        _ => false,
    };
    assert_eq!(news.iter().filter(created).count(), 1);
    assert_eq!(world.posted(world.post(row.id, "hello")).await.seq, 1);
    assert_eq!(world.send_one(at(1)).await.contact.id, row.contact_id);
    let heard = world.arrive(Accept { owner: Owner::Bot, ..world.hello("ann", "a1") }).await;
    assert_eq!((heard.id, heard.owner, heard.last_seq), (row.id, Owner::Bot, 2));
}

/// Whoever opens it again gets the one that is there.
pub async fn conversation_opens_once(store: &dyn Store) {
    let world = World::new(store).await;
    let row = silent(&world, "ann").await;
    store.open_conversation(&row).await.unwrap();
    world.posted(world.post(row.id, "hello")).await;
    let now = world.conversation(row.id).await;
    let again = Conversation { id: ConversationId::from_uuid(world.uuid()), ..row.clone() };
    assert_eq!(store.open_conversation(&again).await, Ok(now.clone()));
    assert_eq!(store.open_conversation(&row).await, Ok(now));
    assert_not_found(store.conversation(world.business, again.id).await);
    let spoken = world.quiet("bob").await;
    let id = ConversationId::from_uuid(world.uuid());
    assert_eq!(store.open_conversation(&Conversation { id, ..spoken.clone() }).await, Ok(spoken));
}

/// Channel and contact are the business's own.
pub async fn conversation_opens_for_its_business_only(store: &dyn Store) {
    let (world, other) = (World::new(store).await, World::new(store).await);
    let row = silent(&world, "ann").await;
    let nobody = ContactId::from_uuid(world.uuid());
    let nowhere = ChannelId::from_uuid(world.uuid());
    let contact_id = silent(&other, "eve").await.contact_id;
    for row in [
        Conversation { contact_id: nobody, ..row.clone() },
        Conversation { channel_id: nowhere, ..row.clone() },
        Conversation { contact_id, ..row.clone() },
        Conversation { channel_id: other.channel, ..row.clone() },
        Conversation { business_id: other.business, ..row.clone() },
    ] {
        assert_not_found(store.open_conversation(&row).await);
        assert_not_found(store.conversation(row.business_id, row.id).await);
    }
}

/// The conversation with the newest message comes first, whoever wrote it.
pub async fn conversations_list_the_newest_message_first(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for (second, who) in [(1, "ann"), (2, "bob"), (3, "cem")] {
        let hello = world.hello(who, who);
        let hello = Accept { now: at(second), owner: Owner::Queue, ..hello };
        ids.push(world.arrive(hello).await.id);
    }
    let all = ConversationFilter::default();
    assert_eq!(listed(&world, &all).await, [ids[2], ids[1], ids[0]]);
    world.posted(Post { now: at(4), ..world.post(ids[0], "hi") }).await;
    assert_eq!(listed(&world, &all).await, [ids[0], ids[2], ids[1]]);
    world.arrive(Accept { now: at(5), ..world.hello("bob", "b2") }).await;
    assert_eq!(listed(&world, &all).await, [ids[1], ids[0], ids[2]]);
}

/// A filter keeps what matches all of it.
pub async fn conversations_are_filtered(store: &dyn Store) {
    let world = World::new(store).await;
    let channel_id = world.add_channel().await;
    let ann = world.quiet("ann").await;
    let bob = world.arrive(Accept { now: at(1), ..world.hello("bob", "b1") }).await;
    let side = Accept { channel_id, now: at(2), ..world.hello("ann", "s1") };
    let side = world.arrive(side).await;
    let closed = world.change(side.id, ConversationChange::Close).await;
    let none = ConversationFilter::default;
    let filters = [
        (ConversationFilter { status: Some(closed.status), ..none() }, vec![side.id]),
        (ConversationFilter { owner: Some(Owner::Bot), ..none() }, vec![bob.id]),
        (ConversationFilter { channel_id: Some(world.channel), ..none() }, vec![bob.id, ann.id]),
        (ConversationFilter { contact_id: Some(ann.contact_id), ..none() }, vec![side.id, ann.id]),
        (
            ConversationFilter {
                channel_id: Some(channel_id),
                contact_id: Some(bob.contact_id),
                ..none()
            },
            Vec::new(),
        ),
    ];
    for (filter, expected) in filters {
        assert_eq!(listed(&world, &filter).await, expected, "{filter:?}");
    }
}

/// Whoever pages while messages arrive sees every conversation that stays still, and none twice.
pub async fn conversations_page_while_messages_arrive(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let hello = world.hello(&format!("c{n}"), "1");
        let hello = Accept { channel_id: world.channel, now: at(n), ..hello };
        let mut hello = Accept { owner: Owner::Queue, ..hello };
        hello.message.provider_ref = format!("m{n}");
        ids.push(world.arrive(hello).await.id);
    }
    let all = ConversationFilter::default();
    let mut page = store.conversations(world.business, &all, &PageRequest::first(1)).await.unwrap();
    let mut seen = vec![page.items[0].id];
    // The one just seen moves on top again, and a new one joins it there.
    world.posted(Post { now: at(10), ..world.post(ids[4], "hi") }).await;
    world.arrive(Accept { now: at(11), ..world.hello("late", "late") }).await;
    while page.next.is_some() {
        page = store.conversations(world.business, &all, &next_one(&page)).await.unwrap();
        seen.push(page.items[0].id);
    }
    ids.reverse();
    assert_eq!(seen, ids);
}

/// Conversations whose newest messages are of one moment are paged without loss.
pub async fn conversations_page_through_one_moment(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for who in ["ann", "bob", "cem", "dan"] {
        ids.push(world.quiet(who).await.id);
    }
    let all = ConversationFilter::default();
    let mut page = store.conversations(world.business, &all, &PageRequest::first(1)).await.unwrap();
    let mut seen = vec![page.items[0].id];
    while page.next.is_some() {
        page = store.conversations(world.business, &all, &next_one(&page)).await.unwrap();
        seen.push(page.items[0].id);
    }
    seen.sort();
    assert_eq!(seen, ids);
}

/// A change is applied as [`Conversation::apply`] says, and returned.
pub async fn conversation_changes_are_applied(store: &dyn Store) {
    let world = World::new(store).await;
    let mut expected = world.quiet("ann").await;
    let changes = [
        ConversationChange::Assign { owner: Owner::Member(world.member) },
        ConversationChange::SetPriority { priority: Priority::Urgent },
        ConversationChange::SetPriority { priority: Priority::Urgent },
        ConversationChange::Close,
        ConversationChange::Close,
        ConversationChange::Reopen,
        ConversationChange::Reopen,
        ConversationChange::Assign { owner: Owner::Bot },
    ];
    for change in changes {
        expected.apply(&change, at(1));
        assert_eq!(world.change(expected.id, change.clone()).await, expected, "{change:?}");
        assert_eq!(world.conversation(expected.id).await, expected, "{change:?}");
    }
    let missing = ConversationId::from_uuid(world.uuid());
    let change = ConversationChange::Close;
    let refused = store.change_conversation(world.business, missing, &change, at(1)).await;
    assert_not_found(refused);
}

/// Closing cancels the waiting session with its timers and calls.
pub async fn close_cancels_the_waiting_session(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    let call = store.claim_calls(&world.options(at(2), 1)).await.unwrap().remove(0);
    world.change(waiting.conversation.id, ConversationChange::Close).await;
    let session = store.session(world.business, waiting.session.id).await.unwrap();
    assert_eq!(session.status, SessionStatus::Cancelled);
    assert_eq!(store.fire_due(at(1_000), 10).await, Ok(0));
    assert_eq!(store.claim_calls(&world.options(at(1_000), 10)).await, Ok(Vec::new()));
    let late = CallFinish {
        business_id: world.business,
        call_id: call.call.id,
        fence: call.fence,
        result: CallResult::Ok(json!(1)),
    };
    assert_eq!(store.finish_calls(vec![late]).await, Ok(0));
    world.arrive(Accept { now: at(3), ..world.hello("ann", "back") }).await;
    let claim = world.claim_one(at(3)).await;
    assert_eq!(claim.session, None);
    assert_eq!(claim.entries.len(), 1);
}

/// Closing empties the mailbox: nothing of before comes up when the contact writes again.
pub async fn close_empties_the_mailbox(store: &dyn Store) {
    let world = World::new(store).await;
    let conversation = world.arrive(world.hello("ann", "m1")).await;
    world.change(conversation.id, ConversationChange::Close).await;
    assert_eq!(world.claim(at(9)).await, []);
    world.arrive(world.hello("ann", "m2")).await;
    let claim = world.claim_one(at(9)).await;
    assert!(matches!(
        &claim.entries[..],
        [entry] if matches!(&entry.event, MailboxEvent::Message { provider_ref, .. }
            if provider_ref.as_deref() == Some("m2"))
    ));
}

async fn thread(world: &World<'_>, count: usize) -> Conversation {
    let conversation = world.quiet("ann").await;
    for n in 1..count {
        world.posted(world.post(conversation.id, &format!("post {n}"))).await;
    }
    world.conversation(conversation.id).await
}

async fn seqs(
    world: &World<'_>,
    id: ConversationId,
    order: MessageOrder,
    request: &PageRequest,
) -> (Vec<u64>, PageRequest) {
    let page = world.store.messages(world.business, id, order, request).await.unwrap();
    let seqs = page.items.iter().map(|message| message.seq).collect();
    (seqs, PageRequest { after: page.next, limit: request.limit })
}

/// Messages are paged from either end.
pub async fn messages_page_from_either_end(store: &dyn Store) {
    let world = World::new(store).await;
    let id = thread(&world, 5).await.id;
    for (order, pages) in [
        (MessageOrder::OldestFirst, [vec![1, 2], vec![3, 4], vec![5]]),
        (MessageOrder::NewestFirst, [vec![5, 4], vec![3, 2], vec![1]]),
    ] {
        let mut request = PageRequest::first(2);
        for expected in pages {
            let (found, next) = seqs(&world, id, order, &request).await;
            assert_eq!(found, expected);
            request = next;
        }
        assert_eq!(request.after, None);
    }
    let missing = ConversationId::from_uuid(world.uuid());
    let page = PageRequest::default();
    assert_not_found(
        store.messages(world.business, missing, MessageOrder::NewestFirst, &page).await,
    );
}

/// A page does not move when messages are added.
pub async fn messages_page_while_messages_arrive(store: &dyn Store) {
    let world = World::new(store).await;
    let id = thread(&world, 4).await.id;
    let first = PageRequest::first(2);
    let (_, back) = seqs(&world, id, MessageOrder::NewestFirst, &first).await;
    let (_, on) = seqs(&world, id, MessageOrder::OldestFirst, &first).await;
    world.posted(world.post(id, "more")).await;
    let (older, end) = seqs(&world, id, MessageOrder::NewestFirst, &back).await;
    assert_eq!((older, end.after), (vec![2, 1], None));
    let (newer, more) = seqs(&world, id, MessageOrder::OldestFirst, &on).await;
    assert_eq!(newer, [3, 4]);
    assert_eq!(seqs(&world, id, MessageOrder::OldestFirst, &more).await.0, [5]);
}

/// The size of a page is kept within its bounds.
pub async fn pages_are_bounded(store: &dyn Store) {
    let world = World::new(store).await;
    let id = thread(&world, PAGE_MAX as usize + 2).await.id;
    for (limit, rows) in [(0, 1), (1, 1), (u32::MAX, PAGE_MAX as usize)] {
        let request = PageRequest::first(limit);
        let page = store.messages(world.business, id, MessageOrder::OldestFirst, &request).await;
        let page = page.unwrap();
        assert_eq!(page.items.len(), rows);
        assert!(page.next.is_some());
    }
}

/// An empty list has no next page.
pub async fn an_empty_page_is_the_last(store: &dyn Store) {
    let world = World::new(store).await;
    let page = PageRequest::default();
    let contacts = store.contacts(world.business, &page).await.unwrap();
    assert!(contacts.items.is_empty() && contacts.next.is_none());
}

/// Every list refuses a cursor it cannot have given.
pub async fn cursors_of_no_list_are_refused(store: &dyn Store) {
    let world = World::new(store).await;
    let waiting = world.waiting("ann").await;
    let (business, id) = (world.business, waiting.conversation.id);
    let flow = world.new_flow();
    store.create_flow(&flow).await.unwrap();
    let page = nonsense();
    assert_invalid(store.businesses(&page).await);
    assert_invalid(store.members(business, &page).await);
    assert_invalid(store.api_keys(business, &page).await);
    assert_invalid(store.channels(business, &page).await);
    assert_invalid(store.contacts(business, &page).await);
    assert_invalid(store.conversations(business, &ConversationFilter::default(), &page).await);
    assert_invalid(store.messages(business, id, MessageOrder::NewestFirst, &page).await);
    assert_invalid(store.messages(business, id, MessageOrder::OldestFirst, &page).await);
    assert_invalid(store.agents(business, &page).await);
    assert_invalid(store.flows(business, &page).await);
    assert_invalid(store.flow_versions(business, flow.id, &page).await);
    assert_invalid(store.sessions(business, id, &page).await);
    assert_invalid(store.trace(business, waiting.session.id, &page).await);
    assert_invalid(store.events(business, &page).await);
}

/// Sessions of a conversation are listed by id, and their steps by number.
pub async fn sessions_and_steps_are_listed(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let done = world.session(&claim, SessionStatus::Completed);
    let open = world.session(&claim, SessionStatus::Waiting);
    let trace = (1..=3).map(|number| (open.id, world.step(number))).collect();
    let sessions = vec![done.clone(), open.clone()];
    world.commit(TurnCommit { sessions, trace, ..world.done(&claim) }).await;
    let id = claim.conversation.id;
    let first = store.sessions(world.business, id, &PageRequest::first(1)).await.unwrap();
    assert_eq!(first.items, [done]);
    let second = store.sessions(world.business, id, &next_one(&first)).await.unwrap();
    assert_eq!(second.items, std::slice::from_ref(&open));
    let steps = store.trace(world.business, open.id, &PageRequest::first(2)).await.unwrap();
    assert_eq!(steps.items, [world.step(1), world.step(2)]);
    let rest = store.trace(world.business, open.id, &next_one(&steps)).await.unwrap();
    assert_eq!((rest.items, rest.next), (vec![world.step(3)], None));
}
