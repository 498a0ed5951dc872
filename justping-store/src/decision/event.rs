use justping_core::model::{BusinessId, Conversation, ConversationId, Event, EventBody, Timestamp};

/// Events that a move leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Events(Vec<Event>);

impl Events {
    /// Records something that happened.
    pub(crate) fn record(
        &mut self,
        business_id: BusinessId,
        conversation_id: Option<ConversationId>,
        at: Timestamp,
        body: EventBody,
    ) {
        self.push(Event { business_id, conversation_id, at, body });
    }

    /// Records that a conversation changed.
    pub(crate) fn updated(&mut self, conversation: &Conversation, at: Timestamp) {
        let body = EventBody::ConversationUpdated { conversation: conversation.clone() };
        self.record(conversation.business_id, Some(conversation.id), at, body);
    }

    /// Records an event, unless it is one that is not stored.
    pub(crate) fn push(&mut self, event: Event) {
        if event.body.is_stored() {
            self.0.push(event);
        }
    }

    /// What was recorded, in order.
    pub(crate) fn all(&self) -> &[Event] {
        &self.0
    }
}
