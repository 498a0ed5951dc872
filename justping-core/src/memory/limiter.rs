use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::port::{Clock, Grant, Rate, RateLimiter};

/// Most buckets that are remembered. Beyond it the fullest is forgotten, which gives its key at
/// most one burst more.
const KEYS_MAX: usize = 100_000;
/// Full buckets that are forgotten with every request, so that idle keys leave by themselves.
const FORGET_PER_TAKE: usize = 2;

const NANOS_PER_MS: u64 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Token buckets of one process, on any [`Clock`].
///
/// Keeps one number a key: the moment at which its bucket is full again (the generic cell rate
/// algorithm). A token costs `1 / per_second`, and a bucket is empty when it is full again no
/// sooner than in `burst` times that.
#[derive(Debug)]
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    /// When every bucket was empty, in nanoseconds since 1970; none means that all began full.
    drained_at: Option<u64>,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    /// When each bucket is full again, in nanoseconds since 1970.
    full_at: HashMap<Arc<str>, u64>,
    /// The same, by moment.
    by_moment: BTreeSet<(u64, Arc<str>)>,
}

impl MemoryLimiter {
    /// A limiter whose buckets are all full.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, drained_at: None, buckets: Mutex::default() }
    }

    /// A limiter whose buckets are all empty now, for whoever takes over from a limiter that
    /// cannot say what is left.
    pub fn drained(clock: Arc<dyn Clock>) -> Self {
        let drained_at = Some(nanos(&*clock));
        Self { clock, drained_at, buckets: Mutex::default() }
    }

    /// How many buckets are not known to be full.
    pub fn keys(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).full_at.len()
    }
}

impl Buckets {
    fn take(&mut self, key: &str, rate: Rate, now: u64, drained_at: Option<u64>) -> Grant {
        self.forget_full(now);
        let token = NANOS_PER_SECOND.div_ceil(u64::from(rate.per_second.max(1)));
        let saved = token.saturating_mul(u64::from(rate.burst.max(1)) - 1);
        let begins = drained_at.map(|at| at.saturating_add(saved).saturating_add(token));
        let known = self.full_at.get(key).copied().or(begins);
        let full_at = known.unwrap_or(now).max(now);
        let earliest = full_at.saturating_sub(saved);
        if earliest > now {
            // Whole milliseconds, because that is what clocks count.
            let wait = (earliest - now).div_ceil(NANOS_PER_MS);
            return Grant::Wait(Duration::from_millis(wait));
        }
        self.set(key, full_at.saturating_add(token));
        Grant::Allowed
    }

    fn set(&mut self, key: &str, full_at: u64) {
        if !self.full_at.contains_key(key) && self.full_at.len() >= KEYS_MAX {
            self.forget_first();
        }
        let key: Arc<str> = Arc::from(key);
        if let Some(before) = self.full_at.insert(Arc::clone(&key), full_at) {
            self.by_moment.remove(&(before, Arc::clone(&key)));
        }
        self.by_moment.insert((full_at, key));
    }

    fn forget_full(&mut self, now: u64) {
        for _ in 0..FORGET_PER_TAKE {
            if self.by_moment.first().is_some_and(|(full_at, _)| *full_at <= now) {
                self.forget_first();
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.by_moment.pop_first() {
            self.full_at.remove(&key);
        }
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn take(&self, key: &str, rate: Rate) -> Grant {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(key, rate, nanos(&*self.clock), self.drained_at)
    }
}

fn nanos(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().as_nanosecond()).unwrap_or_default()
}
