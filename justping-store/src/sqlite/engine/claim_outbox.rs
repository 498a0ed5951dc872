use justping_core::model::{
    BusinessId, ConversationId, MessageId, OutboxRow, OutboxState, Timestamp,
};
use justping_core::port::store::{ClaimOptions, SendClaim, SendQuota, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::rows;
use crate::decision::{LineDesk, ReadySend, SendKey, lane_wishes};
use crate::document::GenerationOf;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, get, get_count, get_doc, millis, moment, statements};

statements! {
    /// Rows whose lease ran out are unknown, rows that came due are ready; then, by lane, the
    /// businesses that have ready rows: those after the last one, and those up to it. Each step
    /// jumps to the next business, past all its rows.
    OUTBOX_BUSINESSES = "BEGIN IMMEDIATE; \
        UPDATE outbox SET phase = 0, unknown = 1, due_at = $2 \
            WHERE phase = 2 AND lease_until <= $1; \
        UPDATE outbox SET phase = 1 WHERE phase = 0 AND due_at <= $1; \
        WITH RECURSIVE \
        wish (lane, last, most) AS ( \
            SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each($3)), \
        ahead (lane, most, business, n) AS ( \
            SELECT w.lane, w.most, ( \
                SELECT o.business_id FROM outbox o INDEXED BY outbox_ready \
                WHERE o.phase = 1 AND o.lane = w.lane AND o.business_id > w.last \
                ORDER BY o.business_id LIMIT 1), 1 \
            FROM wish w \
            UNION ALL \
            SELECT a.lane, a.most, ( \
                SELECT o.business_id FROM outbox o INDEXED BY outbox_ready \
                WHERE o.phase = 1 AND o.lane = a.lane AND o.business_id > a.business \
                ORDER BY o.business_id LIMIT 1), a.n + 1 \
            FROM ahead a WHERE a.business IS NOT NULL AND a.n < a.most), \
        behind (lane, most, last, business, n) AS ( \
            SELECT w.lane, w.most, w.last, ( \
                SELECT o.business_id FROM outbox o INDEXED BY outbox_ready \
                WHERE o.phase = 1 AND o.lane = w.lane \
                ORDER BY o.business_id LIMIT 1), 1 \
            FROM wish w \
            UNION ALL \
            SELECT b.lane, b.most, b.last, ( \
                SELECT o.business_id FROM outbox o INDEXED BY outbox_ready \
                WHERE o.phase = 1 AND o.lane = b.lane AND o.business_id > b.business \
                ORDER BY o.business_id LIMIT 1), b.n + 1 \
            FROM behind b WHERE b.business <= b.last AND b.n < b.most) \
        SELECT lane, business FROM ahead WHERE business IS NOT NULL \
        UNION ALL \
        SELECT lane, business FROM behind WHERE business <= last";
    /// The first rows of every line of these businesses.
    OUTBOX_LINES = "SELECT o.lane, o.business_id, o.channel_id, o.created_at, o.message_id, \
            o.conversation_id, o.seq \
        FROM json_each($1) v \
            CROSS JOIN channels h ON h.business_id = unhex(v.value ->> 1) \
            CROSS JOIN outbox o ON (o.conversation_id, o.seq) IN ( \
                SELECT x.conversation_id, x.seq FROM outbox x INDEXED BY outbox_ready \
                WHERE x.phase = 1 AND x.lane = v.value ->> 0 AND x.business_id = h.business_id \
                    AND x.channel_id = h.id AND x.due_at <= $2 \
                ORDER BY x.created_at, x.message_id LIMIT $3)";
    /// Reads what a send needs, in the order in which the rows were chosen, and takes the leases.
    OUTBOX_CLAIM = "SELECT o.fence, o.unknown, o.attempts, o.due_at, o.doc, g.doc, n.doc, c.doc \
        FROM json_each($1) v \
            CROSS JOIN outbox o ON o.conversation_id = unhex(v.value ->> 0) \
                AND o.seq = v.value ->> 1 \
            CROSS JOIN messages g ON g.business_id = o.business_id \
                AND g.conversation_id = o.conversation_id AND g.seq = o.seq \
            CROSS JOIN conversations n ON n.business_id = o.business_id \
                AND n.id = o.conversation_id \
            CROSS JOIN contacts c ON c.business_id = n.business_id AND c.id = n.contact_id \
        ORDER BY v.key; \
        UPDATE outbox SET phase = 2, attempts = attempts + 1, fence = fence + 1, \
            lease_until = $2 \
        FROM json_each($1) v \
        WHERE conversation_id = unhex(v.value ->> 0) AND seq = v.value ->> 1; \
        COMMIT";
    NO_SENDS = "COMMIT";
    /// The conversations that are there, with their places in the list.
    GENERATIONS = "SELECT v.key, n.doc FROM json_each($1) v \
        CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
            AND n.id = unhex(v.value ->> 1)";
}

