//! Plugins: releases, what is installed, and its secrets.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ChannelSecrets, Page, PageRequest, Plugin, PluginDay, PluginId, PluginLine,
    PluginLineKind, PluginRelease, PluginSpend, Timestamp,
};
use justping_core::port::store::{
    KvSum, KvWrite, PluginDayFilter, PluginKeys, PluginReleaseKey, PluginStore, PluginWrite,
    StoreError, StoreResult,
};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Bound, Scope, Write, transaction};
use super::keys::{open_all, seal_all};
use super::plugin_value::lock;
use super::row::{bytes, from, get, get_doc, millis, parse_cursor, statements, to_doc};
use crate::envelope::MasterKey;
use crate::secret::Owner;

statements! {
    /// One row when the business exists.
    KEEP_RELEASE = "WITH kept AS ( \
            INSERT INTO plugin_releases (business_id, digest, name, created_at, doc) \
                SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1) \
                ON CONFLICT DO NOTHING) \
        SELECT 1 FROM businesses WHERE id = $1";
    RELEASE = "SELECT doc FROM plugin_releases WHERE business_id = $1 AND digest = $2";
    RELEASES = "SELECT doc FROM plugin_releases \
        WHERE business_id = $1 AND name = $2 AND (created_at, digest) < ($3, $4) \
        ORDER BY created_at DESC, digest DESC LIMIT $5";
    FIRST_RELEASES = "SELECT doc FROM plugin_releases WHERE business_id = $1 AND name = $2 \
        ORDER BY created_at DESC, digest DESC LIMIT $3";
    /// The newest data key, whether the business exists, whether the release does.
    PLACE_OF_PLUGIN = "SELECT k.key_id, k.wrapped, \
            EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            EXISTS (SELECT 1 FROM plugin_releases \
                WHERE business_id = $1 AND digest = $2 AND name = $3) \
        FROM (SELECT 1) one LEFT JOIN business_keys k ON k.business_id = $1 \
        ORDER BY k.key_id DESC LIMIT 1";
    PLUGIN_TO_CHANGE = "SELECT doc FROM plugins WHERE business_id = $1 AND id = $2 \
        FOR NO KEY UPDATE";
    INSERT_PLUGIN = "WITH plugin AS ( \
            INSERT INTO plugins (business_id, id, name, doc) VALUES ($1, $2, $3, $4) \
            RETURNING business_id, id) \
        INSERT INTO plugin_counts (business_id, plugin_id, keys, bytes, lines) \
            SELECT business_id, id, 0, 0, 0 FROM plugin";
    UPDATE_PLUGIN = "UPDATE plugins SET doc = $4 WHERE business_id = $1 AND id = $2 AND name = $3";
    PUT_PLUGIN_SECRETS = "INSERT INTO plugin_secrets (business_id, plugin_id, name, sealed) \
            SELECT $1, $2, v.name, v.sealed \
            FROM unnest($3::bytea[], $4::bytea[]) v (name, sealed) \
        ON CONFLICT (business_id, plugin_id, name) DO UPDATE SET sealed = excluded.sealed";
    PLUGIN = "SELECT doc FROM plugins WHERE business_id = $1 AND id = $2";
    PLUGIN_BY_NAME = "SELECT doc FROM plugins WHERE business_id = $1 AND name = $2";
    DELETE_PLUGIN = "DELETE FROM plugins WHERE business_id = $1 AND id = $2";
    PLUGINS = "SELECT doc FROM plugins WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    PLUGIN_BUSINESSES = "SELECT DISTINCT business_id FROM plugins WHERE business_id > $1 \
        ORDER BY business_id LIMIT $2";
    /// Each secret of the plugin with each key of the business; one row when it has no secrets.
    PLUGIN_SECRETS = "SELECT k.key_id, k.wrapped, s.name, s.sealed FROM plugins p \
        LEFT JOIN plugin_secrets s ON s.business_id = p.business_id AND s.plugin_id = p.id \
        LEFT JOIN business_keys k ON k.business_id = p.business_id \
        WHERE p.business_id = $1 AND p.id = $2 ORDER BY s.name, k.key_id";
}

