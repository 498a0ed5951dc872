use std::collections::HashMap;

use justping_core::model::{FlowVersionId, MailboxEntry, MailboxEvent, Message};
use justping_core::port::store::{
    ClaimOptions, StoreError, StoreResult, TURN_ENTRIES_MAX, TurnClaim, TurnRelease,
};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use crate::postgres::connection::Write;
use crate::postgres::row::{
    count, get, get_count, get_doc, get_index, millis, parse_doc, statements,
};

statements! {
    /// Takes the leases of conversations by their oldest mail. `greatest` of one value is that
    /// value; it keeps the planner from going through the conversations to find mail, which looks
    /// as good as the other way while both are empty.
    TURNS_CLAIM = "WITH due AS MATERIALIZED ( \
            SELECT n.business_id, n.id, m.seq FROM mailbox m JOIN conversations n \
                ON n.business_id = greatest(m.business_id) AND n.id = greatest(m.conversation_id) \
            WHERE coalesce(n.lease_until, n.not_before) <= $1 AND NOT EXISTS ( \
                SELECT 1 FROM mailbox x WHERE x.business_id = m.business_id \
                    AND x.conversation_id = m.conversation_id AND x.seq < m.seq) \
            ORDER BY m.seq LIMIT $2 FOR UPDATE OF n SKIP LOCKED) \
        UPDATE conversations n SET fence = n.fence + 1, lease_until = $3 FROM due d \
        WHERE n.business_id = d.business_id AND n.id = d.id \
        RETURNING n.business_id, n.id, d.seq";
    /// All a turn reads but the mail. It is a statement after the claim, so that it sees what was
    /// committed until the lease was taken.
    TURNS_READ = "SELECT n.fence, n.doc, \
            (SELECT c.doc FROM contacts c WHERE c.business_id = v.b AND c.id = n.contact_id), h.doc, \
            (SELECT a.doc FROM agents a WHERE a.business_id = n.business_id AND a.id = h.agent_id), \
            (SELECT s.doc FROM sessions s WHERE s.business_id = n.business_id AND s.id = n.session_id) \
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY v (b, id, ord) \
            JOIN conversations n ON n.business_id = v.b AND n.id = v.id \
            CROSS JOIN LATERAL ( \
                SELECT doc, agent_id FROM channels x \
                WHERE x.business_id = v.b AND x.id = n.channel_id LIMIT 1) h \
        ORDER BY v.ord";
    MAIL_READ = "SELECT v.ord, m.seq, m.event, (SELECT g.doc FROM messages g \
            WHERE g.business_id = v.b AND g.conversation_id = v.id AND g.seq = m.message_seq \
                AND g.created_at = m.message_at) \
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY v (b, id, ord) \
            CROSS JOIN LATERAL ( \
                SELECT seq, event, message_seq, message_at FROM mailbox x \
                WHERE x.business_id = v.b AND x.conversation_id = v.id \
                ORDER BY x.seq LIMIT $3) m \
        ORDER BY v.ord, m.seq";
    PUBLISHED_READ = "SELECT v.claim, (SELECT f.published FROM flows f \
            WHERE f.business_id = v.b AND f.id = v.id) \
        FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) WITH ORDINALITY v (claim, b, id, ord) \
        ORDER BY v.ord";
    /// Gives back leases that still stand, in the order of the conversations.
    RELEASE_TURNS = "WITH held AS MATERIALIZED ( \
            SELECT n.business_id, n.id, v.not_before FROM conversations n \
                JOIN unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) \
                    v (b, id, fence, not_before) \
                ON n.business_id = v.b AND n.id = v.id AND n.fence = v.fence \
            WHERE n.lease_until IS NOT NULL ORDER BY n.business_id, n.id FOR UPDATE OF n) \
        UPDATE conversations n SET lease_until = NULL, not_before = h.not_before FROM held h \
        WHERE n.business_id = h.business_id AND n.id = h.id";
}

