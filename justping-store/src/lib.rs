//! Store adapters of JustPing, one module a backend, and the envelope that seals secrets at rest.
//!
//! Postgres and SQLite implement [`justping_core::port::Store`] and pass the same conformance suite.
//! Redis carries what processes share and may lose: bus, limits, presence, cache, queues.
//! RabbitMQ carries queues.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod account;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod decision;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod document;
pub mod envelope;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod knowledge;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod plugin;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod secret;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "testing", all(test, feature = "postgres")))]
pub mod testing;
#[cfg(test)]
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tests;

pub use envelope::{MasterKey, MasterKeyError};
#[cfg(feature = "postgres")]
pub use postgres::{OpenError as PostgresOpenError, PostgresConfig, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError as SqliteOpenError, SqliteConfig, SqliteStore};
