use justping_core::port::store::StoreResult;
use sqlx::query;

use super::write::{add_counters, counters, message_row, rows, update_messages};
use crate::decision::{Delivery, PARKED_MAX};
use crate::sqlite::connection::Bound;
use crate::sqlite::row::{Hex, statements};

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
            WHERE id <= (SELECT max(id) FROM parked_statuses) - $7; ",
        add_counters!("$8"), "COMMIT"
    );
}

/// Writes what became of a batch of news.
pub(super) fn writes(delivery: &Delivery) -> StoreResult<Bound> {
    let ended = delivery.ended.iter().map(|(_, (id, seq))| (Hex(id.uuid()), seq));
    let settled = delivery
        .settled
        .iter()
        .map(|((id, seq), row)| (Hex(id.uuid()), seq, row.unknown, row.due_at, row.deferred));
    let named = delivery.named().map(|((channel, name), named)| {
        let (id, seq) = named.place;
        (Hex(channel.uuid()), name, Hex(id.uuid()), seq)
    });
    let unparked = delivery.unparked().iter().map(|(channel, name)| (Hex(channel.uuid()), name));
    let waiting = delivery.waiting().map(|((channel, name), update)| {
        (Hex(channel.uuid()), name, update.status.as_str(), update)
    });
    Ok(query(DELIVERY_WRITE)
        .bind(rows(delivery.changed().map(message_row))?)
        .bind(rows(ended)?)
        .bind(rows(settled)?)
        .bind(rows(named)?)
        .bind(rows(unparked)?)
        .bind(rows(waiting)?)
        .bind(PARKED_MAX)
        .bind(counters(&delivery.counters)?))
}
