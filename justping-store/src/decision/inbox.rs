//! Which inbound messages are new, whose they are, and what they change.

use std::collections::{HashMap, HashSet};

use justping_core::model::{
    BusinessId, ChannelId, Contact, ContactId, Conversation, ConversationId, ConversationStatus,
    Direction, EventBody, Identity, Message, Owner, Rollup, Timestamp,
};
use justping_core::policy;
use justping_core::port::store::{Accept, Accepted, StoreError, StoreResult};

use super::Events;
use crate::document::parse_doc;

/// A contact on a channel.
pub(crate) type Pair = (BusinessId, ChannelId, ContactId);
/// A provider's name of a message.
type Reference = (ChannelId, String);

/// An identity in a message of the batch.
pub(crate) struct Sender<'a> {
    /// The message.
    pub(crate) accept: &'a Accept,
    /// The identity.
    pub(crate) identity: &'a Identity,
}

/// The identities of a batch, in its order.
pub(crate) fn senders(batch: &[Accept]) -> Vec<Sender<'_>> {
    let of = |accept| {
        let accept: &Accept = accept;
        accept.message.from.iter().map(move |identity| Sender { accept, identity })
    };
    batch.iter().flat_map(of).collect()
}

/// Says whether a message may change its contact, whatever is known of it.
pub(crate) fn adds(accept: &Accept) -> bool {
    accept.message.from.len() > 1 || policy::consent_patch(&accept.message).is_some()
}

/// Refuses a batch with a channel that is missing or a message that nobody sent.
pub(crate) fn check(batch: &[Accept], missing: &HashSet<usize>) -> StoreResult<()> {
    for (index, accept) in batch.iter().enumerate() {
        if missing.contains(&index) {
            return Err(StoreError::NotFound("channel"));
        }
        if accept.message.from.is_empty() {
            return Err(StoreError::Invalid("sender"));
        }
    }
    Ok(())
}

/// A new message's reference and place.
pub(crate) struct Received {
    pub(crate) business_id: BusinessId,
    pub(crate) channel_id: ChannelId,
    pub(crate) provider_ref: String,
    pub(crate) conversation_id: ConversationId,
    pub(crate) seq: u64,
    /// The message's moment of creation.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "the embedded store has no partitions")
    )]
    pub(crate) at: Timestamp,
    /// Whether it enters the conversation's mailbox.
    pub(crate) mail: bool,
}

impl Received {
    /// Those of a message at the end of its conversation; `None` without a reference.
    pub(super) fn of(message: &Message, conversation: &Conversation) -> Option<Self> {
        let name = message.provider_ref.clone()?;
        Some(Self::named(name, message, conversation))
    }

    /// Those of a message that the channel calls so.
    pub(super) fn named(
        provider_ref: String,
        message: &Message,
        conversation: &Conversation,
    ) -> Self {
        let contact_wrote = message.direction == Direction::Inbound;
        Self {
            business_id: conversation.business_id,
            channel_id: conversation.channel_id,
            provider_ref,
            conversation_id: conversation.id,
            seq: message.seq,
            at: message.created_at,
            mail: contact_wrote && conversation.owner == Owner::Bot,
        }
    }
}

/// What is to be done with a message.
#[derive(Clone, Copy)]
pub(crate) enum Plan {
    /// It was recorded by an earlier batch.
    Known { conversation_id: ConversationId, seq: u64 },
    /// It is in this batch, at this place.
    Repeated(usize),
    /// It is new, and of this contact.
    New { contact: ContactId, created: bool },
}

/// A contact the batch deals with.
#[derive(Default)]
struct Person {
    /// Not read where nothing can be added.
    contact: Option<Contact>,
    change: Change,
}

/// A conversation the batch deals with.
struct Thread {
    conversation: Conversation,
    change: Change,
}

/// What is to be done with a row.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    #[default]
    None,
    /// It is inserted.
    New,
    /// It is updated.
    Changed,
}

