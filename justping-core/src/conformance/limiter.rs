//! The contract of [`RateLimiter`]: run it with
//! [`limiter_conformance!`](crate::limiter_conformance).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
        for taken in 0..=rate.burst.saturating_mul(2) {
            if let Grant::Wait(wait) = self.limiter.take(key, rate).await {
                return (taken, wait);
            }
        }
        panic!("the bucket has no bottom");
    }
}

/// A bucket starts full and has a bottom.
pub async fn bucket_starts_full(subject: &LimiterSubject) {
    assert_eq!(subject.drain("sender", SLOW).await.0, SLOW.burst);
    let grant = subject.limiter.take("sender", SLOW).await;
    assert!(matches!(grant, Grant::Wait(_)), "asking takes nothing and gives nothing: {grant:?}");
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
    let mut taken = subject.drain("sender", rate).await.0;
    for _ in 0..4 {
        (subject.pass)(Duration::from_millis(300)).await;
        taken += subject.drain("sender", rate).await.0;
    }
    assert!(
        (3..=4).contains(&taken),
        "1.2 seconds give one token, or two where time is real: {taken}"
    );
}

/// The greatest and the smallest rates are rates too.
pub async fn extreme_rates_are_rates(subject: &LimiterSubject) {
    let most = Rate { per_second: u32::MAX, burst: u32::MAX };
    for _ in 0..10 {
        assert_eq!(subject.limiter.take("fast", most).await, Grant::Allowed);
    }
    let least = Rate { per_second: 1, burst: 1 };
    assert_eq!(subject.drain("slow", least).await.0, 1);
}

/// Of many who ask at once, as many are let through as there are tokens.
pub async fn crowds_share_a_bucket(subject: &LimiterSubject) {
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let limiter = Arc::clone(&subject.limiter);
        crowd.spawn(async move { limiter.take("sender", SLOW).await == Grant::Allowed });
    }
    let allowed = crowd.join_all().await.into_iter().filter(|allowed| *allowed).count();
    assert_eq!(allowed, SLOW.burst as usize);
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
