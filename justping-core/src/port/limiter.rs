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
