use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

/// How much may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second; at least 1.
    pub per_second: u32,
    /// Most tokens that can be saved up; at least 1.
    pub burst: u32,
}

/// One in how many of a limit may come at once.
const BURST_PART: u32 = 16;

impl Rate {
    /// The rate of a provider that refuses what exceeds `limit` in any second, whenever that second
    /// begins.
    ///
    /// A bucket lets its burst pass at once and then as much as comes back, so that a second may
    /// hold `burst + per_second`: that sum is the limit. (Of a limit of 1 nothing can be taken off;
    /// one message leaves exactly every second.)
    #[must_use]
    pub const fn within(limit: u32) -> Self {
        let burst = if limit < BURST_PART { 1 } else { limit / BURST_PART };
        let per_second = if limit > burst { limit - burst } else { 1 };
        Self { per_second, burst }
    }
}

/// The answer to a request for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Go on; a token was taken.
    Allowed,
    /// Nothing was taken; ask again after this time.
    Wait(Duration),
}

/// A token bucket for each key, shared by all who use the limiter.
///
/// # Contract
/// - A bucket starts full. In any window of `t` seconds a key gets at most `burst + t·per_second`.
/// - [`Grant::Wait`] is never longer than the time until one token is back.
/// - A limiter that loses its memory may only forget, never panic or block.
#[async_trait]
pub trait RateLimiter: Send + Sync + Debug + 'static {
    /// Takes one token of `key`'s bucket if there is one.
    async fn take(&self, key: &str, rate: Rate) -> Grant;
}
