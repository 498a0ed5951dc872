use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::BusinessId;

/// Most bytes of a value.
pub const CACHE_VALUE_BYTES_MAX: usize = 256 * 1_024;
/// Most bytes of a key.
pub const CACHE_KEY_BYTES_MAX: usize = 256;
/// Most keys of one request.
pub const CACHE_KEYS_MAX: usize = 1_000;
/// Longest time a value is kept.
pub const CACHE_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the cache did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// It does not answer. Go on as if nothing were cached.
    #[error("the cache is unavailable")]
    Unavailable,
    /// A key, a value or their number is beyond its limit.
    #[error("too much for the cache")]
    TooLarge,
}

/// What the cache returns.
pub type CacheResult<T> = Result<T, CacheError>;

/// A cached value: bytes, JSON by convention.
pub type CacheValue = Arc<[u8]>;

/// What kind of things are cached: each is invalidated by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CacheSpace {
    /// Agents.
    Agents,
    /// Contacts.
    Contacts,
    /// What live views of conversations need.
    Conversations,
    /// Sign-ins of people.
    Sessions,
    /// Uploads that are not finished.
    Uploads,
}

impl CacheSpace {
    /// Every space there is.
    pub const ALL: &[Self] =
        &[Self::Agents, Self::Contacts, Self::Conversations, Self::Sessions, Self::Uploads];

    /// Its name in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Contacts => "contacts",
            Self::Conversations => "conversations",
            Self::Sessions => "sessions",
            Self::Uploads => "uploads",
        }
    }
}

/// Remembers what is expensive to find out. Truth is elsewhere: any value may be gone at any time.
///
/// # Contract
/// - A value is never given after its `ttl` (at most [`CACHE_TTL_MAX`]), after it was deleted, or
///   after its space was cleared.
/// - Businesses and spaces never see each other's values, whatever the keys are.
///
/// # Ordering & idempotency
/// The last write of a key wins. Who reads the truth, is overtaken by a change and then writes what
/// it read caches something old: `ttl` bounds how long, so choose it by how old an answer may be.
///
/// # Cancellation
/// A dropped write may or may not have happened.
///
/// # Errors
/// [`CacheError::Unavailable`]: nobody's work may depend on a cache.
#[async_trait]
pub trait Cache: Send + Sync + Debug + 'static {
    /// The values of keys, in the order of the keys.
    async fn get_many(
        &self,
        business: BusinessId,
        space: CacheSpace,
        keys: &[&str],
    ) -> CacheResult<Vec<Option<CacheValue>>>;

    /// Remembers a value.
    async fn set(
        &self,
        business: BusinessId,
        space: CacheSpace,
        key: &str,
        value: &[u8],
        ttl: Duration,
    ) -> CacheResult<()>;

    /// Forgets keys.
    async fn delete(
        &self,
        business: BusinessId,
        space: CacheSpace,
        keys: &[&str],
    ) -> CacheResult<()>;

    /// Forgets a space.
    async fn clear(&self, business: BusinessId, space: CacheSpace) -> CacheResult<()>;
}

/// Conveniences on every [`Cache`].
#[async_trait]
pub trait CacheExt: Cache {
    /// The value of a key.
    async fn get(
        &self,
        business: BusinessId,
        space: CacheSpace,
        key: &str,
    ) -> CacheResult<Option<CacheValue>> {
        Ok(self.get_many(business, space, &[key]).await?.pop().flatten())
    }

    /// The value of a key, read as JSON. What cannot be read counts as not there: it was written by
    /// another version.
    async fn get_json<T: DeserializeOwned + Send>(
        &self,
        business: BusinessId,
        space: CacheSpace,
        key: &str,
    ) -> CacheResult<Option<T>> {
        let value = self.get(business, space, key).await?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Remembers a value as JSON. What has no JSON form is not remembered.
    async fn set_json<T: Serialize + Sync>(
        &self,
        business: BusinessId,
        space: CacheSpace,
        key: &str,
        value: &T,
        ttl: Duration,
    ) -> CacheResult<()> {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.set(business, space, key, &bytes, ttl).await,
            Err(_) => Ok(()),
        }
    }
}

impl<C: Cache + ?Sized> CacheExt for C {}

/// Says whether a request keeps the limits; for those who implement [`Cache`].
///
/// # Errors
/// [`CacheError::TooLarge`] when it does not.
pub fn check_cache_keys(keys: &[&str]) -> CacheResult<()> {
    let fits =
        keys.len() <= CACHE_KEYS_MAX && keys.iter().all(|key| key.len() <= CACHE_KEY_BYTES_MAX);
    if fits { Ok(()) } else { Err(CacheError::TooLarge) }
}
