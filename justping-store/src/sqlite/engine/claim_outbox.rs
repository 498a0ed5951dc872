use justping_core::model::{OutboxRow, OutboxState, Timestamp};
use justping_core::port::store::{ClaimOptions, SendClaim, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::rows;
use crate::sqlite::connection::Write;
use crate::sqlite::row::{Hex, get, get_count, get_doc, millis, moment, statements};

statements! {
    /// Rows whose lease ran out are unknown, rows that came due are ready; then the ready rows that
    /// no earlier row of their conversation holds back.
    OUTBOX_READ = "BEGIN IMMEDIATE; \
        UPDATE outbox SET phase = 0, unknown = 1, due_at = $2 \
            WHERE phase = 2 AND lease_until <= $1; \
        UPDATE outbox SET phase = 1 WHERE phase = 0 AND due_at <= $1; \
        SELECT o.fence, o.unknown, o.attempts, o.due_at, o.doc, g.doc, n.doc, c.doc \
        FROM outbox o INDEXED BY outbox_ready \
            CROSS JOIN messages g ON g.business_id = o.business_id \
                AND g.conversation_id = o.conversation_id AND g.seq = o.seq \
            CROSS JOIN conversations n ON n.business_id = o.business_id \
                AND n.id = o.conversation_id \
            CROSS JOIN contacts c ON c.business_id = n.business_id AND c.id = n.contact_id \
        WHERE o.phase = 1 AND o.due_at <= $1 AND NOT EXISTS ( \
            SELECT 1 FROM outbox x \
            WHERE x.conversation_id = o.conversation_id AND x.seq < o.seq) \
        ORDER BY o.lane, o.created_at, o.message_id LIMIT $3";
    OUTBOX_CLAIM = "UPDATE outbox SET phase = 2, attempts = attempts + 1, fence = fence + 1, \
            lease_until = $2 \
        FROM json_each($1) v \
        WHERE conversation_id = unhex(v.value ->> 0) AND seq = v.value ->> 1; \
        COMMIT";
    NO_SENDS = "COMMIT";
}

pub(super) async fn run(
    write: &mut Write<'_>,
    options: &ClaimOptions,
    unknown_until: Timestamp,
) -> StoreResult<Vec<SendClaim>> {
    let read = query(OUTBOX_READ)
        .bind(millis(options.now))
        .bind(millis(unknown_until))
        .bind(i64::from(options.limit));
    let found = write.begin(read).await?;
    let claims = found.iter().map(read_claim).collect::<StoreResult<Vec<_>>>()?;
    if claims.is_empty() {
        write.commit(query(NO_SENDS)).await?;
        return Ok(claims);
    }
    let keys = claims.iter().map(|claim| (Hex(claim.row.conversation_id.uuid()), claim.row.seq));
    let claim = query(OUTBOX_CLAIM).bind(rows(keys)?).bind(millis(options.lease_until));
    write.commit(claim).await?;
    Ok(claims)
}

/// Reads a row as it was found; what changes of it are columns.
fn read_claim(row: &SqliteRow) -> StoreResult<SendClaim> {
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
        fence: get_count(row, 0)? + 1,
    })
}
