//! What looking up knowledge costs, and what taking it in costs: chunks of eighty words as unevenly
//! common as those of a language, with vectors that lie in clusters as those of real texts do.
//!
//! `cargo bench -p justping-store --all-features --bench knowledge [-- CHUNKS] [-- URL]` prints one
//! JSON line a figure: in SQLite, or in the Postgres database of the URL, or, with `postgres`, in one
//! that is started for it. 100,000 chunks of 384 numbers unless another count is given.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::error::Error;
use std::time::{Duration, Instant};

use justping_core::model::{
    Business, BusinessId, Chunk, ChunkId, KnowledgeBase, KnowledgeBaseId, Source, SourceFormat,
    SourceId, SourceOrigin, SourceState, Timestamp, Words, WorkerId, likeness,
};
use justping_core::port::Store;
use justping_core::port::store::{
    ClaimOptions, KnowledgeQuery, Meaning, SourceHold, SourceNext, SourceReport,
};
use justping_store::testing::Database;
use justping_store::{MasterKey, PostgresConfig, PostgresStore, SqliteConfig, SqliteStore};
use serde_json::json;
use uuid::Uuid;

const CHUNKS: u64 = 100_000;
/// Chunks of a source.
const PER_SOURCE: u64 = 5_000;
const BATCH: u64 = 64;
/// Numbers of a vector.
const NUMBERS: usize = 384;
/// Topics, around which vectors lie.
const TOPICS: u64 = 500;
/// Different words; the n-th is about 1/n as common as the first.
const WORDS: u64 = 50_000;
const WORDS_PER_CHUNK: u64 = 80;
const WORDS_PER_QUESTION: u64 = 8;
/// Searches of each kind.
const SEARCHES: u64 = 200;
const MODEL: &str = "bench";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn of(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..4).for_each(|_| {
            let _ = chance.next();
        });
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About a normal distribution.
    fn normal(&mut self) -> f32 {
        ((0..6).map(|_| self.share()).sum::<f64>() - 3.0) as f32
    }

    /// Words by Zipf's law.
    fn text(&mut self, words: u64) -> String {
        let word = |chance: &mut Self| spelled((WORDS as f64).powf(chance.share()) as u64);
        (0..words).map(|_| word(self)).collect::<Vec<_>>().join(" ")
    }
}

/// The n-th word.
fn spelled(n: u64) -> String {
    let mut rest = n.wrapping_mul(2_654_435_761) % 11_881_376;
    let mut word = String::new();
    for _ in 0..5 {
        word.push(char::from(b'a' + (rest % 26) as u8));
        rest /= 26;
    }
    word
}

/// A vector near its topic.
fn vector(topic: u64, seed: u64, spread: f32) -> Vec<f32> {
    let (mut centre, mut own) = (Chance::of(topic + 1), Chance::of(seed.wrapping_add(1 << 40)));
    (0..NUMBERS).map(|_| centre.normal() + own.normal() * spread).collect()
}

fn business() -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(1))
}

fn base() -> KnowledgeBaseId {
    KnowledgeBaseId::from_uuid(Uuid::from_u128(2))
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_603_600).unwrap_or_default()
}

fn chunk(n: u64) -> Chunk {
    Chunk {
        id: ChunkId::from_uuid(Uuid::from_u128(u128::from(n) + 1)),
        ordinal: (n % PER_SOURCE) as u32,
        section: spelled(n % 97),
        page: None,
        text: Chance::of(n).text(WORDS_PER_CHUNK),
    }
}

async fn furnish(store: &dyn Store) -> Outcome {
    let (business_id, created_at) = (business(), now());
    let row = Business { id: business_id, name: "Acme".to_owned(), created_at };
    store.create_business(&row).await?;
    let row = KnowledgeBase {
        id: base(),
        business_id,
        name: "Help".to_owned(),
        description: String::new(),
        embedding_model: Some(MODEL.to_owned()),
        revision: 1,
        created_at,
        updated_at: created_at,
    };
    Ok(store.create_knowledge_base(&row).await?)
}

async fn source(store: &dyn Store, number: u64) -> Outcome<SourceHold> {
    let row = Source {
        id: SourceId::from_uuid(Uuid::from_u128(u128::from(number) + 10)),
        business_id: business(),
        base_id: base(),
        title: format!("Source {number}"),
        origin: SourceOrigin::Upload,
        format: Some(SourceFormat::Text),
        refresh_minutes: None,
        state: SourceState::Pending,
        created_at: now(),
        updated_at: now(),
    };
    store.create_source(&row, Some(b"text")).await?;
    let worker = WorkerId::from_uuid(Uuid::from_u128(3));
    let options = ClaimOptions { worker, now: now(), lease_until: Timestamp::MAX, limit: 1 };
    let claim = store.claim_sources(&options).await?.pop().ok_or("nothing to claim")?;
    Ok(claim.hold)
}

