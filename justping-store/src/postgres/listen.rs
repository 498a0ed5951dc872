//! Wake-ups between processes, by `NOTIFY` and `LISTEN`.
//!
//! A commit that left work rings the [`Bell`]; the bell tells the others, at most once every
//! [`REST`], in a transaction of its own after the commit. Inside it, `NOTIFY` would make every commit
//! of the database wait for every other one; and a wake-up that is lost when a process dies costs one
//! poll and nothing else.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use justping_core::port::{Loops, WakeSource};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::row::statements;

/// The channel of the database that wake-ups go by.
const CHANNEL: &str = "justping_wake";
/// Shortest time between two wake-ups of a process.
const REST: Duration = Duration::from_millis(5);
/// How long a listener waits for its connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between the first two tries to connect again.
const RETRY_MIN: Duration = Duration::from_millis(50);
/// Between the last ones.
const RETRY_MAX: Duration = Duration::from_secs(15);

statements! {
    /// Who this is, so that a process does not wake itself.
    NAME = "SELECT gen_random_uuid()";
    TELL = "SELECT pg_notify('justping_wake', $1)";
}

/// Tells other processes that there is work. When it is dropped, nothing more is told.
#[derive(Debug)]
pub(super) struct Bell {
    name: Uuid,
    rope: Arc<Rope>,
    ringer: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Rope {
    waiting: AtomicU8,
    pulled: Notify,
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ringer.abort();
    }
}

impl Bell {
    /// Hangs a bell that rings through `pool`.
    pub(super) async fn hang(pool: PgPool) -> Result<Self, sqlx::Error> {
        let name: Uuid = sqlx::query_scalar(NAME).fetch_one(&pool).await?;
        let rope = Arc::new(Rope::default());
        let ringer = tokio::spawn(ring(pool, Arc::clone(&rope), name));
        Ok(Self { name, rope, ringer })
    }

    /// Has the others told, soon.
    pub(super) fn pull(&self, loops: Loops) {
        if !loops.is_empty() {
            self.rope.waiting.fetch_or(loops.bits(), Ordering::AcqRel);
            self.rope.pulled.notify_one();
        }
    }

    /// Says what this process calls itself.
    pub(super) fn name(&self) -> Uuid {
        self.name
    }
}

async fn ring(pool: PgPool, rope: Arc<Rope>, name: Uuid) {
    loop {
        rope.pulled.notified().await;
        let loops = Loops::from_bits(rope.waiting.swap(0, Ordering::AcqRel));
        if !loops.is_empty() {
            let told = sqlx::query(TELL).bind(payload(loops, name)).execute(&pool).await;
            if let Err(error) = told {
                let error = super::error::map(error);
                tracing::debug!(%error, "a wake-up is lost; the next poll finds the work");
            }
            tokio::time::sleep(REST).await;
        }
    }
}

/// What is told: which loops, by whom.
fn payload(loops: Loops, name: Uuid) -> String {
    let letters = LETTERS.iter().filter(|(one, _)| loops.has(*one)).map(|(_, letter)| letter);
    format!("{}:{}", letters.collect::<String>(), name.simple())
}

/// How loops are called in a payload.
const LETTERS: &[(Loops, char)] =
    &[(Loops::TURNS, 't'), (Loops::SENDS, 's'), (Loops::CALLS, 'c'), (Loops::SCHEDULE, 'd')];

/// What a payload tells; letters of later versions do not count.
fn heard(payload: &str, own: Uuid) -> Loops {
    let Some((letters, name)) = payload.split_once(':') else { return Loops::ALL };
    if Uuid::from_str(name) == Ok(own) {
        return Loops::NONE;
    }
    let known = LETTERS.iter().filter(|(_, letter)| letters.contains(*letter));
    known.fold(Loops::NONE, |loops, (one, _)| loops.and(*one))
}

/// Hears what other processes left in the database. It has one connection of its own, which goes to
/// the server directly: a transaction pooler cannot carry `LISTEN`.
#[derive(Debug)]
pub struct PostgresWakes {
    own: Uuid,
    pool: PgPool,
    ear: Mutex<Ear>,
}

/// The connection, once it is there.
#[derive(Debug)]
struct Ear {
    listener: Option<PgListener>,
    retries: ExponentialBackoff,
}

impl PostgresWakes {
    pub(super) fn new(own: Uuid, options: PgConnectOptions) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_lazy_with(options);
        Self { own, pool, ear: Mutex::new(Ear { listener: None, retries: retries() }) }
    }
}

fn retries() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        .without_max_times()
        .with_jitter()
        .build()
}

#[async_trait]
impl WakeSource for PostgresWakes {
    async fn next(&self) -> Loops {
        let mut ear = self.ear.lock().await;
        loop {
            let Some(listener) = &mut ear.listener else {
                ear.connect(&self.pool).await;
                // Whatever was told before nobody heard.
                return Loops::ALL;
            };
            match listener.try_recv().await {
                Ok(Some(news)) => {
                    let loops = heard(news.payload(), self.own);
                    if !loops.is_empty() {
                        return loops;
                    }
                }
                Ok(None) | Err(_) => ear.listener = None,
            }
        }
    }
}

impl Ear {
    /// Connects, however long it takes.
    async fn connect(&mut self, pool: &PgPool) {
        loop {
            match listen(pool).await {
                Ok(listener) => {
                    self.listener = Some(listener);
                    self.retries = retries();
                    return;
                }
                Err(error) => {
                    let error = super::error::map(error);
                    tracing::warn!(%error, "no wake-ups; work is found by polling");
                    let wait = self.retries.next().unwrap_or(RETRY_MAX);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_what_was_said_but_not_to_its_author() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for bits in 1..=Loops::ALL.bits() {
            let loops = Loops::from_bits(bits);
            assert_eq!(heard(&payload(loops, one), other), loops);
            assert_eq!(heard(&payload(loops, one), one), Loops::NONE);
        }
        assert_eq!(heard("what", one), Loops::ALL);
        assert_eq!(heard("xyz:what", one), Loops::NONE);
    }
}
