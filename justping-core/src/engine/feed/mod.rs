//! Stored events, told to whoever subscribed: at least once, in their order, from one process at a
//! time.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::work::is_stopped;
use super::{EngineError, JustPing};
use crate::policy::{mix, retry_delay};
use crate::port::store::{FeedClaim, FeedOutcome};
use crate::port::{EventSubscriber, FeedEvent, FeedName, StoreError};

/// How often an event is told in vain before it is given up.
pub const FEED_TRIES_MAX: u32 = 8;
/// Batches of one feed before the next feed has its turn.
const TURN_BATCHES_MAX: usize = 16;

impl JustPing {
    /// Tells subscribers what happened since they last heard; how many events they took. Each feed
    /// gets a bounded turn.
    ///
    /// # Errors
    /// [`EngineError`] when the store is unavailable; a subscriber that fails is none.
    pub async fn tell_subscribers(&self) -> Result<u64, EngineError> {
        let mut told = 0;
        let Some(subscriber) = &self.inner.subscriber else { return Ok(told) };
        for feed in subscriber.feeds() {
            for _ in 0..TURN_BATCHES_MAX {
                match self.tell_one(subscriber, &feed).await {
                    Ok(Some(taken)) => told += taken,
                    Ok(None) => break,
                    // Its business or its lease is gone: that is no matter of the other feeds.
                    Err(
                        StoreError::NotFound(_) | StoreError::Stale(_) | StoreError::Invalid(_),
                    ) => {
                        tracing::debug!(?feed, "a feed was passed over");
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(told)
    }

    /// Tells the next batch of a feed; how many events were taken, or `None` when there is nothing
    /// to do now.
    async fn tell_one(
        &self,
        subscriber: &Arc<dyn EventSubscriber>,
        feed: &FeedName,
    ) -> Result<Option<u64>, StoreError> {
        let (config, store) = (&self.inner.config, &self.inner.store);
        let (now, until) = (self.inner.clock.now(), self.later(config.feed_lease));
        let Some(claim) = store.claim_feed(feed, now, until, config.feed_batch).await? else {
            return Ok(None);
        };
        let Some(last) = claim.events.last().map(|event| event.number) else { return Ok(None) };
        let wanted = claim.events.iter().filter(|one| subscriber.wants(feed, &one.event));
        let wanted: Vec<FeedEvent> = wanted.cloned().collect();
        let taken = match wanted.is_empty() {
            true => Ok(()),
            false => self.hand_to(subscriber, feed, &wanted).await,
        };
        let (outcome, told) = match taken {
            Ok(()) => (FeedOutcome::Told(last), Some(wanted.len() as u64)),
            Err((detail, wish)) => {
                self.after_failure(subscriber, feed, &claim, (detail, wish)).await
            }
        };
        store.record_feed(feed, claim.fence, outcome).await?;
        Ok(told)
    }

    /// Waits for the subscriber for as long as the lease surely holds.
    async fn hand_to(
        &self,
        subscriber: &Arc<dyn EventSubscriber>,
        feed: &FeedName,
        events: &[FeedEvent],
    ) -> Result<(), (String, Option<Duration>)> {
        let patience = self.inner.config.feed_lease * 3 / 4;
        match tokio::time::timeout(patience, subscriber.handle(feed, events)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err((error.detail, error.retry_after)),
            Err(_) => Err(("no answer in time".to_owned(), None)),
        }
    }

    /// The same later; or, when one event alone failed too often, on without it.
    async fn after_failure(
        &self,
        subscriber: &Arc<dyn EventSubscriber>,
        feed: &FeedName,
        claim: &FeedClaim,
        (detail, wish): (String, Option<Duration>),
    ) -> (FeedOutcome, Option<u64>) {
        let tries = claim.failures.saturating_add(1);
        if let ([event], true) = (&*claim.events, tries >= FEED_TRIES_MAX) {
            let business = feed.business_id;
            tracing::warn!(%business, name = feed.name, number = event.number, detail, "given up");
            subscriber.gave_up(feed, event, &detail).await;
            return (FeedOutcome::Told(event.number), Some(0));
        }
        let salt = mix(feed.business_id.uuid().as_u64_pair().1);
        (FeedOutcome::Again(self.later(retry_delay(tries, wish, salt))), None)
    }

    /// Tells subscribers again and again.
    pub(super) async fn feed_loop(&self, mut stopped: watch::Receiver<()>) {
        if self.inner.subscriber.is_none() {
            let _ = stopped.changed().await;
            return;
        }
        while !is_stopped(&stopped) {
            match self.tell_subscribers().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(%error, "subscribers wait"),
            }
            let until = self.later(self.inner.config.feed_every);
            tokio::select! {
                biased;
                () = self.inner.clock.sleep_until(until) => {}
                _ = stopped.changed() => {}
            }
        }
    }
}
