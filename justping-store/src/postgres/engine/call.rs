use std::collections::HashSet;

use justping_core::model::{Call, CallId, MailboxEvent};
use justping_core::port::store::{
    CallClaim, CallFinish, ClaimOptions, OutsideMail, StoreError, StoreResult,
};
use sqlx::postgres::PgRow;
use sqlx::query;

use crate::postgres::connection::Write;
use crate::postgres::row::{count, get_count, get_doc, get_index, millis, statements, to_doc};

statements! {
    CALLS_CLAIM = "WITH due AS MATERIALIZED ( \
            SELECT id FROM calls WHERE available_at <= $1 \
            ORDER BY created_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) \
        UPDATE calls SET fence = fence + 1, available_at = $3 \
        WHERE id IN (SELECT id FROM due) RETURNING fence - 1, doc";
    /// The calls of results whose claim still stands; their conversations are locked, so that mail
    /// arrives in the order of its numbers.
    FINISHED_LOCK = "SELECT v.ord, l.doc \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY v (b, id, fence, ord) \
            JOIN calls l ON l.business_id = v.b AND l.id = v.id AND l.fence = v.fence \
            JOIN conversations n ON n.business_id = l.business_id AND n.id = l.conversation_id \
        ORDER BY n.business_id, n.id, v.ord FOR UPDATE OF n";
    FINISHED_WRITE = "WITH gone AS ( \
            DELETE FROM calls l USING unnest($1::uuid[], $2::uuid[], $3::bigint[]) v (b, id, fence) \
            WHERE l.business_id = v.b AND l.id = v.id AND l.fence = v.fence RETURNING l.id) \
        INSERT INTO mailbox (business_id, conversation_id, event) \
        SELECT v.b, v.c, v.event \
        FROM unnest($1::uuid[], $2::uuid[], $4::uuid[], $5::text[]) WITH ORDINALITY \
            v (b, id, c, event, ord) \
        WHERE v.id IN (SELECT id FROM gone) ORDER BY v.ord";
    /// The events whose session is the one that waits; their conversations are locked likewise.
    OUTSIDE_LOCK = "SELECT v.ord \
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY v (b, c, s, ord) \
            JOIN conversations n \
            ON n.business_id = v.b AND n.id = v.c AND greatest(n.session_id) = v.s \
        ORDER BY n.business_id, n.id, v.ord FOR UPDATE OF n";
    OUTSIDE_WRITE = "INSERT INTO mailbox (business_id, conversation_id, event) \
        SELECT v.b, v.c, v.event FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY \
            v (b, c, event, ord) ORDER BY v.ord";
}

/// Leases calls; what is handed out counts the claims before this one, and each claim is a fence.
pub(super) async fn claim(
    write: &mut Write,
    options: &ClaimOptions,
) -> StoreResult<Vec<CallClaim>> {
    let claim = query(CALLS_CLAIM)
        .bind(millis(options.now))
        .bind(i64::from(options.limit))
        .bind(millis(options.lease_until));
    let found = write.run(claim).await?;
    let mut claims = found.iter().map(read_claim).collect::<StoreResult<Vec<_>>>()?;
    claims.sort_unstable_by_key(|claim| (claim.call.created_at, claim.call.id));
    Ok(claims)
}

fn read_claim(row: &PgRow) -> StoreResult<CallClaim> {
    let claims = get_count(row, 0)?;
    let call: Call = get_doc(row, 1, "call")?;
    let before = u32::try_from(claims).map_err(|_| StoreError::Corrupt("a call".to_owned()))?;
    let attempts = call.attempts.saturating_add(before);
    Ok(CallClaim { call: Call { attempts, ..call }, fence: claims + 1 })
}

/// Puts results into the mailboxes; says how many claims still stood.
pub(super) async fn finish(write: &mut Write, batch: &[CallFinish]) -> StoreResult<u64> {
    let mut columns = (vec![], vec![], vec![]);
    for finish in batch {
        columns.0.push(finish.business_id.uuid());
        columns.1.push(finish.call_id.uuid());
        columns.2.push(count(finish.fence));
    }
    let lock = query(FINISHED_LOCK).bind(columns.0).bind(columns.1).bind(columns.2);
    let mut found = Vec::new();
    for row in write.run(lock).await? {
        found.push((get_index(&row, 0)?, get_doc::<Call>(&row, 1, "call")?));
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    let mut done: HashSet<CallId> = HashSet::new();
    let (mut businesses, mut ids, mut fences) = (vec![], vec![], vec![]);
    let (mut conversations, mut events) = (vec![], vec![]);
    for (index, call) in found {
        let Some(finish) = batch.get(index).filter(|_| done.insert(call.id)) else { continue };
        businesses.push(call.business_id.uuid());
        ids.push(call.id.uuid());
        fences.push(count(finish.fence));
        conversations.push(call.conversation_id.uuid());
        events.push(to_doc(&MailboxEvent::CallDone {
            call_id: call.id,
            session_id: call.session_id,
            token: call.request.token,
            result: finish.result.clone(),
        })?);
    }
    if ids.is_empty() {
        return Ok(0);
    }
    let put = query(FINISHED_WRITE).bind(businesses).bind(ids).bind(fences);
    write.execute(put.bind(conversations).bind(events)).await
}

/// Puts outside events into the mailboxes of the sessions that wait; says how many do.
pub(super) async fn put_outside(write: &mut Write, batch: &[OutsideMail]) -> StoreResult<u64> {
    let mut columns = (vec![], vec![], vec![]);
    for mail in batch {
        columns.0.push(mail.business_id.uuid());
        columns.1.push(mail.conversation_id.uuid());
        columns.2.push(mail.session_id.uuid());
    }
    let lock = query(OUTSIDE_LOCK).bind(columns.0).bind(columns.1).bind(columns.2);
    let mut found = Vec::new();
    for row in write.run(lock).await? {
        found.push(get_index(&row, 0)?);
    }
    found.sort_unstable();
    let (mut businesses, mut conversations, mut events) = (vec![], vec![], vec![]);
    for mail in found.into_iter().filter_map(|index| batch.get(index)) {
        businesses.push(mail.business_id.uuid());
        conversations.push(mail.conversation_id.uuid());
        events.push(to_doc(&mail.clone().event())?);
    }
    if events.is_empty() {
        return Ok(0);
    }
    write.execute(query(OUTSIDE_WRITE).bind(businesses).bind(conversations).bind(events)).await
}
