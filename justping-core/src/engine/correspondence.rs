//! Mails that flows write: each a message in the conversation of whoever gets it.

use async_trait::async_trait;

use super::registry::OpenChannel;
use super::turn::message_events;
use super::{EngineError, JustPing};
use crate::model::{
    Author, BusinessId, ChannelId, ChannelKind, Contact, ContactId, Content, Conversation,
    ConversationId, ConversationStatus, Direction, Event, EventBody, Lane, Mail, MailAddress,
    MessageId, Owner, PAGE_MAX, PageRequest, Timestamp,
};
use crate::policy::{self, Decision, SendFacts};
use crate::port::store::Post;
use crate::port::{
    CallScope, Correspondence, Letter, LetterError, MAIL_FIELD, Posted, StoreError, StoreResult,
};

impl From<StoreError> for LetterError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[async_trait]
impl Correspondence for JustPing {
    async fn write(&self, scope: &CallScope, letter: &Letter) -> Result<Posted, LetterError> {
        let business = scope.business_id;
        let mut mail = Mail {
            html: letter.html.clone(),
            automatic: true,
            ..Mail::new(&*letter.subject, &*letter.text)
        };
        mail.check()?;
        let asking = self.inner.store.conversation(business, scope.conversation_id).await?;
        let contact = self.inner.store.contact(business, asking.contact_id).await?;
        let address = address(&contact, letter.to.as_deref())?;
        let open = self.mail_channel(business, letter.channel).await?;
        let contact = self.receiver(contact, &address).await?;
        mail.address = Some(address.to_string());
        let content = Content::Email(mail);
        let now = self.inner.clock.now();
        let fresh = self.silent_conversation(&open, contact.id, now);
        let decision = policy::can_send(&SendFacts {
            now,
            contact: &contact,
            conversation: &fresh,
            content: &content,
            capabilities: open.adapter.capabilities(),
        });
        if let Decision::Deny(kind) = decision {
            return Err(LetterError::Denied(kind));
        }
        let conversation = self.opened(&fresh).await?;
        self.post_letter(scope, &conversation, content, now).await
    }
}

impl JustPing {
    /// The channel that is named, or the only one that there is.
    async fn mail_channel(
        &self,
        business: BusinessId,
        named: Option<ChannelId>,
    ) -> Result<OpenChannel, LetterError> {
        if let Some(id) = named {
            let open = match self.inner.registry.channel(business, id).await {
                Err(EngineError::Store(StoreError::NotFound(_))) => Err(LetterError::NoChannel),
                other => other.map_err(|error| LetterError::Unavailable(error.to_string())),
            }?;
            let fits =
                open.config.enabled && open.adapter.capabilities().kind == ChannelKind::EMAIL;
            return if fits { Ok(open) } else { Err(LetterError::NoChannel) };
        }
        let mut found = None;
        let mut page = PageRequest::first(PAGE_MAX);
        loop {
            let channels = self.inner.store.channels(business, &page).await?;
            for config in channels.items.into_iter().filter(|config| config.enabled) {
                let provider = self.inner.registry.provider(&config.provider);
                if !provider.is_ok_and(|provider| provider.kind() == ChannelKind::EMAIL) {
                    continue;
                }
                if found.replace(config).is_some() {
                    return Err(LetterError::SeveralChannels);
                }
            }
            match channels.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let open = self.inner.registry.open(found.ok_or(LetterError::NoChannel)?).await;
        open.map_err(|error| LetterError::Unavailable(error.to_string()))
    }

    /// Whoever gets a letter: the contact itself, if the address is its own, else whoever has the
    /// address, who is made if there is nobody.
    async fn receiver(&self, contact: Contact, address: &MailAddress) -> StoreResult<Contact> {
        let store = &self.inner.store;
        let (business, identity) = (contact.business_id, address.identity());
        if contact.identities.contains(&identity) {
            return Ok(contact);
        }
        match store.contact_by_identity(business, &identity).await {
            Err(StoreError::NotFound(_)) => {}
            known => return known,
        }
        let now = self.inner.clock.now();
        if field_of(&contact).as_ref() == Some(address)
            && let Some(known) = contact.identities.first()
        {
            let also = [identity.clone()];
            let linked = store.link_identities(business, known, &also, now).await?;
            // Somebody else may have got the address meanwhile.
            if linked.identities.contains(&identity) {
                return Ok(linked);
            }
            return store.contact_by_identity(business, &identity).await;
        }
        let id = ContactId::from_uuid(self.inner.ids.uuid());
        let identities = vec![identity.clone()];
        let made = Contact { identities, ..Contact::new(id, business, now) };
        match store.create_contact(&made).await {
            Ok(()) => Ok(made),
            Err(StoreError::Conflict(_)) => store.contact_by_identity(business, &identity).await,
            Err(error) => Err(error),
        }
    }

    /// A conversation that waits for nobody until the contact writes.
    fn silent_conversation(
        &self,
        open: &OpenChannel,
        contact: ContactId,
        now: Timestamp,
    ) -> Conversation {
        let id = ConversationId::from_uuid(self.inner.ids.uuid());
        let (business, channel) = (open.config.business_id, open.config.id);
        Conversation {
            status: ConversationStatus::Closed,
            ..Conversation::new(id, business, channel, contact, Owner::Queue, now)
        }
    }

    async fn opened(&self, fresh: &Conversation) -> StoreResult<Conversation> {
        let conversation = self.inner.store.open_conversation(fresh).await?;
        if conversation.id == fresh.id {
            let body = EventBody::ConversationCreated { conversation: conversation.clone() };
            let event = Event {
                business_id: fresh.business_id,
                conversation_id: Some(fresh.id),
                at: fresh.created_at,
                body,
            };
            self.inner.bus.publish(vec![event]).await;
        }
        Ok(conversation)
    }

    /// Writes the message, once for its call.
    async fn post_letter(
        &self,
        scope: &CallScope,
        conversation: &Conversation,
        content: Content,
        now: Timestamp,
    ) -> Result<Posted, LetterError> {
        let message_id = MessageId::from_uuid(scope.call_id.uuid());
        let posted = Posted { message_id, conversation_id: conversation.id };
        let post = Post {
            business_id: scope.business_id,
            conversation_id: conversation.id,
            message_id,
            direction: Direction::Outbound,
            author: Author::Bot(scope.session_id),
            content,
            lane: Lane::Transactional,
            reply_to: None,
            provider_ref: None,
            once: Some(scope.call_id.to_string()),
            owner: None,
            now,
        };
        for committed in self.inner.store.post(vec![post]).await? {
            match committed {
                Ok(committed) => {
                    self.inner.wake.sends.notify_one();
                    self.inner.bus.publish(message_events(&committed).collect()).await;
                }
                // It was written before whoever wrote it died.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(posted)
    }
}

/// The address of a letter: the one it names, else the contact's own, else that of its field.
fn address(contact: &Contact, named: Option<&str>) -> Result<MailAddress, LetterError> {
    if let Some(named) = named.filter(|named| !named.trim().is_empty()) {
        return MailAddress::parse(named).ok_or(LetterError::InvalidAddress);
    }
    let own = contact.address(&ChannelKind::EMAIL).and_then(MailAddress::parse);
    own.or_else(|| field_of(contact)).ok_or(LetterError::NoAddress)
}

fn field_of(contact: &Contact) -> Option<MailAddress> {
    contact.fields.get(MAIL_FIELD).and_then(|field| field.as_str()).and_then(MailAddress::parse)
}
