//! Full-text search: what is found, in which order, and by whom.

use serde_json::json;

use crate::conformance::fixture::{World, assert_invalid, at, identity, nonsense};
use crate::model::{
    BusinessId, Contact, ContactId, ContactPatch, Content, ConversationId, Direction, Message,
    Owner, PageRequest, SearchQuery,
};
use crate::port::Store;
use crate::port::store::{Accept, MessageFilter, Post};

/// Rows of one step of [`World::index`].
const STEP: u32 = 64;

/// Queries that mean something to one database or the other, and here are words or nothing.
pub(super) const HOSTILE: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "'",
    "\"",
    "\\",
    "*",
    ":*",
    "!",
    "&",
    "|",
    "<->",
    "()",
    "((",
    "-",
    "^",
    "{}",
    "%",
    "_",
    "\u{1f600}",
    "ann OR bob",
    "ann NOT bob",
    "ann NEAR bob",
    "NEAR(ann bob, 2)",
    "text:ann",
    "ann*",
    "\"ann",
    "'ann' & !'bob'",
    "ann:*",
    "ann <-> bob",
    "ann\u{0}bob",
    "'; DROP TABLE messages; --",
    "\u{fffd}\u{feff}\u{202e}",
    "a\u{301}\u{301}\u{301}\u{301}",
];

impl World<'_> {
    /// Lets the search take in everything.
    pub async fn index(&self) {
        while self.store.index_due(STEP).await.unwrap() > 0 {}
        assert_eq!(self.store.unindexed().await, Ok(0));
    }

    /// What `who` writes, to be found later.
    pub async fn writes(&self, who: &str, text: &str) -> ConversationId {
        let mut accept = self.hello(who, &format!("{who} {}", self.uuid()));
        accept.message.content = Content::text(text);
        self.arrive(accept).await.id
    }

    /// The first page of messages that a query finds.
    pub async fn found(&self, query: &str) -> Vec<Message> {
        let (query, page) = (SearchQuery::parse(query), PageRequest::first(200));
        let filter = MessageFilter::default();
        self.store.search_messages(self.business, &query, &filter, &page).await.unwrap().items
    }

    /// The texts of the messages that a query finds.
    pub async fn found_texts(&self, query: &str) -> Vec<String> {
        let found = self.found(query).await;
        found.iter().map(|message| message.content.plain().to_owned()).collect()
    }

    /// The first page of contacts that a query finds.
    pub async fn found_people(&self, query: &str) -> Vec<Contact> {
        let (query, page) = (SearchQuery::parse(query), PageRequest::first(200));
        self.store.search_contacts(self.business, &query, &page).await.unwrap().items
    }

    async fn found_ids(&self, query: &str) -> Vec<ContactId> {
        self.found_people(query).await.iter().map(|contact| contact.id).collect()
    }
}

/// Messages of both directions and notes are found, the newest first, as they are in the ledger.
pub async fn search_finds_messages_of_every_direction(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.writes("ann", "the first parcel").await;
    world.posted(world.post(id, "which Parcel?")).await;
    world.posted(Post { direction: Direction::Note, ..world.post(id, "parcel, lost") }).await;
    world.writes("bob", "unrelated").await;
    world.index().await;
    assert_eq!(
        world.found_texts("parcel").await,
        ["parcel, lost", "which Parcel?", "the first parcel"]
    );
    let mut all = world.messages(id).await;
    all.reverse();
    assert_eq!(world.found("parcel").await, all);
}

/// What a turn says is found.
pub async fn search_finds_what_turns_say(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let mut commit = world.done(&claim);
    commit.messages = vec![world.say("welcome aboard"), world.say("goodbye")];
    commit.contact = ContactPatch { name: Some("Annabel".to_owned()), ..ContactPatch::default() };
    world.commit(commit).await;
    world.index().await;
    assert_eq!(world.found_texts("aboard welcome").await, ["welcome aboard"]);
    assert_eq!(world.found_ids("annabel").await, [claim.contact.id]);
}

/// Every word has to be there; the last one may be the beginning of one.
pub async fn search_needs_every_word(store: &dyn Store) {
    let world = World::new(store).await;
    world.writes("ann", "my order is late").await;
    world.writes("ann", "my order is here").await;
    world.index().await;
    assert_eq!(world.found("order").await.len(), 2);
    assert_eq!(world.found_texts("late order").await, ["my order is late"]);
    assert_eq!(world.found_texts("order la").await, ["my order is late"]);
    assert_eq!(world.found_texts("la order").await, [""; 0]);
    assert_eq!(world.found_texts("order early").await, [""; 0]);
    assert_eq!(world.found_texts("rder").await, [""; 0]);
}

