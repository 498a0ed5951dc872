//! What people and programs ask of the platform.

use super::turn::{changed, message_events};
use super::{EngineError, JustPing};
use crate::model::{
    Author, BusinessId, ChannelConfig, ChannelId, ChannelSecrets, Content, Conversation,
    ConversationChange, ConversationId, Direction, Event, EventBody, Lane, Message, MessageId,
    Owner,
};
use crate::policy;
use crate::port::store::{MessageOrder, Post};

/// Messages looked through for the newest one of the contact.
const NEWEST_INBOUND_WITHIN: u32 = 50;

/// A message somebody writes.
#[derive(Debug, Clone, PartialEq)]
pub struct SendMessage {
    /// Who writes. A member who writes to the contact takes the conversation over.
    pub author: Author,
    /// What it says.
    pub content: Content,
    /// [`Direction::Outbound`] for the contact, [`Direction::Note`] for members only.
    pub direction: Direction,
    /// The provider's reference of the message it answers.
    pub reply_to: Option<String>,
}

impl JustPing {
    /// Records a message and lets it leave. Long or unshowable content becomes several messages.
    /// Returns them as recorded; how they fare is told by their status.
    ///
    /// # Errors
    /// [`EngineError::Store`] with `NotFound` when there is no such conversation.
    pub async fn send(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        message: SendMessage,
    ) -> Result<Vec<Message>, EngineError> {
        let known = self.inner.store.conversation(business, conversation).await?;
        let contents = match message.direction {
            Direction::Outbound => {
                let open = self.inner.registry.channel(business, known.channel_id).await?;
                policy::fit(message.content, open.adapter.capabilities())
            }
            Direction::Inbound | Direction::Note => vec![message.content],
        };
        let direction = match message.direction {
            Direction::Outbound => Direction::Outbound,
            Direction::Inbound | Direction::Note => Direction::Note,
        };
        let owner = match (&message.author, direction) {
            (Author::Member(id), Direction::Outbound) => Some(Owner::Member(*id)),
            _ => None,
        };
        let now = self.inner.clock.now();
        let post = |content| Post {
            business_id: business,
            conversation_id: conversation,
            message_id: MessageId::from_uuid(self.inner.ids.uuid()),
            direction,
            author: message.author.clone(),
            content,
            lane: Lane::Interactive,
            reply_to: message.reply_to.clone(),
            provider_ref: None,
            once: None,
            owner,
            now,
        };
        let posts: Vec<Post> = contents.into_iter().map(post).collect();
        let mut messages = Vec::with_capacity(posts.len());
        let mut events = Vec::new();
        for committed in self.inner.store.post(posts).await? {
            let committed = committed?;
            events.extend(message_events(&committed));
            if committed.conversation.owner != known.owner {
                events.push(changed(&committed));
            }
            messages.extend(committed.messages);
        }
        if owner.is_some() {
            self.inner.running.stop(conversation, &[]);
        }
        self.inner.wake.sends.notify_one();
        self.inner.bus.publish(events).await;
        Ok(messages)
    }

    /// Changes a conversation: its owner, status or priority.
    ///
    /// # Errors
    /// [`EngineError::Store`] with `NotFound` when there is no such conversation.
    pub async fn change_conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
        change: &ConversationChange,
    ) -> Result<Conversation, EngineError> {
        let now = self.inner.clock.now();
        let conversation = self.inner.store.change_conversation(business, id, change, now).await?;
        if conversation.owner != Owner::Bot {
            self.inner.running.stop(id, &[]);
        }
        let body = EventBody::ConversationUpdated { conversation: conversation.clone() };
        let event = Event { business_id: business, conversation_id: Some(id), at: now, body };
        self.inner.bus.publish(vec![event]).await;
        self.inner.wake.turns.notify_one();
        Ok(conversation)
    }

    /// Tells the provider that the contact's newest message was seen. `false` when there is none
    /// that a provider knows.
    ///
    /// # Errors
    /// [`EngineError::Provider`] when the provider does not accept it.
    pub async fn mark_read(
        &self,
        business: BusinessId,
        id: ConversationId,
    ) -> Result<Option<MessageId>, EngineError> {
        let conversation = self.inner.store.conversation(business, id).await?;
        let page = crate::model::PageRequest::first(NEWEST_INBOUND_WITHIN);
        let newest = MessageOrder::NewestFirst;
        let messages = self.inner.store.messages(business, id, newest, &page).await?;
        let seen = |message: &&Message| message.direction == Direction::Inbound;
        let Some(message) = messages.items.iter().find(seen) else { return Ok(None) };
        let Some(provider_ref) = &message.provider_ref else { return Ok(None) };
        let open = self.inner.registry.channel(business, conversation.channel_id).await?;
        open.adapter.mark_read(provider_ref).await?;
        Ok(Some(message.id))
    }

    /// Checks settings and secrets as [`open`](crate::port::ChannelProvider::open) would, without
    /// storing anything.
    ///
    /// # Errors
    /// [`EngineError::UnknownProvider`] or [`EngineError::Channel`].
    pub fn check_channel(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<(), EngineError> {
        self.inner.registry.provider(&config.provider)?.open(config, secrets)?;
        Ok(())
    }

    /// Asks the channel's provider whether settings and secrets work.
    ///
    /// # Errors
    /// [`EngineError::Provider`] when they do not.
    pub async fn verify_channel(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> Result<(), EngineError> {
        self.inner.registry.forget(id);
        let open = self.inner.registry.channel(business, id).await?;
        Ok(open.adapter.verify().await?)
    }

    /// Forgets the opened form of a channel that was just changed, so that the change counts here
    /// at once. Other processes see it within two seconds.
    pub fn channel_changed(&self, id: ChannelId) {
        self.inner.registry.forget(id);
    }
}
