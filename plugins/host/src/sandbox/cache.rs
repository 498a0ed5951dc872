//! Machine code on disk, so that a component is compiled once for all starts of the platform.
//!
//! Loading machine code is the one `unsafe` act of this workspace: whatever it says will run. So a file
//! counts only when this host made it: it carries an HMAC under a key that only the host has, over all
//! of what the code depends on and the code itself.

use std::fmt;
use std::fs;
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::code::ComponentDigest;
use crate::mac::keyed;

/// How a file begins. A new form gets a new number.
const MAGIC: &[u8; 8] = b"jpaot\0\0\x01";
/// Bytes of the key, and of a file's seal.
const KEY_BYTES: usize = 32;
/// The name of the key's file.
const KEY_FILE: &str = "key";
/// Most bytes of a file that is read: machine code of the largest components is under a tenth of it.
const FILE_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// How long a file stays that nobody loads.
const UNUSED_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long a file may be in the making.
const FRESH_MAX: Duration = Duration::from_secs(3600);
/// How often a file that is loaded is marked as used.
const MARK_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Where machine code is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder. It is made, for its owner only, when it is not there.
    pub folder: PathBuf,
    /// The key of the seals; `None` makes one and keeps it in the folder. Processes that share a
    /// folder share a key.
    pub key: Option<[u8; 32]>,
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Machine code on disk.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    /// What the code depends on besides the component: the machine's settings and version.
    engine: [u8; 32],
    written: AtomicU64,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Cache {
    pub(crate) fn open(config: CacheConfig, engine: &Engine) -> io::Result<Self> {
        make_folder(&config.folder)?;
        let key = match config.key {
            Some(key) => key,
            None => own_key(&config.folder.join(KEY_FILE))?,
        };
        let engine = fingerprint(engine);
        tidy(&config.folder);
        Ok(Self { folder: config.folder, key, engine, written: AtomicU64::new(0) })
    }

    /// Loads machine code. What is missing, damaged, foreign or of another machine is `None`.
    pub(crate) fn load(&self, engine: &Engine, digest: ComponentDigest) -> Option<Component> {
        let path = self.path(digest);
        let file = read(&path).ok()?;
        let rest = file.strip_prefix(MAGIC.as_slice())?;
        let (seal, code) = rest.split_at_checked(KEY_BYTES)?;
        self.mac(digest, code).verify_slice(seal).ok()?;
        mark(&path);
        self.deserialize(engine, digest, code)
    }

    #[expect(unsafe_code, reason = "the seal was verified: this host compiled the code")]
    fn deserialize(
        &self,
        engine: &Engine,
        digest: ComponentDigest,
        code: &[u8],
    ) -> Option<Component> {
        // SAFETY: the bytes are those that `Component::serialize` gave to `keep`. They were sealed
        // under a key that nobody else has, together with the component's digest and the fingerprint
        // of an engine like this one, and the seal of exactly these bytes in memory was verified.
        let component = unsafe { Component::deserialize(engine, code) };
        let complain = |error: &wasmtime::Error| {
            tracing::warn!(%digest, %error, "machine code of the cache is of no use");
        };
        component.inspect_err(complain).ok()
    }

    /// Keeps machine code. The file is whole or not there.
    pub(crate) fn keep(&self, digest: ComponentDigest, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(|error| io::Error::other(error.to_string()))?;
        let seal = self.mac(digest, &code).finalize().into_bytes();
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let fresh = self.folder.join(format!("{digest}.{}.{number}.new", std::process::id()));
        let written = write(&fresh, &[MAGIC.as_slice(), seal.as_slice(), &code])
            .and_then(|()| fs::rename(&fresh, self.path(digest)));
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    fn path(&self, digest: ComponentDigest) -> PathBuf {
        self.folder.join(format!("{digest}.aot"))
    }

    fn mac(&self, digest: ComponentDigest, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.key);
        mac.update(MAGIC);
        mac.update(&self.engine);
        mac.update(&digest.0);
        mac.update(code);
        mac
    }
}

/// The machine's settings and version. wasmtime's hash says all that compiled code depends on.
fn fingerprint(engine: &Engine) -> [u8; 32] {
    struct Sink(Sha256);
    impl Hasher for Sink {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sink = Sink(Sha256::new());
    sink.write(env!("CARGO_PKG_VERSION").as_bytes());
    engine.precompile_compatibility_hash().hash(&mut sink);
    sink.0.finalize().into()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // It may have been there before, open to others.
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Removes what nobody loaded for long, and what a crash left half made.
fn tidy(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let max = match path.extension().and_then(|extension| extension.to_str()) {
            Some("aot") => UNUSED_MAX,
            Some("new") => FRESH_MAX,
            _ => continue,
        };
        if age(&path).is_some_and(|age| age > max) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Marks a file as used, now and then.
fn mark(path: &Path) {
    if age(path).is_some_and(|age| age > MARK_EVERY)
        && let Ok(file) = fs::OpenOptions::new().append(true).open(path)
    {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn age(path: &Path) -> Option<Duration> {
    path.metadata().ok()?.modified().ok()?.elapsed().ok()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// The key of a folder; made when it is not there. Of two processes that make one, one wins.
fn own_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&fresh);
    write(&fresh, &[&key])?;
    // A link, unlike a rename, never replaces: who comes second reads the first one's key.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read_key(path)?.ok_or_else(|| io::Error::other("the key vanished"))
        }
        Err(error) => Err(error),
    }
}

fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| {
            io::Error::other("the key of the cache has a wrong length: remove the folder")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
