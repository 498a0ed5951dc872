use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::SignedDuration;

use super::EngineError;
use crate::model::{BusinessId, ChannelConfig, ChannelId, Timestamp};
use crate::port::{Channel, ChannelProvider, Clock, Store};

/// How long an opened channel is trusted before its row is read again: the longest time for which
/// a change made by another process goes unseen.
const FRESH: SignedDuration = SignedDuration::from_secs(2);
/// Opened channels kept at hand.
const OPEN_MAX: usize = 4_096;

/// An opened channel with the row it was opened from.
#[derive(Debug, Clone)]
pub(crate) struct OpenChannel {
    pub(crate) config: Arc<ChannelConfig>,
    pub(crate) adapter: Arc<dyn Channel>,
}

#[derive(Debug, Clone)]
struct Entry {
    open: OpenChannel,
    read_at: Timestamp,
}

/// Opens channels and keeps them open.
#[derive(Debug)]
pub(crate) struct Registry {
    providers: HashMap<String, Arc<dyn ChannelProvider>>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    open: RwLock<HashMap<ChannelId, Entry>>,
}

impl Registry {
    pub(crate) fn new(
        providers: HashMap<String, Arc<dyn ChannelProvider>>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { providers, store, clock, open: RwLock::default() }
    }

    pub(crate) fn provider(&self, name: &str) -> Result<&Arc<dyn ChannelProvider>, EngineError> {
        self.providers.get(name).ok_or_else(|| EngineError::UnknownProvider(name.to_owned()))
    }

    /// The channel a public address names.
    pub(crate) async fn find(&self, id: ChannelId) -> Result<OpenChannel, EngineError> {
        if let Some(open) = self.fresh(id) {
            return Ok(open);
        }
        let config = self.store.find_channel(id).await?;
        self.open(config).await
    }

    /// A channel of a business.
    pub(crate) async fn channel(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> Result<OpenChannel, EngineError> {
        if let Some(open) = self.fresh(id).filter(|open| open.config.business_id == business) {
            return Ok(open);
        }
        let config = self.store.channel(business, id).await?;
        self.open(config).await
    }

    /// Opens the channel of a row that was just read.
    pub(crate) async fn open(&self, config: ChannelConfig) -> Result<OpenChannel, EngineError> {
        let id = config.id;
        let known = self.read().get(&id).cloned();
        let open = match &known {
            Some(entry) if *entry.open.config == config => entry.open.clone(),
            _ => {
                let secrets = self.store.channel_secrets(config.business_id, id).await?;
                let adapter = self.provider(&config.provider)?.open(&config, &secrets)?;
                OpenChannel { config: Arc::new(config), adapter }
            }
        };
        let entry = Entry { open: open.clone(), read_at: self.clock.now() };
        let mut map = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= OPEN_MAX && !map.contains_key(&id) {
            map.clear();
        }
        map.insert(id, entry);
        Ok(open)
    }

    /// Forgets a channel that was changed here, so that the next use reads it again.
    pub(crate) fn forget(&self, id: ChannelId) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn fresh(&self, id: ChannelId) -> Option<OpenChannel> {
        let limit = self.clock.now().checked_sub(FRESH).unwrap_or(Timestamp::MIN);
        self.read().get(&id).filter(|entry| entry.read_at >= limit).map(|entry| entry.open.clone())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<ChannelId, Entry>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }
}
