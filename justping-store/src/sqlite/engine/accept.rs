use std::collections::HashSet;
use std::str::FromStr;

use justping_core::model::{Contact, ContactId, Conversation, ConversationId, Message};
use justping_core::port::store::{Accept, Accepted, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::{
    add_counters, contact_row, counters, events, insert_events, insert_identities, rows,
    update_contacts,
};
use crate::decision::{Change, Inbox, Plan, Received, Sender, adds, check, senders};
use crate::document::{owner_column, status_column, to_doc};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::list::{FILLED, Parameters, ROWS_MAX, Sized, values};
use crate::sqlite::row::{Hex, batch, count, get, millis, statements};

statements! {
    THREADS_READ = "SELECT n.doc FROM json_each($1) v CROSS JOIN conversations n \
        ON n.business_id = unhex(v.value ->> 0) AND n.channel_id = unhex(v.value ->> 1) \
            AND n.contact_id = unhex(v.value ->> 2)";
    /// What few messages bring, and the end of the move.
    ACCEPT_REST = concat!(
        update_contacts!("?"), insert_identities!("?"), insert_events!("?"),
        add_counters!("?"), "COMMIT"
    );
}

/// The first and the further reads of a move; its writes, those of newcomers and the last apart.
static READ_FIRST: Sized = Sized::new(|rows| format!("BEGIN IMMEDIATE; {}", read_text(rows)));
static READ_MORE: Sized = Sized::new(read_text);
static WRITE_NEW: Sized = Sized::new(new_text);
static WRITE_MORE: Sized = Sized::new(write_text);
static WRITE_LAST: Sized = Sized::new(|rows| format!("{}{ACCEPT_REST}", write_text(rows)));

/// Every text that is written out for a number of rows.
#[cfg(test)]
pub(in crate::sqlite) const SIZED: [&Sized; 5] =
    [&READ_FIRST, &READ_MORE, &WRITE_NEW, &WRITE_MORE, &WRITE_LAST];

/// Fields of the lists, in the order of the statements.
const REFERENCE: usize = 3;
const SENDER: usize = 6;
const THREAD: usize = 6;
const MESSAGE: usize = 4;
const PLACE: usize = 3;
const RECEIVED: usize = 4;
const MAIL: usize = 3;
const NEW_CONTACT: usize = 4;
const NEW_THREAD: usize = 9;

/// One row: the batch's channels that are missing, its references that are known, and its people
/// that are known with their conversations on the channel they wrote by. The document of a contact
/// is read only when the message may add to it.
///
/// Each column is a list in one text, see [`lines`]: a row of its own for each would wake this
/// side of the connection as often.
fn read_text(rows: usize) -> String {
    let (references, people) = (values(rows, REFERENCE), values(rows, SENDER));
    format!(
        "SELECT \
        (SELECT group_concat(v.value ->> 2, char(30)) FROM json_each(?) v WHERE NOT EXISTS ( \
            SELECT 1 FROM channels \
            WHERE business_id = unhex(v.value ->> 0) AND id = unhex(v.value ->> 1))), \
        (SELECT group_concat(v.column1 || char(31) || hex(r.conversation_id) || char(31) || r.seq, \
                char(30)) \
        FROM {references} v CROSS JOIN received_refs r \
            ON r.channel_id = v.column2 AND r.provider_ref = v.column3), \
        (SELECT group_concat(v.column1 || char(31) || hex(i.contact_id) || char(31) || \
            CASE WHEN v.column6 OR NOT c.named THEN c.doc ELSE '' END || char(31) || \
            coalesce(n.doc, ''), char(30)) \
        FROM {people} v \
            CROSS JOIN identities i ON i.business_id = v.column2 \
                AND i.kind = v.column3 AND i.address = v.column4 \
            CROSS JOIN contacts c ON c.business_id = i.business_id AND c.id = i.contact_id \
            LEFT JOIN conversations n ON n.business_id = i.business_id \
                AND n.contact_id = i.contact_id AND n.channel_id = v.column5)"
    )
}

/// Contacts and conversations that were not there.
fn new_text(rows: usize) -> String {
    let (contacts, threads) = (values(rows, NEW_CONTACT), values(rows, NEW_THREAD));
    format!(
        "INSERT OR ROLLBACK INTO contacts (business_id, id, named, doc) \
            SELECT * FROM {contacts} {FILLED}; \
        INSERT OR ROLLBACK INTO conversations (business_id, id, channel_id, contact_id, status, \
                owner, last_message_at, not_before, doc) \
            SELECT * FROM {threads} {FILLED}; "
    )
}

/// What every message brings: its row, the news of its conversation, its reference, its mail.
///
/// The plus signs keep SQLite from going through all conversations and looking each up in the list.
fn write_text(rows: usize) -> String {
    let (threads, messages) = (values(rows, THREAD), values(rows, MESSAGE));
    let (references, mail) = (values(rows, RECEIVED), values(rows, MAIL));
    let places = values(rows, PLACE);
    format!(
        "UPDATE OR ROLLBACK conversations SET status = v.column3, owner = v.column4, \
            last_message_at = v.column5, doc = v.column6 FROM {threads} v \
            WHERE business_id = +v.column1 AND conversations.id = +v.column2; \
        INSERT OR ROLLBACK INTO messages (business_id, conversation_id, seq, doc) \
            SELECT * FROM {messages} {FILLED}; \
        INSERT OR ROLLBACK INTO message_places (business_id, conversation_id, seq) \
            SELECT * FROM {places} {FILLED}; \
        INSERT OR ROLLBACK INTO received_refs (channel_id, provider_ref, conversation_id, seq) \
            SELECT * FROM {references} {FILLED}; \
        INSERT OR ROLLBACK INTO mailbox (business_id, conversation_id, message_seq) \
            SELECT * FROM {mail} {FILLED}; "
    )
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

pub(super) async fn run(write: &mut Write<'_>, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
    let senders: Vec<Sender<'_>> = senders(&batch);
    let mut inbox = read(write, &batch, &senders).await?;
    drop(senders);
    let plans = batch.iter().enumerate().map(|(index, accept)| inbox.plan(index, accept));
    let plans: Vec<Plan> = plans.collect();
    let unread = inbox.unread(&batch, &plans);
    if !unread.is_empty() {
        let pairs = unread.iter().map(|(business, channel, contact)| {
            (Hex(business.uuid()), Hex(channel.uuid()), Hex(contact.uuid()))
        });
        for row in write.run(query(THREADS_READ).bind(rows(pairs)?)).await? {
            inbox.add_conversation(get(&row, 0)?)?;
        }
    }
    let mut accepted: Vec<Accepted> = Vec::with_capacity(batch.len());
    for (accept, plan) in batch.into_iter().zip(plans) {
        let outcome = inbox.append(accept, plan, &accepted)?;
        accepted.push(outcome);
    }
    save(write, &inbox, &accepted).await?;
    Ok(accepted)
}

/// Reads what is known about a batch, in as many steps as its lists need.
async fn read(
    write: &mut Write<'_>,
    accepts: &[Accept],
    senders: &[Sender<'_>],
) -> StoreResult<Inbox> {
    let mut inbox = Inbox::default();
    let mut missing = HashSet::new();
    for step in 0..accepts.len().max(senders.len()).div_ceil(ROWS_MAX) {
        let bound = read_step(accepts, senders, step)?;
        let found = if step == 0 { write.begin(bound).await? } else { write.run(bound).await? };
        let row = found.first().ok_or_else(corrupt)?;
        read_row(&mut inbox, &mut missing, senders, row)?;
    }
    check(accepts, &missing)?;
    Ok(inbox)
}

fn read_step(accepts: &[Accept], senders: &[Sender<'_>], step: usize) -> StoreResult<Bound> {
    let (accepted, met) = (part(accepts, step), part(senders, step));
    let text = if step == 0 { &READ_FIRST } else { &READ_MORE };
    let (room, text) = text.text(accepted.len().max(met.len()))?;
    let mut parameters = Parameters::default();
    parameters.add(if step == 0 { channels(accepts)? } else { "[]".to_owned() })?;
    for (index, accept) in (step * ROWS_MAX..).zip(accepted) {
        parameters.add(place(index)?)?.add(accept.channel_id.uuid())?;
        parameters.add(&*accept.message.provider_ref)?;
    }
    parameters.pad(room - accepted.len(), REFERENCE)?;
    for (index, Sender { accept, identity }) in (step * ROWS_MAX..).zip(met) {
        parameters.add(place(index)?)?.add(accept.business_id.uuid())?;
        parameters.add(identity.kind.as_str())?.add(&*identity.id)?;
        parameters.add(accept.channel_id.uuid())?.add(adds(accept))?;
    }
    parameters.pad(room - met.len(), SENDER)?;
    Ok(parameters.bind(text))
}

/// The rows of a list that a step deals with.
fn part<T>(list: &[T], step: usize) -> &[T] {
    list.chunks(ROWS_MAX).nth(step).unwrap_or_default()
}

fn place(index: usize) -> StoreResult<i64> {
    i64::try_from(index).map_err(|_| StoreError::Invalid("batch"))
}

fn channels(accepts: &[Accept]) -> StoreResult<String> {
    let mut seen = HashSet::new();
    let first =
        |(_, accept): &(usize, &Accept)| seen.insert((accept.business_id, accept.channel_id));
    batch(&accepts.iter().enumerate().filter(first).map(channel_row).collect::<Vec<_>>())
}

/// A channel, with the place of its first message.
fn channel_row((index, accept): (usize, &Accept)) -> (Hex, Hex, usize) {
    (Hex(accept.business_id.uuid()), Hex(accept.channel_id.uuid()), index)
}

fn read_row(
    inbox: &mut Inbox,
    missing: &mut HashSet<usize>,
    senders: &[Sender<'_>],
    row: &SqliteRow,
) -> StoreResult<()> {
    for line in lines(get(row, 0)?) {
        missing.insert(parse(Some(line))?);
    }
    for line in lines(get(row, 1)?) {
        let mut fields = line.split(FIELD);
        let (key, id) = (parse(fields.next())?, parse(fields.next())?);
        let place = (ConversationId::from_uuid(id), parse(fields.next())?);
        inbox.add_known(key, place);
    }
    lines(get(row, 2)?).try_for_each(|line| add_sender(inbox, senders, line))
}

fn add_sender(inbox: &mut Inbox, senders: &[Sender<'_>], line: &str) -> StoreResult<()> {
    let mut fields = line.split(FIELD);
    let sender = senders.get(parse::<usize>(fields.next())?).ok_or_else(corrupt)?;
    let business = sender.accept.business_id;
    let id = ContactId::from_uuid(parse(fields.next())?);
    inbox.add_owner(sender, id);
    if let Some(doc) = fields.next().filter(|doc| !doc.is_empty()) {
        inbox.add_contact((business, id), doc)?;
    }
    let thread = fields.next().filter(|doc| !doc.is_empty());
    inbox.add_thread((business, sender.accept.channel_id, id), thread)
}

/// Writes what was decided, in as many steps as its lists need.
async fn save(write: &mut Write<'_>, inbox: &Inbox, accepted: &[Accepted]) -> StoreResult<()> {
    let threads: Vec<&Conversation> = inbox.threads(Change::Changed).collect();
    let messages: Vec<&Message> = accepted.iter().filter_map(message).collect();
    let mail: Vec<&Received> = inbox.references.iter().filter(|row| row.mail).collect();
    let lists = Lists { threads, messages, references: &inbox.references, mail };
    save_newcomers(write, inbox).await?;
    let last = lists.rows().div_ceil(ROWS_MAX).saturating_sub(1);
    for step in 0..last {
        let (room, text) = WRITE_MORE.text(ROWS_MAX)?;
        let mut parameters = Parameters::default();
        lists.add(&mut parameters, step, room)?;
        write.run(parameters.bind(text)).await?;
    }
    let (room, text) = WRITE_LAST.text(lists.rows() - last * ROWS_MAX)?;
    let mut parameters = Parameters::default();
    lists.add(&mut parameters, last, room)?;
    add_rest(&mut parameters, inbox)?;
    write.commit(parameters.bind(text)).await?;
    Ok(())
}

async fn save_newcomers(write: &mut Write<'_>, inbox: &Inbox) -> StoreResult<()> {
    let contacts: Vec<&Contact> = inbox.people(Change::New).collect();
    let threads: Vec<&Conversation> = inbox.threads(Change::New).collect();
    for step in 0..contacts.len().max(threads.len()).div_ceil(ROWS_MAX) {
        let (contacts, threads) = (part(&contacts, step), part(&threads, step));
        let (room, text) = WRITE_NEW.text(contacts.len().max(threads.len()))?;
        let mut to = Parameters::default();
        for row in contacts {
            to.add(row.business_id.uuid())?.add(row.id.uuid())?;
            to.add(row.name.is_some())?.add(to_doc(row)?)?;
        }
        to.pad(room - contacts.len(), NEW_CONTACT)?;
        for row in threads {
            to.add(row.business_id.uuid())?.add(row.id.uuid())?;
            to.add(row.channel_id.uuid())?.add(row.contact_id.uuid())?;
            to.add(status_column(row.status))?.add(owner_column(row.owner))?;
            to.add(millis(row.last_message_at))?.add(millis(row.created_at))?.add(to_doc(row)?)?;
        }
        to.pad(room - threads.len(), NEW_THREAD)?;
        write.run(to.bind(text)).await?;
    }
    Ok(())
}

fn message(outcome: &Accepted) -> Option<&Message> {
    match outcome {
        Accepted::New { message, .. } => Some(message),
        Accepted::Duplicate { .. } => None,
    }
}

/// What every message brings.
struct Lists<'a> {
    threads: Vec<&'a Conversation>,
    messages: Vec<&'a Message>,
    references: &'a [Received],
    mail: Vec<&'a Received>,
}

impl Lists<'_> {
    /// Rows of the longest list: every message has a reference, and the others have no more.
    fn rows(&self) -> usize {
        self.references.len()
    }

    fn add(&self, to: &mut Parameters, step: usize, room: usize) -> StoreResult<()> {
        let threads = part(&self.threads, step);
        for row in threads {
            to.add(row.business_id.uuid())?.add(row.id.uuid())?;
            to.add(status_column(row.status))?.add(owner_column(row.owner))?;
            to.add(millis(row.last_message_at))?.add(to_doc(row)?)?;
        }
        to.pad(room - threads.len(), THREAD)?;
        let messages = part(&self.messages, step);
        for row in messages {
            to.add(row.business_id.uuid())?.add(row.conversation_id.uuid())?;
            to.add(count(row.seq))?.add(to_doc(row)?)?;
        }
        to.pad(room - messages.len(), MESSAGE)?;
        for row in messages {
            to.add(row.business_id.uuid())?.add(row.conversation_id.uuid())?;
            to.add(count(row.seq))?;
        }
        to.pad(room - messages.len(), PLACE)?;
        let references = part(self.references, step);
        for row in references {
            to.add(row.channel_id.uuid())?.add(&*row.provider_ref)?;
            to.add(row.conversation_id.uuid())?.add(count(row.seq))?;
        }
        to.pad(room - references.len(), RECEIVED)?;
        let mail = part(&self.mail, step);
        for row in mail {
            to.add(row.business_id.uuid())?.add(row.conversation_id.uuid())?;
            to.add(count(row.seq))?;
        }
        to.pad(room - mail.len(), MAIL)
    }
}

/// What few messages bring.
fn add_rest(to: &mut Parameters, inbox: &Inbox) -> StoreResult<()> {
    let identities = inbox.identities.iter().map(|(business, identity, contact)| {
        (Hex(business.uuid()), identity.kind.as_str(), &*identity.id, Hex(contact.uuid()))
    });
    to.add(rows(inbox.people(Change::Changed).map(contact_row))?)?
        .add(rows(identities)?)?
        .add(events(&inbox.events)?)?
        .add(counters(&inbox.counters)?)?;
    Ok(())
}
