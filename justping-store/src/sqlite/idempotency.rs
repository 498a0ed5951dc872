//! Answers to requests that carried an idempotency key.

use async_trait::async_trait;
use justping_core::model::{BusinessId, Timestamp};
use justping_core::port::store::{
    IdempotencyRecord, IdempotencyStart, IdempotencyStore, StoreError, StoreResult,
};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::row::{get, millis, statements};

statements! {
    /// One row when the business exists: what stood under the key, unless it was abandoned.
    START_REQUEST = "BEGIN IMMEDIATE; \
        DELETE FROM idempotency \
        WHERE business_id = $1 AND key = $2 AND status IS NULL AND started_at < $5; \
        SELECT r.request_sha256, r.status, r.body \
        FROM businesses b LEFT JOIN idempotency r ON r.business_id = b.id AND r.key = $2 \
        WHERE b.id = $1; \
        INSERT OR IGNORE INTO idempotency (business_id, key, request_sha256, started_at) \
        SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1); \
        COMMIT";
    FINISH_REQUEST = "UPDATE idempotency SET status = $3, body = $4 \
        WHERE business_id = $1 AND key = $2 RETURNING 1";
    FORGET_REQUEST = "DELETE FROM idempotency \
        WHERE business_id = $1 AND key = $2 AND status IS NULL";
    EXPIRE_REQUESTS = "DELETE FROM idempotency WHERE (business_id, key) IN ( \
            SELECT business_id, key FROM idempotency WHERE started_at < $1 \
            ORDER BY started_at, business_id, key LIMIT $2) RETURNING 1";
}

#[async_trait]
impl IdempotencyStore for SqliteStore {
    async fn start_request(
        &self,
        business: BusinessId,
        record: &IdempotencyRecord,
        abandoned_before: Timestamp,
    ) -> StoreResult<IdempotencyStart> {
        let start = query(START_REQUEST)
            .bind(business.uuid())
            .bind(record.key.clone())
            .bind(record.request_sha256.to_vec())
            .bind(millis(record.now))
            .bind(millis(abandoned_before));
        let mut write = self.connections.write().await?;
        let result = write.whole(start).await;
        let rows = write.settle(result).await?;
        tell(rows.first().ok_or(StoreError::NotFound("business"))?, record)
    }

    async fn finish_request(
        &self,
        business: BusinessId,
        key: &str,
        status: u16,
        body: &str,
    ) -> StoreResult<()> {
        let update = query(FINISH_REQUEST)
            .bind(business.uuid())
            .bind(key.to_owned())
            .bind(i64::from(status))
            .bind(body.to_owned());
        let rows = self.connections.change(update).await?;
        rows.first().map(|_| ()).ok_or(StoreError::NotFound("request"))
    }

    async fn forget_request(&self, business: BusinessId, key: &str) -> StoreResult<()> {
        let delete = query(FORGET_REQUEST).bind(business.uuid()).bind(key.to_owned());
        self.connections.change(delete).await.map(drop)
    }

    async fn expire_requests(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let delete = query(EXPIRE_REQUESTS).bind(millis(before)).bind(i64::from(limit));
        Ok(self.connections.change(delete).await?.len() as u64)
    }
}

/// What became of the request that stood under the key before, if one did.
fn tell(row: &SqliteRow, record: &IdempotencyRecord) -> StoreResult<IdempotencyStart> {
    let Some(digest) = get::<Option<&[u8]>>(row, 0)? else {
        return Ok(IdempotencyStart::Started);
    };
    if digest != record.request_sha256 {
        return Ok(IdempotencyStart::Mismatch);
    }
    let Some(status) = get::<Option<i64>>(row, 1)? else {
        return Ok(IdempotencyStart::InFlight);
    };
    let status = status.try_into().map_err(|_| StoreError::Corrupt("an answer".to_owned()))?;
    Ok(IdempotencyStart::Done { status, body: get::<Option<String>>(row, 2)?.unwrap_or_default() })
}
