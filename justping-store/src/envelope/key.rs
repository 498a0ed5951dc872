use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::seal::{self, DataKey, Place, SealError};
use super::{KEY_BYTES, seal::fill};

/// Largest key file that is read; a key is 44 characters and a line end.
const KEY_FILE_MAX: u64 = 256;

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("the master key file cannot be used: {0}")]
    File(#[from] io::Error),
    /// The text is not base64.
    #[error("the master key is not base64")]
    Encoding,
    /// It is base64 of another number of bytes.
    #[error("the master key has {0} bytes instead of 32")]
    Size(usize),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Entropy,
}

/// The key that wraps the data keys of all businesses. Cheap to clone; never printed.
#[derive(Clone)]
pub struct MasterKey {
    secret: Arc<SecretBox<[u8; KEY_BYTES]>>,
    fingerprint: u32,
}

impl MasterKey {
    /// Takes the 32 bytes of a key.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        let fingerprint = seal::fingerprint(&bytes);
        Self { secret: Arc::new(SecretBox::new(Box::new(bytes))), fingerprint }
    }

    /// Reads a key from standard base64, as an environment variable holds it.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| MasterKeyError::Encoding)?;
        let size = bytes.len();
        let bytes = bytes.try_into().map_err(|_| MasterKeyError::Size(size))?;
        Ok(Self::from_bytes(bytes))
    }

    /// Makes a random key.
    pub fn generate() -> Result<Self, MasterKeyError> {
        let mut bytes = [0; KEY_BYTES];
        fill(&mut bytes).map_err(|_| MasterKeyError::Entropy)?;
        Ok(Self::from_bytes(bytes))
    }

    /// Reads the key file at `path`, or makes one with a random key that only its owner may read.
    ///
    /// The file holds the key as base64 text. It appears whole or not at all, and two processes
    /// that start at once end up with the same key.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, MasterKeyError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(MasterKeyError::File(error)) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        Self::generate()?.store(path)?;
        Self::load(path)
    }

    /// Reads the key file at `path`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MasterKeyError> {
        let path = path.as_ref();
        let size = fs::metadata(path)?.len();
        if size > KEY_FILE_MAX {
            return Err(MasterKeyError::Size(usize::try_from(size).unwrap_or(usize::MAX)));
        }
        let text = SecretString::from(fs::read_to_string(path).map_err(unreadable)?);
        Self::from_base64(text.expose_secret())
    }

    /// Writes the key beside `path` and links it there: a crash leaves no half-written key, and a
    /// key that another process put there first stays.
    fn store(&self, path: &Path) -> Result<(), MasterKeyError> {
        let mut mark = [0; 8];
        fill(&mut mark).map_err(|_| MasterKeyError::Entropy)?;
        let draft = draft_path(path, u64::from_be_bytes(mark));
        let written = self.write_file(&draft);
        let linked = written.and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn write_file(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let text = SecretString::from(STANDARD.encode(self.secret.expose_secret()));
        file.write_all(text.expose_secret().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    }

    /// A key for another end than sealing, such as signing links.
    pub fn derive(&self, purpose: &str) -> SecretBox<[u8; 32]> {
        let key = justping_core::policy::derive_key(self.secret.expose_secret(), purpose);
        SecretBox::new(Box::new(key))
    }

    /// Names the key without telling anything about it.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// Wraps a data key for its place.
    pub fn wrap(&self, key: &DataKey, place: &Place<'_>) -> Result<Vec<u8>, SealError> {
        seal::seal(self.secret.expose_secret(), self.fingerprint, key.bytes(), place)
    }

    /// Unwraps a data key, which is number `id` of its business.
    pub fn unwrap(&self, sealed: &[u8], id: u32, place: &Place<'_>) -> Result<DataKey, SealError> {
        if seal::key_id(sealed)? != self.fingerprint {
            return Err(SealError::WrongKey);
        }
        let bytes = seal::open(self.secret.expose_secret(), sealed, place)?;
        DataKey::from_slice(id, bytes.expose_secret())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// A file of bytes that are not text holds no key either.
fn unreadable(error: io::Error) -> MasterKeyError {
    match error.kind() {
        io::ErrorKind::InvalidData => MasterKeyError::Encoding,
        _ => MasterKeyError::File(error),
    }
}

fn draft_path(path: &Path, mark: u64) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{mark:016x}.draft"));
    path.with_file_name(name)
}
