//! Opening a database: is it ours, is it of a version we know, does the master key fit.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqlSafeStr};

use super::config::{READERS_MAX, SqliteConfig};
use super::connection::Connections;
use super::error::{self, OpenError};
use super::keys;
use super::row::statements;

/// How long a connection waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a read waits for a reader.
const READER_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements a connection keeps; there are fewer.
const STATEMENT_CACHE: usize = 256;
/// Rows that wait between the connection's thread and ours before the thread has to pause.
const ROW_BUFFER: usize = 1024;
/// Page cache of the writer, in KiB (negative, as SQLite wants it): what is written at random, such
/// as the newest page of a conversation, is read from here. Not larger: a commit that rearranged a
/// tree walks the whole cache.
const WRITER_CACHE: &str = "-16384";
/// Bytes of the file that readers map instead of copying.
const READER_MAP: &str = "268435456";
/// Pages of the log before it is folded into the file. Until then a page that changes again and
/// again is written once to the file; 16,384 pages are 64 MiB.
const CHECKPOINT_PAGES: &str = "16384";
/// Says in the file's header whose it is; the first migration writes it.
const APPLICATION_ID: i64 = 0x4a73_5067;

statements! {
    OWNER_OF_FILE = "SELECT application_id, (SELECT count(*) FROM sqlite_schema) \
        FROM pragma_application_id";
}

/// The migrations, oldest first.
pub(crate) const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../../migrations/sqlite/0001_ledger.sql")),
    (2, "lease", include_str!("../../migrations/sqlite/0002_lease.sql")),
    (3, "search", include_str!("../../migrations/sqlite/0003_search.sql")),
    (4, "fairness", include_str!("../../migrations/sqlite/0004_fairness.sql")),
    (5, "counters", include_str!("../../migrations/sqlite/0005_counters.sql")),
    (6, "publications", include_str!("../../migrations/sqlite/0006_publications.sql")),
    (7, "knowledge", include_str!("../../migrations/sqlite/0007_knowledge.sql")),
    (8, "usage", include_str!("../../migrations/sqlite/0008_usage.sql")),
    (9, "plugins", include_str!("../../migrations/sqlite/0009_plugins.sql")),
    (10, "feeds", include_str!("../../migrations/sqlite/0010_feeds.sql")),
    (11, "tools", include_str!("../../migrations/sqlite/0011_tools.sql")),
    (12, "groups", include_str!("../../migrations/sqlite/0012_groups.sql")),
];

/// Opens the connections of a database, made or brought up to date as needed.
pub(super) async fn open(config: &SqliteConfig) -> Result<Connections, OpenError> {
    check_owner(&config.path).await?;
    let writer = options(&config.path)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let mut writer = writer.connect().await.map_err(error::map_open)?;
    migrate(&mut writer).await?;
    keys::check_master(&mut writer, &config.master_key).await?;
    let readers = readers(config).await.map_err(error::map_open)?;
    Ok(Connections::new(writer, readers))
}

fn plain_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

fn options(path: &Path) -> SqliteConnectOptions {
    plain_options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENT_CACHE)
        .row_buffer_size(ROW_BUFFER)
}

async fn readers(config: &SqliteConfig) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(config.readers.clamp(1, READERS_MAX))
        .acquire_timeout(READER_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(
            options(&config.path).pragma("mmap_size", READER_MAP).pragma("query_only", "ON"),
        )
        .await
}

/// Refuses a file of another program before anything in it is touched.
async fn check_owner(path: &Path) -> Result<(), OpenError> {
    let mut connection = plain_options(path).connect().await.map_err(error::map_open)?;
    let row = sqlx::query(OWNER_OF_FILE).fetch_one(&mut connection).await;
    let row = row.map_err(error::map_open)?;
    let owner: i64 = row.try_get(0).map_err(error::map_open)?;
    let objects: i64 = row.try_get(1).map_err(error::map_open)?;
    connection.close().await.map_err(error::map_open)?;
    let empty = owner == 0 && objects == 0;
    if owner == APPLICATION_ID || empty { Ok(()) } else { Err(OpenError::Foreign) }
}

fn migrator() -> Migrator {
    let list = MIGRATIONS.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(list.collect())
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let known = MIGRATIONS.iter().map(|(version, _, _)| *version).max().unwrap_or_default();
    let done = migrator().run(connection).await;
    done.map_err(|error| error::map_migrate(error, known))
}
