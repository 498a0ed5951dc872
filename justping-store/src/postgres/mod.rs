//! The store of a fleet: one Postgres, any number of processes.
//!
//! # Durability
//! `synchronous_commit` stays on: what a method returned survives a power cut.
//!
//! # Shape
//! Every move of the engine is one transaction with a constant number of statements, whatever the
//! size of its batch: read and lock, decide, write. A batch is one array a column.
//!
//! # Concurrency
//! - Transactions run at `READ COMMITTED`. What a decision rests on is locked before it is read:
//!   first references of providers (advisory, by hash), then conversations, contacts, messages and
//!   rows of queues, each in the order of their ids.
//! - Claims skip what others hold, so that workers never wait for each other.
//! - A transaction that loses against another one (a deadlock, or an identity that somebody else
//!   made first) is undone and tried again, a bounded number of times; the caller never sees it.
//!
//! # Businesses
//! Row security is forced on every table: a transaction sees the business it names, and only the
//! moves of the engine, which take batches across businesses, name none (`app.system`).
//!
//! # Poolers
//! Everything a transaction needs is set inside it. With [`PostgresConfig::pooled`] nothing is kept
//! in a session, so that a transaction pooler may stand in between.

mod agent;
mod business;
mod channel;
mod config;
mod connection;
mod contact;
mod conversation;
mod engine;
mod error;
mod flow;
mod idempotency;
mod keys;
mod open;
mod row;
mod search;
mod session;
#[cfg(test)]
mod tests;
mod upkeep;

pub use config::{
    CONNECTIONS_DEFAULT, CONNECTIONS_MAX, PostgresConfig, STATEMENT_CACHE_DEFAULT,
    STATEMENT_TIMEOUT_DEFAULT, SessionSettings,
};
pub use error::OpenError;
pub use open::SESSION_SETTINGS;
pub use upkeep::MONTHS_AHEAD;

use self::connection::Connections;
use crate::envelope::MasterKey;

/// A store in one Postgres database.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Connections,
    master_key: MasterKey,
}

impl PostgresStore {
    /// Opens a database and brings its schema up to date; of several processes that do so at the
    /// same time one does it and the others wait.
    ///
    /// # Errors
    /// A newer database, a changed schema, another master key and a role that row security does not
    /// hold for each have an [`OpenError`] of their own.
    pub async fn open(config: PostgresConfig) -> Result<Self, OpenError> {
        let connections = open::open(&config).await?;
        Ok(Self { connections, master_key: config.master_key })
    }

    /// Waits for what is running and closes the connections. Whatever is asked afterwards is
    /// [`Unavailable`](justping_core::port::StoreError::Unavailable).
    pub async fn close(&self) {
        self.connections.close().await;
    }
}
