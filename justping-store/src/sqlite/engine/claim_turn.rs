use justping_core::model::{
    Agent, Conversation, FlowId, FlowVersionId, MailboxEntry, MailboxEvent, Message,
};
use justping_core::port::store::{
    ClaimOptions, StoreError, StoreResult, TURN_ENTRIES_MAX, TurnClaim, TurnRelease,
};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::rows;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, count, get, get_count, get_doc, millis, parse_doc, statements};

statements! {
    /// Conversations by their oldest mail, with all a turn reads but the mail itself.
    TURNS_READ = "BEGIN IMMEDIATE; \
        SELECT n.fence, n.doc, c.doc, h.doc, a.doc, s.doc \
        FROM mailbox m \
            CROSS JOIN conversations n ON n.business_id = m.business_id \
                AND n.id = m.conversation_id \
            CROSS JOIN contacts c ON c.business_id = n.business_id AND c.id = n.contact_id \
            CROSS JOIN channels h ON h.business_id = n.business_id AND h.id = n.channel_id \
            LEFT JOIN agents a ON a.business_id = n.business_id AND a.id = h.agent_id \
            LEFT JOIN sessions s ON s.business_id = n.business_id AND s.id = n.session_id \
        WHERE coalesce(n.lease_until, n.not_before) <= $1 AND NOT EXISTS ( \
            SELECT 1 FROM mailbox x WHERE x.conversation_id = m.conversation_id \
                AND x.business_id = m.business_id AND x.seq < m.seq) \
        ORDER BY m.seq LIMIT $2";
    /// Takes the leases; then the mail (0) and the published versions (1) by claim.
    TURNS_CLAIM = "UPDATE conversations SET fence = fence + 1, lease_until = $3 \
        FROM json_each($1) v \
        WHERE business_id = unhex(v.value ->> 0) AND conversations.id = unhex(v.value ->> 1); \
        SELECT 0, v.key, m.seq, m.event, g.doc FROM json_each($1) v \
            CROSS JOIN mailbox m ON m.seq IN ( \
                SELECT seq FROM mailbox x WHERE x.conversation_id = unhex(v.value ->> 1) \
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
) -> StoreResult<Vec<TurnClaim>> {
    let read = query(TURNS_READ).bind(millis(options.now)).bind(i64::from(options.limit));
    let found = write.begin(read).await?;
    if found.is_empty() {
        write.commit(query(NO_TURNS)).await?;
        return Ok(Vec::new());
    }
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
