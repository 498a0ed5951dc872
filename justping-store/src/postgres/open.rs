//! Opening a database: reach it, bring its schema up to date, check whose it is.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Row, SqlSafeStr};

use justping_core::port::store::StoreError;

use super::config::{CONNECTIONS_MAX, PostgresConfig, SessionSettings};
use super::connection::Connections;
use super::error::{self, OpenError};
use super::keys;
use super::replica::{self, Replica};
use super::row::statements;

/// How long a method waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long opening waits for another process that migrates.
const MIGRATION_WAIT: Duration = Duration::from_secs(60);
/// How long it waits between two looks.
const MIGRATION_POLL: Duration = Duration::from_millis(100);

/// How the sessions of the store are to be, but for `statement_timeout`.
///
/// The plans: every statement looks up by key, so that a plan made once, whatever the parameters
/// and however empty the tables were at that moment, must go through the indexes.
pub const SESSION_SETTINGS: &[(&str, &str)] = &[
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// Begins the transaction whose lock lets one process migrate. It stays open for as long as the
/// migration takes, so that its own time limits are lifted.
const BEGIN_MIGRATION: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0";

statements! {
    EXEMPT = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    /// "JustPing" in ASCII. A lock of a transaction, not of a session: it works behind a pooler.
    TRY_MIGRATION_LOCK = "SELECT pg_try_advisory_xact_lock(5365825026410475111)";
}

/// The migrations, oldest first.
pub(super) const MIGRATIONS: &[Step] = &[
    (1, "ledger", include_str!("../../migrations/postgres/0001_ledger.sql")),
    (2, "lease", include_str!("../../migrations/postgres/0002_lease.sql")),
    (3, "search", include_str!("../../migrations/postgres/0003_search.sql")),
    (4, "fairness", include_str!("../../migrations/postgres/0004_fairness.sql")),
    (5, "counters", include_str!("../../migrations/postgres/0005_counters.sql")),
    (6, "publications", include_str!("../../migrations/postgres/0006_publications.sql")),
    (7, "knowledge", include_str!("../../migrations/postgres/0007_knowledge.sql")),
    (8, "usage", include_str!("../../migrations/postgres/0008_usage.sql")),
    (9, "plugins", include_str!("../../migrations/postgres/0009_plugins.sql")),
    (10, "feeds", include_str!("../../migrations/postgres/0010_feeds.sql")),
    (11, "tools", include_str!("../../migrations/postgres/0011_tools.sql")),
    (12, "groups", include_str!("../../migrations/postgres/0012_groups.sql")),
];

/// A migration: its number, its name, its statements.
type Step = (i64, &'static str, &'static str);

/// Opens the connections of a database, made or brought up to date as needed.
pub(super) async fn open(config: &PostgresConfig) -> Result<Connections, OpenError> {
    let read = config.read_url.as_ref().map(|url| options(config, url)).transpose()?;
    let options = options(config, &config.url)?;
    check_role(&options).await?;
    migrate(&options).await?;
    let read = read.map(|read| {
        let pool = pool(config).acquire_timeout(replica::ACQUIRE_TIMEOUT);
        Replica::new(pool.connect_lazy_with(settle(config, read)))
    });
    let pool = pool(config).connect_lazy_with(settle(config, options));
    let connections = Connections::new(pool, read);
    keys::check_master(&connections, &config.master_key).await?;
    Ok(connections)
}

/// How a server is reached.
pub(super) fn options(
    config: &PostgresConfig,
    url: &SecretString,
) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url.expose_secret());
    let options = options.map_err(|_| OpenError::InvalidUrl)?;
    Ok(options
        .application_name(&config.application_name)
        .statement_cache_capacity(config.statement_cache)
        // Documents carry their numbers as text; poolers refuse settings they do not know.
        .extra_float_digits(None)
        .disable_statement_logging())
}

/// Adds the settings of the sessions that serve the store.
fn settle(config: &PostgresConfig, options: PgConnectOptions) -> PgConnectOptions {
    match config.session_settings {
        SessionSettings::Role => options,
        SessionSettings::Connect => options
            .options(SESSION_SETTINGS.iter().copied())
            .options([("statement_timeout", config.statement_timeout.as_millis())]),
    }
}

fn pool(config: &PostgresConfig) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(config.connections.clamp(1, CONNECTIONS_MAX))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
}

async fn check_role(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = options.connect().await.map_err(error::map)?;
    let row = sqlx::query(EXEMPT).fetch_one(&mut connection).await.map_err(error::map)?;
    let exempt: bool = row.try_get(0).map_err(error::map)?;
    connection.close().await.map_err(error::map)?;
    if exempt { Err(OpenError::Exempt) } else { Ok(()) }
}

pub(super) fn migrator(steps: &'static [Step]) -> Migrator {
    let list = steps.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(list.collect());
    migrator.set_locking(false);
    migrator
}

/// Migrates under a lock that is tried, not waited for: a transaction that waits would hold up
/// indexes that are built concurrently.
async fn migrate(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut lock = options.connect().await.map_err(error::map)?;
    let deadline = tokio::time::Instant::now() + MIGRATION_WAIT;
    while !try_lock(&mut lock).await? {
        if tokio::time::Instant::now() >= deadline {
            let busy = "another process migrates the database";
            return Err(StoreError::Unavailable(busy.to_owned()).into());
        }
        tokio::time::sleep(MIGRATION_POLL).await;
    }
    let mut connection = options.connect().await.map_err(error::map)?;
    let known = MIGRATIONS.iter().map(|(version, _, _)| *version).max().unwrap_or_default();
    let done = migrator(MIGRATIONS).run(&mut connection).await;
    done.map_err(|error| error::map_migrate(error, known))?;
    connection.close().await.map_err(error::map)?;
    lock.close().await.map_err(error::map)?;
    Ok(())
}

/// Opens a transaction that holds the lock, or leaves none open.
async fn try_lock(connection: &mut PgConnection) -> Result<bool, OpenError> {
    connection.execute(BEGIN_MIGRATION).await.map_err(error::map)?;
    let row = sqlx::query(TRY_MIGRATION_LOCK).fetch_one(&mut *connection).await;
    let held: bool = row.and_then(|row| row.try_get(0)).map_err(error::map)?;
    if !held {
        connection.execute("ROLLBACK").await.map_err(error::map)?;
    }
    Ok(held)
}
