//! What plugins keep, by key.

use justping_core::model::{BusinessId, PluginId, Timestamp};
use justping_core::port::store::{
    KvSum, KvWrite, PluginKeys, PluginWrite, StoreError, StoreResult, plugin_sum,
};
use sqlx::query;

use super::SqliteStore;
use super::connection::Write;
use super::row::{count, get, get_count, millis, statements};
use crate::plugin::Kept;

statements! {
    /// Nothing, or one row: the value.
    VALUE = "SELECT value FROM plugin_values \
        WHERE business_id = $1 AND plugin_id = $2 AND key = $3 AND (until IS NULL OR until > $4)";
    /// Drops what is over; then one row: how much there is, and the value.
    KEPT = "BEGIN IMMEDIATE; \
        UPDATE plugin_counts SET (keys, bytes) = ( \
            SELECT keys - count(*), bytes - coalesce(sum(length(v.key) + length(v.value)), 0) \
            FROM plugin_values v INDEXED BY plugin_values_over \
            WHERE v.business_id = $1 AND v.plugin_id = $2 AND v.until <= $4) \
        WHERE business_id = $1 AND plugin_id = $2; \
        DELETE FROM plugin_values INDEXED BY plugin_values_over \
            WHERE business_id = $1 AND plugin_id = $2 AND until <= $4; \
        SELECT c.keys, c.bytes, v.value, v.until FROM plugin_counts c \
            LEFT JOIN plugin_values v ON v.business_id = c.business_id \
                AND v.plugin_id = c.plugin_id AND v.key = $3 \
            WHERE c.business_id = $1 AND c.plugin_id = $2";
    PUT_VALUE = "INSERT INTO plugin_values (business_id, plugin_id, key, until, value) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (business_id, plugin_id, key) \
            DO UPDATE SET until = excluded.until, value = excluded.value; \
        UPDATE plugin_counts SET keys = $6, bytes = $7 WHERE business_id = $1 AND plugin_id = $2; \
        COMMIT";
    DROP_VALUE = "DELETE FROM plugin_values \
            WHERE business_id = $1 AND plugin_id = $2 AND key = $3; \
        UPDATE plugin_counts SET keys = $4, bytes = $5 WHERE business_id = $1 AND plugin_id = $2; \
        COMMIT";
    /// One row when the plugin is there.
    DELETE_VALUE = "BEGIN IMMEDIATE; \
        UPDATE plugin_counts SET keys = keys - 1, bytes = bytes - ( \
            SELECT length(v.key) + length(v.value) FROM plugin_values v \
            WHERE v.business_id = $1 AND v.plugin_id = $2 AND v.key = $3) \
        WHERE business_id = $1 AND plugin_id = $2 AND EXISTS (SELECT 1 FROM plugin_values v \
            WHERE v.business_id = $1 AND v.plugin_id = $2 AND v.key = $3); \
        DELETE FROM plugin_values WHERE business_id = $1 AND plugin_id = $2 AND key = $3; \
        SELECT 1 FROM plugin_counts WHERE business_id = $1 AND plugin_id = $2; \
        COMMIT";
    KEYS = "SELECT key FROM plugin_values \
        WHERE business_id = $1 AND plugin_id = $2 AND key >= $3 AND key < $4 \
            AND (until IS NULL OR until > $5) \
        ORDER BY key LIMIT $6";
}

impl SqliteStore {
    pub(super) async fn read_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>> {
        let read = query(VALUE).bind(business.uuid()).bind(id.uuid());
        let read = read.bind(key.as_bytes().to_vec()).bind(millis(now));
        match self.connections.read(read).await?.first() {
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
        let mut write = self.connections.write().await?;
        let result = set(&mut write, order, value).await;
        write.settle(result).await
    }

    pub(super) async fn add_value(&self, order: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
        order.check(&[])?;
        let mut write = self.connections.write().await?;
        let result = add(&mut write, order, by).await;
        write.settle(result).await
    }

    pub(super) async fn delete_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()> {
        let delete = query(DELETE_VALUE).bind(business.uuid()).bind(id.uuid());
        let mut write = self.connections.write().await?;
        let result = write.whole(delete.bind(key.as_bytes().to_vec())).await;
        let rows = write.settle(result).await?;
        rows.first().map(drop).ok_or(StoreError::NotFound("plugin"))
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
        let rows = self.connections.read(list).await?;
        if rows.is_empty() {
            self.check_plugin(business, id).await?;
        }
        let corrupt = |_| StoreError::Corrupt("a key".to_owned());
        rows.iter().map(|row| String::from_utf8(get(row, 0)?).map_err(corrupt)).collect()
    }
}

async fn set(write: &mut Write<'_>, order: &PluginWrite<'_>, value: &[u8]) -> StoreResult<KvWrite> {
    let kept = find(write, order).await?;
    put(write, order, &kept, value).await
}

async fn add(write: &mut Write<'_>, order: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum> {
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

/// Begins the transaction, and finds what is there.
async fn find(write: &mut Write<'_>, order: &PluginWrite<'_>) -> StoreResult<Kept> {
    let find = query(KEPT)
        .bind(order.business_id.uuid())
        .bind(order.plugin_id.uuid())
        .bind(order.key.as_bytes().to_vec())
        .bind(millis(order.now));
    let rows = write.begin(find).await?;
    let row = rows.first().ok_or(StoreError::NotFound("plugin"))?;
    let value: Option<Vec<u8>> = get(row, 2)?;
    let until = get(row, 3)?;
    let value = value.map(|value| (value, until));
    Ok(Kept { keys: get_count(row, 0)?, bytes: get_count(row, 1)?, value })
}

/// Writes the value, within the quota, and ends the transaction.
async fn put(
    write: &mut Write<'_>,
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
    write.commit(put.bind(count(keys)).bind(count(bytes))).await?;
    Ok(KvWrite::Done)
}
