//! Faults, and what must hold in spite of them: real processes over a real Postgres, and an oracle
//! outside of them, which writes down every send before it answers.
//!
//! | fault | where |
//! |---|---|
//! | F1, F2: workers are killed | `kill` |
//! | F3: a worker stops and goes on after its lease | `zombie` |
//! | F4: the API is killed between a request and its answer | `request` |
//! | F5: the database is killed | `database` |
//! | F6: a standby takes over | `failover` |
//! | F7: Redis forgets, restarts, hangs, is away | `redis` |
//! | F14: processes start at once on an empty database | `start` |
//! | F15: one business has more to send than fits | `neighbour` |
//!
//! Broadcasts do not exist yet. Where a fault speaks of a broadcast's recipients, these are contacts
//! to whom a member writes through the API; beside them customers write in bursts, some of it twice,
//! a flow answers each message, and statuses come shuffled.
//!
//! `JUSTPING_FAULTS=nightly` runs them at the size of a night, `JUSTPING_FAULT_SEED` with another
//! seed than the one that is printed.

mod database;
mod failover;
mod kill;
mod member;
mod neighbour;
mod redis;
mod request;
mod scene;
mod start;
mod verdict;
mod zombie;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use justping_store::testing::{Database, Server};

/// How long one rests between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Longest wait for a condition. Reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A size: that of every change, or that of a night.
fn size<T>(change: T, night: T) -> T {
    match std::env::var("JUSTPING_FAULTS").as_deref() {
        Ok("nightly") => night,
        Ok(other) => panic!("JUSTPING_FAULTS is {other:?}; the only other size is \"nightly\""),
        Err(_) => change,
    }
}

/// A database on a server that these tests share: those that do not touch the server itself.
async fn database() -> Database {
    static SERVER: OnceLock<&'static Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).empty().await
}

/// The seed of a test, which is printed.
fn seed(default: u64) -> u64 {
    let given = std::env::var("JUSTPING_FAULT_SEED");
    let seed = given.map_or(default, |text| text.parse().expect("JUSTPING_FAULT_SEED: a number"));
    tell(format_args!("JUSTPING_FAULT_SEED={seed}"));
    seed
}

#[expect(clippy::print_stdout, reason = "what a run went through is worth telling")]
fn tell(what: std::fmt::Arguments<'_>) {
    println!("{what}");
}

/// Waits until something is as it should be; what is seen instead is part of the failure.
async fn until<T: std::fmt::Debug>(
    what: &str,
    look: impl AsyncFn() -> T,
    is_right: impl Fn(&T) -> bool,
) -> T {
    let started = Instant::now();
    loop {
        let seen = look().await;
        if is_right(&seen) {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: still {seen:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
