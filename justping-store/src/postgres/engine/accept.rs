use std::collections::{BTreeSet, HashSet};

use justping_core::model::{BusinessId, ChannelId, ContactId, ConversationId, Owner};
use justping_core::port::Loops;
use justping_core::port::store::{Accept, Accepted, StoreResult};
use sqlx::query;

use super::write::{
    add_counters, bind_contacts, bind_conversations, bind_counters, bind_events, bind_messages,
    bind_references, contacts, conversations, insert_messages, insert_references, update_contacts,
    update_conversations, with_events,
};
use crate::decision::{Change, Inbox, Pair, Plan, Received, Sender, adds, check, senders};
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{bytes, count, get, get_count, get_index, millis, statements};

statements! {
    /// Whether each message's channel is there, and where its reference is known.
    ACCEPT_READ = "SELECT v.ord, \
            (SELECT true FROM channels h WHERE h.business_id = v.business_id \
                AND h.id = v.channel_id) IS NOT NULL, \
            r.conversation_id, r.seq \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY \
                v (business_id, channel_id, provider_ref, ord) \
            LEFT JOIN LATERAL ( \
                SELECT conversation_id, seq FROM received_refs x \
                WHERE x.business_id = v.business_id AND x.channel_id = v.channel_id \
                    AND x.provider_ref = v.provider_ref LIMIT 1) r ON true";
    /// The senders that are known, and whether each has a name.
    SENDERS_READ = "SELECT v.ord, i.contact_id, (SELECT c.named FROM contacts c \
            WHERE c.business_id = v.business_id AND c.id = i.contact_id) \
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) WITH ORDINALITY \
                v (business_id, kind, address, ord) \
            CROSS JOIN LATERAL ( \
                SELECT contact_id FROM identities x \
                WHERE x.business_id = v.business_id AND x.kind = v.kind \
                    AND x.address = v.address LIMIT 1) i";
    /// `greatest` of one value is that value; it keeps the planner from the index by channel, which
    /// looks as good as the one by contact while the table is empty.
    THREADS_LOCK = "SELECT n.doc FROM conversations n \
            JOIN unnest($1::uuid[], $2::uuid[], $3::uuid[]) v (business_id, channel_id, contact_id) \
            ON n.business_id = v.business_id AND n.contact_id = v.contact_id \
                AND greatest(n.channel_id) = v.channel_id \
        ORDER BY n.business_id, n.id FOR UPDATE OF n";
    PEOPLE_LOCK = "SELECT c.doc, c.business_id, c.id FROM contacts c \
            JOIN unnest($1::uuid[], $2::uuid[]) v (business_id, id) \
            ON c.business_id = v.business_id AND c.id = v.id \
        ORDER BY c.business_id, c.id FOR UPDATE OF c";
    /// Writes everything; tells how many references were new.
    ACCEPT_WRITE = concat!(
        "WITH refs AS (", insert_references!("$1", "$2", "$3", "$4", "$5", "$47"), "), \
        born AS (INSERT INTO contacts (business_id, id, named, doc) SELECT * FROM ",
            contacts!("$6", "$7", "$8", "$9"), "), \
        learned AS (", update_contacts!("$10", "$11", "$12", "$13"), "), \
        addressed AS ( \
            INSERT INTO identities (business_id, kind, address, contact_id) \
            SELECT * FROM unnest($14::uuid[], $15::bytea[], $16::bytea[], $17::uuid[])), \
        opened AS (INSERT INTO conversations (business_id, id, channel_id, contact_id, status, \
                owner, last_message_at, not_before, doc) SELECT * FROM ",
            conversations!("$18", "$19", "$20", "$21", "$22", "$23", "$24", "$25", "$26"), "), \
        moved AS (", update_conversations!(
            "$27", "$28", "$29", "$30", "$31", "$32", "$33", "$34", "$35"), "), \
        written AS (", insert_messages!("$36", "$37", "$38", "$39", "$40"), "), \
        mailed AS ( \
            INSERT INTO mailbox (business_id, conversation_id, message_seq, message_at) \
            SELECT v.b, v.c, v.s, v.a \
            FROM unnest($41::uuid[], $42::uuid[], $43::bigint[], $44::bigint[]) \
                WITH ORDINALITY v (b, c, s, a, ord) ORDER BY v.ord), ",
        with_events!("$45", "$46"),
        ", tallied AS (", add_counters!("$48", "$49", "$50", "$51", "$52"),
        ") SELECT count(*) FROM refs"
    );
}

