//! How soon another process hears of work, and what telling costs those who accept.
//!
//! `cargo bench -p justping-store --features postgres --bench wake -- URL` prints one JSON line a
//! figure. The database of the URL has to be empty and its role no superuser.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use justping_core::model::{
    Business, BusinessId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, ContactId,
    Content, ConversationId, Identity, InboundMessage, MessageId, Owner, Timestamp, UnknownPolicy,
    WorkerId,
};
use justping_core::port::store::{
    Accept, BusinessStore, ChannelStore, ClaimOptions, EngineStore, TurnRelease,
};
use justping_core::port::{Loops, WakeSource};
use justping_store::postgres::Announce;
use justping_store::{MasterKey, PostgresConfig, PostgresStore};
use serde_json::json;
use uuid::Uuid;

/// Wake-ups of the first figure.
const WAKES: usize = 300;
/// Between two of them: what comes at once is told at once.
const PAUSE: Duration = Duration::from_millis(20);
/// A process that hears nothing looks after this long.
const POLL: Duration = Duration::from_secs(5);
/// Connections that accept at the same time.
const WRITERS: u64 = 8;
/// How long they accept.
const SPAN: Duration = Duration::from_secs(5);
/// Rounds of each way, one after the other.
const ROUNDS: u32 = 3;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

static NEXT: AtomicU64 = AtomicU64::new(1);

fn accept(who: u64) -> Accept {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = |kind: u128| Uuid::from_u128(kind << 64 | u128::from(n));
    Accept {
        business_id: BusinessId::from_uuid(Uuid::from_u128(1)),
        channel_id: ChannelId::from_uuid(Uuid::from_u128(2)),
        message: InboundMessage {
            provider_ref: format!("wamid.{n}"),
            from: vec![Identity::new(ChannelKind::MEMORY, format!("c{who}"))],
            name: None,
            content: Content::text("hello there"),
            reply_to: None,
            sent_at: None,
        },
        owner: Owner::Bot,
        message_id: MessageId::from_uuid(id(3)),
        contact_id: ContactId::from_uuid(id(4)),
        conversation_id: ConversationId::from_uuid(id(5)),
        now: Timestamp::now(),
    }
}

async fn furnish(store: &PostgresStore) -> Outcome {
    let (id, now) = (BusinessId::from_uuid(Uuid::from_u128(1)), Timestamp::now());
    let row = Business { id, name: "Acme".to_owned(), created_at: now };
    store.create_business(&row).await?;
    let channel = ChannelConfig {
        id: ChannelId::from_uuid(Uuid::from_u128(2)),
        business_id: id,
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

/// Claims what there is, and gives it back with its mail for ever in the future.
async fn claim(store: &PostgresStore) -> Outcome<usize> {
    let now = Timestamp::now();
    let options = ClaimOptions {
        worker: WorkerId::from_uuid(Uuid::from_u128(9)),
        now,
        lease_until: now + Duration::from_secs(60),
        limit: 64,
    };
    let claims = store.claim_turns(&options, None).await?;
    let later = now + Duration::from_secs(86_400);
    let releases = claims.iter().map(|claim| TurnRelease {
        business_id: claim.conversation.business_id,
        conversation_id: claim.conversation.id,
        fence: claim.fence,
        not_before: later,
    });
    store.release_turns(&releases.collect::<Vec<_>>()).await?;
    Ok(claims.len())
}

/// From the end of a commit in one process to the end of the claim in another one.
async fn latency(from: &PostgresStore, to: &PostgresStore) -> Outcome {
    let wakes = to.wakes();
    while wakes.next().await != Loops::ALL {}
    let mut times = Vec::new();
    for n in 0..WAKES {
        tokio::time::sleep(PAUSE).await;
        from.accept(vec![accept(n as u64)]).await?;
        let begun = Instant::now();
        let mut claimed = 0;
        while claimed == 0 {
            let _ = tokio::time::timeout(POLL, wakes.next()).await;
            claimed = claim(to).await?;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let ms = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "{}",
        json!({ "figure": "commit to claim", "p50_ms": ms(times.len() / 2),
            "p99_ms": ms(times.len() * 99 / 100), "worst_ms": ms(times.len() - 1),
            "poll_ms": POLL.as_millis() as u64 })
    );
    Ok(())
}

/// Messages accepted a second, one a transaction, by all writers together.
async fn ingest(store: &Arc<PostgresStore>) -> Outcome<f64> {
    let begun = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(store);
        writers.spawn(async move {
            let mut done = 0u64;
            while begun.elapsed() < SPAN {
                store.accept(vec![accept(1_000 + writer * 100 + done % 100)]).await?;
                done += 1;
            }
            Ok::<u64, justping_core::port::StoreError>(done)
        });
    }
    let mut done = 0;
    while let Some(writer) = writers.join_next().await {
        done += writer??;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

#[tokio::main]
async fn main() -> Outcome {
    let url = std::env::args().find(|word| word.starts_with("postgres://"));
    let url = url.ok_or("give the URL of an empty database")?;
    let config = PostgresConfig::new(url, MasterKey::from_bytes([7; 32]));
    let silent = PostgresConfig { announce: Announce::Nobody, ..config.clone() };
    let loud = Arc::new(PostgresStore::open(config.clone()).await?);
    let silent = Arc::new(PostgresStore::open(silent).await?);
    let other = PostgresStore::open(config).await?;
    furnish(&loud).await?;
    latency(&loud, &other).await?;
    let wakes = other.wakes();
    let listener = tokio::spawn(async move {
        loop {
            wakes.next().await;
        }
    });
    ingest(&silent).await?;
    for _ in 0..ROUNDS {
        let (without, with) = (ingest(&silent).await?, ingest(&loud).await?);
        println!(
            "{}",
            json!({ "figure": "ingest", "writers": WRITERS, "without_per_s": without,
                "with_per_s": with, "cost_percent": (1.0 - with / without) * 100.0 })
        );
    }
    listener.abort();
    Ok(())
}