#[async_trait]
impl PluginStore for PostgresStore {
    async fn keep_plugin_release(&self, release: &PluginRelease) -> StoreResult<()> {
        let keep = query(KEEP_RELEASE)
            .bind(release.business_id.uuid())
            .bind(bytes(&release.digest))
            .bind(bytes(&release.name))
            .bind(millis(release.created_at))
            .bind(to_doc(release)?);
        let rows = self.connections.change(Scope::Business(release.business_id), keep).await?;
        rows.first().map(drop).ok_or(StoreError::NotFound("business"))
    }

    async fn plugin_release(
        &self,
        business: BusinessId,
        digest: &str,
    ) -> StoreResult<PluginRelease> {
        let query = query(RELEASE).bind(business.uuid()).bind(bytes(digest));
        let row =
            self.connections.read_one(Scope::Business(business), query, "plugin release").await?;
        get_doc(&row, 0, "plugin release")
    }

    async fn plugin_releases(
        &self,
        business: BusinessId,
        name: &str,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginRelease>> {
        let before = parse_cursor::<PluginReleaseKey>(page.after.as_ref())?;
        let sql = if before.is_some() { RELEASES } else { FIRST_RELEASES };
        let mut list = query(sql).bind(business.uuid()).bind(bytes(name));
        if let Some(PluginReleaseKey { at, digest }) = before {
            list = list.bind(at).bind(bytes(&digest));
        }
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "plugin release"));
        let rows = rows.collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row| PluginReleaseKey::of(row).to_string()))
    }

    async fn create_plugin(&self, plugin: &Plugin, secrets: &ChannelSecrets) -> StoreResult<()> {
        let scope = Scope::Business(plugin.business_id);
        transaction!(self, scope, |write| create(write, &self.master_key, plugin, secrets))
    }

    async fn plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<Plugin> {
        let query = query(PLUGIN).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "plugin").await?,
            0,
            "plugin",
        )
    }

    async fn plugin_by_name(&self, business: BusinessId, name: &str) -> StoreResult<Plugin> {
        let query = query(PLUGIN_BY_NAME).bind(business.uuid()).bind(bytes(name));
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "plugin").await?,
            0,
            "plugin",
        )
    }

    async fn update_plugin(
        &self,
        plugin: &Plugin,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<Plugin> {
        let scope = Scope::Business(plugin.business_id);
        transaction!(self, scope, |write| update(write, &self.master_key, plugin, secrets))
    }

    async fn delete_plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id))
    }

    async fn plugins(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Plugin>> {
        let last = parse_cursor::<PluginId>(page.after.as_ref())?;
        let list = query(PLUGINS).bind(business.uuid()).bind(from(last.map(PluginId::uuid)));
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "plugin")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Plugin| row.id.to_string()))
    }

    async fn plugin_businesses(
        &self,
        after: Option<BusinessId>,
        limit: u32,
    ) -> StoreResult<Vec<BusinessId>> {
        let list = query(PLUGIN_BUSINESSES)
            .bind(after.map_or(Uuid::nil(), BusinessId::uuid))
            .bind(i64::from(limit));
        let rows = self.connections.read(Scope::System, list).await?;
        rows.iter().map(|row| get::<Uuid>(row, 0).map(BusinessId::from_uuid)).collect()
    }

    async fn plugin_secrets(
        &self,
        business: BusinessId,
        id: PluginId,
    ) -> StoreResult<ChannelSecrets> {
        let list = query(PLUGIN_SECRETS).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("plugin"));
        }
        open_all(&self.master_key, Owner::plugin(business, id), &rows)
    }

    async fn plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>> {
        self.read_value(business, id, key, now).await
    }

    async fn set_plugin_value(
        &self,
        write: &PluginWrite<'_>,
        value: &[u8],
    ) -> StoreResult<KvWrite> {
        self.set_value(write, value).await
    }

    async fn add_plugin_value(&self, write: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
        self.add_value(write, by).await
    }

    async fn delete_plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()> {
        self.delete_value(business, id, key).await
    }

    async fn plugin_keys(
        &self,
        business: BusinessId,
        id: PluginId,
        looked_for: &PluginKeys<'_>,
    ) -> StoreResult<Vec<String>> {
        self.list_keys(business, id, looked_for).await
    }

    async fn add_plugin_lines(&self, lines: &[PluginLine]) -> StoreResult<()> {
        self.add_lines(lines).await
    }

    async fn plugin_lines(
        &self,
        business: BusinessId,
        id: PluginId,
        kind: Option<PluginLineKind>,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginLine>> {
        self.list_lines(business, id, kind, page).await
    }

    async fn add_plugin_spend(
        &self,
        spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()> {
        self.add_days(spends).await
    }

    async fn plugin_days(
        &self,
        business: BusinessId,
        filter: &PluginDayFilter,
    ) -> StoreResult<Vec<PluginDay>> {
        self.list_days(business, filter).await
    }
}

impl PostgresStore {
    /// Says whether a plugin is there, of which nothing else was found.
    pub(super) async fn check_plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<()> {
        let query = query(PLUGIN).bind(business.uuid()).bind(id.uuid());
        self.connections.read_one(Scope::Business(business), query, "plugin").await.map(drop)
    }
}

async fn create(
    write: &mut Write,
    master: &MasterKey,
    plugin: &Plugin,
    secrets: &ChannelSecrets,
) -> StoreResult<()> {
    let place = find_place(write, plugin).await?;
    let plugin = plugin.clone().bounded();
    write.run(put(INSERT_PLUGIN, &plugin)?).await?;
    put_secrets(write, master, &plugin, Some(secrets), &place).await
}

async fn update(
    write: &mut Write,
    master: &MasterKey,
    change: &Plugin,
    secrets: Option<&ChannelSecrets>,
) -> StoreResult<Plugin> {
    let find = query(PLUGIN_TO_CHANGE).bind(change.business_id.uuid()).bind(change.id.uuid());
    let rows = write.run(find).await?;
    let stored: Plugin = get_doc(rows.first().ok_or(StoreError::NotFound("plugin"))?, 0, "plugin")?;
    if stored.revision != change.revision {
        return Err(StoreError::Stale("plugin"));
    }
    let plugin = stored.replaced(change);
    let place = find_place(write, &plugin).await?;
    write.run(put(UPDATE_PLUGIN, &plugin)?).await?;
    put_secrets(write, master, &plugin, secrets, &place).await?;
    Ok(plugin)
}

/// Removes a plugin, after whoever writes its values or lines.
async fn delete(write: &mut Write, business: BusinessId, id: PluginId) -> StoreResult<()> {
    lock(write, business, id).await?;
    write.run(query(DELETE_PLUGIN).bind(business.uuid()).bind(id.uuid())).await.map(drop)
}

async fn find_place(write: &mut Write, plugin: &Plugin) -> StoreResult<PgRow> {
    let place = query(PLACE_OF_PLUGIN)
        .bind(plugin.business_id.uuid())
        .bind(bytes(&plugin.digest))
        .bind(bytes(&plugin.name));
    let place = write.run(place).await?.into_iter().next();
    let place = place.ok_or(StoreError::NotFound("business"))?;
    if !get::<bool>(&place, 2)? {
        return Err(StoreError::NotFound("business"));
    }
    if !get::<bool>(&place, 3)? {
        return Err(StoreError::NotFound("plugin release"));
    }
    Ok(place)
}

fn put(statement: &'static str, plugin: &Plugin) -> StoreResult<Bound> {
    Ok(query(statement)
        .bind(plugin.business_id.uuid())
        .bind(plugin.id.uuid())
        .bind(bytes(&plugin.name))
        .bind(to_doc(plugin)?))
}

/// Seals and stores secrets.
async fn put_secrets(
    write: &mut Write,
    master: &MasterKey,
    plugin: &Plugin,
    secrets: Option<&ChannelSecrets>,
    place: &PgRow,
) -> StoreResult<()> {
    let owner = Owner::plugin(plugin.business_id, plugin.id);
    let (names, sealed) = seal_all(write, master, owner, secrets, place).await?;
    if names.is_empty() {
        return Ok(());
    }
    let put = query(PUT_PLUGIN_SECRETS).bind(plugin.business_id.uuid()).bind(plugin.id.uuid());
    write.run(put.bind(names).bind(sealed)).await.map(drop)
}
