use std::collections::HashMap;

use justping_core::model::{
    BusinessId, FlowVersionId, GROUPS_OF_CONTACT_MAX, GroupId, MailboxEntry, MailboxEvent, Message,
};
use justping_core::port::store::{
    ClaimOptions, StoreError, StoreResult, TURN_ENTRIES_MAX, TurnClaim, TurnRelease,
};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use crate::decision::{TurnDesk, TurnKey};
use crate::postgres::connection::Write;
use crate::postgres::group::groups_of;
use crate::postgres::row::{
    count, get, get_count, get_doc, get_index, millis, parse_doc, statements,
};

statements! {
    /// The businesses that have mail: those after the last one, and those up to it, until as many as
    /// are wanted have a conversation that is free. Each step jumps past all mail of a business.
    TURN_BUSINESSES = "WITH RECURSIVE \
        ahead (business, n) AS ( \
            SELECT (SELECT m.business_id FROM mailbox m \
                WHERE m.business_id > $2 ORDER BY m.business_id, m.seq LIMIT 1), 0 \
            UNION ALL \
            SELECT (SELECT m.business_id FROM mailbox m \
                WHERE m.business_id > a.business ORDER BY m.business_id, m.seq LIMIT 1), \
                a.n + (EXISTS (SELECT 1 FROM mailbox m CROSS JOIN LATERAL ( \
                        SELECT 1 FROM conversations n WHERE n.business_id = m.business_id \
                            AND n.id = m.conversation_id \
                            AND coalesce(n.lease_until, n.not_before) <= $1 OFFSET 0) n \
                    WHERE m.business_id = a.business))::int \
            FROM ahead a WHERE a.business IS NOT NULL AND a.n < $3), \
        behind (business, n) AS ( \
            SELECT (SELECT m.business_id FROM mailbox m \
                ORDER BY m.business_id, m.seq LIMIT 1), 0 \
            UNION ALL \
            SELECT (SELECT m.business_id FROM mailbox m \
                WHERE m.business_id > b.business ORDER BY m.business_id, m.seq LIMIT 1), \
                b.n + (EXISTS (SELECT 1 FROM mailbox m CROSS JOIN LATERAL ( \
                        SELECT 1 FROM conversations n WHERE n.business_id = m.business_id \
                            AND n.id = m.conversation_id \
                            AND coalesce(n.lease_until, n.not_before) <= $1 OFFSET 0) n \
                    WHERE m.business_id = b.business))::int \
            FROM behind b WHERE b.business <= $2 AND b.n < $3) \
        SELECT business FROM ahead WHERE business IS NOT NULL \
        UNION ALL \
        SELECT business FROM behind WHERE business <= $2";
    /// The first conversations of these businesses by their oldest mail that nobody else is claiming.
    /// Each conversation is looked up by its key, and its oldest mail along an index that no other
    /// can stand in for: the plan must not go through all of a business.
    TURN_LINES = "SELECT x.seq, v.b, x.id \
        FROM unnest($1::uuid[]) v (b) CROSS JOIN LATERAL ( \
            SELECT m.seq, n.id FROM mailbox m CROSS JOIN LATERAL ( \
                SELECT y.seq FROM mailbox y WHERE (y.business_id, y.conversation_id, y.seq) \
                    >= (m.business_id, m.conversation_id, 0) \
                ORDER BY y.business_id, y.conversation_id, y.seq LIMIT 1) y \
            CROSS JOIN LATERAL ( \
                SELECT n.id FROM conversations n WHERE n.business_id = m.business_id \
                    AND n.id = m.conversation_id AND coalesce(n.lease_until, n.not_before) <= $2 \
                FOR UPDATE SKIP LOCKED) n \
            WHERE m.business_id = v.b AND m.seq <= y.seq \
            ORDER BY m.business_id, m.seq LIMIT $3) x";
    /// Takes the leases.
    TURNS_CLAIM = "UPDATE conversations n SET fence = n.fence + 1, lease_until = $3 \
        FROM unnest($1::uuid[], $2::uuid[]) v (b, id) \
        WHERE n.business_id = v.b AND n.id = v.id";
    /// All a turn reads but the mail. It is a statement after the claim, so that it sees what was
    /// committed until the lease was taken.
    TURNS_READ = concat!(
        "SELECT n.fence, n.doc, \
            (SELECT c.doc FROM contacts c WHERE c.business_id = v.b AND c.id = n.contact_id), \
            h.doc, \
            (SELECT a.doc FROM agents a WHERE a.business_id = v.b AND a.id = h.agent_id), \
            (SELECT s.doc FROM sessions s WHERE s.business_id = v.b AND s.id = n.session_id), \
            ARRAY(", groups_of!("v.b", "n.contact_id", "$3"), ") \
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY v (b, id, ord) \
            CROSS JOIN LATERAL ( \
                SELECT * FROM conversations n \
                WHERE n.business_id = v.b AND n.id = v.id OFFSET 0) n \
            CROSS JOIN LATERAL ( \
                SELECT h.doc, h.agent_id FROM channels h \
                WHERE h.business_id = v.b AND h.id = n.channel_id OFFSET 0) h \
        ORDER BY v.ord"
    );
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

pub(super) async fn run(
    write: &mut Write,
    options: &ClaimOptions,
    last: Option<BusinessId>,
) -> StoreResult<Vec<TurnClaim>> {
    let read = query(TURN_BUSINESSES)
        .bind(millis(options.now))
        .bind(last.map_or(Uuid::nil(), BusinessId::uuid))
        .bind(i64::from(options.limit));
    let found = write.run(read).await?;
    let businesses = found.iter().map(|row| get(row, 0)).collect::<StoreResult<Vec<_>>>()?;
    let chosen = choose(write, options, TurnDesk::new(options.limit, last, businesses)).await?;
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let keys: (Vec<Uuid>, Vec<Uuid>) = chosen.into_iter().unzip();
    let claim = query(TURNS_CLAIM).bind(keys.0.clone()).bind(keys.1.clone());
    write.run(claim.bind(millis(options.lease_until))).await?;
    let read = query(TURNS_READ).bind(keys.0.clone()).bind(keys.1.clone());
    let read = read.bind(GROUPS_OF_CONTACT_MAX as i64);
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

/// Reads as much of the mail as it takes to choose.
async fn choose(
    write: &mut Write,
    options: &ClaimOptions,
    mut desk: TurnDesk,
) -> StoreResult<Vec<TurnKey>> {
    if desk.businesses().is_empty() || options.limit == 0 {
        return Ok(Vec::new());
    }
    let businesses = desk.businesses().to_vec();
    loop {
        let read = query(TURN_LINES).bind(businesses.clone()).bind(millis(options.now));
        let found = write.run(read.bind(desk.depth())).await?;
        let free = found.iter().map(|row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?))));
        if let Some(chosen) = desk.choose(free.collect::<StoreResult<Vec<_>>>()?) {
            return Ok(chosen);
        }
    }
}

fn read_claim(row: &PgRow) -> StoreResult<TurnClaim> {
    let optional = |index| get::<Option<&str>>(row, index);
    Ok(TurnClaim {
        conversation: get_doc(row, 1, "conversation")?,
        contact: get_doc(row, 2, "contact")?,
        groups: get::<Vec<Uuid>>(row, 6)?.into_iter().map(GroupId::from_uuid).collect(),
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
