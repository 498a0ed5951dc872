use justping_core::model::Timestamp;
use justping_core::port::store::{QueueStats, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use crate::decision;
use crate::sqlite::connection::Bound;
use crate::sqlite::row::{get, get_count, millis, statements};

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
    /// Of the outbox only the first row of a conversation counts: the others are in no line. Of
    /// those that are due already any will do.
    NEXT_DUE = "SELECT \
        CASE WHEN EXISTS (SELECT 1 FROM mailbox m \
                CROSS JOIN conversations n ON n.business_id = m.business_id \
                    AND n.id = m.conversation_id \
                WHERE coalesce(n.lease_until, n.not_before) <= $1) \
            THEN $1 ELSE (SELECT min(coalesce(n.lease_until, n.not_before)) \
                FROM (SELECT DISTINCT business_id, conversation_id FROM mailbox) m \
                CROSS JOIN conversations n ON n.business_id = m.business_id \
                    AND n.id = m.conversation_id) END, \
        (SELECT due_at FROM outbox INDEXED BY outbox_waiting \
            WHERE phase = 0 ORDER BY due_at LIMIT 1), \
        (SELECT due_at FROM outbox INDEXED BY outbox_ready WHERE phase = 1 LIMIT 1), \
        (SELECT min(lease_until) FROM outbox WHERE phase = 2), \
        (SELECT min(due_at) FROM timers), \
        (SELECT min(available_at) FROM calls)";
    /// What is due by lane (its rank), what is due later (-1), what is being sent (-2), mail (-3).
    QUEUE_STATS = "SELECT lane, count(*), min(due_at) FROM ( \
            SELECT lane, due_at FROM outbox INDEXED BY outbox_ready WHERE phase = 1 \
            UNION ALL \
            SELECT lane, due_at FROM outbox INDEXED BY outbox_waiting \
            WHERE phase = 0 AND due_at <= $1) o GROUP BY lane \
        UNION ALL SELECT -1, count(*), NULL FROM outbox INDEXED BY outbox_waiting \
            WHERE phase = 0 AND due_at > $1 \
        UNION ALL SELECT -2, count(*), NULL FROM outbox INDEXED BY outbox_sending WHERE phase = 2 \
        UNION ALL SELECT -3, count(*), NULL FROM mailbox";
}

/// Columns of [`NEXT_DUE`].
const QUEUES: usize = 6;

/// Moves due timers into the mailboxes of their conversations; a row for each.
pub(super) fn fire(now: Timestamp, limit: u32) -> Bound {
    query(FIRE_DUE).bind(millis(now)).bind(i64::from(limit))
}

pub(super) fn queue_stats(now: Timestamp) -> Bound {
    query(QUEUE_STATS).bind(millis(now))
}

pub(super) fn read_queue_stats(rows: &[SqliteRow]) -> StoreResult<QueueStats> {
    decision::queue_stats(
        rows.iter().map(|row| Ok((get(row, 0)?, get_count(row, 1)?, get(row, 2)?))),
    )
}

pub(super) fn next_due(now: Timestamp) -> Bound {
    query(NEXT_DUE).bind(millis(now))
}

pub(super) fn read_next_due(rows: &[SqliteRow], now: Timestamp) -> StoreResult<Option<Timestamp>> {
    let queues = rows.first().into_iter().flat_map(|row| (0..QUEUES).map(|index| get(row, index)));
    decision::next_due(queues, now)
}
