use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, ConversationId, Event, EventBody, MemberId, Timestamp, Typist};
use crate::port::{Change, Clock, ClockExt, EventBus, Presence, PresenceResult};

/// Presence that tells the listeners of the bus what changes.
///
/// Coming and writing are told with every word, not only with the first: each tells until when it
/// holds, so a listener needs nobody to tell it that somebody vanished. Leaving and stopping are told
/// when they are news.
#[derive(Debug)]
pub struct AnnouncedPresence {
    presence: Arc<dyn Presence>,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
}

impl AnnouncedPresence {
    /// Tells on `bus` what `presence` is told; `clock` says until when it holds.
    pub fn new(presence: Arc<dyn Presence>, bus: Arc<dyn EventBus>, clock: Arc<dyn Clock>) -> Self {
        Self { presence, bus, clock }
    }

    fn until(&self, ttl: Duration) -> Timestamp {
        self.clock.after_ms(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
    }

    async fn tell(
        &self,
        business_id: BusinessId,
        conversation_id: Option<ConversationId>,
        body: EventBody,
    ) {
        let at = self.clock.now();
        self.bus.publish(vec![Event { business_id, conversation_id, at, body }]).await;
    }
}

#[async_trait]
impl Presence for AnnouncedPresence {
    async fn arrive(
        &self,
        business: BusinessId,
        member: MemberId,
        ttl: Duration,
    ) -> PresenceResult<Change> {
        let change = self.presence.arrive(business, member, ttl).await?;
        let body = EventBody::MemberOnline { member_id: member, until: self.until(ttl) };
        self.tell(business, None, body).await;
        Ok(change)
    }

    async fn leave(&self, business: BusinessId, member: MemberId) -> PresenceResult<Change> {
        let change = self.presence.leave(business, member).await?;
        if change == Change::Changed {
            self.tell(business, None, EventBody::MemberOffline { member_id: member }).await;
        }
        Ok(change)
    }

    async fn members(&self, business: BusinessId) -> PresenceResult<Vec<MemberId>> {
        self.presence.members(business).await
    }

    async fn start_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
        ttl: Duration,
    ) -> PresenceResult<Change> {
        let change = self.presence.start_typing(business, conversation, typist, ttl).await?;
        let body = EventBody::TypingStarted { typist, until: self.until(ttl) };
        self.tell(business, Some(conversation), body).await;
        Ok(change)
    }

    async fn stop_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
    ) -> PresenceResult<Change> {
        let change = self.presence.stop_typing(business, conversation, typist).await?;
        if change == Change::Changed {
            self.tell(business, Some(conversation), EventBody::TypingStopped { typist }).await;
        }
        Ok(change)
    }

    async fn typists(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> PresenceResult<Vec<Typist>> {
        self.presence.typists(business, conversation).await
    }
}
