use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::model::Timestamp;
use crate::port::store::{FEED_BATCH_MAX, FeedClaim, FeedOutcome, FeedStore};
use crate::port::{FeedEvent, FeedName, StoreError, StoreResult};

/// How far a subscriber has heard.
#[derive(Debug)]
pub(super) struct Feed {
    /// The number of the last event it has heard.
    position: u64,
    /// When it may be claimed, in milliseconds.
    due_at: i64,
    fence: u64,
    failures: u32,
}

impl State {
    fn claim_feed(
        &mut self,
        name: &FeedName,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<FeedClaim>> {
        self.business(name.business_id)?;
        let events = self.events.get(&name.business_id);
        let newest = events.map_or(0, |events| events.newest() as u64);
        let feed = self.feeds.entry(name.clone()).or_insert(Feed {
            position: newest,
            due_at: i64::MIN,
            fence: 0,
            failures: 0,
        });
        if feed.due_at > now.as_millisecond() {
            return Ok(None);
        }
        let limit = if feed.failures > 0 { limit.min(1) } else { limit.min(FEED_BATCH_MAX) };
        let position = usize::try_from(feed.position).unwrap_or(usize::MAX);
        let next = events.into_iter().flat_map(|events| events.after(position));
        let next = next.map(|(number, event)| FeedEvent { number: number as u64, event });
        let events: Vec<FeedEvent> = next.take(limit as usize).collect();
        if events.is_empty() {
            return Ok(None);
        }
        let failures = feed.failures;
        feed.failures += 1;
        feed.fence += 1;
        feed.due_at = until.as_millisecond();
        Ok(Some(FeedClaim { events, failures, fence: feed.fence }))
    }

    fn record_feed(
        &mut self,
        name: &FeedName,
        fence: u64,
        outcome: FeedOutcome,
    ) -> StoreResult<()> {
        let feed = self.feeds.get_mut(name).filter(|feed| feed.fence == fence);
        let feed = feed.ok_or(StoreError::Stale("feed"))?;
        match outcome {
            FeedOutcome::Told(number) => {
                feed.position = number;
                feed.failures = 0;
                feed.due_at = i64::MIN;
            }
            FeedOutcome::Again(at) => feed.due_at = at.as_millisecond(),
        }
        feed.fence += 1;
        Ok(())
    }
}

#[async_trait]
impl FeedStore for MemoryStore {
    async fn claim_feed(
        &self,
        feed: &FeedName,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<FeedClaim>> {
        feed.check()?;
        self.state().claim_feed(feed, now, until, limit)
    }

    async fn record_feed(
        &self,
        feed: &FeedName,
        fence: u64,
        outcome: FeedOutcome,
    ) -> StoreResult<()> {
        self.state().record_feed(feed, fence, outcome)
    }

    async fn close_feed(&self, feed: &FeedName) -> StoreResult<()> {
        self.state().feeds.remove(feed);
        Ok(())
    }
}
