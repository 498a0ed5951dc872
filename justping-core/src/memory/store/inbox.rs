use super::thread::Thread;
use super::{Key, State};
use crate::model::{
    Contact, ContactId, Conversation, ConversationId, ConversationStatus, EventBody, MailboxEntry,
    MailboxEvent, Message, Owner,
};
use crate::policy;
use crate::port::store::{Accept, Accepted, OutsideMail};
use crate::port::{StoreError, StoreResult};

impl State {
    pub(super) fn accept(&mut self, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
        for accept in &batch {
            self.channels.get(accept.business_id, accept.channel_id)?;
            if accept.message.from.is_empty() {
                return Err(StoreError::Invalid("sender"));
            }
        }
        batch.into_iter().map(|accept| self.accept_one(accept)).collect()
    }

    fn accept_one(&mut self, accept: Accept) -> StoreResult<Accepted> {
        let Accept { business_id: business, channel_id: channel, owner, now, .. } = accept;
        let reference = accept.message.provider_ref.clone();
        if let Some((conversation_id, seq)) = self.references.received(channel, &reference) {
            return Ok(Accepted::Duplicate { conversation_id, seq });
        }
        let (contact, contact_created) = self.meet(&accept)?;
        if let Some(patch) = policy::consent_patch(&accept.message) {
            self.contacts.rows.get_mut(business, contact)?.apply(&patch, now);
        }
        let (id, conversation_created) = self.open(&accept, contact)?;
        let key = (business, id);
        let before = self.standing(key)?;
        let message = self.append(key, |conversation| {
            Message::received(accept.message_id, conversation, accept.message, owner, now)
        })?;
        self.references.receive(channel, reference, (id, message.seq));
        let conversation = self.threads.get(business, id)?.conversation.clone();
        self.counters.receive(channel, &message);
        self.counters.follow((!conversation_created).then_some(before.0), &conversation, now);
        if conversation.owner == Owner::Bot {
            self.deliver(key, mail(&message))?;
        }
        if contact_created {
            let body = EventBody::ContactCreated { contact_id: contact };
            self.record(business, None, now, body);
        }
        if conversation_created {
            let body = EventBody::ConversationCreated { conversation: conversation.clone() };
            self.record(business, Some(id), now, body);
        } else if before != self.standing(key)? {
            self.record_update(key, now)?;
        }
        Ok(Accepted::New { message, conversation, contact_created, conversation_created })
    }

    /// Finds the contact by any of its identities, or makes it; says whether it is new.
    fn meet(&mut self, accept: &Accept) -> StoreResult<(ContactId, bool)> {
        let (business, message) = (accept.business_id, &accept.message);
        let known =
            message.from.iter().find_map(|identity| self.contacts.owner(business, identity));
        if let Some(id) = known {
            let name = message.name.as_deref();
            self.contacts.learn((business, id), &message.from, name, accept.now)?;
            return Ok((id, false));
        }
        let mut identities = Vec::new();
        for identity in &message.from {
            if !identities.contains(identity) {
                identities.push(identity.clone());
            }
        }
        let contact = Contact {
            identities,
            name: message.name.clone(),
            ..Contact::new(accept.contact_id, business, accept.now)
        };
        self.contacts.add(contact)?;
        Ok((accept.contact_id, true))
    }

    /// Finds the conversation of the contact on the channel, or makes it; says whether it is new.
    fn open(&mut self, accept: &Accept, contact: ContactId) -> StoreResult<(ConversationId, bool)> {
        let (business, channel) = (accept.business_id, accept.channel_id);
        if let Some(id) = self.pairs.get(&(business, channel, contact)) {
            return Ok((*id, false));
        }
        let id = accept.conversation_id;
        let conversation =
            Conversation::new(id, business, channel, contact, accept.owner, accept.now);
        self.threads.add(business, id, Thread::new(conversation))?;
        self.pairs.insert((business, channel, contact), id);
        Ok((id, true))
    }

    /// What of a conversation is worth an event when a message changes it.
    fn standing(&self, (business, id): Key) -> StoreResult<(ConversationStatus, Owner)> {
        let conversation = &self.threads.get(business, id)?.conversation;
        Ok((conversation.status, conversation.owner))
    }

    /// Puts an outside event into the mailbox; says whether its session waits there.
    pub(super) fn put_outside(&mut self, mail: OutsideMail) -> StoreResult<bool> {
        let key = (mail.business_id, mail.conversation_id);
        let waits = self.threads.get(key.0, key.1).ok().and_then(|thread| thread.waiting);
        if waits != Some(mail.session_id) {
            return Ok(false);
        }
        self.deliver(key, mail.event())?;
        Ok(true)
    }

    /// Puts an event into the mailbox of a conversation.
    pub(super) fn deliver(&mut self, (business, id): Key, event: MailboxEvent) -> StoreResult<()> {
        let thread = self.threads.get_mut(business, id)?;
        self.last_mail += 1;
        thread.mailbox.push_back(MailboxEntry { seq: self.last_mail, event });
        self.queue_turn((business, id))
    }
}

fn mail(message: &Message) -> MailboxEvent {
    MailboxEvent::Message {
        message_id: message.id,
        content: message.content.clone(),
        provider_ref: message.provider_ref.clone(),
    }
}
