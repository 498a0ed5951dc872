use super::dispatch::lesson;
use super::registry::OpenChannel;
use super::{EngineError, JustPing, WebhookError};
use crate::model::{
    BusinessId, ChannelId, ContactId, ConversationId, DeliveryStatus, Echo, Event, EventBody,
    FailureKind, Identity, Inbound, InboundMessage, MessageId, Owner, StatusUpdate, Timestamp,
};
use crate::port::store::{Accept, Accepted, StatusOutcome, StatusRecord};
use crate::port::{Received, StoreError, WebhookRequest};

/// What a webhook is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookReply {
    /// 200: everything in it is durable.
    Accepted,
    /// 200 with this text: a subscription challenge.
    Challenge(String),
}

impl JustPing {
    /// Takes a webhook of a channel: verifies, parses, records. Returns when all of it is durable.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing of the request is stored then, except that news which was recorded
    /// before the store became unavailable stays recorded: providers repeat, and repeats are free.
    pub async fn webhook(
        &self,
        channel: ChannelId,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookReply, WebhookError> {
        let open = self.inner.registry.find(channel).await?;
        if !open.config.enabled {
            return Err(EngineError::Disabled.into());
        }
        match open.adapter.receive(request).await? {
            Received::Challenge(text) => Ok(WebhookReply::Challenge(text)),
            Received::Events(news) => {
                self.record(&open, news).await?;
                Ok(WebhookReply::Accepted)
            }
        }
    }

    /// Takes news of a channel that came by another way than a webhook, such as a socket. Answers
    /// for the messages among it, in order; those that a hook dropped are left out.
    ///
    /// # Errors
    /// [`EngineError`] when the channel is missing or disabled, or the store is unavailable.
    pub async fn receive(
        &self,
        business: BusinessId,
        channel: ChannelId,
        news: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, EngineError> {
        let open = self.inner.registry.channel(business, channel).await?;
        if !open.config.enabled {
            return Err(EngineError::Disabled);
        }
        self.record(&open, news).await
    }

    async fn record(
        &self,
        open: &OpenChannel,
        news: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, EngineError> {
        let now = self.inner.clock.now();
        let mut sorted = Sorted::default();
        for one in news {
            sorted.put(one);
        }
        let messages = self.after_receive(open, sorted.messages, now).await?;
        let accepts = messages.into_iter().map(|m| self.accept_row(open, m, now)).collect();
        let accepted = self.inner.accepts.submit(accepts).await?;
        self.announce(&accepted, now).await;
        self.record_statuses(open, sorted.statuses, now).await?;
        for (known, also) in sorted.identities {
            self.link(open, &known, &also, now).await?;
        }
        for echo in sorted.echoes {
            self.echo(open, echo, now).await?;
        }
        Ok(accepted)
    }

    fn accept_row(&self, open: &OpenChannel, message: InboundMessage, now: Timestamp) -> Accept {
        let ids = &self.inner.ids;
        Accept {
            business_id: open.config.business_id,
            channel_id: open.config.id,
            message,
            owner: if open.config.agent_id.is_some() { Owner::Bot } else { Owner::Queue },
            message_id: MessageId::from_uuid(ids.uuid()),
            contact_id: ContactId::from_uuid(ids.uuid()),
            conversation_id: ConversationId::from_uuid(ids.uuid()),
            now,
        }
    }

    /// Tells the turns about mail and the listeners about messages.
    async fn announce(&self, accepted: &[Accepted], now: Timestamp) {
        let mut events = Vec::new();
        let mut mail = Mail::None;
        for one in accepted {
            let Accepted::New { message, conversation, contact_created, conversation_created } =
                one
            else {
                continue;
            };
            let event = |body| Event {
                business_id: message.business_id,
                conversation_id: Some(message.conversation_id),
                at: now,
                body,
            };
            if conversation.owner == Owner::Bot {
                mail = Mail::Waits;
            }
            if *contact_created {
                events
                    .push(event(EventBody::ContactCreated { contact_id: conversation.contact_id }));
            }
            if *conversation_created {
                let conversation = conversation.clone();
                events.push(event(EventBody::ConversationCreated { conversation }));
            }
            events.push(event(EventBody::MessageNew { message: message.clone() }));
        }
        if mail == Mail::Waits {
            self.inner.wake.turns.notify_one();
        }
        if !events.is_empty() {
            self.inner.bus.publish(events).await;
        }
    }

    async fn record_statuses(
        &self,
        open: &OpenChannel,
        updates: Vec<StatusUpdate>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        if updates.is_empty() {
            return Ok(());
        }
        let (business_id, channel_id) = (open.config.business_id, open.config.id);
        let row = |update| StatusRecord { business_id, channel_id, update, now };
        let failures: Vec<_> = updates.iter().map(failure).collect();
        let rows = updates.into_iter().map(row).collect();
        let outcomes = self.inner.statuses.submit(rows).await?;
        let events: Vec<Event> =
            outcomes.iter().filter_map(|outcome| status_event(business_id, outcome, now)).collect();
        if !events.is_empty() {
            // A status may have ended the row that the next message of its conversation waits for.
            self.inner.wake.sends.notify_one();
            self.inner.bus.publish(events).await;
        }
        self.learn_from(open, &outcomes, failures).await;
        Ok(())
    }

    /// Remembers what failed statuses say of contacts. The statuses are stored already, so trouble here is no
    /// reason to have the provider repeat them; it costs one more mail to a mailbox that is not there.
    async fn learn_from(
        &self,
        open: &OpenChannel,
        outcomes: &[StatusOutcome],
        failures: Vec<Option<FailureKind>>,
    ) {
        let (business, kind) = (open.config.business_id, &open.adapter.capabilities().kind);
        for (outcome, failure) in outcomes.iter().zip(failures) {
            let (StatusOutcome::Applied { conversation_id, .. }, Some(failure)) =
                (outcome, failure)
            else {
                continue;
            };
            if lesson(kind, failure).is_none() {
                continue;
            }
            match self.inner.store.conversation(business, *conversation_id).await {
                Ok(found) => self.learn_of(business, found.contact_id, kind, failure).await,
                Err(error) => {
                    tracing::warn!(%conversation_id, %error, "what a status says was not learnt");
                }
            }
        }
    }

    async fn link(
        &self,
        open: &OpenChannel,
        known: &Identity,
        also: &[Identity],
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let store = &self.inner.store;
        match store.link_identities(open.config.business_id, known, also, now).await {
            // Nobody here is known by that identity: nothing to link.
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether accepted messages went into a mailbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mail {
    None,
    Waits,
}

/// News by what is done with it.
#[derive(Default)]
struct Sorted {
    messages: Vec<InboundMessage>,
    statuses: Vec<StatusUpdate>,
    identities: Vec<(Identity, Vec<Identity>)>,
    echoes: Vec<Echo>,
}

impl Sorted {
    fn put(&mut self, news: Inbound) {
        match news {
            // Without a sender there is nobody to answer.
            Inbound::Message(message) if message.from.is_empty() => {
                tracing::warn!("a message without a sender was left out");
            }
            Inbound::Message(message) => self.messages.push(message),
            Inbound::Status(update) => self.statuses.push(update),
            Inbound::IdentityChanged { known, also } => self.identities.push((known, also)),
            Inbound::Echo(echo) => self.echoes.push(echo),
            Inbound::Unsupported { kind, .. } => {
                tracing::debug!(kind, "news of an unsupported kind was left out");
            }
        }
    }
}

/// Why the message of a status failed, if it did.
fn failure(update: &StatusUpdate) -> Option<FailureKind> {
    let failure = update.failure.as_ref().filter(|_| update.status == DeliveryStatus::Failed);
    failure.map(|failure| failure.kind)
}

fn status_event(business_id: BusinessId, outcome: &StatusOutcome, at: Timestamp) -> Option<Event> {
    let StatusOutcome::Applied { conversation_id, message_id, seq, status } = outcome else {
        return None;
    };
    let (message_id, seq, status) = (*message_id, *seq, *status);
    let body = EventBody::MessageStatus { message_id, seq, status };
    Some(Event { business_id, conversation_id: Some(*conversation_id), at, body })
}
