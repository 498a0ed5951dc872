//! What plugins keep, by key.

use justping_core::model::{BusinessId, PluginId, Timestamp};
use justping_core::port::store::{
    KvSum, KvWrite, PluginKeys, PluginWrite, StoreError, StoreResult, plugin_sum,
};
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{count, get, get_count, millis, statements};
use crate::plugin::Kept;

statements! {
    /// Nothing, or one row: the value.
    VALUE = "SELECT value FROM plugin_values \
        WHERE business_id = $1 AND plugin_id = $2 AND key = $3 AND (until IS NULL OR until > $4)";
    /// Writers of one plugin come one after another.
    LOCK_COUNTS = "SELECT keys, bytes FROM plugin_counts \
        WHERE business_id = $1 AND plugin_id = $2 FOR UPDATE";
    /// Drops what is over; how many values and bytes went, and the value that is there.
    KEPT = "WITH gone AS ( \
            DELETE FROM plugin_values WHERE business_id = $1 AND plugin_id = $2 AND until <= $4 \
            RETURNING octet_length(key) + octet_length(value) AS bytes) \
        SELECT (SELECT count(*) FROM gone), (SELECT coalesce(sum(bytes), 0)::bigint FROM gone), \
            v.value, v.until \
        FROM (SELECT 1) one LEFT JOIN plugin_values v ON v.business_id = $1 AND v.plugin_id = $2 \
            AND v.key = $3 AND (v.until IS NULL OR v.until > $4)";
    PUT_VALUE = "WITH put AS ( \
            INSERT INTO plugin_values (business_id, plugin_id, key, until, value) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (business_id, plugin_id, key) \
            DO UPDATE SET until = excluded.until, value = excluded.value) \
        UPDATE plugin_counts SET keys = $6, bytes = $7 WHERE business_id = $1 AND plugin_id = $2";
    DROP_VALUE = "WITH gone AS (DELETE FROM plugin_values \
            WHERE business_id = $1 AND plugin_id = $2 AND key = $3) \
        UPDATE plugin_counts SET keys = $4, bytes = $5 WHERE business_id = $1 AND plugin_id = $2";
    DELETE_VALUE = "WITH gone AS (DELETE FROM plugin_values \
            WHERE business_id = $1 AND plugin_id = $2 AND key = $3 \
            RETURNING octet_length(key) + octet_length(value) AS bytes) \
        UPDATE plugin_counts c SET keys = c.keys - 1, bytes = c.bytes - g.bytes FROM gone g \
            WHERE c.business_id = $1 AND c.plugin_id = $2";
    KEYS = "SELECT key FROM plugin_values \
        WHERE business_id = $1 AND plugin_id = $2 AND key >= $3 AND key < $4 \
            AND (until IS NULL OR until > $5) \
        ORDER BY key LIMIT $6";
}

impl PostgresStore {
    pub(super) async fn read_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>> {
        let read = query(VALUE).bind(business.uuid()).bind(id.uuid());
        let read = read.bind(key.as_bytes().to_vec()).bind(millis(now));
        match self.connections.read(Scope::Business(business), read).await?.first() {
            Some(row) => get(row, 0).map(Some),
            None => self.check_plugin(business, id).await.map(|()| None),
        }
    }

    pub(super) async fn set_value(
        &self,
        order: &PluginWrite<'_>,
        value: &[u8],
    ) -> StoreResult<KvWrite> {
        order.check(value)?;
        transaction!(self, Scope::Business(order.business_id), |write| set(write, order, value))
    }

    pub(super) async fn add_value(&self, order: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
        order.check(&[])?;
        transaction!(self, Scope::Business(order.business_id), |write| add(write, order, by))
    }

