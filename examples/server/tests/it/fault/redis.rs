//! F7: the Redis that processes share forgets everything, restarts, hangs, and is away.

use std::time::Duration;

use super::scene::{Cast, Scene};
use super::{PATIENCE, database, seed, size};
use crate::provider::Dice;
use crate::redis::server::{Memory, RedisServer};

const CUSTOMERS: usize = 8;
const RECIPIENTS: usize = 4;
/// How often processes look for work that nobody told them about.
const POLL_MS: u64 = 1_000;
/// How long an answer may take while Redis is of no use, on a machine that does nothing else.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What happens to Redis, in turn.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Forgets,
    Restarts,
    Hangs,
    IsAway,
}

impl Fault {
    const ALL: [Self; 4] = [Self::Forgets, Self::Restarts, Self::Hangs, Self::IsAway];

    fn begin(self, redis: &RedisServer) {
        match self {
            Self::Forgets => redis.flush(),
            Self::Restarts => {
                redis.kill();
                redis.restart();
            }
            Self::Hangs => redis.freeze(),
            Self::IsAway => redis.kill(),
        }
    }

    fn end(self, redis: &RedisServer) {
        match self {
            Self::Forgets | Self::Restarts => {}
            Self::Hangs => redis.thaw(),
            Self::IsAway => redis.restart(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_redis_loses_nothing_is_lost_or_repeated() {
    let (rounds, seed) = (size(1, 20), seed(0xf7));
    let database = database().await;
    let redis = RedisServer::start(Memory::Forgets);
    let recipients = rounds * Fault::ALL.len() * RECIPIENTS;
    let more = vec![("JUSTPING_REDIS_URL", redis.url()), ("JUSTPING_POLL_MS", POLL_MS.to_string())];
    let usual = Cast::usual(database.url(), recipients, seed);
    let mut scene = Scene::open(Cast { more, ..usual }).await;
    scene.tell_statuses();
    let mut dice = Dice::new(seed);
    for fault in (0..rounds).flat_map(|_| Fault::ALL) {
        scene.write(CUSTOMERS, RECIPIENTS);
        scene.midst(&mut dice).await;
        fault.begin(&redis);
        let took = scene.probe().await;
        println!("{fault:?}: an answer after {took:?}");
        assert!(took <= size(PATIENCE, ANSWER_MAX), "{fault:?}: {took:?}");
        assert_eq!(scene.unready().await, Vec::<String>::new(), "{fault:?}");
        // What is begun without Redis is ended without it.
        scene.written().await;
        fault.end(&redis);
    }
    let verdict = scene.judge().await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}