pub(super) async fn run(write: &mut Write, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
    let mut inbox = read(write, &batch).await?;
    let plans = batch.iter().enumerate().map(|(index, accept)| inbox.plan(index, accept));
    let plans: Vec<Plan> = plans.collect();
    let unread: BTreeSet<Pair> = inbox.unread(&batch, &plans).into_iter().collect();
    lock_threads(write, &mut inbox, &unread).await?;
    let mut accepted: Vec<Accepted> = Vec::with_capacity(batch.len());
    for (accept, plan) in batch.into_iter().zip(plans) {
        let outcome = inbox.append(accept, plan, &accepted)?;
        accepted.push(outcome);
    }
    if inbox.references.is_empty() {
        return Ok(accepted);
    }
    let new = write.run(writes(&mut inbox, &accepted)?).await?;
    let new = new.first().map(|row| get_count(row, 0)).transpose()?;
    if new != Some(inbox.references.len() as u64) {
        return Err(write.overtaken());
    }
    Ok(accepted)
}

/// What a batch left to do.
pub(super) fn work(accepted: &[Accepted]) -> Loops {
    let for_a_bot = |outcome: &Accepted| match outcome {
        Accepted::New { conversation, .. } => conversation.owner == Owner::Bot,
        Accepted::Duplicate { .. } => false,
    };
    if accepted.iter().any(for_a_bot) { Loops::TURNS } else { Loops::NONE }
}

/// Reads what is known about a batch. Conversations are locked before contacts, as everywhere.
async fn read(write: &mut Write, batch: &[Accept]) -> StoreResult<Inbox> {
    let mut inbox = Inbox::default();
    let mut missing = HashSet::new();
    for row in write.run(read_messages(batch)).await? {
        let index = get_index(&row, 0)?;
        if !get::<bool>(&row, 1)? {
            missing.insert(index);
        }
        if let Some(id) = get::<Option<uuid::Uuid>>(&row, 2)? {
            inbox.add_known(index, (ConversationId::from_uuid(id), get_count(&row, 3)?));
        }
    }
    check(batch, &missing)?;
    let senders = senders(batch);
    let (mut pairs, mut people) = (BTreeSet::new(), BTreeSet::new());
    for row in write.run(read_senders(&senders)).await? {
        let Some(sender) = senders.get(get_index(&row, 0)?) else { continue };
        let (business, contact) = (sender.accept.business_id, ContactId::from_uuid(get(&row, 1)?));
        inbox.add_owner(sender, contact);
        pairs.insert((business, sender.accept.channel_id, contact));
        let named = get::<Option<bool>>(&row, 2)?.unwrap_or_default();
        if !named || adds(sender.accept) {
            people.insert((business, contact));
        }
    }
    for pair in &pairs {
        inbox.add_thread(*pair, None)?;
    }
    lock_threads(write, &mut inbox, &pairs).await?;
    lock_people(write, &mut inbox, &people).await?;
    Ok(inbox)
}

fn read_messages(batch: &[Accept]) -> Bound {
    let mut columns = (vec![], vec![], vec![]);
    for accept in batch {
        columns.0.push(accept.business_id.uuid());
        columns.1.push(accept.channel_id.uuid());
        columns.2.push(bytes(&accept.message.provider_ref));
    }
    query(ACCEPT_READ).bind(columns.0).bind(columns.1).bind(columns.2)
}