    pub(super) async fn delete_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id, key))
    }

    pub(super) async fn list_keys(
        &self,
        business: BusinessId,
        id: PluginId,
        looked_for: &PluginKeys<'_>,
    ) -> StoreResult<Vec<String>> {
        let (from, until) = looked_for.range();
        let list = query(KEYS).bind(business.uuid()).bind(id.uuid()).bind(from).bind(until);
        let list = list.bind(millis(looked_for.now)).bind(i64::from(looked_for.rows()));
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            self.check_plugin(business, id).await?;
        }
        let corrupt = |_| StoreError::Corrupt("a key".to_owned());
        rows.iter().map(|row| String::from_utf8(get(row, 0)?).map_err(corrupt)).collect()
    }
}

async fn set(write: &mut Write, order: &PluginWrite<'_>, value: &[u8]) -> StoreResult<KvWrite> {
    let kept = find(write, order).await?;
    put(write, order, &kept, value).await
}

async fn add(write: &mut Write, order: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
    let kept = find(write, order).await?;
    let there = kept.value.as_ref().map(|(value, _)| &**value);
    let sum = match plugin_sum(there, by) {
        Ok(sum) => sum,
        Err(refused) => return Ok(Err(refused)),
    };
    let until = kept.until()?;
    let order = PluginWrite { until: order.until.or(until), ..*order };
    Ok(match put(write, &order, &kept, sum.to_string().as_bytes()).await? {
        KvWrite::Done => Ok(sum),
        refused => Err(refused),
    })
}

/// Waits until nobody else writes what a plugin keeps or says; how many values it keeps, and bytes.
pub(super) async fn lock(
    write: &mut Write,
    business: BusinessId,
    id: PluginId,
) -> StoreResult<(u64, u64)> {
    let rows = write.run(query(LOCK_COUNTS).bind(business.uuid()).bind(id.uuid())).await?;
    let row = rows.first().ok_or(StoreError::NotFound("plugin"))?;
    Ok((get_count(row, 0)?, get_count(row, 1)?))
}

async fn delete(
    write: &mut Write,
    business: BusinessId,
    id: PluginId,
    key: &str,
) -> StoreResult<()> {
    lock(write, business, id).await?;
    let delete = query(DELETE_VALUE).bind(business.uuid()).bind(id.uuid());
    write.run(delete.bind(key.as_bytes().to_vec())).await.map(drop)
}

/// Finds what is there.
async fn find(write: &mut Write, order: &PluginWrite<'_>) -> StoreResult<Kept> {
    let (keys, bytes) = lock(write, order.business_id, order.plugin_id).await?;
    let find = query(KEPT)
        .bind(order.business_id.uuid())
        .bind(order.plugin_id.uuid())
        .bind(order.key.as_bytes().to_vec())
        .bind(millis(order.now));
    let rows = write.run(find).await?;
    let row = rows.first().ok_or(StoreError::NotFound("plugin"))?;
    let value: Option<Vec<u8>> = get(row, 2)?;
    let until = get(row, 3)?;
    let value = value.map(|value| (value, until));
    let (gone, freed) = (get_count(row, 0)?, get_count(row, 1)?);
    let (keys, bytes) = (keys.saturating_sub(gone), bytes.saturating_sub(freed));
    Ok(Kept { keys, bytes, value })
}

/// Writes the value, within the quota.
async fn put(
    write: &mut Write,
    order: &PluginWrite<'_>,
    kept: &Kept,
    value: &[u8],
) -> StoreResult<KvWrite> {
    let value = (!order.is_over()).then_some(value);
    let (keys, bytes) = kept.with(order, value);
    if value.is_some() && !order.quota.admits(keys, bytes) {
        return Ok(KvWrite::Full);
    }
    let sql = if value.is_some() { PUT_VALUE } else { DROP_VALUE };
    let mut put = query(sql)
        .bind(order.business_id.uuid())
        .bind(order.plugin_id.uuid())
        .bind(order.key.as_bytes().to_vec());
    if let Some(value) = value {
        put = put.bind(order.until.map(millis)).bind(value.to_vec());
    }
    write.run(put.bind(count(keys)).bind(count(bytes))).await?;
    Ok(KvWrite::Done)
}
