//! Transactions: what they may see, and when they are tried again.

use justping_core::model::BusinessId;
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{Executor, Transaction};

use super::error;
use super::replica::Replica;
use super::row::statements;

/// A statement with its parameters.
pub(super) type Bound = Query<'static, Postgres, PgArguments>;

/// How often a transaction is tried again that lost against another one.
pub(super) const RETRIES_MAX: u32 = 8;

const BEGIN: &str = "BEGIN";
/// The moves of the engine cross businesses: the wall admits them. What they read in an order they
/// read along an index, which a bitmap and a sort look as good as while a table is empty.
pub(super) const BEGIN_SYSTEM: &str =
    "BEGIN; SET LOCAL app.system = 'on'; SET LOCAL enable_bitmapscan = off";

statements! {
    /// Takes the other setting back as well: a connection whose last transaction was dropped before it
    /// was known to have begun may still be in it.
    SET_BUSINESS = "SELECT set_config('app.business_id', $1::uuid::text, true), \
            set_config('app.system', 'off', true)";
}

/// What a transaction may see.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope {
    /// One business.
    Business(BusinessId),
    /// Every business.
    System,
}

/// The connections of a store.
#[derive(Debug)]
pub(super) struct Connections {
    pool: PgPool,
    replica: Option<Replica>,
}

impl Connections {
    pub(super) fn new(pool: PgPool, replica: Option<Replica>) -> Self {
        Self { pool, replica }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Takes note that what lists show has changed. The moves of the engine say so themselves: most
    /// of them find nothing to do, most of the time.
    pub(super) fn changed(&self) {
        if let Some(replica) = &self.replica {
            replica.committed();
        }
    }

    /// The same after a transaction of one business, which is there to change something.
    pub(super) fn committed(&self, scope: Scope) {
        if matches!(scope, Scope::Business(_)) {
            self.changed();
        }
    }

    /// How many lists the standby answered.
    pub(super) fn replica_answers(&self) -> u64 {
        self.replica.as_ref().map_or(0, Replica::answers)
    }

    /// Opens a transaction.
    pub(super) async fn begin(&self, scope: Scope) -> StoreResult<Write> {
        let statement = match scope {
            Scope::Business(_) => BEGIN,
            Scope::System => BEGIN_SYSTEM,
        };
        let mut write = Write { transaction: self.transaction(statement).await?, again: false };
        if let Scope::Business(business) = scope {
            write.run(sqlx::query(SET_BUSINESS).bind(business.uuid())).await?;
        }
        Ok(write)
    }

    /// A connection that the server closed while it was idle tells only when it is used; each
    /// failed try removes one of them from the pool.
    async fn transaction(
        &self,
        statement: &'static str,
    ) -> StoreResult<Transaction<'static, Postgres>> {
        let mut left = self.pool.options().get_max_connections();
        loop {
            match self.pool.begin_with(statement).await {
                Err(error) if left > 0 && error::is_disconnect(&error) => left -= 1,
                other => return other.map_err(error::map),
            }
        }
    }

    /// Runs one statement that only reads.
    pub(super) async fn read(&self, scope: Scope, query: Bound) -> StoreResult<Vec<PgRow>> {
        let mut write = self.begin(scope).await?;
        let rows = write.run(query).await?;
        write.commit().await?;
        Ok(rows)
    }

    /// Runs one statement that lists rows for people to look at: a standby may do it, and nothing is
    /// decided by what it says.
    pub(super) async fn list(
        &self,
        business: BusinessId,
        query: impl Fn() -> Bound + Send,
    ) -> StoreResult<Vec<PgRow>> {
        if let Some(replica) = &self.replica
            && let Some(rows) = replica.read(&self.pool, business, query()).await
        {
            return Ok(rows);
        }
        self.read(Scope::Business(business), query()).await
    }

    /// Runs one statement that reads the one row of a `noun`.
    pub(super) async fn read_one(
        &self,
        scope: Scope,
        query: Bound,
        noun: &'static str,
    ) -> StoreResult<PgRow> {
        self.read(scope, query).await?.pop().ok_or(StoreError::NotFound(noun))
    }

    /// Runs one statement that adds a row below its `parent`, in a transaction of its own. It
    /// adds nothing when the parent is missing.
    pub(super) async fn insert(
        &self,
        scope: Scope,
        query: Bound,
        parent: &'static str,
    ) -> StoreResult<()> {
        let mut write = self.begin(scope).await?;
        let added = write.execute(query).await?;
        write.commit().await?;
        self.committed(scope);
        if added == 0 { Err(StoreError::NotFound(parent)) } else { Ok(()) }
    }

    /// Runs one statement in a transaction of its own, and returns its rows.
    pub(super) async fn change(&self, scope: Scope, query: Bound) -> StoreResult<Vec<PgRow>> {
        let rows = self.read(scope, query).await?;
        self.committed(scope);
        Ok(rows)
    }

    /// Waits for what is running, then closes every connection.
    pub(super) async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
        self.pool.close().await;
    }
}

/// A transaction. Dropped, it is rolled back.
#[derive(Debug)]
pub(super) struct Write {
    transaction: Transaction<'static, Postgres>,
    /// Whether it lost against another transaction, so that trying again makes sense.
    again: bool,
}

impl Write {
    /// Runs a statement.
    pub(super) async fn run(&mut self, query: Bound) -> StoreResult<Vec<PgRow>> {
        let result = (&mut *self.transaction).fetch_all(query).await;
        result.map_err(|error| self.lost(error))
    }

    /// Runs a statement; the number of rows it changed.
    pub(super) async fn execute(&mut self, query: Bound) -> StoreResult<u64> {
        let result = (&mut *self.transaction).execute(query).await;
        result.map(|done| done.rows_affected()).map_err(|error| self.lost(error))
    }

    /// Says that somebody else was faster: what was read no longer holds.
    pub(super) fn overtaken(&mut self) -> StoreError {
        self.again = true;
        StoreError::Unavailable("the store is busy".to_owned())
    }

    fn lost(&mut self, error: sqlx::Error) -> StoreError {
        self.again = error::is_lost_race(&error);
        error::map(error)
    }

    async fn commit(self) -> StoreResult<()> {
        self.transaction.commit().await.map_err(error::map)
    }

    /// Ends the transaction: committed when all went well, otherwise undone. `None` when it is
    /// worth another try, which is counted.
    pub(super) async fn settle<T>(
        self,
        result: StoreResult<T>,
        tries: &mut u32,
    ) -> StoreResult<Option<T>> {
        match result {
            Ok(value) => self.commit().await.map(|()| Some(value)),
            Err(error) => {
                let again = self.again && *tries < RETRIES_MAX;
                self.transaction.rollback().await.map_err(error::map)?;
                *tries += 1;
                if again { Ok(None) } else { Err(error) }
            }
        }
    }
}

/// Runs an expression in a transaction, again if it lost against another one.
macro_rules! transaction {
    ($store:expr, $scope:expr, |$write:ident| $body:expr) => {{
        let mut tries = 0;
        loop {
            let mut transaction = $store.connections.begin($scope).await?;
            let result = {
                let $write = &mut transaction;
                $body.await
            };
            if let Some(value) = transaction.settle(result, &mut tries).await? {
                $store.connections.committed($scope);
                break Ok(value);
            }
        }
    }};
}
pub(super) use transaction;
