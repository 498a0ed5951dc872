use async_trait::async_trait;
use jiff::SignedDuration;
use justping::model::Timestamp;
use justping::port::Clock;
use tokio::time::Instant;

/// 2026-01-05T09:00:00Z, a Monday morning.
const START_MS: i64 = 1_767_603_600_000;

/// The time of the paused runtime: the engine's patience and its clock are one time, which moves
/// only when nobody has anything left to do, or when the simulation says so.
#[derive(Debug)]
pub(super) struct VirtualClock {
    origin: Instant,
}

impl VirtualClock {
    /// A clock that starts now. Needs a runtime whose time is paused.
    pub(super) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// When the world began.
    pub(super) fn start() -> Timestamp {
        Timestamp::from_millisecond(START_MS).unwrap()
    }

    /// Milliseconds since the start.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let span = SignedDuration::from_millis(i64::try_from(self.elapsed_ms()).unwrap());
        Self::start().checked_add(span).unwrap()
    }

    async fn sleep_until(&self, until: Timestamp) {
        while let Ok(left) = std::time::Duration::try_from(until.duration_since(self.now()))
            && !left.is_zero()
        {
            tokio::time::sleep(left).await;
        }
    }
}
