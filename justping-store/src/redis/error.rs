use redis::RedisError;

/// Why Redis cannot be used at all. That it does not answer is no such reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisOpenError {
    /// The address is not one.
    #[error("not an address of a Redis: redis://host:port, rediss://host:port, redis+unix:///path")]
    InvalidUrl,
}

/// Redis gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedisFault {
    /// It failed a moment ago and is left alone.
    #[error("redis is away")]
    Away,
    /// It did not answer in time.
    #[error("redis did not answer in time")]
    Silent,
    /// It refused, or the connection broke.
    #[error("redis failed: {0}")]
    Failed(#[from] RedisError),
}
