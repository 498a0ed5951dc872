//! Answers to requests that carried an idempotency key.

use async_trait::async_trait;
use justping_core::model::{BusinessId, Timestamp};
use justping_core::port::store::{
    IdempotencyRecord, IdempotencyStart, IdempotencyStore, StoreError, StoreResult,
};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{bytes, get, get_text, millis, statements};

statements! {
    /// A row when the request is new, or the one under its key was abandoned.
    START_REQUEST = "INSERT INTO idempotency AS r (business_id, key, request_sha256, started_at) \
            SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1) \
        ON CONFLICT (business_id, key) DO UPDATE \
            SET request_sha256 = excluded.request_sha256, started_at = excluded.started_at \
            WHERE r.status IS NULL AND r.started_at < $5 \
        RETURNING 1";
    /// One row when the business exists: what stands under the key.
    REQUEST = "SELECT r.request_sha256, r.status, r.body \
        FROM businesses b LEFT JOIN idempotency r ON r.business_id = b.id AND r.key = $2 \
        WHERE b.id = $1";
    FINISH_REQUEST = "UPDATE idempotency SET status = $3, body = $4 \
        WHERE business_id = $1 AND key = $2 RETURNING 1";
    FORGET_REQUEST = "DELETE FROM idempotency \
        WHERE business_id = $1 AND key = $2 AND status IS NULL";
    EXPIRE_REQUESTS = "DELETE FROM idempotency WHERE (business_id, key) IN ( \
            SELECT business_id, key FROM idempotency WHERE started_at < $1 \
            ORDER BY started_at, business_id, key LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1";
}

#[async_trait]
impl IdempotencyStore for PostgresStore {
    async fn start_request(
        &self,
        business: BusinessId,
        record: &IdempotencyRecord,
        abandoned_before: Timestamp,
    ) -> StoreResult<IdempotencyStart> {
        transaction!(self, Scope::Business(business), |write| {
            start(write, business, record, abandoned_before)
        })
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
            .bind(bytes(key))
            .bind(i64::from(status))
            .bind(bytes(body));
        let rows = self.connections.change(Scope::Business(business), update).await?;
        rows.first().map(|_| ()).ok_or(StoreError::NotFound("request"))
    }

    async fn forget_request(&self, business: BusinessId, key: &str) -> StoreResult<()> {
        let delete = query(FORGET_REQUEST).bind(business.uuid()).bind(bytes(key));
        self.connections.change(Scope::Business(business), delete).await.map(drop)
    }

    async fn expire_requests(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let delete = query(EXPIRE_REQUESTS).bind(millis(before)).bind(i64::from(limit));
        Ok(self.connections.change(Scope::System, delete).await?.len() as u64)
    }
}

async fn start(
    write: &mut Write,
    business: BusinessId,
    record: &IdempotencyRecord,
    abandoned_before: Timestamp,
) -> StoreResult<IdempotencyStart> {
    let start = query(START_REQUEST)
        .bind(business.uuid())
        .bind(bytes(&record.key))
        .bind(record.request_sha256.to_vec())
        .bind(millis(record.now))
        .bind(millis(abandoned_before));
    if !write.run(start).await?.is_empty() {
        return Ok(IdempotencyStart::Started);
    }
    let find = query(REQUEST).bind(business.uuid()).bind(bytes(&record.key));
    let rows = write.run(find).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    // Somebody forgot it in between: then it is new after all.
    tell(row, record)?.ok_or_else(|| write.overtaken())
}

/// What became of the request that stood under the key before, if one did.
fn tell(row: &PgRow, record: &IdempotencyRecord) -> StoreResult<Option<IdempotencyStart>> {
    let Some(digest) = get::<Option<&[u8]>>(row, 0)? else {
        return Ok(None);
    };
    if digest != record.request_sha256 {
        return Ok(Some(IdempotencyStart::Mismatch));
    }
    let Some(status) = get::<Option<i64>>(row, 1)? else {
        return Ok(Some(IdempotencyStart::InFlight));
    };
    let status = status.try_into().map_err(|_| StoreError::Corrupt("an answer".to_owned()))?;
    let body = match get::<Option<&[u8]>>(row, 2)? {
        Some(_) => get_text(row, 2)?,
        None => String::new(),
    };
    Ok(Some(IdempotencyStart::Done { status, body }))
}
