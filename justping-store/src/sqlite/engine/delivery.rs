//! What news about sends does to messages, whichever way it comes.

use std::collections::{BTreeMap, HashMap};

use justping_core::model::{
    BusinessId, ChannelId, ConversationId, DeliveryStatus, Failure, Message, StatusUpdate,
    Timestamp,
};
use justping_core::port::store::StoreResult;
use sqlx::query;

use super::write::{message_row, rows, update_messages};
use crate::sqlite::connection::Bound;
use crate::sqlite::row::{Hex, batch, statements};

/// News that may wait for its message. Beyond it the oldest is dropped: it is most likely about
/// messages that something else sent by the same account.
const PARKED_MAX: i64 = 100_000;

statements! {
    DELIVERY_WRITE = concat!(
        update_messages!("$1"),
        "DELETE FROM outbox WHERE (conversation_id, seq) IN ( \
            SELECT unhex(value ->> 0), value ->> 1 FROM json_each($2)); \
        UPDATE outbox SET phase = 0, unknown = v.value ->> 2, due_at = v.value ->> 3, \
                attempts = attempts - (v.value ->> 4), lease_until = NULL \
            FROM json_each($3) v \
            WHERE conversation_id = unhex(v.value ->> 0) AND seq = v.value ->> 1; \
        INSERT OR IGNORE INTO sent_refs (channel_id, provider_ref, conversation_id, seq) \
            SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3 \
            FROM json_each($4); \
        DELETE FROM parked_statuses WHERE (channel_id, provider_ref) IN ( \
            SELECT unhex(value ->> 0), value ->> 1 FROM json_each($5)); \
        INSERT OR IGNORE INTO parked_statuses (channel_id, provider_ref, status, doc) \
            SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value -> 3 \
            FROM json_each($6); \
        DELETE FROM parked_statuses \
            WHERE id <= (SELECT max(id) FROM parked_statuses) - $7; \
        COMMIT"
    );
}

/// A message: its conversation and its place.
pub(super) type Place = (ConversationId, u64);
/// A provider's name of a message.
pub(super) type Reference = (ChannelId, String);

/// A row of the outbox that stays, and how.
pub(super) struct Settled {
    pub(super) unknown: bool,
    pub(super) due_at: i64,
    /// Whether the try is taken back.
    pub(super) deferred: bool,
}

/// What is stored about the messages of a batch of news, and then what is to be written.
#[derive(Default)]
pub(super) struct Delivery {
    pub(super) messages: HashMap<(BusinessId, ConversationId, u64), (Message, bool)>,
    /// Sent messages by the provider's name.
    pub(super) sent: HashMap<Reference, Place>,
    pub(super) parked: HashMap<Reference, Vec<StatusUpdate>>,
    pub(super) ended: Vec<(Hex, u64)>,
    pub(super) settled: BTreeMap<Place, Settled>,
    named: Vec<(Hex, String, Hex, u64)>,
    unparked: Vec<(Hex, String)>,
    /// References whose waiting news has to be written.
    waiting: Vec<Reference>,
}

impl Delivery {
    /// Ends the row of a message and tells the message why; says whether that changed its status.
    pub(super) fn finish(
        &mut self,
        business: BusinessId,
        (id, seq): Place,
        news: (DeliveryStatus, Timestamp, Option<Failure>),
    ) -> bool {
        self.ended.push((Hex(id.uuid()), seq));
        self.settled.remove(&(id, seq));
        self.hear((business, id, seq), news)
    }

    fn hear(
        &mut self,
        key: (BusinessId, ConversationId, u64),
        (status, at, failure): (DeliveryStatus, Timestamp, Option<Failure>),
    ) -> bool {
        self.messages.get_mut(&key).is_some_and(|(message, changed)| {
            let moved = message.hear(status, at, failure);
            *changed |= moved;
            moved
        })
    }

    /// Learns the provider's name of a message and tells it the news that waited for that; says
    /// whether its status changed.
    pub(super) fn name(
        &mut self,
        business: BusinessId,
        (id, seq): Place,
        reference: &Reference,
    ) -> bool {
        let key = (business, id, seq);
        let Some((message, changed)) = self.messages.get_mut(&key) else { return false };
        if message.provider_ref.is_none() {
            message.provider_ref = Some(reference.1.clone());
            *changed = true;
        }
        let (channel, name) = (Hex(reference.0.uuid()), reference.1.clone());
        if !self.sent.contains_key(reference) {
            self.named.push((channel, name.clone(), Hex(id.uuid()), seq));
            self.sent.insert(reference.clone(), (id, seq));
        }
        let waited = self.parked.remove(reference).unwrap_or_default();
        if !waited.is_empty() {
            self.unparked.push((channel, name));
        }
        let mut moved = false;
        for news in waited {
            if let Some(at) = news.at {
                moved |= self.hear(key, (news.status, at, news.failure));
            }
        }
        moved
    }

    /// Keeps news until its reference is known, at most one a status.
    pub(super) fn park(&mut self, reference: Reference, update: StatusUpdate) {
        let waiting = self.parked.entry(reference.clone()).or_default();
        if waiting.iter().all(|known| known.status != update.status) {
            waiting.push(update);
            self.waiting.push(reference);
        }
    }

    /// The message at a place.
    pub(super) fn message(&self, business: BusinessId, (id, seq): Place) -> Option<&Message> {
        self.messages.get(&(business, id, seq)).map(|(message, _)| message)
    }

    pub(super) fn writes(&self) -> StoreResult<Bound> {
        let messages = self.messages.values().filter(|(_, changed)| *changed);
        let settled = self
            .settled
            .iter()
            .map(|((id, seq), row)| (Hex(id.uuid()), seq, row.unknown, row.due_at, row.deferred));
        let waiting = self.waiting.iter().flat_map(|reference| {
            let news = self.parked.get(reference).into_iter().flatten();
            news.map(move |update| {
                (Hex(reference.0.uuid()), &*reference.1, update.status.as_str(), update)
            })
        });
        Ok(query(DELIVERY_WRITE)
            .bind(rows(messages.map(|(message, _)| message_row(message)))?)
            .bind(batch(&self.ended)?)
            .bind(rows(settled)?)
            .bind(batch(&self.named)?)
            .bind(batch(&self.unparked)?)
            .bind(rows(waiting)?)
            .bind(PARKED_MAX))
    }
}
