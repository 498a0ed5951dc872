//! The real world's time and randomness.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::Timestamp;
use crate::port::{Clock, Entropy};

/// The latest moment any system clock of this process told, in milliseconds: none tells an earlier.
static LATEST_MS: AtomicI64 = AtomicI64::new(i64::MIN);

/// Longest nap of a sleeper: how late it notices that somebody set the machine's clock.
const NAP_MAX: Duration = Duration::from_secs(60);

/// The machine's clock in whole milliseconds. When the machine's clock is set back, this one stands
/// still until it is reached again. Sleeping needs a tokio runtime with its time driver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let wall = Timestamp::now().as_millisecond();
        let latest = LATEST_MS.fetch_max(wall, Ordering::Relaxed).max(wall);
        Timestamp::from_millisecond(latest).unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, until: Timestamp) {
        loop {
            let left = until.duration_since(self.now());
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(NAP_MAX)).await,
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// The operating system's cryptographically strong randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "without the system's randomness no id and no secret is safe: stopping is right"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives no randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut a);
        SystemEntropy.fill(&mut b);
        assert_ne!(a, b);
    }
}
