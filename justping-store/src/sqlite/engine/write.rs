//! The statements that several moves write with. Each takes one batch, as the parameter it is given.
//!
//! They say `OR ROLLBACK`: a taken key ends the whole move anyway, and SQLite then need not copy
//! every page it is about to change, which it does to undo one statement only.

use justping_core::model::{Contact, Conversation, Message, OutboxRow, Rollup};
use justping_core::port::store::StoreResult;
use serde::Serialize;

use crate::decision::{Events, READY, WAITING};
use crate::document::{day_column, owner_column, status_column};
use crate::sqlite::row::{Hex, batch, millis};

/// Replaces the documents of contacts that are there.
macro_rules! update_contacts {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO contacts (business_id, id, named, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value -> 3 \
            FROM json_each(",
            $rows,
            ") WHERE true \
            ON CONFLICT (business_id, id) DO UPDATE \
            SET named = excluded.named, doc = excluded.doc; "
        )
    };
}

macro_rules! insert_identities {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO identities (business_id, kind, address, contact_id) \
            SELECT unhex(value ->> 0), value ->> 1, value ->> 2, unhex(value ->> 3) \
            FROM json_each(",
            $rows,
            "); "
        )
    };
}

/// Replaces the documents of conversations that are there, and what statements search them by.
macro_rules! update_conversations {
    ($rows:literal) => {
        concat!(
            "UPDATE OR ROLLBACK conversations SET status = v.value ->> 4, owner = v.value ->> 5, \
                last_message_at = v.value ->> 6, doc = v.value -> 8 \
            FROM json_each(",
            $rows,
            ") v \
            WHERE business_id = unhex(v.value ->> 0) \
                AND conversations.id = unhex(v.value ->> 1); "
        )
    };
}

macro_rules! insert_messages {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO messages (business_id, conversation_id, seq, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value -> 3 \
            FROM json_each(",
            $rows,
            "); "
        )
    };
}

/// Gives messages their places among all, by which the search takes them in later. A batch of its
/// own: to read the messages once more would cost twice as much.
macro_rules! insert_places {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO message_places (business_id, conversation_id, seq) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2 FROM json_each(",
            $rows,
            "); "
        )
    };
}

macro_rules! update_messages {
    ($rows:literal) => {
        concat!(
            "INSERT OR REPLACE INTO messages (business_id, conversation_id, seq, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value -> 3 \
            FROM json_each(",
            $rows,
            "); "
        )
    };
}

macro_rules! insert_outbox {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO outbox (conversation_id, seq, business_id, message_id, \
                channel_id, lane, created_at, phase, due_at, doc) \
            SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), unhex(value ->> 3), \
                unhex(value ->> 4), value ->> 5, value ->> 6, value ->> 7, value ->> 8, value -> 9 \
            FROM json_each(",
            $rows,
            "); "
        )
    };
}

/// Appends to the events of each business: the select sees none of what it inserts.
macro_rules! insert_events {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO events (business_id, seq, doc) \
            SELECT unhex(value ->> 0), 1 + key + coalesce( \
                (SELECT max(seq) FROM events WHERE business_id = unhex(value ->> 0)), 0), \
                value -> 1 \
            FROM json_each(",
            $rows,
            "); "
        )
    };
}

/// Adds to the counters of a few days, whatever the number of messages.
macro_rules! add_counters {
    ($rows:literal) => {
        concat!(
            "INSERT OR ROLLBACK INTO counters (business_id, day, channel_id, kind, count) \
            SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 \
            FROM json_each(",
            $rows,
            ") WHERE true \
            ON CONFLICT (business_id, day, channel_id, kind) DO UPDATE \
            SET count = counters.count + excluded.count; "
        )
    };
}

pub(super) use {
    add_counters, insert_events, insert_identities, insert_messages, insert_outbox, insert_places,
    update_contacts, update_conversations, update_messages,
};

/// The rows of a batch as one parameter.
pub(super) fn rows<T: Serialize>(rows: impl IntoIterator<Item = T>) -> StoreResult<String> {
    batch(&rows.into_iter().collect::<Vec<T>>())
}

/// A contact as the statements take it.
pub(super) fn contact_row(contact: &Contact) -> impl Serialize {
    (Hex(contact.business_id.uuid()), Hex(contact.id.uuid()), contact.name.is_some(), contact)
}

/// A conversation as the statements take it.
pub(super) fn conversation_row(conversation: &Conversation) -> impl Serialize {
    (
        Hex(conversation.business_id.uuid()),
        Hex(conversation.id.uuid()),
        Hex(conversation.channel_id.uuid()),
        Hex(conversation.contact_id.uuid()),
        status_column(conversation.status),
        owner_column(conversation.owner),
        millis(conversation.last_message_at),
        millis(conversation.created_at),
        conversation,
    )
}

/// A message as the statements take it.
pub(super) fn message_row(message: &Message) -> impl Serialize {
    (Hex(message.business_id.uuid()), Hex(message.conversation_id.uuid()), message.seq, message)
}

/// The place of a message as the statement takes it.
pub(super) fn place_row(message: &Message) -> impl Serialize + use<> {
    (Hex(message.business_id.uuid()), Hex(message.conversation_id.uuid()), message.seq)
}

/// A new row of the outbox as the statement takes it.
pub(super) fn outbox_row(row: &OutboxRow) -> impl Serialize {
    let (due_at, created_at) = (millis(row.due_at), millis(row.created_at));
    (
        Hex(row.conversation_id.uuid()),
        row.seq,
        Hex(row.business_id.uuid()),
        Hex(row.message_id.uuid()),
        Hex(row.channel_id.uuid()),
        row.lane.rank(),
        created_at,
        if due_at <= created_at { READY } else { WAITING },
        due_at,
        row,
    )
}

/// Events as the statement takes them.
pub(super) fn events(events: &Events) -> StoreResult<String> {
    rows(events.all().iter().map(|event| (Hex(event.business_id.uuid()), event)))
}

/// Counters as the statement takes them.
pub(super) fn counters(counters: &Rollup) -> StoreResult<String> {
    rows(counters.rows().map(|(key, count)| {
        let (business, channel) = (Hex(key.business_id.uuid()), Hex(key.channel_id.uuid()));
        (business, day_column(key.day), channel, key.kind.as_str(), count)
    }))
}
