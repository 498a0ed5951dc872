use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::error::RedisFault;
use super::{RedisConfig, RedisOpenError};

/// The way to one Redis, shared by all adapters of a process. Cheap to clone; all clones are one.
///
/// It connects when it is first used, and again whenever the connection broke.
#[derive(Clone)]
pub struct RedisLink {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    connection: ConnectionManager,
    prefix: String,
    patience: Duration,
    breather: Duration,
    /// When to try again, while Redis is away.
    away_until: Mutex<Option<Instant>>,
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLink").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

impl RedisLink {
    /// Reads the address; needs a tokio runtime. Whether Redis is there shows when it is used.
    ///
    /// # Errors
    /// [`RedisOpenError`] when the address is not one.
    pub fn open(config: &RedisConfig) -> Result<Self, RedisOpenError> {
        let refused = |_| RedisOpenError::InvalidUrl;
        let client = Client::open(config.url.expose_secret()).map_err(refused)?;
        // One try at a time: how often to try is decided here, not down there.
        let manager = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(config.patience))
            .set_response_timeout(Some(config.patience));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), manager);
        let inner = Inner {
            client,
            connection: connection.map_err(refused)?,
            prefix: config.prefix.clone(),
            patience: config.patience,
            breather: config.breather,
            away_until: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Says whether Redis failed when it was last used.
    pub fn is_away(&self) -> bool {
        self.away_until().is_some()
    }

    pub(super) fn client(&self) -> &Client {
        &self.inner.client
    }

    /// A handle to the one connection, for [`ask`](Self::ask).
    pub(super) fn connection(&self) -> ConnectionManager {
        self.inner.connection.clone()
    }

    pub(super) fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    pub(super) fn patience(&self) -> Duration {
        self.inner.patience
    }

    pub(super) fn breather(&self) -> Duration {
        self.inner.breather
    }

    /// Waits for an answer, but not for long, and not at all while Redis is left alone.
    pub(super) async fn ask<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisFault> {
        self.ask_within(self.inner.patience, answer).await
    }

    /// The same for what may take longer.
    pub(super) async fn ask_within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisFault> {
        if !self.may_try() {
            return Err(RedisFault::Away);
        }
        let fault = match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => {
                self.is_back();
                return Ok(answer);
            }
            Ok(Err(error)) => RedisFault::Failed(error),
            Err(_) => RedisFault::Silent,
        };
        self.went(&fault);
        Err(fault)
    }

    /// Of many who come while Redis is away, one tries after each breather.
    fn may_try(&self) -> bool {
        let mut away_until = self.away_until();
        let now = Instant::now();
        if away_until.is_some_and(|until| until > now) {
            return false;
        }
        if let Some(until) = away_until.as_mut() {
            *until = now + self.inner.breather;
        }
        true
    }

    fn is_back(&self) {
        if self.away_until().take().is_some() {
            tracing::info!("redis is back");
        }
    }

    fn went(&self, fault: &RedisFault) {
        let until = Instant::now() + self.inner.breather;
        if self.away_until().replace(until).is_none() {
            tracing::warn!(%fault, "redis is away");
        }
    }

    fn away_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.inner.away_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