/// Case and accents count neither in the text nor in the query.
pub async fn search_ignores_case_and_accents(store: &dyn Store) {
    let world = World::new(store).await;
    world.writes("ann", "CRÈME Brûlée in der Straße").await;
    world.index().await;
    for query in ["creme brulee", "Crème BRÛLÉE", "strasse", "STRASSE", "cre\u{300}me", "brûl"]
    {
        assert_eq!(world.found(query).await.len(), 1, "{query}");
    }
}

/// Scripts without spaces are found by their characters, others by their words.
pub async fn search_finds_other_scripts(store: &dyn Store) {
    let world = World::new(store).await;
    world.writes("ann", "私は東京都に住んでいます").await;
    world.writes("ann", "Где мой заказ?").await;
    world.writes("ann", "أين طلبي").await;
    world.writes("ann", "मेरा ऑर्डर कहाँ है").await;
    world.writes("ann", "주문이 어디에 있나요").await;
    world.writes("ann", "คำสั่งซื้อของฉันอยู่ที่ไหน").await;
    world.index().await;
    let queries = ["東京", "住", "ЗАКАЗ", "зак", "طلبي", "ऑर्डर", "주문", "ซื้อ"];
    for query in queries {
        assert_eq!(world.found(query).await.len(), 1, "{query}");
    }
    assert_eq!(world.found_texts("京東").await, [""; 0]);
}

/// No query is an error, whatever it says; what is in it are words.
pub async fn search_takes_any_query_for_words(store: &dyn Store) {
    let world = World::new(store).await;
    let hostile = HOSTILE.join(" \n");
    world.writes("zoe", &hostile).await;
    let mut contact = world.new_contact(&["w1"]);
    contact.name = Some(hostile.clone());
    contact.fields.insert("\u{0}".to_owned(), json!({ "a": ["\u{0}é", 7.5e300, null] }));
    store.create_contact(&contact).await.unwrap();
    world.index().await;
    let long = "x'\"*(".repeat(2_000);
    for query in HOSTILE.iter().copied().chain([&*hostile, &*long]) {
        let words = !SearchQuery::parse(query).is_empty() && query != long;
        assert_eq!(world.found(query).await.len(), usize::from(words), "{query}");
        assert_eq!(world.found_people(query).await.len(), usize::from(words), "{query}");
    }
    assert_eq!(world.found_people("e 7").await.len(), 1);
}

/// A contact is found by its name, its addresses, its labels and its fields.
pub async fn search_finds_contacts_by_what_is_known(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ann = world.new_contact(&["491701234567", "ann@example.org"]);
    ann.name = Some("Anna Müller".to_owned());
    ann.tags.insert("vip-customer".to_owned());
    ann.fields.insert("plan".to_owned(), json!("Gold"));
    ann.fields.insert("seats".to_owned(), json!([12, { "floor": "third" }]));
    store.create_contact(&ann).await.unwrap();
    world.add_contact(&["bob"]).await;
    world.index().await;
    let queries =
        ["muller anna", "491701", "+49 (170) 123", "ann@example.org", "vip", "gold", "12"];
    for query in queries.into_iter().chain(["third anna", "an"]) {
        assert_eq!(world.found_people(query).await, [ann.clone()], "{query}");
    }
    assert_eq!(world.found_people("plan").await, [], "the names of fields are no text");
}

/// A contact that changes is found by what it is; one that goes is found no more, at once.
pub async fn search_follows_a_contact(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ann = world.new_contact(&["ann"]);
    ann.name = Some("Maiden".to_owned());
    store.create_contact(&ann).await.unwrap();
    world.index().await;
    let patch = ContactPatch { name: Some("Married".to_owned()), ..ContactPatch::default() };
    store.patch_contact(world.business, ann.id, &patch, at(1)).await.unwrap();
    world.index().await;
    assert_eq!(world.found_ids("maiden").await, []);
    assert_eq!(world.found_ids("married").await, [ann.id]);
    let heard = Accept { owner: Owner::Queue, ..world.hello("bob", "1") };
    world.arrive(heard).await;
    let also = [identity("roberta")];
    let bob = identity("bob");
    let bob = store.link_identities(world.business, &bob, &also, at(1)).await.unwrap();
    world.index().await;
    assert_eq!(world.found_ids("roberta").await, [bob.id]);
    store.delete_contact(world.business, ann.id).await.unwrap();
    assert_eq!(world.found_ids("married").await, []);
    world.index().await;
    assert_eq!(world.found_ids("married").await, []);
}

