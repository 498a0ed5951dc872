use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_trait::async_trait;

use super::table::{Table, cursor, page};
use super::{MemoryStore, State};
use crate::model::{
    BusinessId, ChannelSecrets, Date, PLUGIN_LINES_MAX, Page, PageRequest, Plugin, PluginDay,
    PluginId, PluginLine, PluginLineKind, PluginRelease, PluginSpend, Timestamp, day_of,
};
use crate::port::store::{
    KvSum, KvWrite, PLUGIN_BATCH_MAX, PluginDayFilter, PluginKeys, PluginReleaseKey, PluginStore,
    PluginWrite, check_lines, plugin_sum,
};
use crate::port::{StoreError, StoreResult};

/// Everything of plugins.
#[derive(Debug)]
pub(super) struct Shelf {
    releases: BTreeMap<(BusinessId, String), PluginRelease>,
    plugins: Table<PluginId, Installed>,
}

#[derive(Debug)]
struct Installed {
    plugin: Plugin,
    secrets: ChannelSecrets,
    values: Values,
    /// The number of the newest line.
    last_line: u64,
    lines: VecDeque<(u64, PluginLine)>,
    days: BTreeMap<Date, PluginSpend>,
}

/// What a plugin keeps.
#[derive(Debug, Default)]
struct Values {
    rows: BTreeMap<Vec<u8>, Kept>,
    /// Keys by the millisecond at which their values are over.
    ends: BTreeSet<(i64, Vec<u8>)>,
    /// Bytes of keys and values.
    bytes: u64,
}

#[derive(Debug)]
struct Kept {
    value: Vec<u8>,
    until: Option<i64>,
}

impl Values {
    fn find(&self, key: &[u8], now: Timestamp) -> Option<&Kept> {
        let now = now.as_millisecond();
        self.rows.get(key).filter(|kept| kept.until.is_none_or(|until| until > now))
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(kept) = self.rows.remove(key) {
            self.bytes -= (key.len() + kept.value.len()) as u64;
            if let Some(until) = kept.until {
                self.ends.remove(&(until, key.to_vec()));
            }
        }
    }

    /// Drops up to `limit` values that are over.
    fn expire(&mut self, now: Timestamp, limit: usize) -> u64 {
        let over = self.ends.iter().take_while(|(until, _)| *until <= now.as_millisecond());
        let over: Vec<Vec<u8>> = over.take(limit).map(|(_, key)| key.clone()).collect();
        for key in &over {
            self.remove(key);
        }
        over.len() as u64
    }

    fn set(&mut self, write: &PluginWrite<'_>, value: &[u8]) -> KvWrite {
        self.expire(write.now, usize::MAX);
        let key = write.key.as_bytes();
        if write.is_over() {
            self.remove(key);
            return KvWrite::Done;
        }
        let there = self.rows.get(key).map(|kept| (key.len() + kept.value.len()) as u64);
        let keys = self.rows.len() as u64 + u64::from(there.is_none());
        let bytes = self.bytes - there.unwrap_or(0) + write.bytes(value);
        if !write.quota.admits(keys, bytes) {
            return KvWrite::Full;
        }
        self.remove(key);
        let until = write.until.map(Timestamp::as_millisecond);
        if let Some(until) = until {
            self.ends.insert((until, key.to_vec()));
        }
        self.rows.insert(key.to_vec(), Kept { value: value.to_vec(), until });
        self.bytes = bytes;
        KvWrite::Done
    }

    fn add(&mut self, write: &PluginWrite<'_>, by: i64) -> KvSum {
        let there = self.find(write.key.as_bytes(), write.now);
        let sum = plugin_sum(there.map(|kept| &*kept.value), by)?;
        let until = there.and_then(|kept| Timestamp::from_millisecond(kept.until?).ok());
        let write = PluginWrite { until: write.until.or(until), ..*write };
        match self.set(&write, sum.to_string().as_bytes()) {
            KvWrite::Done => Ok(sum),
            refused => Err(refused),
        }
    }

