use justping_core::port::store::StoreError;
use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A later version of this program wrote it.
    #[error("the database has schema {found}, this program knows up to {known}")]
    NewerVersion {
        /// The schema of the database.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// Its schema is not what this program once made of it.
    #[error("schema {0} of the database is not the one this program knows")]
    Drifted(i64),
    /// Its secrets belong to another master key.
    #[error("the database belongs to another master key")]
    WrongMasterKey,
    /// The role sees every business whatever it is told: row security does not hold for it.
    #[error("the role of the database is exempt from row security")]
    Exempt,
    /// The URL is not one of Postgres. It is not shown: it may carry a password.
    #[error("the database URL cannot be read")]
    InvalidUrl,
    /// It cannot be reached, locked or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Error codes (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
mod code {
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const FOREIGN_KEY: &str = "23503";
    pub(super) const UNTRANSLATABLE: &str = "22P05";
    pub(super) const NOT_IN_REPERTOIRE: &str = "22021";
    pub(super) const PROGRAM_LIMIT: &str = "54000";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const LOCK_TIMEOUT: &str = "55P03";
    pub(super) const CANCELED: &str = "57014";
    pub(super) const ROW_SECURITY: &str = "42501";
}

/// Keys that two transactions may make at the same time without either being wrong: the second one
/// finds, when it is tried again, what the first one made.
const RACES: &[&str] =
    &["identities_pkey", "conversations_contact", "business_keys_pkey", "flow_versions_number"];

/// Whether a transaction failed because of another one.
pub(super) fn is_lost_race(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.code().as_deref() {
        Some(code::SERIALIZATION_FAILURE | code::DEADLOCK | code::FOREIGN_KEY) => true,
        _ => {
            error.is_unique_violation()
                && error.constraint().is_some_and(|name| RACES.contains(&name))
        }
    }
}

/// Whether the connection was closed from the other side.
pub(super) fn is_disconnect(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // 57P01, 57P02: the server shuts down. 25P03: a transaction did nothing for too long, and its
        // session was closed; whoever uses the connection next is told.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| matches!(&*code, "57P01" | "57P02" | "25P03"))
        }
        _ => false,
    }
}

fn from_code(error: &dyn DatabaseError) -> StoreError {
    let unavailable = |text: &str| StoreError::Unavailable(text.to_owned());
    let code = error.code().unwrap_or_default();
    match &*code {
        code::SERIALIZATION_FAILURE | code::DEADLOCK | code::LOCK_TIMEOUT => {
            unavailable("the database is busy")
        }
        code::CANCELED => unavailable("the database took too long"),
        code::FOREIGN_KEY => StoreError::Conflict(noun_of(error)),
        code::UNTRANSLATABLE | code::NOT_IN_REPERTOIRE => StoreError::Invalid("text"),
        code::PROGRAM_LIMIT => StoreError::Invalid("size"),
        code::READ_ONLY => unavailable("the database cannot be written"),
        code::ROW_SECURITY => StoreError::NotFound("business"),
        other => StoreError::Unavailable(format!("postgres answered with code {other}")),
    }
}

/// The noun whose key is taken.
fn noun_of(error: &dyn DatabaseError) -> &'static str {
    match error.table().unwrap_or_default() {
        "businesses" => "business",
        "members" => "member",
        "api_keys" => "api key",
        "channels" => "channel",
        "contacts" => "contact",
        "identities" => "identity",
        "conversations" => "conversation",
        "agents" => "agent",
        "flows" => "flow",
        "flow_versions" => "flow version",
        "sessions" => "session",
        "plugins" => "plugin",
        "tools" => "tool",
        "contact_groups" => "group",
        table if table.starts_with("messages") => "message",
        _ => "row",
    }
}

/// Translates an error of the driver; the text names no data.
pub(super) fn map(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) if error.is_unique_violation() => {
            StoreError::Conflict(noun_of(error.as_ref()))
        }
        sqlx::Error::Database(error) => from_code(error.as_ref()),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Corrupt("a column".to_owned())
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            StoreError::Unavailable("the database cannot be reached".to_owned())
        }
        sqlx::Error::PoolTimedOut => StoreError::Unavailable("every connection is busy".to_owned()),
        _ => StoreError::Unavailable("the store is closed".to_owned()),
    }
}

/// Translates an error of the migrations, of which `known` is the newest.
pub(super) fn map_migrate(error: MigrateError, known: i64) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _)
            if found > known =>
        {
            OpenError::NewerVersion { found, known }
        }
        MigrateError::VersionMissing(version)
        | MigrateError::VersionMismatch(version)
        | MigrateError::Dirty(version) => OpenError::Drifted(version),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            OpenError::Store(map(error))
        }
        _ => OpenError::Store(StoreError::Unavailable("a migration failed".to_owned())),
    }
}
