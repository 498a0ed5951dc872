//! Random texts and random queries: what a store finds is what the one in memory finds.

use std::ops::Deref;

use justping_core::memory::MemoryStore;
use justping_core::model::*;
use justping_core::port::Store;
use justping_core::port::store::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::world::{BUSINESSES, Pair, every_page, pages, tenant};
use super::{at, business, channel, uuid};

/// Most messages of a run.
const TEXTS_MAX: usize = 40;
/// Queries of a run.
const QUERIES: usize = 12;
/// Pieces that texts and queries are made of: few, so that they meet.
const PIECES: &[&str] = &[
    "order",
    "Order",
    "ord",
    "orders",
    "é",
    "e\u{301}",
    "E",
    "ß",
    "SS",
    "ss",
    "東京",
    "京",
    "東",
    "ที่อยู่",
    "заказ",
    "ЗАК",
    "12",
    "1",
    "+49 170",
    "49170",
    " ",
    " ",
    " ",
    " ",
    "'",
    "\"",
    "*",
    "_",
    "\\",
    "\u{0}",
    ":",
    "&",
    "NOT",
    "\u{1f600}",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat())
}

/// Who writes, in which business, what.
type Line = (u8, u8, String);

fn lines() -> impl Strategy<Value = (Vec<Line>, Vec<String>)> {
    let line = (0..4u8, 0..BUSINESSES, text());
    (prop::collection::vec(line, 1..TEXTS_MAX), prop::collection::vec(text(), QUERIES))
}

/// Runs `cases` random searches, each with a store of its own.
pub(crate) fn check<T, F>(cases: u32, factory: impl Fn() -> F)
where
    F: Future<Output = T>,
    T: Deref,
    T::Target: Store + Sized,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let hits = std::cell::Cell::new(0);
    let run = |(lines, queries): (Vec<Line>, Vec<String>)| {
        let found = runtime.block_on(async {
            let pair = Pair::new(factory().await).await;
            write(&pair.memory, &lines).await;
            write(&*pair.tested, &lines).await;
            pair.compare_searches(queries.iter().map(String::as_str)).await
        });
        hits.set(hits.get() + found);
        Ok(())
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random).run(&lines(), run).unwrap();
    assert!(hits.get() > cases as usize, "hardly anything was found: {}", hits.get());
}

async fn write(store: &dyn Store, lines: &[Line]) {
    for n in 0..BUSINESSES {
        let id = 700 + u128::from(n);
        let channel = channel(id, u128::from(n) + 1);
        store.create_channel(&channel, &ChannelSecrets::new()).await.unwrap();
    }
    for (n, (who, tenant, text)) in (0u128..).zip(lines) {
        let accept = Accept {
            business_id: business(u128::from(*tenant) + 1),
            channel_id: ChannelId::from_uuid(uuid(700 + u128::from(*tenant))),
            message: InboundMessage {
                provider_ref: format!("t{n}"),
                from: vec![Identity::new(ChannelKind::MEMORY, format!("who{who}"))],
                name: Some(text.clone()),
                content: Content::text(text),
                reply_to: None,
                sent_at: None,
            },
            owner: Owner::Queue,
            message_id: MessageId::from_uuid(uuid(1_000 + n * 3)),
            contact_id: ContactId::from_uuid(uuid(1_001 + n * 3)),
            conversation_id: ConversationId::from_uuid(uuid(1_002 + n * 3)),
            now: at(0),
        };
        store.accept(vec![accept]).await.unwrap();
    }
}

async fn take_in(store: &dyn Store) {
    while store.index_due(7).await.unwrap() > 0 {}
    assert_eq!(store.unindexed().await, Ok(0));
}

impl<T> Pair<T>
where
    T: Deref,
    T::Target: Store + Sized,
{
    /// Searches both; returns how much was found.
    pub(super) async fn compare_searches<'a>(
        &self,
        queries: impl Iterator<Item = &'a str>,
    ) -> usize {
        take_in(&self.memory).await;
        take_in(&*self.tested).await;
        let mut found = 0;
        for query in queries {
            let query = SearchQuery::parse(query);
            for n in 0..BUSINESSES {
                let business = tenant(n);
                found += pages!(self, search_contacts(business, &query)).len();
                let filter = MessageFilter::default();
                let messages = pages!(self, search_messages(business, &query, &filter));
                found += messages.len();
                let Some(first) = messages.first() else { continue };
                let filter = MessageFilter { conversation_id: Some(first.conversation_id) };
                let within = pages!(self, search_messages(business, &query, &filter));
                let one = |row: &&Message| row.conversation_id == first.conversation_id;
                let expected: Vec<Message> = messages.iter().filter(one).cloned().collect();
                assert_eq!(within, expected);
            }
        }
        found
    }
}

/// Says that the store in memory agrees with itself: the comparison compares.
#[test]
fn the_store_in_memory_agrees_with_itself() {
    check(8, async || Box::new(MemoryStore::new()));
}