    fn keys(&self, looked_for: &PluginKeys<'_>) -> Vec<String> {
        let (from, until) = looked_for.range();
        let keys = self.rows.range(from..).map(|(key, _)| key).take_while(|key| **key < until);
        let keys = keys.filter(|key| self.find(key, looked_for.now).is_some());
        let keys = keys.map(|key| String::from_utf8_lossy(key).into_owned());
        keys.take(looked_for.rows() as usize).collect()
    }
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self { releases: BTreeMap::new(), plugins: Table::new("plugin") }
    }

    fn release(&self, business: BusinessId, digest: &str) -> StoreResult<&PluginRelease> {
        let release = self.releases.get(&(business, digest.to_owned()));
        release.ok_or(StoreError::NotFound("plugin release"))
    }

    /// A plugin runs a release of its own name.
    fn check_release(&self, business: BusinessId, name: &str, digest: &str) -> StoreResult<()> {
        let release = self.release(business, digest)?;
        if release.name == name { Ok(()) } else { Err(StoreError::NotFound("plugin release")) }
    }

    fn by_name(&self, business: BusinessId, name: &str) -> Option<&Installed> {
        let mut rows = self.plugins.rows(business);
        rows.find(|row| row.plugin.name == name)
    }

    fn update(&mut self, change: &Plugin, secrets: Option<&ChannelSecrets>) -> StoreResult<Plugin> {
        let business = change.business_id;
        let stored = &self.plugins.get(business, change.id)?.plugin;
        if stored.revision != change.revision {
            return Err(StoreError::Stale("plugin"));
        }
        let plugin = stored.clone().replaced(change);
        self.check_release(business, &plugin.name, &plugin.digest)?;
        let row = self.plugins.get_mut(business, change.id)?;
        row.plugin = plugin;
        for (name, value) in secrets.into_iter().flat_map(ChannelSecrets::expose) {
            row.secrets.insert(name, value);
        }
        Ok(row.plugin.clone())
    }

    /// Drops values that are over.
    pub(super) fn trim_values(&mut self, now: Timestamp, limit: u32) -> u64 {
        let mut left = u64::from(limit);
        for row in self.plugins.values_mut() {
            left -= row.values.expire(now, left as usize);
        }
        u64::from(limit) - left
    }

    /// Drops lines that are old.
    pub(super) fn trim_lines(&mut self, before: Timestamp, limit: u32) -> u64 {
        let mut left = u64::from(limit);
        for row in self.plugins.values_mut() {
            row.lines.retain(|(_, line)| {
                let stays = left == 0 || line.at.as_millisecond() >= before.as_millisecond();
                left -= u64::from(!stays);
                stays
            });
        }
        u64::from(limit) - left
    }

    /// Drops days that are over for long.
    pub(super) fn trim_days(&mut self, before: Date, limit: u32) -> u64 {
        let mut left = u64::from(limit);
        for row in self.plugins.values_mut() {
            row.days.retain(|day, _| {
                let stays = left == 0 || *day >= before;
                left -= u64::from(!stays);
                stays
            });
        }
        u64::from(limit) - left
    }
}

impl Installed {
    fn say(&mut self, line: &PluginLine) {
        self.last_line += 1;
        self.lines.push_back((self.last_line, line.clone()));
        let oldest = self.last_line.saturating_sub(PLUGIN_LINES_MAX);
        while self.lines.front().is_some_and(|(number, _)| *number <= oldest) {
            self.lines.pop_front();
        }
    }
}

impl State {
    fn create_plugin(&mut self, plugin: &Plugin, secrets: &ChannelSecrets) -> StoreResult<()> {
        let business = plugin.business_id;
        self.business(business)?;
        self.plugins.check_release(business, &plugin.name, &plugin.digest)?;
        if self.plugins.by_name(business, &plugin.name).is_some() {
            return Err(StoreError::Conflict("plugin"));
        }
        let row = Installed {
            plugin: plugin.clone().bounded(),
            secrets: secrets.clone(),
            values: Values::default(),
            last_line: 0,
            lines: VecDeque::new(),
            days: BTreeMap::new(),
        };
        self.plugins.plugins.add(business, plugin.id, row)
    }

    fn installed(&self, business: BusinessId, id: PluginId) -> StoreResult<&Installed> {
        self.plugins.plugins.get(business, id)
    }

    fn installed_mut(&mut self, business: BusinessId, id: PluginId) -> StoreResult<&mut Installed> {
        self.plugins.plugins.get_mut(business, id)
    }
}

#[async_trait]
impl PluginStore for MemoryStore {
    async fn keep_plugin_release(&self, release: &PluginRelease) -> StoreResult<()> {
        let mut state = self.state();
        state.business(release.business_id)?;
        let key = (release.business_id, release.digest.clone());
        state.plugins.releases.entry(key).or_insert_with(|| release.clone());
        Ok(())
    }

    async fn plugin_release(
        &self,
        business: BusinessId,
        digest: &str,
    ) -> StoreResult<PluginRelease> {
        self.state().plugins.release(business, digest).cloned()
    }

    async fn plugin_releases(
        &self,
        business: BusinessId,
        name: &str,
        request: &PageRequest,
    ) -> StoreResult<Page<PluginRelease>> {
        let before: Option<PluginReleaseKey> = cursor(request)?;
        let state = self.state();
        let rows = state.plugins.releases.values();
        let rows = rows.filter(|row| row.business_id == business && row.name == name);
        let rows = rows.map(|row| (PluginReleaseKey::of(row), row.clone()));
        let rows = rows.filter(|(key, _)| before.as_ref().is_none_or(|before| key < before));
        let rows: BTreeMap<_, _> = rows.collect();
        Ok(page(rows.into_iter().rev(), request))
    }

