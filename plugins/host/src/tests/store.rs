//! Values, secrets and lines of plugins in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ChannelSecrets, Page, PageRequest, Plugin, PluginDay, PluginId, PluginLine,
    PluginLineKind, PluginRelease, PluginSpend, Timestamp,
};
use justping_core::port::store::{
    KvSum, KvWrite, PluginDayFilter, PluginKeys, PluginStore, PluginWrite,
};
use justping_core::port::{StoreError, StoreResult};

type Key = (BusinessId, PluginId, String);
type Value = (Vec<u8>, Option<Timestamp>);

/// What plugins keep, give and say; what is installed is not asked of it.
#[derive(Debug, Default)]
pub(crate) struct TestPlugins {
    values: Mutex<BTreeMap<Key, Value>>,
    pub(crate) secrets: Mutex<BTreeMap<(BusinessId, PluginId), ChannelSecrets>>,
    pub(crate) lines: Mutex<Vec<PluginLine>>,
}

const NOT_HERE: StoreError = StoreError::NotFound("plugin");

fn is_there((_, until): &Value, now: Timestamp) -> bool {
    until.is_none_or(|until| until > now)
}

impl TestPlugins {
    fn values(&self) -> MutexGuard<'_, BTreeMap<Key, Value>> {
        self.values.lock().unwrap()
    }

    fn write(&self, write: &PluginWrite<'_>, value: &[u8]) -> KvWrite {
        let mut values = self.values();
        let place = (write.business_id, write.plugin_id, write.key.to_owned());
        let own = values.iter().filter(|((business, plugin, key), value)| {
            (*business, *plugin) == (write.business_id, write.plugin_id)
                && key != write.key
                && is_there(value, write.now)
        });
        let sizes: Vec<u64> =
            own.map(|(key, value)| (key.2.len() + value.0.len()) as u64).collect();
        let bytes = sizes.iter().sum::<u64>() + (write.key.len() + value.len()) as u64;
        if sizes.len() as u64 + 1 > write.quota.keys || bytes > write.quota.bytes {
            return KvWrite::Full;
        }
        values.insert(place, (value.to_vec(), write.until));
        KvWrite::Done
    }

    fn read(&self, business: BusinessId, id: PluginId, key: &str, now: Timestamp) -> Option<Value> {
        let found = self.values().get(&(business, id, key.to_owned())).cloned();
        found.filter(|value| is_there(value, now))
    }
}

#[async_trait]
impl PluginStore for TestPlugins {
    async fn keep_plugin_release(&self, _: &PluginRelease) -> StoreResult<()> {
        Err(NOT_HERE)
    }

    async fn plugin_release(&self, _: BusinessId, _: &str) -> StoreResult<PluginRelease> {
        Err(NOT_HERE)
    }

    async fn plugin_releases(
        &self,
        _: BusinessId,
        _: &str,
        _: &PageRequest,
    ) -> StoreResult<Page<PluginRelease>> {
        Err(NOT_HERE)
    }

    async fn create_plugin(&self, _: &Plugin, _: &ChannelSecrets) -> StoreResult<()> {
        Err(NOT_HERE)
    }

    async fn plugin(&self, _: BusinessId, _: PluginId) -> StoreResult<Plugin> {
        Err(NOT_HERE)
    }

    async fn plugin_by_name(&self, _: BusinessId, _: &str) -> StoreResult<Plugin> {
        Err(NOT_HERE)
    }

    async fn update_plugin(&self, _: &Plugin, _: Option<&ChannelSecrets>) -> StoreResult<Plugin> {
        Err(NOT_HERE)
    }

    async fn delete_plugin(&self, _: BusinessId, _: PluginId) -> StoreResult<()> {
        Err(NOT_HERE)
    }

    async fn plugins(&self, _: BusinessId, _: &PageRequest) -> StoreResult<Page<Plugin>> {
        Err(NOT_HERE)
    }

    async fn plugin_secrets(
        &self,
        business: BusinessId,
        id: PluginId,
    ) -> StoreResult<ChannelSecrets> {
        Ok(self.secrets.lock().unwrap().get(&(business, id)).cloned().unwrap_or_default())
    }

    async fn plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>> {
        Ok(self.read(business, id, key, now).map(|(value, _)| value))
    }

    async fn set_plugin_value(
        &self,
        write: &PluginWrite<'_>,
        value: &[u8],
    ) -> StoreResult<KvWrite> {
        Ok(self.write(write, value))
    }

    async fn add_plugin_value(&self, write: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
        let found = self.read(write.business_id, write.plugin_id, write.key, write.now);
        let text = found.map_or_else(|| b"0".to_vec(), |(value, _)| value);
        let number = String::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
        let Some(sum) = number.and_then(|number| number.checked_add(by)) else {
            return Ok(Err(KvWrite::NoNumber));
        };
        Ok(match self.write(write, sum.to_string().as_bytes()) {
            KvWrite::Done => Ok(sum),
            refused => Err(refused),
        })
    }

    async fn delete_plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()> {
        self.values().remove(&(business, id, key.to_owned()));
        Ok(())
    }

    async fn plugin_keys(
        &self,
        business: BusinessId,
        id: PluginId,
        looked_for: &PluginKeys<'_>,
    ) -> StoreResult<Vec<String>> {
        let values = self.values();
        let own = values.iter().filter(|((of, by, key), value)| {
            (*of, *by) == (business, id)
                && key.starts_with(looked_for.prefix)
                && looked_for.after.is_none_or(|after| key.as_str() > after)
                && is_there(value, looked_for.now)
        });
        Ok(own.map(|(key, _)| key.2.clone()).take(looked_for.limit as usize).collect())
    }

    async fn add_plugin_lines(&self, lines: &[PluginLine]) -> StoreResult<()> {
        self.lines.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }

    async fn plugin_lines(
        &self,
        _: BusinessId,
        _: PluginId,
        _: Option<PluginLineKind>,
        _: &PageRequest,
    ) -> StoreResult<Page<PluginLine>> {
        Err(NOT_HERE)
    }

    async fn add_plugin_spend(
        &self,
        _: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()> {
        Err(NOT_HERE)
    }

    async fn plugin_days(&self, _: BusinessId, _: &PluginDayFilter) -> StoreResult<Vec<PluginDay>> {
        Err(NOT_HERE)
    }
}
