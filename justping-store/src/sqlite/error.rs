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
    /// It is no SQLite database, or another program's.
    #[error("the file is not a JustPing database")]
    Foreign,
    /// Its schema is not what this program once made of it.
    #[error("schema {0} of the database is not the one this program knows")]
    Drifted(i64),
    /// Its secrets belong to another master key.
    #[error("the database belongs to another master key")]
    WrongMasterKey,
    /// It cannot be read, locked or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Result codes of SQLite, without their extension (<https://sqlite.org/rescode.html>).
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const NOTADB: i32 = 26;
}

/// The extended result code of an error, when SQLite itself raised it.
fn extended(error: &dyn DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or(1)
}

fn from_code(extended: i32) -> StoreError {
    let unavailable = |text: &str| StoreError::Unavailable(text.to_owned());
    match extended & 0xff {
        code::BUSY | code::LOCKED => unavailable("the database is busy"),
        code::NOMEM => unavailable("out of memory"),
        code::PERM | code::READONLY | code::CANTOPEN => {
            unavailable("the database cannot be written")
        }
        code::IOERR => unavailable("the disk failed"),
        code::FULL => unavailable("the disk is full"),
        code::CORRUPT | code::NOTADB => StoreError::Corrupt("the database file".to_owned()),
        code::TOOBIG => StoreError::Invalid("size"),
        _ => StoreError::Unavailable(format!("sqlite answered with code {extended}")),
    }
}

/// The noun whose key is taken, from "UNIQUE constraint failed: table.column, …".
fn noun_of(message: &str) -> &'static str {
    let table = message.rsplit(": ").next().and_then(|columns| columns.split('.').next());
    match table.unwrap_or_default() {
        "businesses" => "business",
        "members" => "member",
        "api_keys" => "api key",
        "channels" => "channel",
        "contacts" => "contact",
        "identities" => "identity",
        "conversations" => "conversation",
        "messages" => "message",
        "agents" => "agent",
        "flows" => "flow",
        "flow_versions" => "flow version",
        "sessions" => "session",
        "plugins" => "plugin",
        "tools" => "tool",
        "contact_groups" => "group",
        _ => "row",
    }
}

/// Translates an error of the driver; the text names no data.
pub(super) fn map(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) if error.is_unique_violation() => {
            StoreError::Conflict(noun_of(error.message()))
        }
        sqlx::Error::Database(error) => from_code(extended(error.as_ref())),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Corrupt("a column".to_owned())
        }
        sqlx::Error::Io(_) => StoreError::Unavailable("the disk failed".to_owned()),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable("every reader is busy".to_owned()),
        _ => StoreError::Unavailable("the store is closed".to_owned()),
    }
}

/// Translates an error met while the file is looked at for the first time.
pub(super) fn map_open(error: sqlx::Error) -> OpenError {
    match map(error) {
        StoreError::Corrupt(_) => OpenError::Foreign,
        other => OpenError::Store(other),
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
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => map_open(error),
        _ => OpenError::Foreign,
    }
}