/// What is stored about the senders of a batch, and then what is to be written about them.
#[derive(Default)]
pub(crate) struct Inbox {
    known: HashMap<usize, (ConversationId, u64)>,
    first: HashMap<Reference, usize>,
    owners: HashMap<(BusinessId, Identity), ContactId>,
    people: HashMap<(BusinessId, ContactId), Person>,
    /// `None` where it is known that there is no conversation.
    threads: HashMap<Pair, Option<Thread>>,
    /// Identities to be written, with their contact.
    pub(crate) identities: Vec<(BusinessId, Identity, ContactId)>,
    /// References to be written.
    pub(crate) references: Vec<Received>,
    /// Events to be written.
    pub(crate) events: Events,
    /// What is counted.
    pub(crate) counters: Rollup,
}

impl Inbox {
    /// A message that an earlier batch recorded.
    pub(crate) fn add_known(&mut self, index: usize, place: (ConversationId, u64)) {
        self.known.insert(index, place);
    }

    /// Whose the identity of a sender is.
    pub(crate) fn add_owner(&mut self, sender: &Sender<'_>, contact: ContactId) {
        let business = sender.accept.business_id;
        self.owners.insert((business, sender.identity.clone()), contact);
        self.people.entry((business, contact)).or_default();
    }

    /// A contact as it stands; needed only where a message may add to it.
    pub(crate) fn add_contact(
        &mut self,
        (business, id): (BusinessId, ContactId),
        doc: &str,
    ) -> StoreResult<()> {
        let person = self.people.entry((business, id)).or_default();
        if person.contact.is_none() {
            person.contact = Some(parse_doc(doc, "contact")?);
        }
        Ok(())
    }

    /// The conversation of a pair, or that it has none.
    pub(crate) fn add_thread(&mut self, pair: Pair, doc: Option<&str>) -> StoreResult<()> {
        if !self.threads.get(&pair).is_some_and(Option::is_some) {
            let thread = doc.map(|doc| parse_doc(doc, "conversation")).transpose()?;
            let thread = thread.map(|conversation| Thread { conversation, change: Change::None });
            self.threads.insert(pair, thread);
        }
        Ok(())
    }

    /// A conversation that was read because of [`Self::unread`].
    pub(crate) fn add_conversation(&mut self, doc: &str) -> StoreResult<()> {
        let conversation: Conversation = parse_doc(doc, "conversation")?;
        let pair = (conversation.business_id, conversation.channel_id, conversation.contact_id);
        self.threads.insert(pair, Some(Thread { conversation, change: Change::None }));
        Ok(())
    }

    /// Decides whether a message is new, and if so whose.
    pub(crate) fn plan(&mut self, index: usize, accept: &Accept) -> Plan {
        if let Some((conversation_id, seq)) = self.known.get(&index) {
            return Plan::Known { conversation_id: *conversation_id, seq: *seq };
        }
        let reference = (accept.channel_id, accept.message.provider_ref.clone());
        match self.first.get(&reference) {
            Some(first) => Plan::Repeated(*first),
            None => {
                self.first.insert(reference, index);
                self.meet(accept)
            }
        }
    }

    /// Finds the contact by any of its identities, or makes it.
    fn meet(&mut self, accept: &Accept) -> Plan {
        let (business, message, now) = (accept.business_id, &accept.message, accept.now);
        let mut owner = None;
        let mut free = Vec::new();
        for identity in &message.from {
            match self.owners.get(&(business, identity.clone())) {
                Some(id) => owner = owner.or(Some(*id)),
                None if free.contains(identity) => {}
                None => free.push(identity.clone()),
            }
        }
        let id = owner.unwrap_or(accept.contact_id);
        let consent = policy::consent_patch(message);
        for identity in &free {
            self.owners.insert((business, identity.clone()), id);
            self.identities.push((business, identity.clone(), id));
        }
        let person = self.people.entry((business, id)).or_default();
        if owner.is_none() {
            let name = message.name.clone();
            let mut contact = Contact { identities: free, name, ..Contact::new(id, business, now) };
            if let Some(patch) = &consent {
                contact.apply(patch, now);
            }
            *person = Person { contact: Some(contact), change: Change::New };
            return Plan::New { contact: id, created: true };
        }
        if let Some(contact) = &mut person.contact {
            let mut changed = contact.learn(free, message.name.as_deref(), now);
            if let Some(patch) = &consent {
                contact.apply(patch, now);
                changed = true;
            }
            if changed && person.change == Change::None {
                person.change = Change::Changed;
            }
        }
        Plan::New { contact: id, created: false }
    }