async fn fill(store: &dyn Store, chunks: u64) -> Outcome {
    let (mut keeping, mut embedding) = (Duration::ZERO, Duration::ZERO);
    for number in 0..chunks.div_ceil(PER_SOURCE) {
        let hold = source(store, number).await?;
        let end = chunks.min((number + 1) * PER_SOURCE);
        let mut next = number * PER_SOURCE;
        while next < end {
            let range = next..end.min(next + BATCH);
            next = range.end;
            let batch: Vec<Chunk> = range.clone().map(chunk).collect();
            let begun = Instant::now();
            store.keep_chunks(&hold, &batch).await?;
            keeping += begun.elapsed();
            let vectors: Vec<(ChunkId, Vec<f32>)> =
                range.map(|n| (chunk(n).id, vector(n % TOPICS, n, 0.6))).collect();
            let begun = Instant::now();
            store.keep_vectors(&hold, MODEL, &vectors).await?;
            embedding += begun.elapsed();
        }
        let state = SourceState::Ready { chunks: PER_SOURCE as u32 };
        let report = SourceReport { state, next: SourceNext::Done(None), now: now() };
        store.record_source(&hold, &report).await?;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / chunks as f64;
    println!(
        "{}",
        json!({ "figure": "fill", "chunks": chunks, "keep_us": each(keeping),
            "vector_us": each(embedding) })
    );
    Ok(())
}

/// A question of chance; what it means lies near a topic.
fn question(n: u64, words: bool, meaning: bool) -> KnowledgeQuery {
    let mut asked = Words::default();
    if words {
        asked.add(&Chance::of(n + (1 << 50)).text(WORDS_PER_QUESTION));
    }
    let near =
        || Meaning { model: MODEL.to_owned(), vector: vector(n % TOPICS, n + (1 << 50), 0.6) };
    KnowledgeQuery { words: asked, meaning: meaning.then(near), limit: 32 }
}

async fn search(store: &dyn Store, kind: &str, (words, meaning): (bool, bool)) -> Outcome {
    let (mut times, mut hits) = (Vec::new(), 0);
    for n in 0..SEARCHES {
        let query = question(n, words, meaning);
        let begun = Instant::now();
        let found = store.search_knowledge(business(), base(), &query).await?;
        times.push(begun.elapsed());
        hits += found.by_words.len() + found.by_meaning.len();
    }
    times.sort_unstable();
    let ms = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "{}",
        json!({ "figure": "search", "kind": kind, "p50_ms": ms(times.len() / 2),
            "p99_ms": ms(times.len() * 99 / 100), "hits": hits as f64 / SEARCHES as f64 })
    );
    Ok(())
}

/// How many of the ten that are most alike of all are found.
async fn recall(store: &dyn Store, chunks: u64) -> Outcome {
    const ASKED: u64 = 20;
    let vectors: Vec<Vec<f32>> = (0..chunks).map(|n| vector(n % TOPICS, n, 0.6)).collect();
    let mut met = 0;
    for n in 0..ASKED {
        let query = question(n, false, true);
        let Some(meaning) = &query.meaning else { continue };
        let score = |vector: &Vec<f32>| likeness(vector, &meaning.vector);
        let mut best: Vec<(f32, u64)> = vectors.iter().map(score).zip(0..).collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        let found = store.search_knowledge(business(), base(), &query).await?.by_meaning;
        let found: Vec<ChunkId> = found.iter().take(10).map(|hit| hit.chunk.id).collect();
        met += best.iter().take(10).filter(|(_, n)| found.contains(&chunk(*n).id)).count();
    }
    println!("{}", json!({ "figure": "recall_at_10", "share": met as f64 / (ASKED * 10) as f64 }));
    Ok(())
}

async fn measure(store: &dyn Store, chunks: u64) -> Outcome {
    furnish(store).await?;
    fill(store, chunks).await?;
    let begun = Instant::now();
    store.search_knowledge(business(), base(), &question(0, true, true)).await?;
    let first = begun.elapsed().as_secs_f64() * 1e3;
    println!("{}", json!({ "figure": "the first search after a start", "ms": first }));
    search(store, "words", (true, false)).await?;
    search(store, "meaning", (false, true)).await?;
    search(store, "both", (true, true)).await?;
    recall(store, chunks).await
}

#[tokio::main]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let chunks = words.iter().find_map(|word| word.parse().ok()).unwrap_or(CHUNKS);
    let key = || MasterKey::from_bytes([7; 32]);
    if let Some(url) = words.iter().find(|word| word.starts_with("postgres://")) {
        let store = PostgresStore::open(PostgresConfig::new(url.clone(), key())).await?;
        return measure(&store, chunks).await;
    }
    if words.iter().any(|word| word == "postgres") {
        let database = Database::new().await;
        let store = PostgresStore::open(database.config()).await?;
        return measure(&store, chunks).await;
    }
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(SqliteConfig::new(folder.path().join("bench.db"), key())).await?;
    measure(&store, chunks).await
}
