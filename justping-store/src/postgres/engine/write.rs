//! The statements that several moves write with. Each takes one batch, as an array a column.

use justping_core::model::{Contact, Conversation, Message, OutboxRow, Rollup};
use justping_core::port::store::StoreResult;

use crate::decision::{Events, READY, Received, WAITING};
use crate::document::{day_column, owner_column, status_column};
use crate::postgres::connection::Bound;
use crate::postgres::row::{bytes, count, millis, to_doc};

/// The rows of contacts; see [`bind_contacts`](super::bind_contacts).
macro_rules! contacts {
    ($business:literal, $id:literal, $named:literal, $doc:literal) => {
        concat!(
            "unnest(",
            $business,
            "::uuid[], ",
            $id,
            "::uuid[], ",
            $named,
            "::bool[], ",
            $doc,
            "::text[]) v (business_id, id, named, doc)"
        )
    };
}

/// Replaces the documents of contacts that are there.
macro_rules! update_contacts {
    ($($column:literal),*) => {
        concat!(
            "UPDATE contacts t SET named = v.named, doc = v.doc FROM ",
            $crate::postgres::engine::write::contacts!($($column),*),
            " WHERE t.business_id = v.business_id AND t.id = v.id"
        )
    };
}

/// The rows of conversations; see [`bind_conversations`](super::bind_conversations).
macro_rules! conversations {
    ($business:literal, $id:literal, $channel:literal, $contact:literal, $status:literal,
        $owner:literal, $last:literal, $created:literal, $doc:literal) => {
        concat!(
            "unnest(",
            $business,
            "::uuid[], ",
            $id,
            "::uuid[], ",
            $channel,
            "::uuid[], ",
            $contact,
            "::uuid[], ",
            $status,
            "::text[], ",
            $owner,
            "::text[], ",
            $last,
            "::bigint[], ",
            $created,
            "::bigint[], ",
            $doc,
            "::text[]) v (business_id, id, channel_id, contact_id, status, owner, \
                last_message_at, not_before, doc)"
        )
    };
}

/// Replaces the documents of conversations that are there, and what statements search them by.
macro_rules! update_conversations {
    ($($column:literal),*) => {
        concat!(
            "UPDATE conversations t SET status = v.status, owner = v.owner, \
                last_message_at = v.last_message_at, doc = v.doc FROM ",
            $crate::postgres::engine::write::conversations!($($column),*),
            " WHERE t.business_id = v.business_id AND t.id = v.id"
        )
    };
}

/// Adds what providers call messages that came; tells which were new.
macro_rules! insert_references {
    ($business:literal, $channel:literal, $name:literal, $conversation:literal, $seq:literal,
        $at:literal) => {
        concat!(
            "INSERT INTO received_refs (business_id, channel_id, provider_ref, conversation_id, seq, \
                created_at) \
            SELECT * FROM unnest(",
            $business,
            "::uuid[], ",
            $channel,
            "::uuid[], ",
            $name,
            "::bytea[], ",
            $conversation,
            "::uuid[], ",
            $seq,
            "::bigint[], ",
            $at,
            "::bigint[]) ON CONFLICT DO NOTHING RETURNING 1"
        )
    };
}

/// Adds messages and queues them for the search. It is the `WITH` query called `written`, and ends
/// in another one.
macro_rules! insert_messages {
    ($business:literal, $conversation:literal, $seq:literal, $at:literal, $doc:literal) => {
        concat!(
            "INSERT INTO messages (business_id, conversation_id, seq, created_at, doc) \
            SELECT * FROM unnest(",
            $business,
            "::uuid[], ",
            $conversation,
            "::uuid[], ",
            $seq,
            "::bigint[], ",
            $at,
            "::bigint[], ",
            $doc,
            "::text[]) RETURNING business_id, conversation_id, seq, created_at), \
            unindexed AS ( \
                INSERT INTO unindexed_messages (business_id, conversation_id, seq, message_at) \
                SELECT * FROM written"
        )
    };
}

