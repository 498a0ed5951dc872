use std::collections::HashSet;
use std::str::FromStr;

use justping_core::model::{ContactId, ConversationId};
use justping_core::port::store::{Accept, Accepted, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::{
    contact_row, conversation_row, events, insert_contacts, insert_conversations, insert_events,
    insert_identities, insert_messages, insert_places, message_row, place_row, rows,
    update_contacts, update_conversations,
};
use crate::decision::{Change, Inbox, Plan, Sender, check, senders};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, batch, get, statements};

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
        insert_events!("$9"), insert_places!("$10"), "COMMIT"
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

pub(super) async fn run(write: &mut Write<'_>, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
    let senders: Vec<Sender<'_>> = senders(&batch);
    let rows = write.begin(read(&batch, &senders)?).await?;
    let mut inbox = read_inbox(&batch, &senders, &rows)?;
    drop(senders);
    let plans = batch.iter().enumerate().map(|(index, accept)| inbox.plan(index, accept));
    let plans: Vec<Plan> = plans.collect();
    let unread = inbox.unread(&batch, &plans);
    if !unread.is_empty() {
        let pairs = unread.iter().map(|(business, channel, contact)| {
            (Hex(business.uuid()), Hex(channel.uuid()), Hex(contact.uuid()))
        });
        for row in write.run(query(THREADS_READ).bind(super::write::rows(pairs)?)).await? {
            inbox.add_conversation(get(&row, 0)?)?;
        }
    }
    let mut accepted: Vec<Accepted> = Vec::with_capacity(batch.len());
    for (accept, plan) in batch.into_iter().zip(plans) {
        let outcome = inbox.append(accept, plan, &accepted)?;
        accepted.push(outcome);
    }
    write.commit(writes(&inbox, &accepted)?).await?;
    Ok(accepted)
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

fn read_inbox(batch: &[Accept], senders: &[Sender<'_>], rows: &[SqliteRow]) -> StoreResult<Inbox> {
    let mut inbox = Inbox::default();
    let row = rows.first().ok_or_else(corrupt)?;
    let missing: HashSet<usize> =
        lines(get(row, 0)?).map(|line| parse(Some(line))).collect::<StoreResult<_>>()?;
    for line in lines(get(row, 1)?) {
        let mut fields = line.split(FIELD);
        let (key, id) = (parse(fields.next())?, parse(fields.next())?);
        let place = (ConversationId::from_uuid(id), parse(fields.next())?);
        inbox.add_known(key, place);
    }
    for line in lines(get(row, 2)?) {
        add_sender(&mut inbox, senders, line)?;
    }
    check(batch, &missing)?;
    Ok(inbox)
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

fn writes(inbox: &Inbox, accepted: &[Accepted]) -> StoreResult<Bound> {
    let identities = inbox.identities.iter().map(|(business, identity, contact)| {
        (Hex(business.uuid()), identity.kind.as_str(), &*identity.id, Hex(contact.uuid()))
    });
    let messages = accepted.iter().filter_map(|outcome| match outcome {
        Accepted::New { message, .. } => Some(message),
        Accepted::Duplicate { .. } => None,
    });
    let references = inbox.references.iter().map(|row| {
        (Hex(row.channel_id.uuid()), &*row.provider_ref, Hex(row.conversation_id.uuid()), row.seq)
    });
    let mail = inbox.references.iter().filter(|row| row.mail);
    let mail =
        mail.map(|row| (Hex(row.business_id.uuid()), Hex(row.conversation_id.uuid()), row.seq));
    Ok(query(ACCEPT_WRITE)
        .bind(rows(inbox.people(Change::New).map(contact_row))?)
        .bind(rows(inbox.people(Change::Changed).map(contact_row))?)
        .bind(rows(identities)?)
        .bind(rows(inbox.threads(Change::New).map(conversation_row))?)
        .bind(rows(inbox.threads(Change::Changed).map(conversation_row))?)
        .bind(rows(messages.clone().map(message_row))?)
        .bind(rows(references)?)
        .bind(rows(mail)?)
        .bind(events(&inbox.events)?)
        .bind(rows(messages.map(place_row))?))
}
