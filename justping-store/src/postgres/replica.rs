//! A standby that answers lists and searches.
//!
//! What this process wrote it reads: the standby is asked only when it has replayed the log as far as
//! it was after the last commit of this process. Whatever is wrong with it (behind, away, promoted),
//! the primary answers instead, and the caller does not notice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use justping_core::model::BusinessId;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Executor, Row};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connection::Bound;
use super::row::statements;

/// How long a list waits for a connection to the standby.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a standby that could not be reached is left alone.
const AWAY: Duration = Duration::from_secs(5);

const BEGIN: &str = "BEGIN READ ONLY";

statements! {
    WRITTEN_UP_TO = "SELECT pg_current_wal_insert_lsn()::text";
    /// Names the business, and says whether the log was replayed that far. A server that does not
    /// replay is no standby.
    REPLAYED = "SELECT set_config('app.business_id', $1::uuid::text, true), \
        pg_is_in_recovery() AND ($2::text IS NULL OR \
            coalesce(pg_last_wal_replay_lsn() >= $2::text::pg_lsn, false))";
}

/// The standby.
#[derive(Debug)]
pub(super) struct Replica {
    pool: PgPool,
    /// Counts what this process committed.
    commits: AtomicU64,
    /// Where the log was after so many of them.
    known: Mutex<(u64, Option<String>)>,
    away_until: Mutex<Option<Instant>>,
    answers: AtomicU64,
}

impl Replica {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            commits: AtomicU64::new(0),
            known: Mutex::new((0, None)),
            away_until: Mutex::new(None),
            answers: AtomicU64::new(0),
        }
    }

    /// Takes note of a commit, before whoever asked for it hears of it.
    pub(super) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Release);
    }

    /// How many lists it answered.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Runs a statement; `None` when the primary has to.
    pub(super) async fn read(
        &self,
        primary: &PgPool,
        business: BusinessId,
        query: Bound,
    ) -> Option<Vec<PgRow>> {
        if self.is_away().await {
            return None;
        }
        let result = match self.log_position(primary).await {
            Ok(position) => self.ask(business, position, query).await,
            Err(_) => return None,
        };
        match result {
            Ok(rows) => {
                self.answers.fetch_add(u64::from(rows.is_some()), Ordering::Relaxed);
                rows
            }
            Err(error) => {
                if error.as_database_error().is_none() {
                    *self.away_until.lock().await = Some(Instant::now() + AWAY);
                }
                let error = super::error::map(error);
                tracing::debug!(%error, "the standby did not answer; the primary does");
                None
            }
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn is_away(&self) -> bool {
        self.away_until.lock().await.is_some_and(|until| Instant::now() < until)
    }

    /// How far the standby must have replayed; `None` as long as this process wrote nothing. The
    /// primary is asked once after each commit that a list follows, not at each commit.
    async fn log_position(&self, primary: &PgPool) -> Result<Option<String>, sqlx::Error> {
        let commits = self.commits.load(Ordering::Acquire);
        let mut known = self.known.lock().await;
        if known.0 < commits {
            let position = sqlx::query_scalar(WRITTEN_UP_TO).fetch_one(primary).await?;
            *known = (commits, Some(position));
        }
        Ok(known.1.clone())
    }

    async fn ask(
        &self,
        business: BusinessId,
        position: Option<String>,
        query: Bound,
    ) -> Result<Option<Vec<PgRow>>, sqlx::Error> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        let replayed = sqlx::query(REPLAYED).bind(business.uuid()).bind(position);
        let replayed = (&mut *transaction).fetch_one(replayed).await?;
        if !replayed.try_get::<bool, _>(1)? {
            transaction.rollback().await?;
            return Ok(None);
        }
        let rows = (&mut *transaction).fetch_all(query).await?;
        transaction.commit().await?;
        Ok(Some(rows))
    }
}
