use std::path::PathBuf;

use crate::envelope::MasterKey;

/// Readers unless the configuration says otherwise.
pub const READERS_DEFAULT: u32 = 4;
/// Most readers.
pub const READERS_MAX: u32 = 64;

/// Where the database is and what opens its secrets.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The database file; made when there is none. Its folder must exist.
    pub path: PathBuf,
    /// The key that wraps the data keys of the businesses.
    pub master_key: MasterKey,
    /// Connections that read at the same time, 1 to [`READERS_MAX`].
    pub readers: u32,
}

impl SqliteConfig {
    /// A configuration with [`READERS_DEFAULT`] readers.
    pub fn new(path: impl Into<PathBuf>, master_key: MasterKey) -> Self {
        Self { path: path.into(), master_key, readers: READERS_DEFAULT }
    }
}
