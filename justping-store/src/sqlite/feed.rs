//! How far subscribers have heard.

use async_trait::async_trait;
use justping_core::model::Timestamp;
use justping_core::port::store::{
    FEED_BATCH_MAX, FeedClaim, FeedOutcome, FeedStore, StoreError, StoreResult,
};
use justping_core::port::{FeedEvent, FeedName};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::connection::Write;
use super::row::{count, get, get_count, get_doc, millis, statements};

statements! {
    /// Whether there may be something to do; no row before the feed has begun.
    FEED_DUE = "SELECT due_at <= $3 AND EXISTS (SELECT 1 FROM events e \
            WHERE e.business_id = $1 AND e.seq > position) \
        FROM feeds WHERE business_id = $1 AND name = $2";
    FEED_TO_CLAIM = "BEGIN IMMEDIATE; \
        INSERT INTO feeds (business_id, name, position, due_at, fence, failures) \
            SELECT $1, $2, \
                (SELECT coalesce(max(seq), 0) FROM events WHERE business_id = $1), $4, 0, 0 \
            WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1) ON CONFLICT DO NOTHING; \
        SELECT position, fence, failures, due_at <= $3 FROM feeds \
            WHERE business_id = $1 AND name = $2";
    FEED_EVENTS = "SELECT seq, doc FROM events WHERE business_id = $1 AND seq > $2 \
        ORDER BY seq LIMIT $3";
    LEASE_FEED = "UPDATE feeds SET fence = fence + 1, failures = failures + 1, due_at = $3 \
        WHERE business_id = $1 AND name = $2; COMMIT";
    KEEP_FEED = "COMMIT";
    TOLD = "UPDATE feeds SET position = $4, due_at = $5, failures = 0, fence = fence + 1 \
        WHERE business_id = $1 AND name = $2 AND fence = $3 RETURNING 1";
    TELL_AGAIN = "UPDATE feeds SET due_at = $4, fence = fence + 1 \
        WHERE business_id = $1 AND name = $2 AND fence = $3 RETURNING 1";
    CLOSE_FEED = "DELETE FROM feeds WHERE business_id = $1 AND name = $2";
}

#[async_trait]
impl FeedStore for SqliteStore {
    async fn claim_feed(
        &self,
        feed: &FeedName,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<FeedClaim>> {
        feed.check()?;
        let due = query(FEED_DUE).bind(feed.business_id.uuid()).bind(feed.name.clone());
        let due = self.connections.read(due.bind(millis(now))).await?;
        if due.first().is_some_and(|row| !get::<bool>(row, 0).unwrap_or(true)) {
            return Ok(None);
        }
        let mut write = self.connections.write().await?;
        let result = claim(&mut write, feed, (now, until), limit).await;
        write.settle(result).await
    }

    async fn record_feed(
        &self,
        feed: &FeedName,
        fence: u64,
        outcome: FeedOutcome,
    ) -> StoreResult<()> {
        let sql = match outcome {
            FeedOutcome::Told(_) => TOLD,
            FeedOutcome::Again(_) => TELL_AGAIN,
        };
        let record = query(sql).bind(feed.business_id.uuid()).bind(feed.name.clone());
        let record = record.bind(count(fence));
        let record = match outcome {
            FeedOutcome::Told(number) => record.bind(count(number)).bind(i64::MIN),
            FeedOutcome::Again(at) => record.bind(millis(at)),
        };
        let rows = self.connections.change(record).await?;
        rows.first().map(drop).ok_or(StoreError::Stale("feed"))
    }

    async fn close_feed(&self, feed: &FeedName) -> StoreResult<()> {
        let close = query(CLOSE_FEED).bind(feed.business_id.uuid()).bind(feed.name.clone());
        self.connections.change(close).await.map(drop)
    }
}

async fn claim(
    write: &mut Write<'_>,
    feed: &FeedName,
    (now, until): (Timestamp, Timestamp),
    limit: u32,
) -> StoreResult<Option<FeedClaim>> {
    let (business, name) = (feed.business_id.uuid(), feed.name.clone());
    let find = query(FEED_TO_CLAIM).bind(business).bind(name.clone());
    let rows = write.begin(find.bind(millis(now)).bind(i64::MIN)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    let (position, fence, failures) = (get::<i64>(row, 0)?, get_count(row, 1)?, get_count(row, 2)?);
    let limit = if failures > 0 { limit.min(1) } else { limit.min(FEED_BATCH_MAX) };
    let limit = if get::<bool>(row, 3)? { limit } else { 0 };
    let list = query(FEED_EVENTS).bind(business).bind(position).bind(i64::from(limit));
    let rows = write.run(list).await?;
    let read = |row: &SqliteRow| {
        Ok(FeedEvent { number: get_count(row, 0)?, event: get_doc(row, 1, "event")? })
    };
    let events = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
    if events.is_empty() {
        write.commit(query(KEEP_FEED)).await?;
        return Ok(None);
    }
    write.commit(query(LEASE_FEED).bind(business).bind(name).bind(millis(until))).await?;
    let failures = u32::try_from(failures).unwrap_or(u32::MAX);
    Ok(Some(FeedClaim { events, failures, fence: fence + 1 }))
}