    /// The conversations that only the batch itself led to: a contact that an earlier message gave
    /// the identity of a later one may have a conversation on the later one's channel.
    pub(crate) fn unread(&mut self, accepts: &[Accept], plans: &[Plan]) -> Vec<Pair> {
        let mut unread = Vec::new();
        for (accept, plan) in accepts.iter().zip(plans) {
            let Plan::New { contact, .. } = plan else { continue };
            let pair = (accept.business_id, accept.channel_id, *contact);
            if self.threads.contains_key(&pair) {
                continue;
            }
            self.threads.insert(pair, None);
            let person = self.people.get(&(accept.business_id, *contact));
            if person.map(|person| person.change) != Some(Change::New) {
                unread.push(pair);
            }
        }
        unread
    }

    /// Appends a message to its conversation.
    pub(crate) fn append(
        &mut self,
        accept: Accept,
        plan: Plan,
        done: &[Accepted],
    ) -> StoreResult<Accepted> {
        let (contact, contact_created) = match plan {
            Plan::Known { conversation_id, seq } => {
                return Ok(Accepted::Duplicate { conversation_id, seq });
            }
            Plan::Repeated(first) => return repeated(done.get(first)),
            Plan::New { contact, created } => (contact, created),
        };
        let Accept { business_id: business, channel_id: channel, owner, now, .. } = accept;
        let slot = self.threads.entry((business, channel, contact)).or_default();
        let conversation_created = slot.is_none();
        let thread = slot.get_or_insert_with(|| {
            let id = accept.conversation_id;
            let conversation = Conversation::new(id, business, channel, contact, owner, now);
            Thread { conversation, change: Change::New }
        });
        if thread.change == Change::None {
            thread.change = Change::Changed;
        }
        let conversation = &mut thread.conversation;
        let before = standing(conversation);
        let message =
            Message::received(accept.message_id, conversation, accept.message, owner, now);
        self.references.extend(Received::of(&message, conversation));
        self.counters.receive(channel, &message);
        let stood = (!conversation_created).then_some(before.0);
        self.counters.follow(stood, conversation, now);
        if contact_created {
            let body = EventBody::ContactCreated { contact_id: contact };
            self.events.record(business, None, now, body);
        }
        if conversation_created {
            let body = EventBody::ConversationCreated { conversation: conversation.clone() };
            self.events.record(business, Some(conversation.id), now, body);
        } else if before != standing(conversation) {
            self.events.updated(conversation, now);
        }
        let conversation = conversation.clone();
        Ok(Accepted::New { message, conversation, contact_created, conversation_created })
    }

    /// Contacts to be written.
    pub(crate) fn people(&self, change: Change) -> impl Iterator<Item = &Contact> {
        let people = self.people.values().filter(move |person| person.change == change);
        people.filter_map(|person| person.contact.as_ref())
    }

    /// Conversations to be written.
    pub(crate) fn threads(&self, change: Change) -> impl Iterator<Item = &Conversation> {
        let threads = self.threads.values().flatten();
        threads.filter(move |thread| thread.change == change).map(|row| &row.conversation)
    }
}

/// What of a conversation is worth an event when a message changes it.
fn standing(conversation: &Conversation) -> (ConversationStatus, Owner) {
    (conversation.status, conversation.owner)
}

/// The outcome of a message that came twice in one batch.
fn repeated(first: Option<&Accepted>) -> StoreResult<Accepted> {
    match first {
        Some(Accepted::New { message, .. }) => {
            Ok(Accepted::Duplicate { conversation_id: message.conversation_id, seq: message.seq })
        }
        Some(duplicate @ Accepted::Duplicate { .. }) => Ok(duplicate.clone()),
        None => Err(StoreError::Invalid("batch")),
    }
}
