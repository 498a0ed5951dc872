use std::collections::HashSet;

use justping_core::model::{Call, CallId, MailboxEvent};
use justping_core::port::store::{
    CallClaim, CallFinish, ClaimOptions, OutsideMail, StoreError, StoreResult,
};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::rows;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, count, get, get_count, get_doc, millis, statements};

statements! {
    CALLS_READ = "BEGIN IMMEDIATE; \
        SELECT fence, doc FROM calls WHERE available_at <= $1 ORDER BY created_at, id LIMIT $2";
    CALLS_CLAIM = "UPDATE calls SET fence = fence + 1, available_at = $2 \
        WHERE id IN (SELECT unhex(value) FROM json_each($1)); \
        COMMIT";
    FINISHED_READ = "BEGIN IMMEDIATE; \
        SELECT v.value ->> 3, l.doc FROM json_each($1) v CROSS JOIN calls l \
            ON l.id = unhex(v.value ->> 1) AND l.business_id = unhex(v.value ->> 0) \
                AND l.fence = v.value ->> 2 \
        ORDER BY v.key";
    FINISHED_WRITE = "DELETE FROM calls \
            WHERE id IN (SELECT unhex(value ->> 0) FROM json_each($1)); \
        INSERT INTO mailbox (business_id, conversation_id, event) \
            SELECT unhex(value ->> 1), unhex(value ->> 2), value -> 3 FROM json_each($1); \
        COMMIT";
    /// A row for each event whose session is the one that waits.
    OUTSIDE_WRITE = "BEGIN IMMEDIATE; \
        INSERT INTO mailbox (business_id, conversation_id, event) \
            SELECT n.business_id, n.id, v.value -> 3 FROM json_each($1) v \
                CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                    AND n.id = unhex(v.value ->> 1) AND n.session_id = unhex(v.value ->> 2) \
            ORDER BY v.key RETURNING 1; \
        COMMIT";
}

/// Leases calls; what is handed out counts the claims before this one, and each claim is a fence.
pub(super) async fn claim(
    write: &mut Write<'_>,
    options: &ClaimOptions,
) -> StoreResult<Vec<CallClaim>> {
    let read = query(CALLS_READ).bind(millis(options.now)).bind(i64::from(options.limit));
    let found = write.begin(read).await?;
    let claims = found.iter().map(read_claim).collect::<StoreResult<Vec<_>>>()?;
    let ids = claims.iter().map(|claim| Hex(claim.call.id.uuid()));
    let claim = query(CALLS_CLAIM).bind(rows(ids)?).bind(millis(options.lease_until));
    write.commit(claim).await?;
    Ok(claims)
}

fn read_claim(row: &SqliteRow) -> StoreResult<CallClaim> {
    let claims = get_count(row, 0)?;
    let call: Call = get_doc(row, 1, "call")?;
    let before = u32::try_from(claims).map_err(|_| StoreError::Corrupt("a call".to_owned()))?;
    let attempts = call.attempts.saturating_add(before);
    Ok(CallClaim { call: Call { attempts, ..call }, fence: claims + 1 })
}

/// Puts results into the mailboxes; says how many claims still stood.
pub(super) async fn finish(write: &mut Write<'_>, batch: Vec<CallFinish>) -> StoreResult<u64> {
    let keys = batch.iter().enumerate().filter_map(|(index, finish)| {
        let (business, id) = (finish.business_id.uuid(), finish.call_id.uuid());
        Some((Hex(business), Hex(id), count(finish.fence)?, index))
    });
    let found = write.begin(query(FINISHED_READ).bind(rows(keys)?)).await?;
    let mut done: HashSet<CallId> = HashSet::new();
    let mut mail = Vec::new();
    for row in &found {
        let index = usize::try_from(get::<i64>(row, 0)?).unwrap_or(usize::MAX);
        let call: Call = get_doc(row, 1, "call")?;
        let Some(finish) = batch.get(index).filter(|_| done.insert(call.id)) else { continue };
        let event = MailboxEvent::CallDone {
            call_id: call.id,
            session_id: call.session_id,
            token: call.request.token,
            result: finish.result.clone(),
        };
        let (business, conversation) = (call.business_id.uuid(), call.conversation_id.uuid());
        mail.push((Hex(call.id.uuid()), Hex(business), Hex(conversation), event));
    }
    write.commit(query(FINISHED_WRITE).bind(rows(&mail)?)).await?;
    Ok(mail.len() as u64)
}

/// Puts outside events into the mailboxes of the sessions that wait; a row for each.
pub(super) fn put_outside(batch: Vec<OutsideMail>) -> StoreResult<Bound> {
    let mail = batch.into_iter().map(|mail| {
        let (business, conversation) = (mail.business_id.uuid(), mail.conversation_id.uuid());
        (Hex(business), Hex(conversation), Hex(mail.session_id.uuid()), mail.event())
    });
    Ok(query(OUTSIDE_WRITE).bind(rows(mail)?))
}