macro_rules! insert_outbox {
    ($business:literal, $conversation:literal, $seq:literal, $message:literal, $channel:literal,
        $lane:literal, $created:literal, $phase:literal, $due:literal, $doc:literal) => {
        concat!(
            "INSERT INTO outbox (business_id, conversation_id, seq, message_id, channel_id, lane, \
                created_at, phase, due_at, doc) \
            SELECT * FROM unnest(",
            $business,
            "::uuid[], ",
            $conversation,
            "::uuid[], ",
            $seq,
            "::bigint[], ",
            $message,
            "::uuid[], ",
            $channel,
            "::uuid[], ",
            $lane,
            "::bigint[], ",
            $created,
            "::bigint[], ",
            $phase,
            "::bigint[], ",
            $due,
            "::bigint[], ",
            $doc,
            "::text[])"
        )
    };
}

/// Appends to the events of each business. The counters are taken in the order of the businesses
/// and held until the transaction ends. Ends in an `INSERT`; begins inside a `WITH` list.
macro_rules! with_events {
    ($business:literal, $doc:literal) => {
        concat!(
            "news AS MATERIALIZED (SELECT v.business_id, v.doc, v.ord FROM unnest(", $business,
            "::uuid[], ", $doc, "::text[]) WITH ORDINALITY v (business_id, doc, ord)), \
            counted AS ( \
                INSERT INTO event_counters AS k (business_id, last) \
                SELECT business_id, count(*) FROM news GROUP BY business_id ORDER BY business_id \
                ON CONFLICT (business_id) DO UPDATE SET last = k.last + excluded.last \
                RETURNING k.business_id, k.last), \
            told AS ( \
                INSERT INTO events (business_id, seq, doc) \
                SELECT n.business_id, k.last + 1 - row_number() OVER ( \
                    PARTITION BY n.business_id ORDER BY n.ord DESC), n.doc \
                FROM news n JOIN counted k ON k.business_id = n.business_id)"
        )
    };
}

/// Adds to the counters of a few days, whatever the number of messages; the rows are locked in their
/// order and held until the transaction ends. Each has eight shards; which one it is says the
/// connection to the server, so that transactions at the same time mostly have different ones.
macro_rules! add_counters {
    ($business:literal, $day:literal, $channel:literal, $kind:literal, $count:literal) => {
        concat!(
            "INSERT INTO counters AS k (business_id, day, channel_id, kind, shard, count) \
            SELECT v.business_id, v.day, v.channel_id, v.kind, pg_backend_pid() % 8, v.count \
            FROM unnest(",
            $business,
            "::uuid[], ",
            $day,
            "::bigint[], ",
            $channel,
            "::uuid[], ",
            $kind,
            "::text[], ",
            $count,
            "::bigint[]) v (business_id, day, channel_id, kind, count) \
            ON CONFLICT (business_id, day, channel_id, kind, shard) DO UPDATE \
            SET count = k.count + excluded.count"
        )
    };
}

pub(super) use {
    add_counters, contacts, conversations, insert_messages, insert_outbox, insert_references,
    update_contacts, update_conversations, with_events,
};

/// Binds contacts as four columns.
pub(super) fn bind_contacts<'a>(
    query: Bound,
    contacts: impl Iterator<Item = &'a Contact>,
) -> StoreResult<Bound> {
    let (mut businesses, mut ids, mut named, mut docs) = (vec![], vec![], vec![], vec![]);
    for contact in contacts {
        businesses.push(contact.business_id.uuid());
        ids.push(contact.id.uuid());
        named.push(contact.name.is_some());
        docs.push(to_doc(contact)?);
    }
    Ok(query.bind(businesses).bind(ids).bind(named).bind(docs))
}

/// Binds conversations as nine columns.
pub(super) fn bind_conversations<'a>(
    query: Bound,
    rows: impl Iterator<Item = &'a Conversation>,
) -> StoreResult<Bound> {
    let (mut businesses, mut ids, mut channels, mut contacts) = (vec![], vec![], vec![], vec![]);
    let (mut statuses, mut owners, mut last, mut created) = (vec![], vec![], vec![], vec![]);
    let mut docs = vec![];
    for row in rows {
        businesses.push(row.business_id.uuid());
        ids.push(row.id.uuid());
        channels.push(row.channel_id.uuid());
        contacts.push(row.contact_id.uuid());
        statuses.push(status_column(row.status));
        owners.push(owner_column(row.owner));
        last.push(millis(row.last_message_at));
        created.push(millis(row.created_at));
        docs.push(to_doc(row)?);
    }
    let query = query.bind(businesses).bind(ids).bind(channels).bind(contacts);
    Ok(query.bind(statuses).bind(owners).bind(last).bind(created).bind(docs))
}

