use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use justping_core::model::BusinessId;
use justping_core::port::{
    CACHE_TTL_MAX, CACHE_VALUE_BYTES_MAX, Cache, CacheError, CacheResult, CacheSpace, CacheValue,
    check_cache_keys,
};
use redis::{RedisResult, Script};

use super::RedisLink;
use super::error::RedisFault;

static CACHED: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cached.lua")));
static REMEMBER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("remember.lua")));

/// A cache shared by all processes.
///
/// Every value carries the mark of its space. Clearing a space takes its mark away, and with it the
/// worth of all values, however many there are; they leave by themselves when their time is over.
/// A mark is never used twice, so Redis may evict whatever it likes.
#[derive(Debug)]
pub struct RedisCache {
    link: RedisLink,
}

impl RedisCache {
    /// A cache behind a link.
    pub fn new(link: RedisLink) -> Self {
        Self { link }
    }

    /// Keys of a business carry one hash tag, so that a script may touch several.
    fn space(&self, business: BusinessId, space: CacheSpace) -> String {
        format!("{}:cache:{{{business}}}:{}", self.link.prefix(), space.name())
    }

    fn key(&self, business: BusinessId, space: CacheSpace, key: &str) -> String {
        format!("{}:{key}", self.space(business, space))
    }

    async fn ask<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> CacheResult<T> {
        self.link.ask(answer).await.map_err(|_: RedisFault| CacheError::Unavailable)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get_many(
        &self,
        business: BusinessId,
        space: CacheSpace,
        keys: &[&str],
    ) -> CacheResult<Vec<Option<CacheValue>>> {
        check_cache_keys(keys)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut invocation = CACHED.key(self.space(business, space));
        for key in keys {
            invocation.key(self.key(business, space, key));
        }
        let mut connection = self.link.connection();
        let found: Vec<Option<Vec<u8>>> =
            self.ask(invocation.invoke_async(&mut connection)).await?;
        Ok(found.into_iter().map(|value| value.map(Arc::from)).collect())
    }

    async fn set(
        &self,
        business: BusinessId,
        space: CacheSpace,
        key: &str,
        value: &[u8],
        ttl: Duration,
    ) -> CacheResult<()> {
        check_cache_keys(&[key])?;
        if value.len() > CACHE_VALUE_BYTES_MAX {
            return Err(CacheError::TooLarge);
        }
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if ms(ttl) == 0 {
            return self.delete(business, space, &[key]).await;
        }
        let mut invocation = REMEMBER.key(self.space(business, space));
        invocation.key(self.key(business, space, key));
        invocation.arg(value).arg(ms(ttl.min(CACHE_TTL_MAX))).arg(2 * ms(CACHE_TTL_MAX));
        let mut connection = self.link.connection();
        self.ask(invocation.invoke_async::<()>(&mut connection)).await
    }

    async fn delete(
        &self,
        business: BusinessId,
        space: CacheSpace,
        keys: &[&str],
    ) -> CacheResult<()> {
        check_cache_keys(keys)?;
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = keys.iter().map(|key| self.key(business, space, key)).collect();
        let mut connection = self.link.connection();
        self.ask(redis::cmd("UNLINK").arg(keys).query_async::<()>(&mut connection)).await
    }

    async fn clear(&self, business: BusinessId, space: CacheSpace) -> CacheResult<()> {
        let key = self.space(business, space);
        let mut connection = self.link.connection();
        self.ask(redis::cmd("UNLINK").arg(key).query_async::<()>(&mut connection)).await
    }
}