fn read_senders(senders: &[Sender<'_>]) -> Bound {
    let mut columns = (vec![], vec![], vec![]);
    for Sender { accept, identity } in senders {
        columns.0.push(accept.business_id.uuid());
        columns.1.push(bytes(identity.kind.as_str()));
        columns.2.push(bytes(&identity.id));
    }
    query(SENDERS_READ).bind(columns.0).bind(columns.1).bind(columns.2)
}

async fn lock_threads(
    write: &mut Write,
    inbox: &mut Inbox,
    pairs: &BTreeSet<(BusinessId, ChannelId, ContactId)>,
) -> StoreResult<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let mut columns = (vec![], vec![], vec![]);
    for (business, channel, contact) in pairs {
        columns.0.push(business.uuid());
        columns.1.push(channel.uuid());
        columns.2.push(contact.uuid());
    }
    let lock = query(THREADS_LOCK).bind(columns.0).bind(columns.1).bind(columns.2);
    for row in write.run(lock).await? {
        inbox.add_conversation(get(&row, 0)?)?;
    }
    Ok(())
}

async fn lock_people(
    write: &mut Write,
    inbox: &mut Inbox,
    people: &BTreeSet<(BusinessId, ContactId)>,
) -> StoreResult<()> {
    if people.is_empty() {
        return Ok(());
    }
    let columns: (Vec<_>, Vec<_>) =
        people.iter().map(|(business, id)| (business.uuid(), id.uuid())).unzip();
    for row in write.run(query(PEOPLE_LOCK).bind(columns.0).bind(columns.1)).await? {
        let key = (BusinessId::from_uuid(get(&row, 1)?), ContactId::from_uuid(get(&row, 2)?));
        inbox.add_contact(key, get(&row, 0)?)?;
    }
    Ok(())
}

/// The rows of unique keys are written in the order of the keys, so that two transactions wait for
/// each other only one way.
fn writes(inbox: &mut Inbox, accepted: &[Accepted]) -> StoreResult<Bound> {
    let messages = accepted.iter().filter_map(|outcome| match outcome {
        Accepted::New { message, .. } => Some(message),
        Accepted::Duplicate { .. } => None,
    });
    let mail: Vec<&Received> = inbox.references.iter().filter(|row| row.mail).collect();
    let mail = (
        mail.iter().map(|row| row.business_id.uuid()).collect::<Vec<_>>(),
        mail.iter().map(|row| row.conversation_id.uuid()).collect::<Vec<_>>(),
        mail.iter().map(|row| count(row.seq)).collect::<Vec<_>>(),
        mail.iter().map(|row| millis(row.at)).collect::<Vec<_>>(),
    );
    let (bound, moments) = bind_references(query(ACCEPT_WRITE), &inbox.references);
    let bound = bind_contacts(bound, inbox.people(Change::New))?;
    let bound = bind_contacts(bound, inbox.people(Change::Changed))?;
    inbox.identities.sort_unstable();
    let bound = bind_identities(bound, inbox);
    let bound = bind_conversations(bound, inbox.threads(Change::New))?;
    let bound = bind_conversations(bound, inbox.threads(Change::Changed))?;
    let bound = bind_messages(bound, messages)?;
    let bound = bound.bind(mail.0).bind(mail.1).bind(mail.2).bind(mail.3);
    Ok(bind_counters(bind_events(bound, &inbox.events)?.bind(moments), &inbox.counters))
}

fn bind_identities(query: Bound, inbox: &Inbox) -> Bound {
    let mut columns = (vec![], vec![], vec![], vec![]);
    for (business, identity, contact) in &inbox.identities {
        columns.0.push(business.uuid());
        columns.1.push(bytes(identity.kind.as_str()));
        columns.2.push(bytes(&identity.id));
        columns.3.push(contact.uuid());
    }
    query.bind(columns.0).bind(columns.1).bind(columns.2).bind(columns.3)
}
