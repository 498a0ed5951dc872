//! How far subscribers have heard.

use async_trait::async_trait;
use justping_core::model::Timestamp;
use justping_core::port::store::{
    FEED_BATCH_MAX, FeedClaim, FeedOutcome, FeedStore, StoreError, StoreResult,
};
use justping_core::port::{FeedEvent, FeedName};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{bytes, count, get, get_count, get_doc, millis, statements};

statements! {
    /// Whether there may be something to do; no row before the feed has begun.
    FEED_DUE = "SELECT f.due_at <= $3 AND EXISTS (SELECT 1 FROM events e \
            WHERE e.business_id = $1 AND e.seq > f.position) \
        FROM feeds f WHERE f.business_id = $1 AND f.name = $2";
    /// The counter of events says where it begins. A foreign business is none.
    BEGIN_FEED = "INSERT INTO feeds (business_id, name, position, due_at, fence, failures) \
        SELECT id, $2, coalesce( \
            (SELECT k.last FROM event_counters k WHERE k.business_id = $1), 0), $3, 0, 0 \
        FROM businesses WHERE id = $1 ON CONFLICT DO NOTHING";
    HAS_FEED = "SELECT 1 FROM feeds WHERE business_id = $1 AND name = $2";
    FEED_TO_CLAIM = "SELECT position, fence, failures FROM feeds \
        WHERE business_id = $1 AND name = $2 AND due_at <= $3 FOR UPDATE SKIP LOCKED";
    FEED_EVENTS = "SELECT seq, doc FROM events WHERE business_id = $1 AND seq > $2 \
        ORDER BY seq LIMIT $3";
    LEASE_FEED = "UPDATE feeds SET fence = fence + 1, failures = failures + 1, due_at = $3 \
        WHERE business_id = $1 AND name = $2";
    TOLD = "UPDATE feeds SET position = $4, due_at = $5, failures = 0, fence = fence + 1 \
        WHERE business_id = $1 AND name = $2 AND fence = $3 RETURNING 1";
    TELL_AGAIN = "UPDATE feeds SET due_at = $4, fence = fence + 1 \
        WHERE business_id = $1 AND name = $2 AND fence = $3 RETURNING 1";
    CLOSE_FEED = "DELETE FROM feeds WHERE business_id = $1 AND name = $2";
}

#[async_trait]
impl FeedStore for PostgresStore {
    async fn claim_feed(
        &self,
        feed: &FeedName,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<FeedClaim>> {
        feed.check()?;
        let scope = Scope::Business(feed.business_id);
        let due = query(FEED_DUE).bind(feed.business_id.uuid()).bind(bytes(&feed.name));
        let due = self.connections.read(scope, due.bind(millis(now))).await?;
        match due.first() {
            Some(row) if !get::<bool>(row, 0)? => return Ok(None),
            Some(_) => {}
            None => transaction!(self, scope, |write| begin(write, feed))?,
        }
        transaction!(self, scope, |write| claim(write, feed, (now, until), limit))
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
        let record = query(sql).bind(feed.business_id.uuid()).bind(bytes(&feed.name));
        let record = record.bind(count(fence));
        let record = match outcome {
            FeedOutcome::Told(number) => record.bind(count(number)).bind(i64::MIN),
            FeedOutcome::Again(at) => record.bind(millis(at)),
        };
        let rows = self.connections.change(Scope::Business(feed.business_id), record).await?;
        rows.first().map(drop).ok_or(StoreError::Stale("feed"))
    }

    async fn close_feed(&self, feed: &FeedName) -> StoreResult<()> {
        let close = query(CLOSE_FEED).bind(feed.business_id.uuid()).bind(bytes(&feed.name));
        self.connections.change(Scope::Business(feed.business_id), close).await.map(drop)
    }
}

/// Begins a feed, if nobody has by now.
async fn begin(write: &mut Write, feed: &FeedName) -> StoreResult<()> {
    let (business, name) = (feed.business_id.uuid(), bytes(&feed.name));
    write.run(query(BEGIN_FEED).bind(business).bind(name.clone()).bind(i64::MIN)).await?;
    let rows = write.run(query(HAS_FEED).bind(business).bind(name)).await?;
    rows.first().map(drop).ok_or(StoreError::NotFound("business"))
}

async fn claim(
    write: &mut Write,
    feed: &FeedName,
    (now, until): (Timestamp, Timestamp),
    limit: u32,
) -> StoreResult<Option<FeedClaim>> {
    let (business, name) = (feed.business_id.uuid(), bytes(&feed.name));
    let find = query(FEED_TO_CLAIM).bind(business).bind(name.clone()).bind(millis(now));
    let rows = write.run(find).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (position, fence, failures) = (get::<i64>(row, 0)?, get_count(row, 1)?, get_count(row, 2)?);
    let limit = if failures > 0 { limit.min(1) } else { limit.min(FEED_BATCH_MAX) };
    let list = query(FEED_EVENTS).bind(business).bind(position).bind(i64::from(limit));
    let rows = write.run(list).await?;
    let read = |row: &PgRow| {
        Ok(FeedEvent { number: get_count(row, 0)?, event: get_doc(row, 1, "event")? })
    };
    let events = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
    if events.is_empty() {
        return Ok(None);
    }
    write.run(query(LEASE_FEED).bind(business).bind(name).bind(millis(until))).await?;
    let failures = u32::try_from(failures).unwrap_or(u32::MAX);
    Ok(Some(FeedClaim { events, failures, fence: fence + 1 }))
}
