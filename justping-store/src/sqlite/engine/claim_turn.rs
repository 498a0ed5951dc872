use justping_core::model::{
    Agent, BusinessId, Conversation, FlowId, FlowVersionId, MailboxEntry, MailboxEvent, Message,
};
use justping_core::port::store::{
    ClaimOptions, StoreError, StoreResult, TURN_ENTRIES_MAX, TurnClaim, TurnRelease,
};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::rows;
use crate::decision::{TurnDesk, TurnKey};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::group::read_groups;
use crate::sqlite::row::{Hex, count, get, get_count, get_doc, millis, parse_doc, statements};

statements! {
    /// The businesses that have mail: those after the last one, and those up to it, until as many as
    /// are wanted have a conversation that is free. Each step jumps past all mail of a business.
    TURN_BUSINESSES = "BEGIN IMMEDIATE; \
        WITH RECURSIVE \
        ahead (business, n) AS ( \
            SELECT (SELECT m.business_id FROM mailbox m INDEXED BY mailbox_business \
                WHERE m.business_id > $2 ORDER BY m.business_id LIMIT 1), 0 \
            UNION ALL \
            SELECT (SELECT m.business_id FROM mailbox m INDEXED BY mailbox_business \
                WHERE m.business_id > a.business ORDER BY m.business_id LIMIT 1), \
                a.n + EXISTS (SELECT 1 FROM mailbox m INDEXED BY mailbox_business \
                    CROSS JOIN conversations n ON n.business_id = m.business_id \
                        AND n.id = m.conversation_id \
                    WHERE m.business_id = a.business \
                        AND coalesce(n.lease_until, n.not_before) <= $1) \
            FROM ahead a WHERE a.business IS NOT NULL AND a.n < $3), \
        behind (business, n) AS ( \
            SELECT (SELECT m.business_id FROM mailbox m INDEXED BY mailbox_business \
                ORDER BY m.business_id LIMIT 1), 0 \
            UNION ALL \
            SELECT (SELECT m.business_id FROM mailbox m INDEXED BY mailbox_business \
                WHERE m.business_id > b.business ORDER BY m.business_id LIMIT 1), \
                b.n + EXISTS (SELECT 1 FROM mailbox m INDEXED BY mailbox_business \
                    CROSS JOIN conversations n ON n.business_id = m.business_id \
                        AND n.id = m.conversation_id \
                    WHERE m.business_id = b.business \
                        AND coalesce(n.lease_until, n.not_before) <= $1) \
            FROM behind b WHERE b.business <= $2 AND b.n < $3) \
        SELECT business FROM ahead WHERE business IS NOT NULL \
        UNION ALL \
        SELECT business FROM behind WHERE business <= $2";
    /// The first conversations of these businesses by their oldest mail.
    TURN_LINES = "SELECT m.seq, m.business_id, m.conversation_id \
        FROM json_each($1) v CROSS JOIN mailbox m ON m.seq IN ( \
            SELECT x.seq FROM mailbox x INDEXED BY mailbox_business \
                CROSS JOIN conversations n ON n.business_id = x.business_id \
                    AND n.id = x.conversation_id \
            WHERE x.business_id = unhex(v.value) \
                AND coalesce(n.lease_until, n.not_before) <= $2 AND NOT EXISTS ( \
                    SELECT 1 FROM mailbox y INDEXED BY mailbox_conversation \
                    WHERE y.conversation_id = x.conversation_id \
                        AND y.business_id = x.business_id AND y.seq < x.seq) \
            ORDER BY x.seq LIMIT $3)";
    /// All a turn reads but the mail, in the order in which the conversations were chosen.
    TURNS_READ = "SELECT n.fence, n.doc, c.doc, h.doc, a.doc, s.doc, ( \
            SELECT json_group_array(hex(m.group_id)) \
            FROM memberships m INDEXED BY memberships_contact CROSS JOIN contact_groups g \
                ON g.business_id = m.business_id AND g.id = m.group_id \
            WHERE m.business_id = n.business_id AND m.contact_id = n.contact_id) \
        FROM json_each($1) v \
            CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                AND n.id = unhex(v.value ->> 1) \
            CROSS JOIN contacts c ON c.business_id = n.business_id AND c.id = n.contact_id \
            CROSS JOIN channels h ON h.business_id = n.business_id AND h.id = n.channel_id \
            LEFT JOIN agents a ON a.business_id = n.business_id AND a.id = h.agent_id \
            LEFT JOIN sessions s ON s.business_id = n.business_id AND s.id = n.session_id \
        ORDER BY v.key";
    /// Takes the leases; then the mail (0) and the published versions (1) by claim.
    TURNS_CLAIM = "UPDATE conversations SET fence = fence + 1, lease_until = $3 \
        FROM json_each($1) v \
        WHERE business_id = unhex(v.value ->> 0) AND conversations.id = unhex(v.value ->> 1); \
        SELECT 0, v.key, m.seq, m.event, g.doc FROM json_each($1) v \
            CROSS JOIN mailbox m ON m.seq IN ( \
                SELECT seq FROM mailbox x INDEXED BY mailbox_conversation \
                WHERE x.conversation_id = unhex(v.value ->> 1) \
                    AND x.business_id = unhex(v.value ->> 0) ORDER BY x.seq LIMIT $4) \
            LEFT JOIN messages g ON g.business_id = m.business_id \
                AND g.conversation_id = m.conversation_id AND g.seq = m.message_seq \
        ORDER BY v.key, m.seq; \
        SELECT 1, v.value ->> 0, f.published FROM json_each($2) v \
            CROSS JOIN flows f ON f.business_id = unhex(v.value ->> 1) \
                AND f.id = unhex(v.value ->> 2) \
        WHERE f.published IS NOT NULL ORDER BY v.key; \
        COMMIT";
    NO_TURNS = "COMMIT";
    RELEASE_TURNS = "UPDATE conversations SET lease_until = NULL, not_before = v.value ->> 3 \
        FROM json_each($1) v \
        WHERE business_id = unhex(v.value ->> 0) AND conversations.id = unhex(v.value ->> 1) \
            AND fence = v.value ->> 2 AND lease_until IS NOT NULL";
}

