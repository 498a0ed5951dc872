use justping_core::model::{
    BusinessId, ConversationId, MessageId, OutboxRow, OutboxState, Timestamp,
};
use justping_core::port::store::{ClaimOptions, SendClaim, SendQuota, StoreError, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use crate::decision::{LineDesk, ReadySend, SendKey, lane_wishes};
use crate::document::GenerationOf;
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{get, get_count, get_doc, get_index, millis, moment, statements};

statements! {
    /// Rows whose lease ran out are unknown, rows that came due are ready. No row is both.
    OUTBOX_RIPEN = "WITH late AS MATERIALIZED ( \
            SELECT business_id, conversation_id, seq FROM outbox \
            WHERE phase = 2 AND lease_until <= $1 \
            ORDER BY business_id, conversation_id, seq FOR UPDATE SKIP LOCKED), \
        doubted AS ( \
            UPDATE outbox o SET phase = 0, unknown = true, due_at = $2 FROM late l \
            WHERE o.business_id = l.business_id AND o.conversation_id = l.conversation_id \
                AND o.seq = l.seq), \
        ripe AS MATERIALIZED ( \
            SELECT business_id, conversation_id, seq FROM outbox \
            WHERE phase = 0 AND due_at <= $1 \
            ORDER BY business_id, conversation_id, seq FOR UPDATE SKIP LOCKED) \
        UPDATE outbox o SET phase = 1 FROM ripe l \
        WHERE o.business_id = l.business_id AND o.conversation_id = l.conversation_id \
            AND o.seq = l.seq";
    /// By lane, the businesses that have ready rows: those after the last one, and those up to it.
    /// Each step jumps to the next business, past all its rows.
    OUTBOX_BUSINESSES = "WITH RECURSIVE \
        wish (lane, last, most) AS ( \
            SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[])), \
        ahead (lane, most, business, n) AS ( \
            SELECT w.lane, w.most, ( \
                SELECT o.business_id FROM outbox o \
                WHERE o.phase = 1 AND o.lane = w.lane AND o.business_id > w.last \
                ORDER BY o.lane, o.business_id LIMIT 1), 1 \
            FROM wish w \
            UNION ALL \
            SELECT a.lane, a.most, ( \
                SELECT o.business_id FROM outbox o \
                WHERE o.phase = 1 AND o.lane = a.lane AND o.business_id > a.business \
                ORDER BY o.lane, o.business_id LIMIT 1), a.n + 1 \
            FROM ahead a WHERE a.business IS NOT NULL AND a.n < a.most), \
        behind (lane, most, last, business, n) AS ( \
            SELECT w.lane, w.most, w.last, ( \
                SELECT o.business_id FROM outbox o \
                WHERE o.phase = 1 AND o.lane = w.lane \
                ORDER BY o.lane, o.business_id LIMIT 1), 1 \
            FROM wish w \
            UNION ALL \
            SELECT b.lane, b.most, b.last, ( \
                SELECT o.business_id FROM outbox o \
                WHERE o.phase = 1 AND o.lane = b.lane AND o.business_id > b.business \
                ORDER BY o.lane, o.business_id LIMIT 1), b.n + 1 \
            FROM behind b WHERE b.business <= b.last AND b.n < b.most) \
        SELECT lane, business FROM ahead WHERE business IS NOT NULL \
        UNION ALL \
        SELECT lane, business FROM behind WHERE business <= last";
    /// The first rows of every line of these businesses that nobody else is claiming. That no
    /// earlier row of the conversation is left is looked at once more: it is the order of messages.
    OUTBOX_LINES = "SELECT v.lane, v.b, h.id, x.created_at, x.message_id, x.conversation_id, x.seq \
        FROM unnest($1::bigint[], $2::uuid[]) v (lane, b) \
            JOIN channels h ON h.business_id = v.b \
            CROSS JOIN LATERAL ( \
                SELECT o.created_at, o.message_id, o.conversation_id, o.seq FROM outbox o \
                WHERE o.phase = 1 AND o.lane = v.lane AND o.business_id = v.b \
                    AND o.channel_id = h.id AND o.due_at <= $3 AND o.seq <= ( \
                        SELECT e.seq FROM outbox e WHERE (e.business_id, e.conversation_id, e.seq) \
                            >= (o.business_id, o.conversation_id, 0) \
                        ORDER BY e.business_id, e.conversation_id, e.seq LIMIT 1) \
                ORDER BY o.lane, o.business_id, o.channel_id, o.created_at, o.message_id \
                LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED) x";
    OUTBOX_CLAIM = "UPDATE outbox o SET phase = 2, attempts = attempts + 1, fence = fence + 1, \
            lease_until = $4 \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) v (b, c, s) \
        WHERE o.business_id = v.b AND o.conversation_id = v.c AND o.seq = v.s";
    /// What a send needs, in the order in which the rows were chosen. Each row is looked up by its
    /// key, whatever the plan makes of tables that were empty when it was made.
    OUTBOX_READ = "SELECT o.fence, o.unknown, o.attempts - 1, o.due_at, o.doc, \
            (SELECT g.doc FROM messages g WHERE g.business_id = v.b AND g.conversation_id = v.c \
                AND g.seq = v.s AND g.created_at = o.created_at), \
            n.doc, \
            (SELECT c.doc FROM contacts c WHERE c.business_id = v.b AND c.id = n.contact_id) \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY v (b, c, s, ord) \
            CROSS JOIN LATERAL ( \
                SELECT * FROM outbox o WHERE o.business_id = v.b AND o.conversation_id = v.c \
                    AND o.seq = v.s OFFSET 0) o \
            CROSS JOIN LATERAL ( \
                SELECT n.doc, n.contact_id FROM conversations n \
                WHERE n.business_id = v.b AND n.id = v.c OFFSET 0) n \
        ORDER BY v.ord";
    /// The conversations that are there, with their places in the list.
    GENERATIONS = "SELECT v.ord, n.doc \
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY v (b, id, ord) \
            CROSS JOIN LATERAL ( \
                SELECT n.doc FROM conversations n \
                WHERE n.business_id = v.b AND n.id = v.id OFFSET 0) n";
}

pub(super) async fn run(
    write: &mut Write,
    options: &ClaimOptions,
    quota: &SendQuota,
    unknown_until: Timestamp,
) -> StoreResult<Vec<SendClaim>> {
    let now = millis(options.now);
    write.run(query(OUTBOX_RIPEN).bind(now).bind(millis(unknown_until))).await?;
    let ready = read_businesses(write, options, quota).await?;
    let chosen = choose(write, options, LineDesk::new(options.limit, quota, ready)).await?;
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let claim = bind_keys(OUTBOX_CLAIM, &chosen).bind(millis(options.lease_until));
    write.run(claim).await?;
    write.run(bind_keys(OUTBOX_READ, &chosen)).await?.iter().map(read_claim).collect()
}

async fn read_businesses(
    write: &mut Write,
    options: &ClaimOptions,
    quota: &SendQuota,
) -> StoreResult<Vec<(i64, Uuid)>> {
    let mut columns = (vec![], vec![], vec![]);
    for wish in lane_wishes(options.limit, quota) {
        columns.0.push(wish.rank);
        columns.1.push(wish.after.unwrap_or(Uuid::nil()));
        columns.2.push(wish.most);
    }
    let read = query(OUTBOX_BUSINESSES).bind(columns.0).bind(columns.1).bind(columns.2);
    write.run(read).await?.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

/// Reads as much of the lines as it takes to choose.
async fn choose(
    write: &mut Write,
    options: &ClaimOptions,
    mut desk: LineDesk<'_>,
) -> StoreResult<Vec<SendKey>> {
    if desk.businesses().is_empty() || options.limit == 0 {
        return Ok(Vec::new());
    }
    let columns: (Vec<i64>, Vec<Uuid>) = desk.businesses().iter().copied().unzip();
    loop {
        let read = query(OUTBOX_LINES).bind(columns.0.clone()).bind(columns.1.clone());
        let found = write.run(read.bind(millis(options.now)).bind(desk.depth())).await?;
        let ready = found.iter().map(read_ready).collect::<StoreResult<Vec<_>>>()?;
        if let Some(chosen) = desk.choose(ready) {
            return Ok(chosen);
        }
    }
}

fn bind_keys(sql: &'static str, keys: &[SendKey]) -> Bound {
    let mut columns = (vec![], vec![], vec![]);
    for (business, conversation, seq) in keys {
        columns.0.push(*business);
        columns.1.push(*conversation);
        columns.2.push(*seq);
    }
    query(sql).bind(columns.0).bind(columns.1).bind(columns.2)
}

fn read_ready(row: &PgRow) -> StoreResult<ReadySend> {
    Ok(ReadySend {
        rank: get(row, 0)?,
        channel: get(row, 2)?,
        age: (moment(get(row, 3)?)?, MessageId::from_uuid(get(row, 4)?)),
        key: (get(row, 1)?, get(row, 5)?, get(row, 6)?),
    })
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

pub(super) fn generations(conversations: &[(BusinessId, ConversationId)]) -> Bound {
    let keys = conversations.iter().map(|(business, id)| (business.uuid(), id.uuid()));
    let (businesses, ids): (Vec<_>, Vec<_>) = keys.unzip();
    query(GENERATIONS).bind(businesses).bind(ids)
}

pub(super) fn read_generations(found: &[PgRow], count: usize) -> StoreResult<Vec<Option<u64>>> {
    let mut generations = vec![None; count];
    for row in found {
        if let Some(place) = generations.get_mut(get_index(row, 0)?) {
            *place = Some(get_doc::<GenerationOf>(row, 1, "conversation")?.generation);
        }
    }
    Ok(generations)
}
