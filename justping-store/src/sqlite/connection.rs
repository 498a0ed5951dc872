//! One writer, several readers.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Connection, Executor};
use tokio::sync::{Mutex, MutexGuard};

use justping_core::port::store::{StoreError, StoreResult};

use super::error;

/// A statement with its parameters.
pub(super) type Bound = Query<'static, Sqlite, SqliteArguments>;

const ROLLBACK: &str = "ROLLBACK";

/// The connections of a store.
#[derive(Debug)]
pub(super) struct Connections {
    writer: Mutex<Writer>,
    readers: SqlitePool,
}

/// The one connection that writes. `None` once the store is closed.
#[derive(Debug)]
struct Writer {
    connection: Option<SqliteConnection>,
    /// Whether a transaction may be open: set before it begins, cleared when it has ended. A
    /// transaction whose future was dropped half-way leaves it set, and the next one clears up.
    open: bool,
}

impl Connections {
    pub(super) fn new(connection: SqliteConnection, readers: SqlitePool) -> Self {
        Self { writer: Mutex::new(Writer { connection: Some(connection), open: false }), readers }
    }

    /// Waits for the writer.
    pub(super) async fn write(&self) -> StoreResult<Write<'_>> {
        let mut write = Write { writer: self.writer.lock().await };
        write.roll_back().await?;
        Ok(write)
    }

    /// Runs one statement that only reads.
    pub(super) async fn read(&self, query: Bound) -> StoreResult<Vec<SqliteRow>> {
        query.fetch_all(&self.readers).await.map_err(error::map)
    }

    /// Runs one statement that reads the one row of a `noun`.
    pub(super) async fn read_one(
        &self,
        query: Bound,
        noun: &'static str,
    ) -> StoreResult<SqliteRow> {
        let row = query.fetch_optional(&self.readers).await.map_err(error::map)?;
        row.ok_or(StoreError::NotFound(noun))
    }

    /// Runs one statement that adds a row below its `parent`, in a transaction of its own. It
    /// adds nothing when the parent is missing.
    pub(super) async fn insert(&self, query: Bound, parent: &'static str) -> StoreResult<()> {
        let mut write = self.write().await?;
        let done = query.execute(write.connection()?).await.map_err(error::map)?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(parent)) } else { Ok(()) }
    }

    /// Runs one statement that writes, in a transaction of its own, and returns its rows.
    pub(super) async fn change(&self, query: Bound) -> StoreResult<Vec<SqliteRow>> {
        let mut write = self.write().await?;
        query.fetch_all(write.connection()?).await.map_err(error::map)
    }

    /// Waits for what is running, then closes every connection; the last one empties the log.
    pub(super) async fn close(&self) -> StoreResult<()> {
        self.readers.close().await;
        let mut write = self.write().await?;
        match write.writer.connection.take() {
            Some(connection) => connection.close().await.map_err(error::map),
            None => Ok(()),
        }
    }
}

/// The writer while one method holds it.
///
/// A transaction is two texts of statements: the first opens with `BEGIN IMMEDIATE` and reads what
/// the decision needs, the last writes what was decided and ends with `COMMIT`. Each text costs one
/// trip to the connection's thread, however many statements it has.
///
/// Parameters are named `$1`, `$2`, …: the driver counts a `?2` without a `?1` in the same
/// statement as two parameters, and the later statements of a text would be given the wrong ones.
#[derive(Debug)]
pub(super) struct Write<'a> {
    writer: MutexGuard<'a, Writer>,
}

impl Write<'_> {
    pub(super) fn connection(&mut self) -> StoreResult<&mut SqliteConnection> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        self.writer.connection.as_mut().ok_or_else(closed)
    }

    /// Runs statements of which the first opens the transaction.
    pub(super) async fn begin(&mut self, query: Bound) -> StoreResult<Vec<SqliteRow>> {
        self.writer.open = true;
        self.run(query).await
    }

    /// Runs statements that are a whole transaction, from `BEGIN` to `COMMIT`.
    pub(super) async fn whole(&mut self, query: Bound) -> StoreResult<Vec<SqliteRow>> {
        self.writer.open = true;
        self.commit(query).await
    }

    /// Runs statements inside the transaction.
    pub(super) async fn run(&mut self, query: Bound) -> StoreResult<Vec<SqliteRow>> {
        self.connection()?.fetch_all(query).await.map_err(error::map)
    }

    /// Runs statements of which the last ends the transaction.
    pub(super) async fn commit(&mut self, query: Bound) -> StoreResult<Vec<SqliteRow>> {
        let rows = self.run(query).await?;
        self.writer.open = false;
        Ok(rows)
    }

    /// Ends the method: what it did not commit is undone now rather than before the next one.
    pub(super) async fn settle<T>(mut self, result: StoreResult<T>) -> StoreResult<T> {
        if self.writer.open {
            self.roll_back().await?;
        }
        result
    }

    async fn roll_back(&mut self) -> StoreResult<()> {
        if !self.writer.open {
            return Ok(());
        }
        match self.connection()?.execute(ROLLBACK).await {
            // An error that ended the transaction by itself leaves nothing to undo.
            Ok(_) | Err(sqlx::Error::Database(_)) => {
                self.writer.open = false;
                Ok(())
            }
            Err(other) => Err(error::map(other)),
        }
    }
}
