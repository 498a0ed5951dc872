use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;

use justping_core::conformance::LimiterSubject;
use justping_core::memory::ManualClock;
use justping_core::port::{Grant, Rate, RateLimiter};
use justping_core::system::SystemClock;

use super::server::{Memory, shared};
use super::*;

mod contract {
    use super::*;

    async fn subject() -> LimiterSubject {
        let pass = Box::new(|span| Box::pin(tokio::time::sleep(span)) as _);
        LimiterSubject { limiter: Arc::new(limiter(&link_to(shared()))), pass }
    }

    justping_core::limiter_conformance!(subject);
}

const BUSY: Rate = Rate { per_second: 50, burst: 5 };

fn limiter(link: &RedisLink) -> RedisLimiter {
    RedisLimiter::new(link.clone(), Arc::new(SystemClock::new()))
}

async fn run(server: &RedisServer, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async::<()>(&mut connection).await.unwrap();
}

/// Asks without pause and writes down when it was let through, until the time is over.
async fn hammer(limiter: RedisLimiter, until: Instant) -> Vec<Instant> {
    let mut granted = Vec::new();
    while Instant::now() < until {
        // Before the question: the grant is no earlier than that.
        let asked = Instant::now();
        if limiter.take("sender", BUSY).await == Grant::Allowed {
            granted.push(asked);
        }
    }
    granted
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_one_rate() {
    let prefix = "hammered";
    let until = Instant::now() + Duration::from_millis(2_500);
    let mut hammers = tokio::task::JoinSet::new();
    for _ in 0..2 {
        // Each with a connection of its own, as two processes have.
        let link = link_with(shared(), prefix, PATIENCE);
        hammers.spawn(hammer(limiter(&link), until));
    }
    let mut granted = hammers.join_all().await.concat();
    granted.sort();
    for (n, from) in granted.iter().enumerate() {
        let window = granted[n..].iter().take_while(|at| **at - *from < Duration::from_secs(1));
        // One more than the rule, because a grant is dated when it was asked for.
        let most = (BUSY.burst + BUSY.per_second + 1) as usize;
        assert!(window.count() <= most, "in the second after grant {n}");
    }
    let least = BUSY.burst + BUSY.per_second;
    assert!(granted.len() >= least as usize, "the rate is used: {} grants", granted.len());
}

#[tokio::test]
async fn a_script_that_was_forgotten_is_told_again() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_to(&server);
    let limiter = limiter(&link);
    let rate = Rate { per_second: 1, burst: 2 };
    assert_eq!(limiter.take("sender", rate).await, Grant::Allowed);
    run(&server, &["SCRIPT", "FLUSH"]).await;
    assert_eq!(limiter.take("sender", rate).await, Grant::Allowed);
    assert!(!link.is_away());
}

#[tokio::test]
async fn a_redis_that_forgot_gives_one_burst_more() {
    let server = RedisServer::start(Memory::Forgets);
    let limiter = limiter(&link_to(&server));
    let rate = Rate { per_second: 1, burst: 1 };
    assert_eq!(limiter.take("sender", rate).await, Grant::Allowed);
    server.flush();
    assert_eq!(limiter.take("sender", rate).await, Grant::Allowed);
    assert!(matches!(limiter.take("sender", rate).await, Grant::Wait(_)));
}

#[tokio::test]
async fn buckets_leave_redis_when_they_are_full() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_to(&server);
    limiter(&link).take("sender", Rate { per_second: 10, burst: 1 }).await;
    until(|| async {
        let mut connection = link.connection();
        redis::cmd("DBSIZE").query_async::<u64>(&mut connection).await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn without_redis_each_process_goes_on_with_its_share() {
    let server = RedisServer::start(Memory::Forgets);
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let link = link_to(&server);
    let limiter = RedisLimiter::new(link.clone(), Arc::clone(&clock) as _)
        .processes(NonZeroU16::new(5).unwrap());
    let rate = Rate { per_second: 100, burst: 10 };
    assert_eq!(limiter.take("sender", rate).await, Grant::Allowed);
    server.kill();
    // A fifth of the rate is a token every 50 ms, and nothing was saved up.
    let token = Duration::from_millis(50);
    assert_eq!(limiter.take("sender", rate).await, Grant::Wait(token));
    clock.advance(jiff::SignedDuration::from_millis(50));
    assert_eq!(limiter.take("sender", rate).await, Grant::Allowed);
    assert_eq!(limiter.take("sender", rate).await, Grant::Wait(token));
    clock.advance(jiff::SignedDuration::from_secs(60));
    for _ in 0..2 {
        assert_eq!(limiter.take("sender", rate).await, Grant::Allowed, "a fifth of the burst");
    }
    assert_eq!(limiter.take("sender", rate).await, Grant::Wait(token));
    server.restart();
    // Its own bucket stays empty, because its clock stands still: Redis must be the one that gives.
    until(|| async { limiter.take("sender", rate).await == Grant::Allowed }).await;
    assert!(!link.is_away());
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let server = RedisServer::start(Memory::Forgets);
    let link = link_with(&server, "hangs", Duration::from_millis(200));
    let limiter = limiter(&link);
    until(|| async { limiter.take("sender", BUSY).await == Grant::Allowed && !link.is_away() })
        .await;
    server.freeze();
    let began = Instant::now();
    for _ in 0..1_000 {
        limiter.take("sender", BUSY).await;
    }
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    server.thaw();
}
