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
//! in a session, so that a transaction pooler may stand in between. Only whoever listens for
//! [wake-ups](PostgresStore::wakes) needs the server itself.
//!
//! # Standbys
//! With [`PostgresConfig::read_url`] lists of contacts and conversations, counters and all searches
//! go to a standby that has replayed what this process wrote. What the engine decides by never does.

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
mod listen;
mod lookup;
mod open;
mod plugin;
mod plugin_log;
mod plugin_value;
mod replica;
mod row;
mod search;
mod session;
#[cfg(test)]
mod tests;
mod tool;
mod upkeep;
mod usage;

pub use config::{
    Announce, CONNECTIONS_DEFAULT, CONNECTIONS_MAX, PostgresConfig, STATEMENT_CACHE_DEFAULT,
    STATEMENT_TIMEOUT_DEFAULT, SessionSettings,
};
pub use error::OpenError;
pub use listen::PostgresWakes;
pub use open::SESSION_SETTINGS;
pub use upkeep::MONTHS_AHEAD;

use std::fmt;

use justping_core::port::Loops;
use sqlx::postgres::PgConnectOptions;

use self::connection::Connections;
use self::listen::Bell;
use crate::envelope::MasterKey;
use crate::knowledge::CodeCache;

/// A store in one Postgres database.
pub struct PostgresStore {
    connections: Connections,
    master_key: MasterKey,
    bell: Bell,
    announce: Announce,
    listen: PgConnectOptions,
    codes: CodeCache,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
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
        let bell = Bell::hang(connections.pool().clone()).await.map_err(error::map)?;
        let listen = config.listen_url.as_ref().unwrap_or(&config.url);
        let listen = open::options(&config, listen)?;
        let announce = config.announce;
        let codes = CodeCache::default();
        Ok(Self { connections, master_key: config.master_key, bell, announce, listen, codes })
    }

    /// Hears what other processes left to do here, for
    /// [`Builder::wakes`](justping_core::engine::Builder::wakes). It keeps a connection of its own.
    pub fn wakes(&self) -> PostgresWakes {
        PostgresWakes::new(self.bell.name(), self.listen.clone())
    }

    /// How many lists and searches the standby answered; the others went to the primary.
    pub fn replica_answers(&self) -> u64 {
        self.connections.replica_answers()
    }

    /// Waits for what is running and closes the connections. Whatever is asked afterwards is
    /// [`Unavailable`](justping_core::port::StoreError::Unavailable).
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Takes note that a commit changed what lists show, and tells others of the work it left.
    fn moved(&self, loops: Loops) {
        self.connections.changed();
        if self.announce == Announce::Others {
            self.bell.pull(loops);
        }
    }
}
