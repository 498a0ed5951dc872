use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use justping_core::model::{
    BusinessId, ChannelId, Contact, ContactId, Conversation, ConversationId, ConversationStatus,
    EventBody, Identity, Message, Owner,
};
use justping_core::port::store::{Accept, Accepted, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::{
    Events, contact_row, conversation_row, insert_contacts, insert_conversations, insert_events,
    insert_identities, insert_messages, message_row, rows, update_contacts, update_conversations,
};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, batch, get, parse_doc, statements};

statements! {
    /// One row: the batch's channels that are missing, its references that are known, and its
    /// people that are known with their conversations on the channel they wrote by. The document
    /// of a contact is read only when the message may add to it.
    ///
    /// Each column is a list in one text, see [`lines`]: a row of its own for each would wake this
    /// side of the connection as often.
    ACCEPT_READ = "BEGIN IMMEDIATE; \
        SELECT \
        (SELECT group_concat(v.value ->> 2, char(30)) FROM json_each($1) v WHERE NOT EXISTS ( \
            SELECT 1 FROM channels \
            WHERE business_id = unhex(v.value ->> 0) AND id = unhex(v.value ->> 1))), \
        (SELECT group_concat(v.key || char(31) || hex(r.conversation_id) || char(31) || r.seq, \
                char(30)) \
        FROM json_each($2) v CROSS JOIN received_refs r \
            ON r.channel_id = unhex(v.value ->> 0) AND r.provider_ref = v.value ->> 1), \
        (SELECT group_concat(v.key || char(31) || hex(i.contact_id) || char(31) || \
            CASE WHEN v.value ->> 4 OR NOT c.named THEN c.doc ELSE '' END || char(31) || \
            coalesce(n.doc, ''), char(30)) \
        FROM json_each($3) v \
            CROSS JOIN identities i ON i.business_id = unhex(v.value ->> 0) \
                AND i.kind = v.value ->> 1 AND i.address = v.value ->> 2 \
            CROSS JOIN contacts c ON c.business_id = i.business_id AND c.id = i.contact_id \
            LEFT JOIN conversations n ON n.business_id = i.business_id \
                AND n.contact_id = i.contact_id AND n.channel_id = unhex(v.value ->> 3))";
    THREADS_READ = "SELECT n.doc FROM json_each($1) v CROSS JOIN conversations n \
        ON n.business_id = unhex(v.value ->> 0) AND n.channel_id = unhex(v.value ->> 1) \
            AND n.contact_id = unhex(v.value ->> 2)";
    ACCEPT_WRITE = concat!(
        insert_contacts!("$1"), update_contacts!("$2"), insert_identities!("$3"),
        insert_conversations!("$4"), update_conversations!("$5"), insert_messages!("$6"),
        "INSERT OR ROLLBACK INTO received_refs (channel_id, provider_ref, conversation_id, seq) \
            SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3 \
            FROM json_each($7); \
        INSERT OR ROLLBACK INTO mailbox (business_id, conversation_id, message_seq) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2 FROM json_each($8); ",
        insert_events!("$9"), "COMMIT"
    );
}

/// Between the fields of a line. JSON escapes control characters, so no document has one.
const FIELD: char = '\u{1f}';
/// Between the lines of a list.
const LINE: char = '\u{1e}';

/// The lines of a list that a statement made into one text; `None` when there was nothing.
fn lines(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.into_iter().flat_map(|list| list.split(LINE))
}

fn parse<T: FromStr>(field: Option<&str>) -> StoreResult<T> {
    field.and_then(|field| field.parse().ok()).ok_or_else(corrupt)
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("an inbox".to_owned())
}

/// A contact on a channel.
type Pair = (BusinessId, ChannelId, ContactId);
/// A provider's name of a message.
type Reference = (ChannelId, String);

pub(super) async fn run(write: &mut Write<'_>, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
    let senders: Vec<Sender<'_>> = senders(&batch);
    let rows = write.begin(read(&batch, &senders)?).await?;
    let mut inbox = Inbox::new(&batch, &senders, &rows)?;
    drop(senders);
    let plans = batch.iter().enumerate().map(|(index, accept)| inbox.plan(index, accept));
    let plans: Vec<Plan> = plans.collect();
    let unread = inbox.unread(&batch, &plans)?;
    if let Some(unread) = unread {
        inbox.add_threads(&write.run(query(THREADS_READ).bind(unread)).await?)?;
    }
    let mut accepted: Vec<Accepted> = Vec::with_capacity(batch.len());
    for (accept, plan) in batch.into_iter().zip(plans) {
        let outcome = inbox.append(accept, plan, &accepted)?;
        accepted.push(outcome);
    }
    write.commit(inbox.writes(&accepted)?).await?;
    Ok(accepted)
}

