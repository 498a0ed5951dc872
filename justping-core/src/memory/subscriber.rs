use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::Event;
use crate::port::{EventSubscriber, FeedEvent, FeedName, SubscriberError};

/// A subscriber that remembers what it was told, and fails when it is told to.
#[derive(Debug, Default)]
pub struct MemorySubscriber {
    state: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    feeds: Vec<FeedName>,
    told: Vec<(FeedName, FeedEvent)>,
    given_up: Vec<(FeedName, u64)>,
    failures: u32,
    poison: Option<u64>,
}

impl MemorySubscriber {
    /// A subscriber to these feeds.
    pub fn new(feeds: Vec<FeedName>) -> Self {
        Self { state: Mutex::new(Heard { feeds, ..Heard::default() }) }
    }

    /// Subscribes to one feed more.
    pub fn subscribe(&self, feed: FeedName) {
        self.state().feeds.push(feed);
    }

    /// Fails so many times.
    pub fn fail(&self, times: u32) {
        self.state().failures = times;
    }

    /// Fails whenever this event is told.
    pub fn choke_on(&self, number: u64) {
        self.state().poison = Some(number);
    }

    /// What it took, in order.
    pub fn told(&self) -> Vec<(FeedName, FeedEvent)> {
        self.state().told.clone()
    }

    /// What was given up.
    pub fn given_up(&self) -> Vec<(FeedName, u64)> {
        self.state().given_up.clone()
    }

    fn state(&self) -> MutexGuard<'_, Heard> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventSubscriber for MemorySubscriber {
    fn feeds(&self) -> Vec<FeedName> {
        self.state().feeds.clone()
    }

    fn wants(&self, _: &FeedName, _: &Event) -> bool {
        true
    }

    async fn handle(&self, feed: &FeedName, events: &[FeedEvent]) -> Result<(), SubscriberError> {
        let mut state = self.state();
        let poison = state.poison;
        if state.failures > 0 || events.iter().any(|event| Some(event.number) == poison) {
            state.failures = state.failures.saturating_sub(1);
            return Err(SubscriberError { detail: "not now".to_owned(), retry_after: None });
        }
        state.told.extend(events.iter().map(|event| (feed.clone(), event.clone())));
        Ok(())
    }

    async fn gave_up(&self, feed: &FeedName, event: &FeedEvent, _: &str) {
        self.state().given_up.push((feed.clone(), event.number));
    }
}
