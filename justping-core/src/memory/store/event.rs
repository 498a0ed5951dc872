use async_trait::async_trait;

use super::table::{cursor, page};
use super::{MemoryStore, State};
use crate::model::{BusinessId, ConversationId, Event, EventBody, Page, PageRequest, Timestamp};
use crate::port::StoreResult;
use crate::port::store::EventStore;

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
            self.events.entry(event.business_id).or_default().push(event);
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
        let events = state.events.get(&business).into_iter().flatten();
        Ok(page((1usize..).zip(events.cloned()).skip(skip), request))
    }
}