/// An identity in a message of the batch.
struct Sender<'a> {
    accept: &'a Accept,
    identity: &'a Identity,
}

fn senders(batch: &[Accept]) -> Vec<Sender<'_>> {
    let of = |accept| {
        let accept: &Accept = accept;
        accept.message.from.iter().map(move |identity| Sender { accept, identity })
    };
    batch.iter().flat_map(of).collect()
}

fn read(accepts: &[Accept], senders: &[Sender<'_>]) -> StoreResult<Bound> {
    let mut seen = HashSet::new();
    let first =
        |(_, accept): &(usize, &Accept)| seen.insert((accept.business_id, accept.channel_id));
    let channels: Vec<_> = accepts.iter().enumerate().filter(first).map(channel_row).collect();
    let references: Vec<_> = accepts
        .iter()
        .map(|accept| (Hex(accept.channel_id.uuid()), &*accept.message.provider_ref))
        .collect();
    let senders: Vec<_> = senders
        .iter()
        .map(|Sender { accept, identity }| {
            let several = accept.message.from.len() > 1;
            let (business, channel) = (accept.business_id.uuid(), accept.channel_id.uuid());
            (Hex(business), identity.kind.as_str(), &*identity.id, Hex(channel), several)
        })
        .collect();
    Ok(query(ACCEPT_READ).bind(batch(&channels)?).bind(batch(&references)?).bind(batch(&senders)?))
}

/// A channel, with the place of its first message.
fn channel_row((index, accept): (usize, &Accept)) -> (Hex, Hex, usize) {
    (Hex(accept.business_id.uuid()), Hex(accept.channel_id.uuid()), index)
}

/// What is to be done with a message.
#[derive(Clone, Copy)]
enum Plan {
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

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Change {
    #[default]
    None,
    New,
    Changed,
}

/// What is stored about the senders of a batch, and then what is to be written about them.
#[derive(Default)]
struct Inbox {
    known: HashMap<usize, (ConversationId, u64)>,
    first: HashMap<Reference, usize>,
    owners: HashMap<(BusinessId, Identity), ContactId>,
    people: HashMap<(BusinessId, ContactId), Person>,
    /// `None` where it is known that there is no conversation.
    threads: HashMap<Pair, Option<Thread>>,
    identities: Vec<(Hex, Identity, Hex)>,
    references: Vec<(Hex, String, Hex, u64)>,
    mail: Vec<(Hex, Hex, u64)>,
    events: Events,
}

impl Inbox {
    fn new(batch: &[Accept], senders: &[Sender<'_>], rows: &[SqliteRow]) -> StoreResult<Self> {
        let mut inbox = Self::default();
        let row = rows.first().ok_or_else(corrupt)?;
        let missing: HashSet<usize> =
            lines(get(row, 0)?).map(|line| parse(Some(line))).collect::<StoreResult<_>>()?;
        for line in lines(get(row, 1)?) {
            let mut fields = line.split(FIELD);
            let (key, id) = (parse(fields.next())?, parse(fields.next())?);
            let place = (ConversationId::from_uuid(id), parse(fields.next())?);
            inbox.known.insert(key, place);
        }
        for line in lines(get(row, 2)?) {
            inbox.add_sender(senders, line)?;
        }
        for (index, accept) in batch.iter().enumerate() {
            if missing.contains(&index) {
                return Err(StoreError::NotFound("channel"));
            }
            if accept.message.from.is_empty() {
                return Err(StoreError::Invalid("sender"));
            }
        }
        Ok(inbox)
    }

    fn add_sender(&mut self, senders: &[Sender<'_>], line: &str) -> StoreResult<()> {
        let mut fields = line.split(FIELD);
        let sender = senders.get(parse::<usize>(fields.next())?);
        let Sender { accept, identity } = sender.ok_or_else(corrupt)?;
        let business = accept.business_id;
        let id = ContactId::from_uuid(parse(fields.next())?);
        self.owners.insert((business, (*identity).clone()), id);
        let person = self.people.entry((business, id)).or_default();
        let contact = fields.next().filter(|doc| !doc.is_empty() && person.contact.is_none());
        if let Some(doc) = contact {
            person.contact = Some(parse_doc(doc, "contact")?);
        }
        let pair = (business, accept.channel_id, id);
        if let Entry::Vacant(slot) = self.threads.entry(pair) {
            let doc = fields.next().filter(|doc| !doc.is_empty());
            let thread = doc.map(|doc| parse_doc(doc, "conversation")).transpose()?;
            slot.insert(thread.map(|conversation| Thread { conversation, change: Change::None }));
        }
        Ok(())
    }

    /// Decides whether a message is new, and if so whose.
    fn plan(&mut self, index: usize, accept: &Accept) -> Plan {
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
        for identity in &free {
            self.owners.insert((business, identity.clone()), id);
            self.identities.push((Hex(business.uuid()), identity.clone(), Hex(id.uuid())));
        }
        let person = self.people.entry((business, id)).or_default();
        if owner.is_none() {
            let name = message.name.clone();
            let contact = Contact { identities: free, name, ..Contact::new(id, business, now) };
            *person = Person { contact: Some(contact), change: Change::New };
            return Plan::New { contact: id, created: true };
        }
        if let Some(contact) = &mut person.contact
            && contact.learn(free, message.name.as_deref(), now)
            && person.change == Change::None
        {
            person.change = Change::Changed;
        }
        Plan::New { contact: id, created: false }
    }

    /// The conversations that only the batch itself led to: a contact that an earlier message gave
    /// the identity of a later one may have a conversation on the later one's channel.
    fn unread(&mut self, accepts: &[Accept], plans: &[Plan]) -> StoreResult<Option<String>> {
        let mut unread = Vec::new();
        for (accept, plan) in accepts.iter().zip(plans) {
            let Plan::New { contact, .. } = plan else { continue };
            let (business, channel) = (accept.business_id, accept.channel_id);
            let pair = (business, channel, *contact);
            if self.threads.contains_key(&pair) {
                continue;
            }
            self.threads.insert(pair, None);
            let new = self.people.get(&(business, *contact)).map(|person| person.change);
            if new != Some(Change::New) {
                unread.push((Hex(business.uuid()), Hex(channel.uuid()), Hex(contact.uuid())));
            }
        }
        if unread.is_empty() { Ok(None) } else { batch(&unread).map(Some) }
    }

    fn add_threads(&mut self, rows: &[SqliteRow]) -> StoreResult<()> {
        for row in rows {
            let conversation: Conversation = parse_doc(get(row, 0)?, "conversation")?;
            let pair = (conversation.business_id, conversation.channel_id, conversation.contact_id);
            self.threads.insert(pair, Some(Thread { conversation, change: Change::None }));
        }
        Ok(())
    }

    /// Appends a message to its conversation.
    fn append(&mut self, accept: Accept, plan: Plan, done: &[Accepted]) -> StoreResult<Accepted> {
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
        let reference = accept.message.provider_ref.clone();
        let message =
            Message::received(accept.message_id, conversation, accept.message, owner, now);
        let (key, id) = (Hex(business.uuid()), Hex(conversation.id.uuid()));
        self.references.push((Hex(channel.uuid()), reference, id, message.seq));
        if conversation.owner == Owner::Bot {
            self.mail.push((key, id, message.seq));
        }
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

    fn writes(&self, accepted: &[Accepted]) -> StoreResult<Bound> {
        let people = |change| {
            let people = self.people.values().filter(move |person| person.change == change);
            people.filter_map(|person| person.contact.as_ref())
        };
        let threads = |change| {
            let threads = self.threads.values().flatten();
            threads.filter(move |thread| thread.change == change).map(|row| &row.conversation)
        };
        let identities: Vec<_> = self
            .identities
            .iter()
            .map(|(business, identity, contact)| {
                (business, identity.kind.as_str(), &*identity.id, contact)
            })
            .collect();
        let messages = accepted.iter().filter_map(|outcome| match outcome {
            Accepted::New { message, .. } => Some(message),
            Accepted::Duplicate { .. } => None,
        });
        Ok(query(ACCEPT_WRITE)
            .bind(rows(people(Change::New).map(contact_row))?)
            .bind(rows(people(Change::Changed).map(contact_row))?)
            .bind(batch(&identities)?)
            .bind(rows(threads(Change::New).map(conversation_row))?)
            .bind(rows(threads(Change::Changed).map(conversation_row))?)
            .bind(rows(messages.map(message_row))?)
            .bind(batch(&self.references)?)
            .bind(batch(&self.mail)?)
            .bind(self.events.batch()?))
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