    async fn create_plugin(&self, plugin: &Plugin, secrets: &ChannelSecrets) -> StoreResult<()> {
        self.state().create_plugin(plugin, secrets)
    }

    async fn plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<Plugin> {
        Ok(self.state().installed(business, id)?.plugin.clone())
    }

    async fn plugin_by_name(&self, business: BusinessId, name: &str) -> StoreResult<Plugin> {
        let state = self.state();
        let row = state.plugins.by_name(business, name).ok_or(StoreError::NotFound("plugin"))?;
        Ok(row.plugin.clone())
    }

    async fn update_plugin(
        &self,
        plugin: &Plugin,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<Plugin> {
        self.state().plugins.update(plugin, secrets)
    }

    async fn delete_plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<()> {
        self.state().plugins.plugins.remove(business, id).map(drop)
    }

    async fn plugins(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Plugin>> {
        self.state().plugins.plugins.page(business, page, |row| row.plugin.clone())
    }

    async fn plugin_businesses(
        &self,
        after: Option<BusinessId>,
        limit: u32,
    ) -> StoreResult<Vec<BusinessId>> {
        let state = self.state();
        Ok(state.plugins.plugins.businesses(after).take(limit as usize).collect())
    }

    async fn plugin_secrets(
        &self,
        business: BusinessId,
        id: PluginId,
    ) -> StoreResult<ChannelSecrets> {
        Ok(self.state().installed(business, id)?.secrets.clone())
    }

    async fn plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>> {
        let state = self.state();
        let kept = state.installed(business, id)?.values.find(key.as_bytes(), now);
        Ok(kept.map(|kept| kept.value.clone()))
    }

    async fn set_plugin_value(
        &self,
        write: &PluginWrite<'_>,
        value: &[u8],
    ) -> StoreResult<KvWrite> {
        write.check(value)?;
        let mut state = self.state();
        let row = state.installed_mut(write.business_id, write.plugin_id)?;
        Ok(row.values.set(write, value))
    }

    async fn add_plugin_value(&self, write: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
        write.check(&[])?;
        let mut state = self.state();
        let row = state.installed_mut(write.business_id, write.plugin_id)?;
        Ok(row.values.add(write, by))
    }

    async fn delete_plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()> {
        self.state().installed_mut(business, id)?.values.remove(key.as_bytes());
        Ok(())
    }

    async fn plugin_keys(
        &self,
        business: BusinessId,
        id: PluginId,
        looked_for: &PluginKeys<'_>,
    ) -> StoreResult<Vec<String>> {
        Ok(self.state().installed(business, id)?.values.keys(looked_for))
    }

    async fn add_plugin_lines(&self, lines: &[PluginLine]) -> StoreResult<()> {
        check_lines(lines)?;
        let mut state = self.state();
        for line in lines {
            if let Ok(row) = state.installed_mut(line.business_id, line.plugin_id) {
                row.say(line);
            }
        }
        Ok(())
    }

    async fn plugin_lines(
        &self,
        business: BusinessId,
        id: PluginId,
        kind: Option<PluginLineKind>,
        request: &PageRequest,
    ) -> StoreResult<Page<PluginLine>> {
        let before: u64 = cursor(request)?.unwrap_or(u64::MAX);
        let state = self.state();
        let rows = state.installed(business, id)?.lines.iter().rev();
        let rows = rows
            .filter(|(number, line)| *number < before && kind.is_none_or(|kind| line.kind == kind));
        Ok(page(rows.cloned(), request))
    }

    async fn add_plugin_spend(
        &self,
        spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()> {
        if spends.len() > PLUGIN_BATCH_MAX {
            return Err(StoreError::Invalid("batch"));
        }
        let mut state = self.state();
        for (business, id, at, spend) in spends {
            if let Ok(row) = state.installed_mut(*business, *id) {
                row.days.entry(day_of(*at)).or_default().add(spend);
            }
        }
        Ok(())
    }

    async fn plugin_days(
        &self,
        business: BusinessId,
        filter: &PluginDayFilter,
    ) -> StoreResult<Vec<PluginDay>> {
        filter.check()?;
        let state = self.state();
        let rows = state.plugins.plugins.rows(business);
        let rows = rows.filter(|row| filter.plugin_id.is_none_or(|id| row.plugin.id == id));
        let days = rows.flat_map(|row| {
            let days = row.days.range(filter.from..=filter.to);
            days.map(|(day, spend)| PluginDay {
                day: *day,
                plugin_id: row.plugin.id,
                spend: *spend,
            })
        });
        let mut days: Vec<PluginDay> = days.collect();
        days.sort_unstable_by_key(|day| (day.day, day.plugin_id));
        Ok(days)
    }
}
