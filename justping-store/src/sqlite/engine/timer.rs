use justping_core::model::Timestamp;
use justping_core::port::store::StoreResult;
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use crate::sqlite::connection::Bound;
use crate::sqlite::row::{get, millis, moment, statements};

statements! {
    /// The event is made of the timer's document, where ids have their text form.
    FIRE_DUE = "BEGIN IMMEDIATE; \
        INSERT INTO mailbox (business_id, conversation_id, event) \
            SELECT business_id, conversation_id, json_object('type', 'timer', \
                'timer_id', doc ->> '$.id', 'session_id', doc ->> '$.session_id', \
                'token', doc -> '$.token') \
            FROM timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2; \
        DELETE FROM timers WHERE id IN ( \
            SELECT id FROM timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2) \
            RETURNING 1; \
        COMMIT";
    /// Of the outbox only the first row of a conversation counts: the others wait behind it.
    NEXT_DUE = "SELECT \
        (SELECT min(coalesce(n.lease_until, n.not_before)) \
            FROM (SELECT DISTINCT business_id, conversation_id FROM mailbox) m \
            CROSS JOIN conversations n ON n.business_id = m.business_id \
                AND n.id = m.conversation_id), \
        (SELECT o.due_at FROM outbox o INDEXED BY outbox_waiting \
            WHERE o.phase = 0 AND NOT EXISTS (SELECT 1 FROM outbox x \
                WHERE x.conversation_id = o.conversation_id AND x.seq < o.seq) \
            ORDER BY o.due_at LIMIT 1), \
        (SELECT o.due_at FROM outbox o INDEXED BY outbox_ready \
            WHERE o.phase = 1 AND NOT EXISTS (SELECT 1 FROM outbox x \
                WHERE x.conversation_id = o.conversation_id AND x.seq < o.seq) \
            ORDER BY o.lane, o.created_at, o.message_id LIMIT 1), \
        (SELECT min(lease_until) FROM outbox WHERE phase = 2), \
        (SELECT min(due_at) FROM timers), \
        (SELECT min(available_at) FROM calls)";
}

/// Columns of [`NEXT_DUE`].
const QUEUES: usize = 6;

/// Moves due timers into the mailboxes of their conversations; a row for each.
pub(super) fn fire(now: Timestamp, limit: u32) -> Bound {
    query(FIRE_DUE).bind(millis(now)).bind(i64::from(limit))
}

pub(super) fn next_due() -> Bound {
    query(NEXT_DUE)
}

pub(super) fn read_next_due(rows: &[SqliteRow]) -> StoreResult<Option<Timestamp>> {
    let Some(row) = rows.first() else { return Ok(None) };
    let mut next: Option<i64> = None;
    for index in 0..QUEUES {
        let due: Option<i64> = get(row, index)?;
        next = next.into_iter().chain(due).min();
    }
    next.map(moment).transpose()
}
