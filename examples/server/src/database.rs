//! The database: opened as the settings say, closed at the end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use justping::port::{Store, StoreError, StoreResult, WakeSource};
use justping::store::envelope::{MasterKey, MasterKeyError};
use justping::store::postgres::{PostgresConfig, PostgresStore};
use justping::store::sqlite::{SqliteConfig, SqliteStore};
use justping::store::{PostgresOpenError, SqliteOpenError};
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::config::{Config, Database, Pooler};

/// Why there is no database to work on.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A folder cannot be made.
    #[error("cannot make the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key that seals secrets cannot be used.
    #[error("the master key cannot be used: {0}")]
    MasterKey(#[from] MasterKeyError),
    /// There is no key, and one made up here would open nothing that other processes seal.
    #[error(
        "there is no master key in {0}: all processes over one Postgres need the same one. Make it \
            once (openssl rand -base64 32) and give it by --master-key-file or JUSTPING_MASTER_KEY"
    )]
    NoMasterKey(PathBuf),
    /// The file cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] SqliteOpenError),
    /// Postgres cannot be used.
    #[error("the database cannot be opened: {0}")]
    Postgres(#[from] PostgresOpenError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the key of links is derived for.
const LINKS: &str = "resume links";

/// An open database.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A file.
    Sqlite(Arc<SqliteStore>),
    /// A share of a Postgres.
    Postgres(Arc<PostgresStore>),
}

impl Opened {
    /// Opens the database, made or brought up to date as needed.
    pub(crate) async fn open(config: &Config) -> Result<Self, DatabaseError> {
        match &config.database {
            Database::Sqlite(path) => {
                make_folders([Some(config.data_dir.as_path()), path.parent()]).await?;
                let sqlite = SqliteConfig::new(path, own_key(config)?);
                Ok(Self::Sqlite(Arc::new(SqliteStore::open(sqlite).await?)))
            }
            Database::Postgres { url, read_url, listen_url, connections, pooler } => {
                let postgres = PostgresConfig {
                    read_url: read_url.clone(),
                    listen_url: listen_url.clone(),
                    connections: *connections,
                    ..postgres(url, *pooler, shared_key(config)?)
                };
                Ok(Self::Postgres(Arc::new(PostgresStore::open(postgres).await?)))
            }
        }
    }

    /// What signs the links that flows give away: made of the master key, so that it is the same
    /// after a restart and in every process over one database.
    pub(crate) fn link_key(&self, config: &Config) -> Result<SecretBox<[u8; 32]>, DatabaseError> {
        let key = match self {
            Self::Sqlite(_) => own_key(config)?,
            Self::Postgres(_) => shared_key(config)?,
        };
        Ok(key.derive(LINKS))
    }

    /// The store for the engine.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// Who tells of work that other processes left; a file is of one process.
    pub(crate) fn wakes(&self) -> Option<Arc<dyn WakeSource>> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(Arc::new(store.wakes())),
        }
    }

    /// Waits for what is running and closes the database.
    pub(crate) async fn close(&self) -> StoreResult<()> {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => {
                store.close().await;
                Ok(())
            }
        }
    }
}

async fn make_folders(folders: [Option<&Path>; 2]) -> Result<(), DatabaseError> {
    for path in folders.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()) {
        let made = tokio::fs::create_dir_all(path).await;
        made.map_err(|source| DatabaseError::Folder { path: path.to_owned(), source })?;
    }
    Ok(())
}

fn postgres(url: &SecretString, pooler: Pooler, key: MasterKey) -> PostgresConfig {
    let config = PostgresConfig::new(url.expose_secret(), key);
    match pooler {
        Pooler::None => config,
        Pooler::Transaction => config.pooled(),
    }
}

fn given_key(config: &Config) -> Option<Result<MasterKey, MasterKeyError>> {
    config.master_key.as_ref().map(|text| MasterKey::from_base64(text.expose_secret()))
}

/// The key of a database that nobody else opens: made up when there is none.
fn own_key(config: &Config) -> Result<MasterKey, MasterKeyError> {
    given_key(config).unwrap_or_else(|| MasterKey::load_or_create(&config.master_key_file))
}

/// The key of a database that others open too. Two machines that each made one up would seal
/// secrets that the other one cannot open, and would notice only later.
fn shared_key(config: &Config) -> Result<MasterKey, DatabaseError> {
    let path = &config.master_key_file;
    match given_key(config).unwrap_or_else(|| MasterKey::load(path)) {
        Err(MasterKeyError::File(error)) if error.kind() == io::ErrorKind::NotFound => {
            Err(DatabaseError::NoMasterKey(path.clone()))
        }
        other => Ok(other?),
    }
}
