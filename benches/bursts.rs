//! Ten thousand live conversations of "lead-gen-5" through the whole engine, one in a hundred of them
//! writing its last three messages at once. Every reply is looked for: none may be lost, doubled or
//! out of order, in the thread and at the provider.
//!
//! `cargo bench --bench bursts [-- CONVERSATIONS]` prints one JSON line for each store: memory, SQLite.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use justping::agents::Flows;
use justping::memory::MemoryProvider;
use justping::model::{Content, DeliveryStatus, Direction, EventBody, Topic};
use justping::port::store::Store;
use justping::port::{BusError, Capabilities, Rate, Subscription};
use justping::stage::Stage;
use justping::store::{MasterKey, SqliteConfig, SqliteStore};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CONVERSATIONS: usize = 10_000;
/// One conversation in so many writes in a burst.
const BURST_EVERY: usize = 100;
const SCRIPT: [&str; 5] = ["hi", "Ada", "Pro", "abc", "36"];
/// The message a burst begins with.
const BURST_FROM: usize = 2;
const TRANSCRIPT: [&str; 7] = [
    "Welcome to Acme!",
    "What is your name?",
    "Nice to meet you, Ada.",
    "Which plan interests you?",
    "How old are you?",
    "Please send a number.",
    "Thanks Ada, the Pro plan is yours.",
];

/// What the provider takes a second. The clock of a stage stands still, so a bucket that runs empty
/// is never full again: it holds more than is ever sent. Nor does anybody poll: every reply that
/// arrives was woken for.
const RATE: Rate = Rate { per_second: 1_000_000_000, burst: 1_000_000_000 };

/// What went wrong with the replies of one conversation.
#[derive(Debug, Default)]
struct Faults {
    lost: usize,
    doubled: usize,
    out_of_order: usize,
}

impl Faults {
    fn look(&mut self, replies: &[String]) {
        for text in TRANSCRIPT {
            match replies.iter().filter(|reply| *reply == text).count() {
                0 => self.lost += 1,
                times => self.doubled += times - 1,
            }
        }
        let known = |reply: &String| TRANSCRIPT.iter().position(|text| text == reply);
        if !replies.iter().filter_map(known).is_sorted() {
            self.out_of_order += 1;
        }
    }
}

async fn converse(stage: &Stage, conversations: usize) -> Outcome<f64> {
    let mut heard = stage.engine().bus().subscribe(Topic::Business(stage.business()));
    let engine = stage.engine().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        engine.run(async { drop(stopped.await) }).await;
    });
    let begun = Instant::now();
    let mut expected = 0;
    for (round, text) in SCRIPT.iter().enumerate() {
        for n in 0..conversations {
            let bursts = n % BURST_EVERY == 0;
            let texts: &[&str] = match round {
                BURST_FROM if bursts => SCRIPT.get(round..).unwrap_or_default(),
                later if bursts && later > BURST_FROM => &[],
                _ => std::slice::from_ref(text),
            };
            for text in texts {
                stage.drop_in(&n.to_string(), Content::text(*text)).await?;
            }
            expected += replies_to(round, texts.len());
        }
        wait_for(stage, &mut *heard, expected).await?;
    }
    let took = begun.elapsed().as_secs_f64();
    drop(stop);
    running.await?;
    Ok(took)
}

/// How many texts `messages` messages from `round` on are answered with.
fn replies_to(round: usize, messages: usize) -> u64 {
    [2, 2, 1, 1, 1].iter().skip(round).take(messages).sum()
}

/// Waits until the provider took `expected` messages.
async fn wait_for(stage: &Stage, heard: &mut dyn Subscription, expected: u64) -> Outcome<()> {
    let channel = stage.provider().channel(stage.channel());
    while channel.taken() < expected {
        match heard.next().await {
            Ok(event) => {
                let failed = DeliveryStatus::Failed;
                if matches!(&event.body, EventBody::MessageStatus { status, .. } if *status == failed)
                {
                    return Err("a reply failed".into());
                }
            }
            Err(BusError::Missed(_)) => {}
            Err(BusError::Closed) => return Err("the bus closed".into()),
        }
    }
    Ok(())
}

async fn measure(
    name: &str,
    store: Option<Arc<dyn Store>>,
    conversations: usize,
) -> Outcome<Value> {
    let document: Value =
        serde_json::from_str(include_str!("../justping-agents/fixtures/lead-gen-5.json"))?;
    let usual = MemoryProvider::new().capabilities().clone();
    let capabilities = Capabilities { rate: RATE, ..usual };
    let builder = Stage::builder(Arc::new(Flows::new())).capabilities(capabilities);
    let builder = match store {
        Some(store) => builder.store(store),
        None => builder,
    };
    let stage = builder.open(&[document]).await?;
    let took = converse(&stage, conversations).await?;
    let mut threads = Faults::default();
    for n in 0..conversations {
        let thread = stage.thread(&n.to_string()).await?;
        let replies = thread.into_iter().filter(|one| one.direction == Direction::Outbound);
        let replies: Vec<String> = replies.map(|one| one.content.plain().to_owned()).collect();
        threads.look(&replies);
    }
    let mut arrived: HashMap<String, Vec<String>> = HashMap::new();
    for outbound in stage.provider().channel(stage.channel()).sent() {
        let to = outbound.to.first().map(|identity| identity.id.clone()).unwrap_or_default();
        arrived.entry(to).or_default().push(outbound.content.plain().to_owned());
    }
    let mut wire = Faults::default();
    arrived.values().for_each(|replies| wire.look(replies));
    let turns = conversations * SCRIPT.len();
    let taken = stage.provider().channel(stage.channel()).taken();
    if taken != (conversations * TRANSCRIPT.len()) as u64 {
        return Err(format!("{name}: the provider took {taken} messages").into());
    }
    let faults = |faults: &Faults| json!({"lost": faults.lost, "doubled": faults.doubled, "out_of_order": faults.out_of_order});
    Ok(json!({
        "figure": "bursts", "store": name, "conversations": conversations,
        "turns_per_second": turns as f64 / took,
        "thread": faults(&threads), "provider": faults(&wire), "provider_looked_at": arrived.len(),
    }))
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let conversations =
        std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(CONVERSATIONS);
    println!("{}", measure("memory", None, conversations).await?);
    let folder = tempfile::tempdir()?;
    let config = SqliteConfig::new(folder.path().join("bursts.db"), MasterKey::from_bytes([7; 32]));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(config).await?);
    println!("{}", measure("sqlite", Some(store), conversations).await?);
    Ok(())
}
