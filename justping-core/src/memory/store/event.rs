use std::collections::VecDeque;

use async_trait::async_trait;

use super::table::{cursor, page};
use super::{MemoryStore, State};
use crate::model::{BusinessId, ConversationId, Event, EventBody, Page, PageRequest, Timestamp};
use crate::port::StoreResult;
use crate::port::store::EventStore;

/// The events of a business, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct Events {
    rows: VecDeque<Event>,
    /// How many are no longer there.
    dropped: usize,
}

impl Events {
    /// The number of the newest.
    pub(super) fn newest(&self) -> usize {
        self.dropped + self.rows.len()
    }

    /// Those after a number, with their numbers.
    pub(super) fn after(&self, number: usize) -> impl Iterator<Item = (usize, Event)> {
        let rows = (self.dropped + 1..).zip(self.rows.iter().cloned());
        rows.skip(number.saturating_sub(self.dropped))
    }

    /// Drops up to `limit` of the oldest, as far as they are old enough; how many it dropped. The
    /// newest stays, as it does wherever the next number is found by it.
    pub(super) fn trim(&mut self, before: Timestamp, limit: u64) -> u64 {
        let mut dropped = 0;
        while dropped < limit
            && self.rows.len() > 1
            && self.rows.front().is_some_and(|event| event.at < before)
        {
            self.rows.pop_front();
            self.dropped += 1;
            dropped += 1;
        }
        dropped
    }
}

impl State {
    /// Records something that happened.
    pub(super) fn record(
        &mut self,
        business_id: BusinessId,
        conversation_id: Option<ConversationId>,
        at: Timestamp,
        body: EventBody,
    ) {
        self.record_event(Event { business_id, conversation_id, at, body });
    }

    /// Records an event, unless it is one that is not stored.
    pub(super) fn record_event(&mut self, event: Event) {
        if event.body.is_stored() {
            self.events.entry(event.business_id).or_default().rows.push_back(event);
        }
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn events(
        &self,
        business: BusinessId,
        request: &PageRequest,
    ) -> StoreResult<Page<Event>> {
        let skip: usize = cursor(request)?.unwrap_or(0);
        let state = self.state();
        let events = state.events.get(&business).into_iter().flat_map(|all| all.after(skip));
        Ok(page(events, request))
    }

    async fn record_event(&self, event: &Event) -> StoreResult<()> {
        let mut state = self.state();
        state.business(event.business_id)?;
        state.record_event(event.clone());
        Ok(())
    }
}
