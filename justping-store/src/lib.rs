//! Store adapters of JustPing, one module a backend, and the envelope that seals secrets at rest.
//!
//! Every backend implements [`justping_core::port::Store`] and passes the same conformance suite.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod decision;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod document;
pub mod envelope;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use envelope::{MasterKey, MasterKeyError};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError as SqliteOpenError, SqliteConfig, SqliteStore};
