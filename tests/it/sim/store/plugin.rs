use async_trait::async_trait;
use justping::model::{
    BusinessId, ChannelSecrets, Page, PageRequest, Plugin, PluginDay, PluginId, PluginLine,
    PluginLineKind, PluginRelease, PluginSpend, Timestamp,
};
use justping::port::StoreResult;
use justping::port::store::{
    KvSum, KvWrite, PluginDayFilter, PluginKeys, PluginStore, PluginWrite,
};

use super::SimStore;

#[async_trait]
impl PluginStore for SimStore {
    async fn keep_plugin_release(&self, release: &PluginRelease) -> StoreResult<()> {
        let work = self.world.store.keep_plugin_release(release);
        self.pass("keep_plugin_release", work).await
    }

    async fn plugin_release(
        &self,
        business: BusinessId,
        digest: &str,
    ) -> StoreResult<PluginRelease> {
        let work = self.world.store.plugin_release(business, digest);
        self.pass("plugin_release", work).await
    }

    async fn plugin_releases(
        &self,
        business: BusinessId,
        name: &str,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginRelease>> {
        let work = self.world.store.plugin_releases(business, name, page);
        self.pass("plugin_releases", work).await
    }

    async fn create_plugin(&self, plugin: &Plugin, secrets: &ChannelSecrets) -> StoreResult<()> {
        let work = self.world.store.create_plugin(plugin, secrets);
        self.pass("create_plugin", work).await
    }

    async fn plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<Plugin> {
        let work = self.world.store.plugin(business, id);
        self.pass("plugin", work).await
    }

    async fn plugin_by_name(&self, business: BusinessId, name: &str) -> StoreResult<Plugin> {
        let work = self.world.store.plugin_by_name(business, name);
        self.pass("plugin_by_name", work).await
    }

    async fn update_plugin(
        &self,
        plugin: &Plugin,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<Plugin> {
        let work = self.world.store.update_plugin(plugin, secrets);
        self.pass("update_plugin", work).await
    }

    async fn delete_plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<()> {
        let work = self.world.store.delete_plugin(business, id);
        self.pass("delete_plugin", work).await
    }

    async fn plugins(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Plugin>> {
        let work = self.world.store.plugins(business, page);
        self.pass("plugins", work).await
    }

    async fn plugin_businesses(
        &self,
        after: Option<BusinessId>,
        limit: u32,
    ) -> StoreResult<Vec<BusinessId>> {
        let work = self.world.store.plugin_businesses(after, limit);
        self.pass("plugin_businesses", work).await
    }

    async fn plugin_secrets(
        &self,
        business: BusinessId,
        id: PluginId,
    ) -> StoreResult<ChannelSecrets> {
        let work = self.world.store.plugin_secrets(business, id);
        self.pass("plugin_secrets", work).await
    }

    async fn plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>> {
        let work = self.world.store.plugin_value(business, id, key, now);
        self.pass("plugin_value", work).await
    }

    async fn set_plugin_value(
        &self,
        write: &PluginWrite<'_>,
        value: &[u8],
    ) -> StoreResult<KvWrite> {
        let work = self.world.store.set_plugin_value(write, value);
        self.pass("set_plugin_value", work).await
    }

    async fn add_plugin_value(&self, write: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
        let work = self.world.store.add_plugin_value(write, by);
        self.pass("add_plugin_value", work).await
    }

    async fn delete_plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()> {
        let work = self.world.store.delete_plugin_value(business, id, key);
        self.pass("delete_plugin_value", work).await
    }

    async fn plugin_keys(
        &self,
        business: BusinessId,
        id: PluginId,
        looked_for: &PluginKeys<'_>,
    ) -> StoreResult<Vec<String>> {
        let work = self.world.store.plugin_keys(business, id, looked_for);
        self.pass("plugin_keys", work).await
    }

    async fn add_plugin_lines(&self, lines: &[PluginLine]) -> StoreResult<()> {
        let work = self.world.store.add_plugin_lines(lines);
        self.pass("add_plugin_lines", work).await
    }

    async fn plugin_lines(
        &self,
        business: BusinessId,
        id: PluginId,
        kind: Option<PluginLineKind>,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginLine>> {
        let work = self.world.store.plugin_lines(business, id, kind, page);
        self.pass("plugin_lines", work).await
    }

    async fn add_plugin_spend(
        &self,
        spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()> {
        let work = self.world.store.add_plugin_spend(spends);
        self.pass("add_plugin_spend", work).await
    }

    async fn plugin_days(
        &self,
        business: BusinessId,
        filter: &PluginDayFilter,
    ) -> StoreResult<Vec<PluginDay>> {
        let work = self.world.store.plugin_days(business, filter);
        self.pass("plugin_days", work).await
    }
}