pub(super) async fn run(
    write: &mut Write<'_>,
    options: &ClaimOptions,
    quota: &SendQuota,
    unknown_until: Timestamp,
) -> StoreResult<Vec<SendClaim>> {
    let ready = read_businesses(write, options, quota, unknown_until).await?;
    let chosen = choose(write, options, LineDesk::new(options.limit, quota, ready)).await?;
    if chosen.is_empty() {
        write.commit(query(NO_SENDS)).await?;
        return Ok(Vec::new());
    }
    let keys = chosen.iter().map(|(_, conversation, seq)| (Hex(*conversation), seq));
    let claim = query(OUTBOX_CLAIM).bind(rows(keys)?).bind(millis(options.lease_until));
    write.commit(claim).await?.iter().map(read_claim).collect()
}

async fn read_businesses(
    write: &mut Write<'_>,
    options: &ClaimOptions,
    quota: &SendQuota,
    unknown_until: Timestamp,
) -> StoreResult<Vec<(i64, uuid::Uuid)>> {
    let wishes = lane_wishes(options.limit, quota);
    // Nothing is before the empty key.
    let wishes = wishes.iter().map(|wish| {
        let last = wish.after.map(|id| id.simple().to_string()).unwrap_or_default();
        (wish.rank, last, wish.most)
    });
    let read = query(OUTBOX_BUSINESSES)
        .bind(millis(options.now))
        .bind(millis(unknown_until))
        .bind(rows(wishes)?);
    let found = write.begin(read).await?;
    found.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

/// Reads as much of the lines as it takes to choose.
async fn choose(
    write: &mut Write<'_>,
    options: &ClaimOptions,
    mut desk: LineDesk<'_>,
) -> StoreResult<Vec<SendKey>> {
    if desk.businesses().is_empty() || options.limit == 0 {
        return Ok(Vec::new());
    }
    loop {
        let found = write.run(lines(&desk, options)?).await?;
        let ready = found.iter().map(read_ready).collect::<StoreResult<Vec<_>>>()?;
        if let Some(chosen) = desk.choose(ready) {
            return Ok(chosen);
        }
    }
}

fn lines(desk: &LineDesk<'_>, options: &ClaimOptions) -> StoreResult<Bound> {
    let businesses = desk.businesses().iter().map(|(rank, business)| (rank, Hex(*business)));
    Ok(query(OUTBOX_LINES).bind(rows(businesses)?).bind(millis(options.now)).bind(desk.depth()))
}

fn read_ready(row: &SqliteRow) -> StoreResult<ReadySend> {
    Ok(ReadySend {
        rank: get(row, 0)?,
        channel: get(row, 2)?,
        age: (moment(get(row, 3)?)?, MessageId::from_uuid(get(row, 4)?)),
        key: (get(row, 1)?, get(row, 5)?, get(row, 6)?),
    })
}

pub(super) fn generations(conversations: &[(BusinessId, ConversationId)]) -> StoreResult<Bound> {
    let keys = conversations.iter().map(|(business, id)| (Hex(business.uuid()), Hex(id.uuid())));
    Ok(query(GENERATIONS).bind(rows(keys)?))
}

pub(super) fn read_generations(found: &[SqliteRow], count: usize) -> StoreResult<Vec<Option<u64>>> {
    let mut generations = vec![None; count];
    for row in found {
        let index = usize::try_from(get::<i64>(row, 0)?).unwrap_or(usize::MAX);
        if let Some(place) = generations.get_mut(index) {
            *place = Some(get_doc::<GenerationOf>(row, 1, "conversation")?.generation);
        }
    }
    Ok(generations)
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
