use std::time::Duration;

use secrecy::SecretString;

use crate::envelope::MasterKey;

/// Connections unless the configuration says otherwise.
pub const CONNECTIONS_DEFAULT: u32 = 8;
/// Most connections.
pub const CONNECTIONS_MAX: u32 = 512;
/// Prepared statements a connection keeps unless the configuration says otherwise; there are fewer.
pub const STATEMENT_CACHE_DEFAULT: usize = 256;
/// How long a statement may run unless the configuration says otherwise.
pub const STATEMENT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Who tells the server how the sessions of the store are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionSettings {
    /// The store, when it connects.
    #[default]
    Connect,
    /// The server. A transaction pooler in front of it refuses settings of a connection, so that
    /// they belong to the role: `ALTER ROLE … SET …` for each of
    /// [`SESSION_SETTINGS`](super::SESSION_SETTINGS).
    Role,
}

/// Whom a process tells that a commit of its left work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Announce {
    /// Whoever listens, see [`PostgresStore::wakes`](super::PostgresStore::wakes).
    #[default]
    Others,
    /// Nobody: there is no other process.
    Nobody,
}

/// Where the database is and what opens its secrets.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?sslmode=require`. The role owns its tables and
    /// is neither a superuser nor exempt from row security.
    pub url: SecretString,
    /// A standby that answers lists and searches once it has replayed what this process wrote; the
    /// primary does whenever it cannot.
    pub read_url: Option<SecretString>,
    /// Where to listen for wake-ups, when [`url`](Self::url) leads to a transaction pooler: it has to
    /// lead to the server itself.
    pub listen_url: Option<SecretString>,
    /// Whom to tell of work.
    pub announce: Announce,
    /// The key that wraps the data keys of the businesses.
    pub master_key: MasterKey,
    /// Most connections, 1 to [`CONNECTIONS_MAX`].
    pub connections: u32,
    /// Prepared statements a connection keeps; 0 behind a pooler that cannot share them.
    pub statement_cache: usize,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// What the server shows as the program's name.
    pub application_name: String,
    /// Who tells the server how the sessions are to be.
    pub session_settings: SessionSettings,
}

impl PostgresConfig {
    /// A configuration with the defaults of this module.
    pub fn new(url: impl Into<String>, master_key: MasterKey) -> Self {
        Self {
            url: SecretString::from(url.into()),
            read_url: None,
            listen_url: None,
            announce: Announce::default(),
            master_key,
            connections: CONNECTIONS_DEFAULT,
            statement_cache: STATEMENT_CACHE_DEFAULT,
            statement_timeout: STATEMENT_TIMEOUT_DEFAULT,
            application_name: "justping".to_owned(),
            session_settings: SessionSettings::default(),
        }
    }

    /// The same for a transaction pooler such as PgBouncer: nothing is kept in a session.
    #[must_use]
    pub fn pooled(self) -> Self {
        Self { statement_cache: 0, session_settings: SessionSettings::Role, ..self }
    }
}
