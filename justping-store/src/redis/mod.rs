//! What several processes share through one Redis: the limits of senders, events, who is present,
//! a cache and queues.
//!
//! # Durability
//! None of it is truth. Whatever Redis forgets or loses, the store still has; each adapter says
//! what its loss costs.
//!
//! # When Redis is away
//! Nothing waits for it longer than [`RedisConfig::patience`]. After a failure it is left alone for
//! [`RedisConfig::breather`], then one caller tries again. The log says when it went and when it
//! came back.
//!
//! # Clusters
//! Keys that one command touches together carry the same hash tag.

mod bus;
mod cache;
mod config;
mod error;
mod limiter;
mod link;
mod presence;
mod queue;
#[cfg(test)]
mod tests;

pub use bus::{OUTGOING_MAX, PER_MESSAGE_MAX, RedisBus};
pub use cache::RedisCache;
pub use config::{BREATHER_DEFAULT, PATIENCE_DEFAULT, PREFIX_DEFAULT, RedisConfig};
pub use error::RedisOpenError;
pub use limiter::{PROCESSES_DEFAULT, RedisLimiter};
pub use link::RedisLink;
pub use presence::RedisPresence;
pub use queue::{
    CLAIM_MAX, DEAD_MAX_DEFAULT, LEASE_DEFAULT, LIVE_MAX_DEFAULT, RedisQueue, RedisQueueConfig,
};
