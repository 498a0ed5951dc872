use justping_core::model::{MailboxEvent, Timer, Timestamp};
use justping_core::port::store::{QueueStats, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;

use crate::decision;
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{get, get_count, get_doc, millis, statements, to_doc};

statements! {
    /// Due timers. Their conversations are locked, so that mail arrives in the order of its numbers
    /// and a turn that clears its timers is not in between.
    DUE_LOCK = "SELECT t.doc FROM timers t JOIN conversations n \
            ON n.business_id = t.business_id AND n.id = t.conversation_id \
        WHERE t.due_at <= $1 ORDER BY t.due_at, t.id LIMIT $2 FOR UPDATE OF n SKIP LOCKED";
    FIRE_DUE = "WITH gone AS ( \
            DELETE FROM timers t USING unnest($1::uuid[], $2::uuid[]) v (b, id) \
            WHERE t.business_id = v.b AND t.id = v.id RETURNING t.id) \
        INSERT INTO mailbox (business_id, conversation_id, event) \
        SELECT v.b, v.c, v.event \
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) WITH ORDINALITY \
            v (b, id, c, event, ord) \
        WHERE v.id IN (SELECT id FROM gone) ORDER BY v.ord";
    /// Mail is looked at until some is due. Of the outbox only the first row of a conversation
    /// counts: the others are in no line. Of those that are due already any will do.
    NEXT_DUE = "SELECT \
        CASE WHEN EXISTS (SELECT 1 FROM mailbox m CROSS JOIN LATERAL ( \
                SELECT 1 FROM conversations n WHERE n.business_id = m.business_id \
                    AND n.id = m.conversation_id \
                    AND coalesce(n.lease_until, n.not_before) <= $1 OFFSET 0) n) \
            THEN $1 ELSE (SELECT min(n.due) \
                FROM (SELECT DISTINCT business_id, conversation_id FROM mailbox) m \
                CROSS JOIN LATERAL ( \
                    SELECT coalesce(n.lease_until, n.not_before) FROM conversations n \
                    WHERE n.business_id = m.business_id AND n.id = m.conversation_id \
                    OFFSET 0) n (due)) END, \
        (SELECT due_at FROM outbox WHERE phase = 0 ORDER BY due_at LIMIT 1), \
        (SELECT due_at FROM outbox WHERE phase = 1 \
            ORDER BY lane, business_id, channel_id, created_at, message_id LIMIT 1), \
        (SELECT min(lease_until) FROM outbox WHERE phase = 2), \
        (SELECT min(due_at) FROM timers), \
        (SELECT min(available_at) FROM calls)";
    /// What is due by lane (its rank), what is due later (-1), what is being sent (-2), mail (-3).
    QUEUE_STATS = "SELECT lane, count(*), min(due_at) FROM ( \
            SELECT lane, due_at FROM outbox WHERE phase = 1 \
            UNION ALL \
            SELECT lane, due_at FROM outbox \
            WHERE phase = 0 AND due_at <= $1) o GROUP BY lane \
        UNION ALL SELECT -1, count(*), NULL FROM outbox \
            WHERE phase = 0 AND due_at > $1 \
        UNION ALL SELECT -2, count(*), NULL FROM outbox WHERE phase = 2 \
        UNION ALL SELECT -3, count(*), NULL FROM mailbox";
}

/// Columns of [`NEXT_DUE`].
const QUEUES: usize = 6;

/// Moves due timers into the mailboxes of their conversations; says how many.
pub(super) async fn fire(write: &mut Write, now: Timestamp, limit: u32) -> StoreResult<u64> {
    let lock = query(DUE_LOCK).bind(millis(now)).bind(i64::from(limit));
    let mut columns = (vec![], vec![], vec![], vec![]);
    for row in write.run(lock).await? {
        let timer: Timer = get_doc(&row, 0, "timer")?;
        columns.0.push(timer.business_id.uuid());
        columns.1.push(timer.id.uuid());
        columns.2.push(timer.conversation_id.uuid());
        columns.3.push(to_doc(&MailboxEvent::Timer {
            timer_id: timer.id,
            session_id: timer.session_id,
            token: timer.token,
        })?);
    }
    if columns.0.is_empty() {
        return Ok(0);
    }
    let fire = query(FIRE_DUE).bind(columns.0).bind(columns.1);
    write.execute(fire.bind(columns.2).bind(columns.3)).await
}

pub(super) fn queue_stats(now: Timestamp) -> Bound {
    query(QUEUE_STATS).bind(millis(now))
}

pub(super) fn read_queue_stats(rows: &[PgRow]) -> StoreResult<QueueStats> {
    decision::queue_stats(
        rows.iter().map(|row| Ok((get(row, 0)?, get_count(row, 1)?, get(row, 2)?))),
    )
}

pub(super) fn next_due(now: Timestamp) -> Bound {
    query(NEXT_DUE).bind(millis(now))
}

pub(super) fn read_next_due(rows: &[PgRow], now: Timestamp) -> StoreResult<Option<Timestamp>> {
    let queues = rows.first().into_iter().flat_map(|row| (0..QUEUES).map(|index| get(row, index)));
    decision::next_due(queues, now)
}