pub(super) async fn run(
    write: &mut Write<'_>,
    options: &ClaimOptions,
    last: Option<BusinessId>,
) -> StoreResult<Vec<TurnClaim>> {
    // Nothing is before the empty key.
    let bound = last.map_or_else(Vec::new, |id| id.uuid().as_bytes().to_vec());
    let read =
        query(TURN_BUSINESSES).bind(millis(options.now)).bind(bound).bind(i64::from(options.limit));
    let found = write.begin(read).await?;
    let businesses = found.iter().map(|row| get(row, 0)).collect::<StoreResult<Vec<_>>>()?;
    let chosen = choose(write, options, TurnDesk::new(options.limit, last, businesses)).await?;
    if chosen.is_empty() {
        write.commit(query(NO_TURNS)).await?;
        return Ok(Vec::new());
    }
    let keys = rows(chosen.iter().map(|(business, id)| (Hex(*business), Hex(*id))))?;
    let found = write.run(query(TURNS_READ).bind(keys)).await?;
    let mut claims = found.iter().map(read_claim).collect::<StoreResult<Vec<_>>>()?;
    for row in write.commit(claim(&claims, options)?).await? {
        let index = usize::try_from(get::<i64>(&row, 1)?).unwrap_or(usize::MAX);
        let Some(claim) = claims.get_mut(index) else { continue };
        match get::<i64>(&row, 0)? {
            0 => claim.entries.push(read_entry(&row)?),
            _ => claim.versions.push(FlowVersionId::from_uuid(get(&row, 2)?)),
        }
    }
    Ok(claims)
}

/// Reads as much of the mail as it takes to choose.
async fn choose(
    write: &mut Write<'_>,
    options: &ClaimOptions,
    mut desk: TurnDesk,
) -> StoreResult<Vec<TurnKey>> {
    if desk.businesses().is_empty() || options.limit == 0 {
        return Ok(Vec::new());
    }
    loop {
        let businesses = rows(desk.businesses().iter().map(|id| Hex(*id)))?;
        let read = query(TURN_LINES).bind(businesses).bind(millis(options.now));
        let found = write.run(read.bind(desk.depth())).await?;
        let free = found.iter().map(|row| Ok((get(row, 0)?, (get(row, 1)?, get(row, 2)?))));
        if let Some(chosen) = desk.choose(free.collect::<StoreResult<Vec<_>>>()?) {
            return Ok(chosen);
        }
    }
}

fn claim(claims: &[TurnClaim], options: &ClaimOptions) -> StoreResult<Bound> {
    let keys = claims.iter().map(|claim| key(&claim.conversation));
    let flows = claims.iter().enumerate().flat_map(|(index, claim)| {
        let agent = claim.agent.iter();
        agent
            .flat_map(move |agent| agent.flows.iter().map(move |flow| flow_row(index, agent, flow)))
    });
    Ok(query(TURNS_CLAIM)
        .bind(rows(keys)?)
        .bind(rows(flows)?)
        .bind(millis(options.lease_until))
        .bind(TURN_ENTRIES_MAX as i64))
}

fn key(conversation: &Conversation) -> (Hex, Hex) {
    (Hex(conversation.business_id.uuid()), Hex(conversation.id.uuid()))
}

fn flow_row(claim: usize, agent: &Agent, flow: &FlowId) -> (usize, Hex, Hex) {
    (claim, Hex(agent.business_id.uuid()), Hex(flow.uuid()))
}

fn read_claim(row: &SqliteRow) -> StoreResult<TurnClaim> {
    let optional = |index| get::<Option<&str>>(row, index);
    Ok(TurnClaim {
        conversation: get_doc(row, 1, "conversation")?,
        contact: get_doc(row, 2, "contact")?,
        groups: read_groups(get(row, 6)?)?,
        channel: get_doc(row, 3, "channel")?,
        agent: optional(4)?.map(|doc| parse_doc(doc, "agent")).transpose()?,
        versions: Vec::new(),
        session: optional(5)?.map(|doc| parse_doc(doc, "session")).transpose()?,
        entries: Vec::new(),
        fence: get_count(row, 0)? + 1,
    })
}

/// An entry is an event of its own, or a message of the conversation.
fn read_entry(row: &SqliteRow) -> StoreResult<MailboxEntry> {
    let event = match get::<Option<&str>>(row, 3)? {
        Some(event) => parse_doc(event, "mailbox entry")?,
        None => {
            let doc: Option<&str> = get(row, 4)?;
            let missing = || StoreError::Corrupt("a mailbox entry".to_owned());
            let message: Message = parse_doc(doc.ok_or_else(missing)?, "message")?;
            MailboxEvent::Message {
                message_id: message.id,
                content: message.content,
                provider_ref: message.provider_ref,
            }
        }
    };
    Ok(MailboxEntry { seq: get(row, 2)?, event })
}

/// Gives leases back that still stand.
pub(super) fn release(batch: &[TurnRelease]) -> StoreResult<Bound> {
    let releases = batch.iter().filter_map(|release| {
        let (business, id) = (release.business_id.uuid(), release.conversation_id.uuid());
        let fence = count(release.fence)?;
        Some((Hex(business), Hex(id), fence, millis(release.not_before)))
    });
    Ok(query(RELEASE_TURNS).bind(rows(releases)?))
}
