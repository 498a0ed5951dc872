//! What the processes of a fleet share beside the store: through Redis, or, alone, in memory.

use std::sync::Arc;

use justping::engine::{AnnouncedPresence, Relay};
use justping::memory::{MemoryBus, MemoryCache, MemoryLimiter, MemoryPresence};
use justping::port::{Cache, EventBus, Presence, RateLimiter};
use justping::store::redis::{
    RedisBus, RedisCache, RedisConfig, RedisLimiter, RedisLink, RedisOpenError, RedisPresence,
    RedisQueue, RedisQueueConfig,
};
use justping::system::SystemClock;
use secrecy::{ExposeSecret, SecretString};

/// The queue through which processes tell each other that there is work.
const HINTS: &str = "hints";

/// The parts of the platform that are the same for all processes.
#[derive(Debug)]
pub struct Shared {
    /// Carries events.
    pub bus: Arc<dyn EventBus>,
    /// Counts sends.
    pub limiter: Arc<dyn RateLimiter>,
    /// Knows who is here.
    pub presence: Arc<dyn Presence>,
    /// Remembers what is expensive to find out.
    pub cache: Arc<dyn Cache>,
    /// Tells other processes about work, where there are others.
    pub relay: Option<Arc<Relay>>,
}

impl Shared {
    /// Through the Redis at `url`, or in this process alone. Whether Redis is there is no matter: the
    /// process starts, works and says that it is ready without it.
    ///
    /// # Errors
    /// [`RedisOpenError`] when the address is not one.
    pub async fn open(url: Option<&SecretString>) -> Result<Self, RedisOpenError> {
        match url {
            Some(url) => {
                let link = RedisLink::open(&RedisConfig::new(url.expose_secret()))?;
                Ok(Self::through(link).await)
            }
            None => Ok(Self::alone()),
        }
    }

    /// In this process alone.
    pub fn alone() -> Self {
        let clock = Arc::new(SystemClock::new());
        let bus: Arc<dyn EventBus> = Arc::new(MemoryBus::new());
        Self {
            limiter: Arc::new(MemoryLimiter::new(Arc::clone(&clock) as _)),
            presence: told(Arc::new(MemoryPresence::new(Arc::clone(&clock) as _)), &bus),
            bus,
            cache: Arc::new(MemoryCache::new(clock)),
            relay: None,
        }
    }

    async fn through(link: RedisLink) -> Self {
        let queue = RedisQueue::new(link.clone(), RedisQueueConfig::new(HINTS));
        let bus = Arc::new(RedisBus::open(link.clone()).await);
        let relay = Arc::new(Relay::new(bus, Arc::new(queue)));
        let presence = Arc::new(RedisPresence::new(link.clone()));
        Self {
            bus: relay.bus(),
            limiter: Arc::new(RedisLimiter::new(link.clone(), Arc::new(SystemClock::new()))),
            presence: told(presence, &relay.bus()),
            cache: Arc::new(RedisCache::new(link)),
            relay: Some(relay),
        }
    }
}

/// Presence whose changes the listeners of `bus` hear.
fn told(presence: Arc<dyn Presence>, bus: &Arc<dyn EventBus>) -> Arc<dyn Presence> {
    let clock = Arc::new(SystemClock::new());
    Arc::new(AnnouncedPresence::new(presence, Arc::clone(bus), clock))
}
