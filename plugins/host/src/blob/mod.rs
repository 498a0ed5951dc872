//! Where packages are kept: under their digests, in a folder or in a service for objects.

#[cfg(feature = "azure")]
mod azure;
#[cfg(any(feature = "azure", feature = "s3"))]
mod client;
#[cfg(feature = "s3")]
mod s3;

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{GetResult, ObjectStore, ObjectStoreExt as _};

#[cfg(feature = "azure")]
pub use self::azure::AzureConfig;
#[cfg(feature = "s3")]
pub use self::s3::S3Config;
use crate::package::{COMPONENT_MAX_BYTES, PACKAGE_EXTRA_BYTES, digest};

/// Most bytes of a kept package: the largest component that an operator can allow, and what is
/// around it.
pub const BLOB_MAX_BYTES: usize = COMPONENT_MAX_BYTES + PACKAGE_EXTRA_BYTES;

/// Hexadecimal digits of a digest.
const DIGEST_CHARS: usize = 64;

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nothing has this digest.
    #[error("there is no package {0}")]
    NotFound(String),
    /// What is there is not what was kept.
    #[error("the package {0} is damaged")]
    Damaged(String),
    /// It is larger than [`BLOB_MAX_BYTES`].
    #[error("the package is larger than {BLOB_MAX_BYTES} bytes")]
    TooLarge,
    /// The place cannot be opened or asked.
    #[error("packages cannot be reached: {0}")]
    Unavailable(String),
}

/// Keeps packages under their digests. Clones share the place.
///
/// # Ordering & idempotency
/// A package kept again is the same one; the write replaces all of it or nothing, so a crash leaves no
/// half of one, and one that was damaged is whole again.
#[derive(Debug, Clone)]
pub struct PackageBlobs(Arc<dyn ObjectStore>);

impl PackageBlobs {
    /// In this process's memory, for tests.
    pub fn in_memory() -> Self {
        Self(Arc::new(InMemory::new()))
    }

    /// In a folder, made when it is missing. What is kept is on the disk when it is said to be.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] when the folder cannot be made.
    pub fn in_folder(folder: &FilePath) -> Result<Self, BlobError> {
        let unavailable = |error: String| {
            BlobError::Unavailable(format!("the folder {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| unavailable(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| unavailable(error.to_string()))?
            .with_fsync(true);
        Ok(Self(Arc::new(store)))
    }

    /// In a service for objects, in names that begin with `prefix`.
    pub fn in_service(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self(Arc::new(PrefixStore::new(store, prefix)))
    }

    /// Keeps a package and returns its digest.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`], [`BlobError::Unavailable`].
    pub async fn keep(&self, package: Bytes) -> Result<String, BlobError> {
        if package.len() > BLOB_MAX_BYTES {
            return Err(BlobError::TooLarge);
        }
        let digest = digest(&package);
        let put = self.0.put(&path(&digest)?, package.into()).await;
        put.map_err(|error| BlobError::Unavailable(error.to_string()))?;
        Ok(digest)
    }

    /// Reads a package, which is the one that was kept.
    ///
    /// # Errors
    /// [`BlobError`].
    pub async fn read(&self, named: &str) -> Result<Bytes, BlobError> {
        let found = self.0.get(&path(named)?).await.map_err(|error| failed(named, &error))?;
        if found.meta.size > BLOB_MAX_BYTES as u64 {
            return Err(BlobError::Damaged(named.to_owned()));
        }
        let bytes = collect(named, found).await?;
        if digest(&bytes) == named { Ok(bytes) } else { Err(BlobError::Damaged(named.to_owned())) }
    }

    /// Removes a package, if it is there.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub async fn remove(&self, named: &str) -> Result<(), BlobError> {
        match path(named) {
            Err(_) => Ok(()),
            Ok(path) => match self.0.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(BlobError::Unavailable(error.to_string())),
            },
        }
    }
}

/// Reads to the end, and no further than the limit, whatever was said of the size.
async fn collect(named: &str, found: GetResult) -> Result<Bytes, BlobError> {
    let mut stream = found.into_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| failed(named, &error))?;
        if bytes.len() + piece.len() > BLOB_MAX_BYTES {
            return Err(BlobError::Damaged(named.to_owned()));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// Whether an address says that it is not encrypted.
#[cfg(any(feature = "azure", feature = "s3"))]
fn is_plain(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}

fn failed(named: &str, error: &object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound(named.to_owned()),
        other => BlobError::Unavailable(other.to_string()),
    }
}

/// Where a package is. What is no digest names nothing.
fn path(digest: &str) -> Result<Path, BlobError> {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if digest.len() == DIGEST_CHARS && digest.chars().all(is_hex) {
        return Ok(Path::from(format!("{digest}.jpplugin")));
    }
    Err(BlobError::NotFound(digest.chars().take(DIGEST_CHARS).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn packages_come_back(blobs: &PackageBlobs) {
        let package = Bytes::from_static(b"a package");
        let named = blobs.keep(package.clone()).await.unwrap();
        assert_eq!(named, digest(&package));
        assert_eq!(blobs.keep(package.clone()).await.unwrap(), named, "again is the same");
        assert_eq!(blobs.read(&named).await.unwrap(), package);
        blobs.remove(&named).await.unwrap();
        blobs.remove(&named).await.unwrap();
        assert!(matches!(blobs.read(&named).await, Err(BlobError::NotFound(_))));
    }

    #[tokio::test]
    async fn packages_are_kept_in_memory_and_in_folders() {
        packages_come_back(&PackageBlobs::in_memory()).await;
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        packages_come_back(&PackageBlobs::in_folder(&deep).unwrap()).await;
        let inner = Arc::new(InMemory::new());
        packages_come_back(&PackageBlobs::in_service(inner, "plugins/eu")).await;
    }

    #[tokio::test]
    async fn what_is_damaged_is_noticed_and_mended() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = PackageBlobs::in_folder(folder.path()).unwrap();
        let package = Bytes::from_static(b"a package");
        let named = blobs.keep(package.clone()).await.unwrap();
        let file = folder.path().join(format!("{named}.jpplugin"));
        std::fs::write(&file, b"a p").unwrap();
        assert!(matches!(blobs.read(&named).await, Err(BlobError::Damaged(_))));
        let long = std::fs::File::create(&file).unwrap();
        long.set_len(BLOB_MAX_BYTES as u64 + 1).unwrap();
        assert!(matches!(blobs.read(&named).await, Err(BlobError::Damaged(_))));
        blobs.keep(package.clone()).await.unwrap();
        assert_eq!(blobs.read(&named).await.unwrap(), package);
    }

    #[tokio::test]
    async fn only_a_digest_names_anything() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), b"x").unwrap();
        let blobs = PackageBlobs::in_folder(&folder.path().join("blobs")).unwrap();
        let upper = "A".repeat(DIGEST_CHARS);
        for name in ["", "../secret", "/etc/passwd", "\u{fc}", upper.as_str()] {
            assert!(matches!(blobs.read(name).await, Err(BlobError::NotFound(_))), "{name}");
            blobs.remove(name).await.unwrap();
        }
        assert!(folder.path().join("secret").exists());
        let large = Bytes::from(vec![0; BLOB_MAX_BYTES + 1]);
        assert!(matches!(blobs.keep(large).await, Err(BlobError::TooLarge)));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = PackageBlobs::in_folder(&file.join("x")).unwrap_err();
        assert!(matches!(error, BlobError::Unavailable(_)), "{error}");
    }
}
