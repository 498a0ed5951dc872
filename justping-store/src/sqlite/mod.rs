//! The embedded store: one file, one writer, several readers.
//!
//! # Durability
//! The write-ahead log is flushed at every commit (`synchronous = FULL`): what a method returned
//! survives a power cut.
//!
//! # Shape
//! A method of the engine is two trips to the writer's thread: one text of statements that opens the
//! transaction and reads what the decision needs, one that writes what was decided and commits. Only
//! claims, which first see whose turn it is, take one or two more. A batch is one JSON parameter a statement, whatever its size.

mod agent;
mod business;
mod channel;
mod config;
mod connection;
mod contact;
mod conversation;
mod counter;
mod engine;
mod error;
mod feed;
mod flow;
mod group;
mod idempotency;
mod keys;
mod knowledge;
mod lease;
mod list;
mod lookup;
mod open;
mod plugin;
mod plugin_log;
mod plugin_value;
mod row;
mod search;
mod session;
#[cfg(test)]
mod tests;
mod tool;
mod upkeep;
mod usage;

#[cfg(all(test, feature = "postgres"))]
pub(crate) use open::MIGRATIONS;

pub use config::{READERS_DEFAULT, READERS_MAX, SqliteConfig};
pub use error::OpenError;
use justping_core::port::store::StoreResult;

use self::connection::Connections;
use crate::envelope::MasterKey;
use crate::knowledge::CodeCache;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connections: Connections,
    master_key: MasterKey,
    codes: CodeCache,
}

impl SqliteStore {
    /// Opens a database, made when there is none and brought up to date when it is older.
    ///
    /// # Errors
    /// A newer database, another program's file, a changed schema and another master key each have
    /// an [`OpenError`] of their own; none of them changes the file.
    pub async fn open(config: SqliteConfig) -> Result<Self, OpenError> {
        let connections = open::open(&config).await?;
        Ok(Self { connections, master_key: config.master_key, codes: CodeCache::default() })
    }

    /// Waits for what is running and closes the file; the write-ahead log is folded into it.
    /// Whatever is asked afterwards is [`Unavailable`](justping_core::port::StoreError::Unavailable).
    pub async fn close(&self) -> StoreResult<()> {
        self.connections.close().await
    }
}
