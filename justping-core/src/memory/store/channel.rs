use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::model::{
    BusinessId, ChannelConfig, ChannelId, ChannelSecrets, ContactId, Page, PageRequest,
};
use crate::port::store::ChannelStore;
use crate::port::{StoreError, StoreResult};

/// A channel with its secrets.
#[derive(Debug)]
pub(super) struct ChannelRow {
    pub(super) config: ChannelConfig,
    secrets: ChannelSecrets,
}

impl State {
    fn create_channel(
        &mut self,
        channel: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> StoreResult<()> {
        self.business(channel.business_id)?;
        self.check_agent(channel)?;
        if self.channel_owners.contains_key(&channel.id) {
            return Err(StoreError::Conflict("channel"));
        }
        let row = ChannelRow { config: channel.clone(), secrets: secrets.clone() };
        self.channel_owners.insert(channel.id, channel.business_id);
        self.channels.add(channel.business_id, channel.id, row)
    }

    /// A channel names an agent of its own business, or none.
    fn check_agent(&self, channel: &ChannelConfig) -> StoreResult<()> {
        channel.agent_id.map_or(Ok(()), |id| self.agents.get(channel.business_id, id).map(drop))
    }

    fn update_channel(
        &mut self,
        channel: &ChannelConfig,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<ChannelConfig> {
        self.channels.get(channel.business_id, channel.id)?;
        self.check_agent(channel)?;
        let row = self.channels.get_mut(channel.business_id, channel.id)?;
        if row.config.revision != channel.revision {
            return Err(StoreError::Stale("channel"));
        }
        row.config = ChannelConfig {
            provider: row.config.provider.clone(),
            created_at: row.config.created_at,
            revision: channel.revision + 1,
            ..channel.clone()
        };
        for (name, value) in secrets.into_iter().flat_map(ChannelSecrets::expose) {
            row.secrets.insert(name, value);
        }
        Ok(row.config.clone())
    }

    fn delete_channel(&mut self, business: BusinessId, id: ChannelId) -> StoreResult<()> {
        self.channels.get(business, id)?;
        let first = (business, id, ContactId::from_uuid(uuid::Uuid::nil()));
        let used =
            self.pairs.range(first..).next().is_some_and(|((_, channel, _), _)| *channel == id);
        if used {
            return Err(StoreError::Conflict("channel"));
        }
        self.channel_owners.remove(&id);
        self.channels.remove(business, id).map(drop)
    }
}

#[async_trait]
impl ChannelStore for MemoryStore {
    async fn create_channel(
        &self,
        channel: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> StoreResult<()> {
        self.state().create_channel(channel, secrets)
    }

    async fn channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<ChannelConfig> {
        Ok(self.state().channels.get(business, id)?.config.clone())
    }

    async fn find_channel(&self, id: ChannelId) -> StoreResult<ChannelConfig> {
        let state = self.state();
        let owner = state.channel_owners.get(&id).ok_or(StoreError::NotFound("channel"))?;
        Ok(state.channels.get(*owner, id)?.config.clone())
    }

    async fn update_channel(
        &self,
        channel: &ChannelConfig,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<ChannelConfig> {
        self.state().update_channel(channel, secrets)
    }

    async fn delete_channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<()> {
        self.state().delete_channel(business, id)
    }

    async fn channels(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ChannelConfig>> {
        self.state().channels.page(business, page, |row| row.config.clone())
    }

    async fn channel_secrets(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> StoreResult<ChannelSecrets> {
        Ok(self.state().channels.get(business, id)?.secrets.clone())
    }
}
