use justping_core::model::{OutboxRow, OutboxState, Timestamp};
use justping_core::port::store::{ClaimOptions, SendClaim, StoreError, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use crate::postgres::connection::Write;
use crate::postgres::row::{get, get_count, get_doc, millis, moment, statements};

statements! {
    /// Rows whose lease ran out are unknown.
    OUTBOX_EXPIRE = "WITH late AS MATERIALIZED ( \
            SELECT business_id, conversation_id, seq FROM outbox \
            WHERE phase = 2 AND lease_until <= $1 \
            ORDER BY business_id, conversation_id, seq FOR UPDATE SKIP LOCKED) \
        UPDATE outbox o SET phase = 0, unknown = true, due_at = $2 FROM late l \
        WHERE o.business_id = l.business_id AND o.conversation_id = l.conversation_id \
            AND o.seq = l.seq";
    /// Rows that came due are ready.
    OUTBOX_RIPEN = "WITH ripe AS MATERIALIZED ( \
            SELECT business_id, conversation_id, seq FROM outbox \
            WHERE phase = 0 AND due_at <= $1 \
            ORDER BY business_id, conversation_id, seq FOR UPDATE SKIP LOCKED) \
        UPDATE outbox o SET phase = 1 FROM ripe l \
        WHERE o.business_id = l.business_id AND o.conversation_id = l.conversation_id \
            AND o.seq = l.seq";
    /// Takes ready rows that no earlier row of their conversation holds back.
    OUTBOX_CLAIM = "WITH picked AS MATERIALIZED ( \
            SELECT business_id, conversation_id, seq FROM outbox o \
            WHERE phase = 1 AND due_at <= $1 AND NOT EXISTS ( \
                SELECT 1 FROM outbox x WHERE x.business_id = o.business_id \
                    AND x.conversation_id = o.conversation_id AND x.seq < o.seq) \
            ORDER BY lane, created_at, message_id LIMIT $2 FOR UPDATE SKIP LOCKED) \
        UPDATE outbox o SET phase = 2, attempts = attempts + 1, fence = fence + 1, \
            lease_until = $3 \
        FROM picked p WHERE o.business_id = p.business_id \
            AND o.conversation_id = p.conversation_id AND o.seq = p.seq \
        RETURNING o.business_id, o.conversation_id, o.seq";
    OUTBOX_READ = "SELECT o.fence, o.unknown, o.attempts - 1, o.due_at, o.doc, g.doc, n.doc, \
            (SELECT c.doc FROM contacts c \
                WHERE c.business_id = n.business_id AND c.id = n.contact_id) \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) v (b, c, s) \
            JOIN outbox o ON o.business_id = v.b AND o.conversation_id = v.c AND o.seq = v.s \
            JOIN messages g ON g.business_id = o.business_id \
                AND g.conversation_id = o.conversation_id AND g.seq = o.seq \
                AND g.created_at = o.created_at \
            JOIN conversations n ON n.business_id = o.business_id AND n.id = o.conversation_id \
        ORDER BY o.lane, o.created_at, o.message_id";
}

pub(super) async fn run(
    write: &mut Write,
    options: &ClaimOptions,
    unknown_until: Timestamp,
) -> StoreResult<Vec<SendClaim>> {
    let now = millis(options.now);
    write.run(query(OUTBOX_EXPIRE).bind(now).bind(millis(unknown_until))).await?;
    write.run(query(OUTBOX_RIPEN).bind(now)).await?;
    let claim = query(OUTBOX_CLAIM)
        .bind(now)
        .bind(i64::from(options.limit))
        .bind(millis(options.lease_until));
    let mut columns = (vec![], vec![], vec![]);
    for row in write.run(claim).await? {
        columns.0.push(get::<Uuid>(&row, 0)?);
        columns.1.push(get::<Uuid>(&row, 1)?);
        columns.2.push(get::<i64>(&row, 2)?);
    }
    if columns.0.is_empty() {
        return Ok(Vec::new());
    }
    let read = query(OUTBOX_READ).bind(columns.0).bind(columns.1).bind(columns.2);
    write.run(read).await?.iter().map(read_claim).collect()
}

/// Reads a row as it was found; what changes of it are columns.
fn read_claim(row: &PgRow) -> StoreResult<SendClaim> {
    let attempts = u32::try_from(get::<i64>(row, 2)?);
    let state = if get(row, 1)? { OutboxState::Unknown } else { OutboxState::Pending };
    let row_found = OutboxRow {
        state,
        attempts: attempts.map_err(|_| StoreError::Corrupt("an outbox row".to_owned()))?,
        due_at: moment(get(row, 3)?)?,
        ..get_doc(row, 4, "outbox row")?
    };
    Ok(SendClaim {
        row: row_found,
        message: get_doc(row, 5, "message")?,
        conversation: get_doc(row, 6, "conversation")?,
        contact: get_doc(row, 7, "contact")?,
        fence: get_count(row, 0)?,
    })
}
