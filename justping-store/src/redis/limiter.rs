use std::num::NonZeroU16;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use justping_core::memory::MemoryLimiter;
use justping_core::model::Timestamp;
use justping_core::port::{Clock, Grant, Rate, RateLimiter};
use redis::Script;

use super::RedisLink;

/// How many processes are assumed to share the rates while Redis is away, unless told otherwise.
pub const PROCESSES_DEFAULT: NonZeroU16 = NonZeroU16::MIN.saturating_add(3);

const MICROS_PER_SECOND: u32 = 1_000_000;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// Token buckets shared by all processes, one key of Redis each. The time is Redis' own, so clocks
/// that differ do no harm. Rates above a million a second count as a million.
///
/// # When Redis is away
/// Each process goes on by itself with its share of every rate: the rate divided by the number of
/// processes it was told of ([`PROCESSES_DEFAULT`] unless told). Its buckets begin empty, because
/// nobody can say what was left. So, as long as there are no more processes than that, a rate is
/// kept all the same, and only its saved-up burst is lost. A process that is alone is slower than
/// it might be: that is the safe side.
///
/// # When Redis forgets
/// Its buckets are full then: each key gets at most one burst more.
#[derive(Debug)]
pub struct RedisLimiter {
    link: RedisLink,
    clock: Arc<dyn Clock>,
    processes: NonZeroU16,
    /// The process' own buckets while Redis is away.
    alone: Mutex<Option<Arc<MemoryLimiter>>>,
}

impl RedisLimiter {
    /// A limiter behind a link; `clock` tells the time while Redis is away.
    pub fn new(link: RedisLink, clock: Arc<dyn Clock>) -> Self {
        Self { link, clock, processes: PROCESSES_DEFAULT, alone: Mutex::default() }
    }

    /// How many processes share the rates while Redis is away.
    #[must_use]
    pub fn processes(mut self, processes: NonZeroU16) -> Self {
        self.processes = processes;
        self
    }

    async fn take_together(&self, key: &str, rate: Rate) -> Option<Grant> {
        let token = MICROS_PER_SECOND.div_ceil(rate.per_second.max(1));
        let mut invocation = TAKE.key(format!("{}:rate:{{{key}}}", self.link.prefix()));
        invocation.arg(token).arg(rate.burst.max(1));
        let mut connection = self.link.connection();
        let wait: Result<u64, _> = self.link.ask(invocation.invoke_async(&mut connection)).await;
        Some(match wait.ok()? {
            0 => Grant::Allowed,
            wait => Grant::Wait(Duration::from_micros(wait)),
        })
    }

    async fn take_alone(&self, key: &str, rate: Rate) -> Grant {
        let burst = (rate.burst / u32::from(self.processes.get())).max(1);
        let grant = self.own().take(key, Rate { burst, ..rate }).await;
        match grant {
            Grant::Allowed => Grant::Allowed,
            Grant::Wait(wait) => Grant::Wait(wait.saturating_mul(self.processes.get().into())),
        }
    }

    fn own(&self) -> Arc<MemoryLimiter> {
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || {
            let began = self.clock.now();
            let clock = Arc::clone(&self.clock);
            let clock = SlowClock { clock, began, times: self.processes };
            Arc::new(MemoryLimiter::drained(Arc::new(clock)))
        };
        Arc::clone(alone.get_or_insert_with(begin))
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn take(&self, key: &str, rate: Rate) -> Grant {
        match self.take_together(key, rate).await {
            Some(grant) => {
                self.alone.lock().unwrap_or_else(PoisonError::into_inner).take();
                grant
            }
            None => self.take_alone(key, rate).await,
        }
    }
}

/// A clock on which time passes so many times slower: buckets on it fill up that much slower too.
#[derive(Debug)]
struct SlowClock {
    clock: Arc<dyn Clock>,
    began: Timestamp,
    times: NonZeroU16,
}

#[async_trait]
impl Clock for SlowClock {
    fn now(&self) -> Timestamp {
        let passed = self.clock.now().duration_since(self.began).as_millis();
        let passed = passed / i128::from(self.times.get());
        let moment = i128::from(self.began.as_millisecond()) + passed;
        i64::try_from(moment)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, until: Timestamp) {
        let span = until.duration_since(self.began).saturating_mul(self.times.get().into());
        let until = self.began.checked_add(span).unwrap_or(Timestamp::MAX);
        self.clock.sleep_until(until).await;
    }
}
