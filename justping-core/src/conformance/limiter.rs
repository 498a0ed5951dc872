//! The contract of [`RateLimiter`]: run it with
//! [`limiter_conformance!`](crate::limiter_conformance).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Pass;
use crate::port::{Grant, Rate, RateLimiter};

/// A limiter under test.
pub struct LimiterSubject {
    /// The limiter, all of whose buckets are full.
    pub limiter: Arc<dyn RateLimiter>,
    /// Lets time pass on its clock: moves it, or really waits.
    pub pass: Pass,
}

impl fmt::Debug for LimiterSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterSubject").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

/// A rate so slow that no token comes back while a check runs, unless it lets time pass.
const SLOW: Rate = Rate { per_second: 1, burst: 3 };
/// Clocks count milliseconds, so a moment may be rounded up to the next.
const TICK: Duration = Duration::from_millis(1);

impl LimiterSubject {
    /// Takes tokens until there is none; how many there were, and how long to wait for the next.
    async fn drain(&self, key: &str, rate: Rate) -> (u32, Duration) {
        let began = Instant::now();
        let mut taken = 0;
        loop {
            if let Grant::Wait(wait) = self.limiter.take(key, rate).await {
                return (taken, wait);
            }
            taken += 1;
            let bottom = taken <= rate.burst || is_fair(taken, rate.burst, rate, began);
            assert!(bottom, "the bucket has no bottom");
        }
    }
}

/// Says whether a check that began then may have got this many tokens where `least` are certain: on
/// a clock of its own, a busy machine gives a limiter time to give some back.
fn is_fair(taken: u32, least: u32, rate: Rate, began: Instant) -> bool {
    let back = began.elapsed().as_secs_f64() * f64::from(rate.per_second);
    taken >= least && f64::from(taken - least) <= back
}

/// A bucket starts full and has a bottom.
pub async fn bucket_starts_full(subject: &LimiterSubject) {
    let began = Instant::now();
    let (taken, _) = subject.drain("sender", SLOW).await;
    assert!(is_fair(taken, SLOW.burst, SLOW, began), "{taken}");
    let grant = subject.limiter.take("sender", SLOW).await;
    let is_back = began.elapsed() >= Duration::from_secs(1);
    assert!(matches!(grant, Grant::Wait(_)) || is_back, "asking gives nothing: {grant:?}");
}

/// The wait is never longer than one token takes, and long enough.
pub async fn wait_is_honest(subject: &LimiterSubject) {
    let rate = Rate { per_second: 20, burst: 2 };
    for _ in 0..3 {
        let (_, wait) = subject.drain("sender", rate).await;
        assert!(!wait.is_zero());
        assert!(wait <= Duration::from_millis(50) + TICK, "{wait:?}");
        (subject.pass)(wait + TICK).await;
        assert_eq!(subject.limiter.take("sender", rate).await, Grant::Allowed);
    }
}

/// Buckets of different keys have nothing to do with each other.
pub async fn keys_are_independent(subject: &LimiterSubject) {
    subject.drain("sender", SLOW).await;
    for key in ["other", "", "sender ", "señder", &"k".repeat(4_096)] {
        assert_eq!(subject.limiter.take(key, SLOW).await, Grant::Allowed, "{key}");
    }
}

/// An idle bucket fills up, and no further than its burst.
pub async fn tokens_are_saved_up_to_the_burst(subject: &LimiterSubject) {
    let rate = Rate { per_second: 100, burst: 3 };
    subject.drain("sender", rate).await;
    (subject.pass)(Duration::from_millis(200)).await;
    let (taken, _) = subject.drain("sender", Rate { per_second: 1, ..rate }).await;
    assert!((2..=3).contains(&taken), "{taken}");
}

/// Over any time a key gets at most its burst and what came back.
pub async fn rate_is_kept_over_time(subject: &LimiterSubject) {
    let rate = Rate { per_second: 1, burst: 2 };
    let began = Instant::now();
    let mut taken = subject.drain("sender", rate).await.0;
    for _ in 0..4 {
        (subject.pass)(Duration::from_millis(300)).await;
        taken += subject.drain("sender", rate).await.0;
    }
    assert!(is_fair(taken, 3, rate, began), "1.2 seconds give one: {taken}");
}

/// The greatest and the smallest rates are rates too.
pub async fn extreme_rates_are_rates(subject: &LimiterSubject) {
    let most = Rate { per_second: u32::MAX, burst: u32::MAX };
    for _ in 0..10 {
        assert_eq!(subject.limiter.take("fast", most).await, Grant::Allowed);
    }
    let least = Rate { per_second: 1, burst: 1 };
    let began = Instant::now();
    let (taken, _) = subject.drain("slow", least).await;
    assert!(is_fair(taken, 1, least, began), "{taken}");
}

/// Of many who ask at once, as many are let through as there are tokens.
pub async fn crowds_share_a_bucket(subject: &LimiterSubject) {
    let began = Instant::now();
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let limiter = Arc::clone(&subject.limiter);
        crowd.spawn(async move { limiter.take("sender", SLOW).await == Grant::Allowed });
    }
    let answers = crowd.join_all().await;
    let allowed = answers.into_iter().map(u32::from).sum();
    assert!(is_fair(allowed, SLOW.burst, SLOW, began), "{allowed}");
}

/// How many checks there are.
pub const CHECKS: usize = 7;

/// Turns the contract of rate limiters into tests; the factory gives a
/// [`LimiterSubject`](crate::conformance::LimiterSubject).
#[macro_export]
macro_rules! limiter_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { limiter, $factory, subject => &subject, [
            bucket_starts_full
            wait_is_honest
            keys_are_independent
            tokens_are_saved_up_to_the_burst
            rate_is_kept_over_time
            extreme_rates_are_rates
            crowds_share_a_bucket
        ] }
    };
}
