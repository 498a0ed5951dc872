mod bus;
mod cache;
mod guard;
mod limiter;
mod link;
mod presence;
mod queue;
pub(crate) mod server;

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use self::server::RedisServer;
use super::*;

/// Longest wait for what must come. Reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A link with keys of its own and enough patience for a machine that is busy.
fn link_to(server: &RedisServer) -> RedisLink {
    link_with(server, &prefix(), PATIENCE)
}

/// A prefix nobody else has.
fn prefix() -> String {
    static PREFIXES: AtomicU32 = AtomicU32::new(0);
    format!("test{}", PREFIXES.fetch_add(1, Ordering::Relaxed))
}

fn link_with(server: &RedisServer, prefix: &str, patience: Duration) -> RedisLink {
    let breather = Duration::from_millis(20);
    let config = RedisConfig { prefix: prefix.to_owned(), patience, breather, ..at(server) };
    RedisLink::open(&config).unwrap()
}

fn at(server: &RedisServer) -> RedisConfig {
    RedisConfig::new(server.url())
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it never came about");
}