pub(super) async fn run(write: &mut Write, options: &ClaimOptions) -> StoreResult<Vec<TurnClaim>> {
    let claim = query(TURNS_CLAIM)
        .bind(millis(options.now))
        .bind(i64::from(options.limit))
        .bind(millis(options.lease_until));
    let mut taken: Vec<(i64, Uuid, Uuid)> = Vec::new();
    for row in write.run(claim).await? {
        taken.push((get(&row, 2)?, get(&row, 0)?, get(&row, 1)?));
    }
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    taken.sort_unstable();
    let keys: (Vec<Uuid>, Vec<Uuid>) = taken.iter().map(|(_, b, id)| (*b, *id)).unzip();
    let read = query(TURNS_READ).bind(keys.0.clone()).bind(keys.1.clone());
    let mut claims =
        write.run(read).await?.iter().map(read_claim).collect::<StoreResult<Vec<_>>>()?;
    let read = query(MAIL_READ).bind(keys.0).bind(keys.1).bind(TURN_ENTRIES_MAX as i64);
    for row in write.run(read).await? {
        if let Some(claim) = claims.get_mut(get_index(&row, 0)?) {
            claim.entries.push(read_entry(&row)?);
        }
    }
    read_versions(write, &mut claims).await?;
    leave_empty(write, claims, options).await
}

fn read_claim(row: &PgRow) -> StoreResult<TurnClaim> {
    let optional = |index| get::<Option<&str>>(row, index);
    Ok(TurnClaim {
        conversation: get_doc(row, 1, "conversation")?,
        contact: get_doc(row, 2, "contact")?,
        channel: get_doc(row, 3, "channel")?,
        agent: optional(4)?.map(|doc| parse_doc(doc, "agent")).transpose()?,
        versions: Vec::new(),
        session: optional(5)?.map(|doc| parse_doc(doc, "session")).transpose()?,
        entries: Vec::new(),
        fence: get_count(row, 0)?,
    })
}

/// An entry is an event of its own, or a message of the conversation.
fn read_entry(row: &PgRow) -> StoreResult<MailboxEntry> {
    let event = match get::<Option<&str>>(row, 2)? {
        Some(event) => parse_doc(event, "mailbox entry")?,
        None => {
            let doc: Option<&str> = get(row, 3)?;
            let missing = || StoreError::Corrupt("a mailbox entry".to_owned());
            let message: Message = parse_doc(doc.ok_or_else(missing)?, "message")?;
            MailboxEvent::Message {
                message_id: message.id,
                content: message.content,
                provider_ref: message.provider_ref,
            }
        }
    };
    Ok(MailboxEntry { seq: get(row, 1)?, event })
}

async fn read_versions(write: &mut Write, claims: &mut [TurnClaim]) -> StoreResult<()> {
    let (mut indices, mut businesses, mut flows) = (vec![], vec![], vec![]);
    for (index, claim) in claims.iter().enumerate() {
        for flow in claim.agent.iter().flat_map(|agent| &agent.flows) {
            indices.push(index as i64 + 1);
            businesses.push(claim.conversation.business_id.uuid());
            flows.push(flow.uuid());
        }
    }
    if flows.is_empty() {
        return Ok(());
    }
    let read = query(PUBLISHED_READ).bind(indices).bind(businesses).bind(flows);
    for row in write.run(read).await? {
        let version: Option<Uuid> = get(&row, 1)?;
        if let Some(claim) = claims.get_mut(get_index(&row, 0)?) {
            claim.versions.extend(version.map(FlowVersionId::from_uuid));
        }
    }
    Ok(())
}

/// Somebody may have dealt with the mail after it was seen and before the lease was taken: then the
/// lease goes back and nobody hears of it.
async fn leave_empty(
    write: &mut Write,
    claims: Vec<TurnClaim>,
    options: &ClaimOptions,
) -> StoreResult<Vec<TurnClaim>> {
    let (claims, empty): (Vec<_>, Vec<_>) =
        claims.into_iter().partition(|claim| !claim.entries.is_empty());
    let releases: Vec<TurnRelease> = empty
        .iter()
        .map(|claim| TurnRelease {
            business_id: claim.conversation.business_id,
            conversation_id: claim.conversation.id,
            fence: claim.fence,
            not_before: options.now,
        })
        .collect();
    if !releases.is_empty() {
        release(write, &releases).await?;
    }
    Ok(claims)
}

/// Gives leases back that still stand.
pub(super) async fn release(write: &mut Write, batch: &[TurnRelease]) -> StoreResult<()> {
    let mut last = HashMap::new();
    for release in batch {
        let key = (release.business_id, release.conversation_id, release.fence);
        last.entry(key).or_insert(release.not_before);
    }
    let mut columns = (vec![], vec![], vec![], vec![]);
    for ((business, id, fence), not_before) in last {
        columns.0.push(business.uuid());
        columns.1.push(id.uuid());
        columns.2.push(count(fence));
        columns.3.push(millis(not_before));
    }
    let release = query(RELEASE_TURNS).bind(columns.0).bind(columns.1);
    write.run(release.bind(columns.2).bind(columns.3)).await.map(drop)
}
