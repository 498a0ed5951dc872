use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, Timestamp};
use crate::port::{
    CACHE_TTL_MAX, CACHE_VALUE_BYTES_MAX, Cache, CacheError, CacheResult, CacheSpace, CacheValue,
    Clock, ClockExt, check_cache_keys,
};

/// Bytes of keys and values unless told otherwise.
const BYTES_DEFAULT: usize = 64 * 1_024 * 1_024;
/// What an entry costs besides its key and its value.
const ENTRY_BYTES: usize = 128;

/// A cache in one process; when it is full, what was used longest ago goes.
#[derive(Debug)]
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    bytes_max: usize,
    entries: Mutex<Entries>,
}

type Key = (BusinessId, CacheSpace, String);

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: CacheValue,
    until: Timestamp,
    used: u64,
}

impl MemoryCache {
    /// An empty cache.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, bytes_max: BYTES_DEFAULT, entries: Mutex::default() }
    }

    /// How many bytes keys and values may take.
    #[must_use]
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// How many bytes keys and values take.
    pub fn bytes(&self) -> usize {
        self.entries().bytes
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(key: &Key, value: &CacheValue) -> usize {
    ENTRY_BYTES + key.2.len() + value.len()
}

impl Entries {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.by_key.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes = self.bytes.saturating_sub(cost(key, &entry.value));
        }
    }

    fn get(&mut self, key: &Key, now: Timestamp) -> Option<CacheValue> {
        if self.by_key.get(key)?.until <= now {
            self.remove(key);
            return None;
        }
        self.uses += 1;
        let entry = self.by_key.get_mut(key)?;
        self.by_use.remove(&entry.used);
        entry.used = self.uses;
        self.by_use.insert(entry.used, key.clone());
        Some(Arc::clone(&entry.value))
    }

    fn set(&mut self, key: Key, value: CacheValue, until: Timestamp, bytes_max: usize) {
        self.remove(&key);
        self.uses += 1;
        self.bytes += cost(&key, &value);
        self.by_use.insert(self.uses, key.clone());
        self.by_key.insert(key, Entry { value, until, used: self.uses });
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.remove(&oldest);
        }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get_many(
        &self,
        business: BusinessId,
        space: CacheSpace,
        keys: &[&str],
    ) -> CacheResult<Vec<Option<CacheValue>>> {
        check_cache_keys(keys)?;
        let (now, mut entries) = (self.clock.now(), self.entries());
        let key = |key: &&str| (business, space, (*key).to_owned());
        Ok(keys.iter().map(key).map(|key| entries.get(&key, now)).collect())
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
        let ms = u64::try_from(ttl.min(CACHE_TTL_MAX).as_millis()).unwrap_or(u64::MAX);
        let until = self.clock.after_ms(ms);
        let key = (business, space, key.to_owned());
        self.entries().set(key, Arc::from(value), until, self.bytes_max);
        Ok(())
    }

    async fn delete(
        &self,
        business: BusinessId,
        space: CacheSpace,
        keys: &[&str],
    ) -> CacheResult<()> {
        check_cache_keys(keys)?;
        let mut entries = self.entries();
        for key in keys {
            entries.remove(&(business, space, (*key).to_owned()));
        }
        Ok(())
    }

    async fn clear(&self, business: BusinessId, space: CacheSpace) -> CacheResult<()> {
        let mut entries = self.entries();
        let ours = |key: &&Key| (key.0, key.1) == (business, space);
        let keys: Vec<Key> = entries.by_key.keys().filter(ours).cloned().collect();
        for key in &keys {
            entries.remove(key);
        }
        Ok(())
    }
}
