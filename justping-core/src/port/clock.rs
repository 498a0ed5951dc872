use std::fmt::Debug;

use async_trait::async_trait;

use crate::model::Timestamp;

/// Tells the time. All time in the engine comes from here, so that tests can move it.
///
/// # Contract
/// - [`now`](Self::now) is in whole milliseconds and never goes back within a process.
/// - [`sleep_until`](Self::sleep_until) returns as soon as `now() >= until`, at once when it
///   already is.
///
/// # Cancellation
/// Dropping the future of `sleep_until` has no effect on others.
#[async_trait]
pub trait Clock: Send + Sync + Debug + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Waits for a moment.
    async fn sleep_until(&self, until: Timestamp);
}

/// Conveniences on every [`Clock`].
pub trait ClockExt: Clock {
    /// The moment `ms` milliseconds from now, or the last moment there is.
    fn after_ms(&self, ms: u64) -> Timestamp {
        let span = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
        self.now().checked_add(span).unwrap_or(Timestamp::MAX)
    }
}

impl<C: Clock + ?Sized> ClockExt for C {}
