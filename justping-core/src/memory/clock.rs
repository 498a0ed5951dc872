use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::model::Timestamp;
use crate::port::Clock;

/// A clock that moves only when it is told to: a fortnight passes in a line of a test.
///
/// Share it as `Arc<ManualClock>`: the test keeps one handle, the engine gets the other.
///
/// ```
/// use justping_core::memory::ManualClock;
/// use justping_core::port::Clock;
///
/// let clock = ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
/// clock.advance(jiff::SignedDuration::from_hours(14 * 24));
/// assert_eq!(clock.now().to_string(), "2026-01-15T00:00:00Z");
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `start`, cut to whole milliseconds.
    pub fn new(start: Timestamp) -> Self {
        Self { now: watch::Sender::new(whole(start)) }
    }

    /// Lets time pass and wakes whoever slept until then. A negative span changes nothing.
    pub fn advance(&self, span: SignedDuration) {
        self.set(self.now().checked_add(span).unwrap_or(Timestamp::MAX));
    }

    /// Moves to a moment and wakes whoever slept until then. An earlier moment changes nothing.
    pub fn set(&self, moment: Timestamp) {
        let moment = whole(moment);
        self.now.send_if_modified(|now| {
            let later = moment > *now;
            if later {
                *now = moment;
            }
            later
        });
    }
}

/// The moment without the part below a millisecond.
fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut now = self.now.subscribe();
        // The sender lives as long as `self`, so the wait can only end by the moment's coming.
        let _ = now.wait_for(|now| *now >= until).await;
    }
}