/// Binds messages as five columns.
pub(super) fn bind_messages<'a>(
    query: Bound,
    messages: impl Iterator<Item = &'a Message>,
) -> StoreResult<Bound> {
    let (mut businesses, mut ids, mut seqs) = (vec![], vec![], vec![]);
    let (mut created, mut docs) = (vec![], vec![]);
    for message in messages {
        businesses.push(message.business_id.uuid());
        ids.push(message.conversation_id.uuid());
        seqs.push(count(message.seq));
        created.push(millis(message.created_at));
        docs.push(to_doc(message)?);
    }
    Ok(query.bind(businesses).bind(ids).bind(seqs).bind(created).bind(docs))
}

/// Binds references as five columns, in the order of their keys, so that two transactions wait for
/// each other only one way; gives the sixth, which other columns may stand before.
pub(super) fn bind_references(query: Bound, references: &[Received]) -> (Bound, Vec<i64>) {
    let mut sorted: Vec<&Received> = references.iter().collect();
    sorted.sort_unstable_by_key(|row| (row.business_id, row.channel_id, &row.provider_ref));
    let mut columns = (vec![], vec![], vec![], vec![], vec![]);
    for row in &sorted {
        columns.0.push(row.business_id.uuid());
        columns.1.push(row.channel_id.uuid());
        columns.2.push(bytes(&row.provider_ref));
        columns.3.push(row.conversation_id.uuid());
        columns.4.push(count(row.seq));
    }
    let bound =
        query.bind(columns.0).bind(columns.1).bind(columns.2).bind(columns.3).bind(columns.4);
    (bound, sorted.iter().map(|row| millis(row.at)).collect())
}

/// Binds new rows of the outbox as ten columns.
pub(super) fn bind_outbox<'a>(
    query: Bound,
    rows: impl Iterator<Item = &'a OutboxRow>,
) -> StoreResult<Bound> {
    let (mut businesses, mut ids, mut seqs, mut messages) = (vec![], vec![], vec![], vec![]);
    let (mut lanes, mut created, mut phases, mut due) = (vec![], vec![], vec![], vec![]);
    let (mut channels, mut docs) = (vec![], vec![]);
    for row in rows {
        let (due_at, created_at) = (millis(row.due_at), millis(row.created_at));
        businesses.push(row.business_id.uuid());
        ids.push(row.conversation_id.uuid());
        seqs.push(count(row.seq));
        messages.push(row.message_id.uuid());
        channels.push(row.channel_id.uuid());
        lanes.push(i64::from(row.lane.rank()));
        created.push(created_at);
        phases.push(if due_at <= created_at { READY } else { WAITING });
        due.push(due_at);
        docs.push(to_doc(row)?);
    }
    let query = query.bind(businesses).bind(ids).bind(seqs).bind(messages).bind(channels);
    Ok(query.bind(lanes).bind(created).bind(phases).bind(due).bind(docs))
}

/// Binds events as two columns.
pub(super) fn bind_events(query: Bound, events: &Events) -> StoreResult<Bound> {
    let (mut businesses, mut docs) = (vec![], vec![]);
    for event in events.all() {
        businesses.push(event.business_id.uuid());
        docs.push(to_doc(event)?);
    }
    Ok(query.bind(businesses).bind(docs))
}

/// Binds counters as five columns.
pub(super) fn bind_counters(query: Bound, counters: &Rollup) -> Bound {
    let (mut businesses, mut days, mut channels) = (vec![], vec![], vec![]);
    let (mut kinds, mut counts) = (vec![], vec![]);
    for (key, added) in counters.rows() {
        businesses.push(key.business_id.uuid());
        days.push(day_column(key.day));
        channels.push(key.channel_id.uuid());
        kinds.push(key.kind.as_str());
        counts.push(count(added));
    }
    query.bind(businesses).bind(days).bind(channels).bind(kinds).bind(counts)
}
