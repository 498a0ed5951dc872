//! What a search costs, and what taking in costs: messages of a thousand contacts, in words that are
//! as unevenly common as those of a language.
//!
//! `cargo bench -p justping-store --all-features --bench search [-- MESSAGES] [-- URL]` prints one
//! JSON line a figure: in SQLite, or in the Postgres database of the URL, which has to be empty and
//! its role no superuser. 100,000 messages unless another number is given.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::error::Error;
use std::time::{Duration, Instant};

use justping_core::model::{
    Business, BusinessId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, ContactId,
    Content, ConversationId, Identity, InboundMessage, MessageId, Owner, PageRequest, SearchQuery,
    Timestamp, UnknownPolicy,
};
use justping_core::port::Store;
use justping_core::port::store::{Accept, MessageFilter};
use justping_store::{MasterKey, PostgresConfig, PostgresStore, SqliteConfig, SqliteStore};
use serde_json::json;
use uuid::Uuid;

const MESSAGES: u64 = 100_000;
const CONTACTS: u64 = 1_000;
/// Different words; the n-th is about 1/n as common as the first.
const WORDS: u64 = 20_000;
const WORDS_PER_MESSAGE: u64 = 10;
/// Messages of one accept.
const BATCH: u64 = 256;
/// Rows that are taken in at once.
const INDEX_ROWS: u32 = 256;
/// Searches of each kind.
const SEARCHES: u32 = 200;

type Outcome = Result<(), Box<dyn Error>>;

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A word, by Zipf's law.
    fn word(&mut self) -> String {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        spelled(((WORDS as f64).powf(share)) as u64)
    }
}

/// The n-th word: letters, so that short beginnings are shared by many.
fn spelled(n: u64) -> String {
    let mut rest = n.wrapping_mul(2_654_435_761) % 11_881_376;
    let mut word = String::new();
    for _ in 0..5 {
        word.push(char::from(b'a' + (rest % 26) as u8));
        rest /= 26;
    }
    word
}

fn business() -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(1))
}

fn accept(n: u64, chance: &mut Chance) -> Accept {
    let who = chance.next() % CONTACTS;
    let words: Vec<String> = (0..WORDS_PER_MESSAGE).map(|_| chance.word()).collect();
    let id = |kind: u128| Uuid::from_u128(kind << 64 | u128::from(n));
    Accept {
        business_id: business(),
        channel_id: ChannelId::from_uuid(Uuid::from_u128(2)),
        message: InboundMessage {
            provider_ref: format!("wamid.{n}"),
            from: vec![Identity::new(ChannelKind::MEMORY, format!("4917{who:08}"))],
            name: Some(format!("Contact {who}")),
            content: Content::text(words.join(" ")),
            reply_to: None,
            sent_at: None,
        },
        owner: Owner::Queue,
        message_id: MessageId::from_uuid(id(3)),
        contact_id: ContactId::from_uuid(id(4)),
        conversation_id: ConversationId::from_uuid(id(5)),
        now: Timestamp::from_millisecond(1_767_603_600_000 + n as i64).unwrap_or_default(),
    }
}

async fn furnish(store: &dyn Store) -> Outcome {
    let now = Timestamp::from_second(1_767_603_600)?;
    let row = Business { id: business(), name: "Acme".to_owned(), created_at: now };
    store.create_business(&row).await?;
    let channel = ChannelConfig {
        id: ChannelId::from_uuid(Uuid::from_u128(2)),
        business_id: business(),
        provider: "memory".to_owned(),
        name: "Line".to_owned(),
        settings: json!({}),
        agent_id: None,
        enabled: true,
        unknown_policy: UnknownPolicy::default(),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(store.create_channel(&channel, &ChannelSecrets::new()).await?)
}

/// Processor time of this process so far.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

async fn fill(store: &dyn Store, messages: u64) -> Outcome {
    let mut chance = Chance(88_172_645_463_325_252);
    let (mut accepting, mut indexing) = (Duration::ZERO, Duration::ZERO);
    let (mut accept_cpu, mut index_cpu) = (Duration::ZERO, Duration::ZERO);
    let mut done = 0;
    while done < messages {
        let size = BATCH.min(messages - done);
        let batch = (done..done + size).map(|n| accept(n, &mut chance)).collect();
        let (begun, cpu) = (Instant::now(), processor());
        store.accept(batch).await?;
        accepting += begun.elapsed();
        accept_cpu += processor() - cpu;
        done += size;
        let (begun, cpu) = (Instant::now(), processor());
        while store.index_due(INDEX_ROWS).await? >= u64::from(INDEX_ROWS) {}
        indexing += begun.elapsed();
        index_cpu += processor() - cpu;
    }
    while store.index_due(INDEX_ROWS).await? > 0 {}
    let each = |time: Duration| time.as_secs_f64() * 1e6 / messages as f64;
    println!(
        "{}",
        json!({ "figure": "fill", "messages": messages, "accept_us": each(accepting),
            "accept_cpu_us": each(accept_cpu), "index_us": each(indexing),
            "index_cpu_us": each(index_cpu) })
    );
    Ok(())
}

async fn search(store: &dyn Store, kind: &str, queries: impl Fn(u64) -> String) -> Outcome {
    let mut times = Vec::new();
    let mut hits = 0;
    for n in 0..u64::from(SEARCHES) {
        let (query, page) = (SearchQuery::parse(&queries(n)), PageRequest::default());
        let begun = Instant::now();
        let filter = MessageFilter::default();
        let found = store.search_messages(business(), &query, &filter, &page).await?;
        times.push(begun.elapsed());
        hits += found.items.len();
    }
    times.sort_unstable();
    let ms = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "{}",
        json!({ "figure": "search", "kind": kind, "p50_ms": ms(times.len() / 2),
            "p99_ms": ms(times.len() * 99 / 100), "hits": hits as f64 / f64::from(SEARCHES) })
    );
    Ok(())
}

async fn measure(store: &dyn Store, messages: u64) -> Outcome {
    furnish(store).await?;
    fill(store, messages).await?;
    search(store, "a common word", |n| spelled(1 + n % 5)).await?;
    search(store, "a rare word", |n| spelled(WORDS / 2 + n)).await?;
    search(store, "a word nobody wrote", |n| format!("zz9{n}x")).await?;
    search(store, "a common and a rare word", |n| {
        format!("{} {}", spelled(1), spelled(WORDS / 2 + n))
    })
    .await?;
    search(store, "two letters", |n| spelled(1 + n).chars().take(2).collect()).await?;
    search(store, "a rare word and two letters", |n| {
        let start: String = spelled(1 + n).chars().take(2).collect();
        format!("{} {start}", spelled(WORDS / 2 + n))
    })
    .await
}

#[tokio::main]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let messages = words.iter().find_map(|word| word.parse().ok()).unwrap_or(MESSAGES);
    let key = MasterKey::from_bytes([7; 32]);
    match words.iter().find(|word| word.starts_with("postgres://")) {
        Some(url) => {
            let store = PostgresStore::open(PostgresConfig::new(url.clone(), key)).await?;
            measure(&store, messages).await
        }
        None => {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("bench.db");
            let store = SqliteStore::open(SqliteConfig::new(path, key)).await?;
            measure(&store, messages).await
        }
    }
}
