//! The contract of [`Clock`]: run it with [`clock_conformance!`](crate::clock_conformance).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::port::{Clock, ClockExt};

/// Lets this much time pass on the clock under test.
pub type Pass = Box<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A clock under test.
pub struct ClockSubject {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Lets time pass on it: moves it, or really waits.
    pub pass: Pass,
}

impl fmt::Debug for ClockSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockSubject").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// A short while, so that real clocks are tested fast too.
const WHILE: Duration = Duration::from_millis(20);

/// The clock shows whole milliseconds.
pub async fn shows_whole_milliseconds(subject: &ClockSubject) {
    for _ in 0..100 {
        assert_eq!(subject.clock.now().as_nanosecond() % 1_000_000, 0);
    }
}

/// The clock never goes back.
pub async fn never_goes_back(subject: &ClockSubject) {
    let mut last = subject.clock.now();
    for _ in 0..10_000 {
        let now = subject.clock.now();
        assert!(now >= last);
        last = now;
    }
    (subject.pass)(WHILE).await;
    assert!(subject.clock.now() > last);
}

/// Who sleeps until a moment that has passed does not sleep.
pub async fn does_not_sleep_into_the_past(subject: &ClockSubject) {
    let now = subject.clock.now();
    subject.clock.sleep_until(now).await;
    subject.clock.sleep_until(now - SignedDuration::from_hours(1)).await;
    subject.clock.sleep_until(jiff::Timestamp::MIN).await;
}

/// Who sleeps wakes when the moment has come, and not before.
pub async fn wakes_when_the_moment_comes(subject: &ClockSubject) {
    let until = subject.clock.after_ms(10);
    let sleep = async {
        subject.clock.sleep_until(until).await;
        subject.clock.now()
    };
    let (woken, ()) = tokio::join!(sleep, (subject.pass)(WHILE));
    assert!(woken >= until);
}

/// Many sleep at once, each until its own moment.
pub async fn wakes_everybody(subject: &ClockSubject) {
    let mut sleepers = tokio::task::JoinSet::new();
    for ms in [15, 5, 0, 10, 5] {
        let (clock, until) = (Arc::clone(&subject.clock), subject.clock.after_ms(ms));
        sleepers.spawn(async move {
            clock.sleep_until(until).await;
            clock.now() >= until
        });
    }
    tokio::task::yield_now().await;
    (subject.pass)(WHILE).await;
    assert!(sleepers.join_all().await.into_iter().all(|punctual| punctual));
}

/// A sleeper that gives up disturbs no other.
pub async fn lets_a_sleeper_give_up(subject: &ClockSubject) {
    let until = subject.clock.after_ms(10);
    tokio::select! {
        biased;
        () = subject.clock.sleep_until(subject.clock.after_ms(3_600_000)) => panic!("too early"),
        () = std::future::ready(()) => {}
    }
    tokio::join!(subject.clock.sleep_until(until), (subject.pass)(WHILE));
}

/// How many checks there are.
pub const CHECKS: usize = 6;

/// Turns the contract of clocks into tests; the factory gives a
/// [`ClockSubject`](crate::conformance::ClockSubject).
#[macro_export]
macro_rules! clock_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { clock, $factory, subject => &subject, [
            shows_whole_milliseconds
            never_goes_back
            does_not_sleep_into_the_past
            wakes_when_the_moment_comes
            wakes_everybody
            lets_a_sleeper_give_up
        ] }
    };
}