/// Nobody finds what another business wrote or knows, whatever they ask for.
pub async fn search_is_of_one_business(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let id = ours.writes("ann", "secret plans").await;
    let mut ann = ours.new_contact(&["spy"]);
    ann.name = Some("Secret Agent".to_owned());
    store.create_contact(&ann).await.unwrap();
    let name = ours.business.uuid().simple().to_string();
    theirs.writes("bob", &format!("harmless {name} _{name} {}", ours.business)).await;
    ours.index().await;
    assert_eq!(theirs.found("secret").await, []);
    assert_eq!(theirs.found_people("secret").await, []);
    assert_eq!(ours.found("harmless").await, []);
    assert_eq!(ours.found(&name).await, []);
    let (query, page) = (SearchQuery::parse("secret"), PageRequest::default());
    let filter = MessageFilter { conversation_id: Some(id) };
    let found = store.search_messages(theirs.business, &query, &filter, &page).await.unwrap();
    assert_eq!(found.items, []);
    let stranger = ours.uuid();
    let stranger = BusinessId::from_uuid(stranger);
    assert_eq!(store.search_contacts(stranger, &query, &page).await.unwrap().items, []);
    assert_eq!(ours.found("secret").await.len(), 1);
    assert_eq!(ours.found_ids("secret").await, [ann.id]);
}

/// A search of a conversation finds what was written there.
pub async fn search_of_a_conversation_stays_there(store: &dyn Store) {
    let world = World::new(store).await;
    let ann = world.writes("ann", "parcel one").await;
    let bob = world.writes("bob", "parcel two").await;
    world.writes("ann", "parcel three").await;
    world.index().await;
    let (query, page) = (SearchQuery::parse("parcel"), PageRequest::first(1));
    let filter = MessageFilter { conversation_id: Some(ann) };
    let first = store.search_messages(world.business, &query, &filter, &page).await.unwrap();
    assert_eq!(first.items[0].content.plain(), "parcel three");
    let page = PageRequest { after: first.next, limit: 1 };
    let second = store.search_messages(world.business, &query, &filter, &page).await.unwrap();
    assert_eq!((second.items[0].content.plain(), second.next), ("parcel one", None));
    let filter = MessageFilter { conversation_id: Some(bob) };
    let page = PageRequest::default();
    let found = store.search_messages(world.business, &query, &filter, &page).await.unwrap();
    assert_eq!(found.items.len(), 1);
}

/// Pages lose nothing and repeat nothing, also while further messages arrive.
pub async fn search_pages_through_a_hundred(store: &dyn Store) {
    let world = World::new(store).await;
    for n in 0..100 {
        world.writes(["ann", "bob", "cem"][n % 3], &format!("parcel {n}")).await;
        world.writes("ann", "something else").await;
    }
    world.index().await;
    let (query, filter) = (SearchQuery::parse("parcel"), MessageFilter::default());
    let mut texts = Vec::new();
    let mut page = PageRequest::first(7);
    loop {
        let found = store.search_messages(world.business, &query, &filter, &page).await.unwrap();
        assert!(found.items.len() <= 7);
        texts.extend(found.items.iter().map(|row| row.content.plain().to_owned()));
        world.writes("bob", "parcel of later").await;
        world.index().await;
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let expected: Vec<String> = (0..100).rev().map(|n| format!("parcel {n}")).collect();
    assert_eq!(texts, expected);
}

/// Contacts come in pages too, the greatest id first.
pub async fn search_pages_through_contacts(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for n in 0..11 {
        let mut contact = world.new_contact(&[&format!("c{n}")]);
        contact.tags.insert("crowd".to_owned());
        store.create_contact(&contact).await.unwrap();
        ids.insert(0, contact.id);
    }
    world.index().await;
    let query = SearchQuery::parse("crowd");
    let mut found = Vec::new();
    let mut page = PageRequest::first(3);
    loop {
        let rows = store.search_contacts(world.business, &query, &page).await.unwrap();
        found.extend(rows.items.iter().map(|row| row.id));
        match rows.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ids);
}

/// What is not taken in yet is counted and not found; taking in is bounded and ends.
pub async fn search_lag_is_seen_and_ends(store: &dyn Store) {
    let world = World::new(store).await;
    world.index().await;
    for n in 0..5 {
        world.writes("ann", &format!("parcel {n}")).await;
    }
    let waiting = store.unindexed().await.unwrap();
    assert!(waiting >= 6, "five messages and a contact: {waiting}");
    assert_eq!(world.found("parcel").await, []);
    assert_eq!(store.index_due(2).await, Ok(2));
    assert_eq!(store.unindexed().await, Ok(waiting - 2));
    assert_eq!(world.found_texts("parcel").await, ["parcel 1", "parcel 0"]);
    world.index().await;
    assert_eq!(store.index_due(2).await, Ok(0));
    assert_eq!(world.found("parcel").await.len(), 5);
    assert_eq!(world.found_ids("ann").await.len(), 1);
}

/// A search that starts where no search ended is refused.
pub async fn search_refuses_cursors_of_no_list(store: &dyn Store) {
    let world = World::new(store).await;
    let (page, filter) = (nonsense(), MessageFilter::default());
    for query in ["parcel", ""] {
        let query = SearchQuery::parse(query);
        assert_invalid(store.search_contacts(world.business, &query, &page).await);
        assert_invalid(store.search_messages(world.business, &query, &filter, &page).await);
    }
}
