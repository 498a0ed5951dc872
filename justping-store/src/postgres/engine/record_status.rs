use std::collections::{BTreeMap, HashMap};

use justping_core::model::{ConversationId, Message};
use justping_core::port::store::{StatusOutcome, StatusRecord, StoreError, StoreResult};
use sqlx::query;
use uuid::Uuid;

use super::delivery;
use crate::decision::{StatusDesk, place_of_key};
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{
    bytes, count, get, get_count, get_doc, get_index, parse_doc, statements,
};

statements! {
    /// Whether each channel is there, and what each reference names.
    STATUSES_READ = "SELECT v.ord, \
            EXISTS (SELECT 1 FROM channels h WHERE h.business_id = v.b AND h.id = v.c), \
            r.conversation_id, r.seq \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY v (b, c, r, ord) \
            LEFT JOIN LATERAL ( \
                SELECT conversation_id, seq FROM sent_refs x WHERE x.business_id = v.b \
                    AND x.channel_id = v.c AND x.provider_ref = v.r LIMIT 1) r ON true";
    STATUSES_PARKED = "SELECT v.ord, p.doc \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY v (b, c, r, ord) \
            JOIN parked_statuses p ON p.business_id = v.b AND p.channel_id = v.c \
                AND p.provider_ref = v.r \
        ORDER BY p.id";
    /// The messages that the news may be about, in the order in which all lock them.
    STATUSES_LOCK = "SELECT n.channel_id, g.business_id, g.doc \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) v (b, c, s) \
            JOIN conversations n ON n.business_id = v.b AND n.id = v.c \
            JOIN messages g ON g.business_id = v.b AND g.conversation_id = v.c AND g.seq = v.s \
        ORDER BY v.c, v.s FOR UPDATE OF g";
}

/// A message: business, conversation, place.
type Spot = (Uuid, Uuid, i64);

pub(super) async fn run(
    write: &mut Write,
    batch: Vec<StatusRecord>,
) -> StoreResult<Vec<StatusOutcome>> {
    delivery::lock(write, batch.iter().map(|record| &*record.update.provider_ref)).await?;
    let mut desk = read(write, &batch).await?;
    let outcomes = batch.into_iter().map(|record| desk.record(record)).collect();
    delivery::writes(write, &desk.delivery).await?;
    Ok(outcomes)
}

async fn read(write: &mut Write, batch: &[StatusRecord]) -> StoreResult<StatusDesk> {
    let mut desk = StatusDesk::default();
    // What each record may be about: by our key, only on its own channel; by the provider's name.
    let mut spots: BTreeMap<Spot, Vec<(usize, Means)>> = BTreeMap::new();
    for (index, record) in batch.iter().enumerate() {
        if let Some((id, seq)) = place_of_key(&record.update)
            && let Some(seq) = count(seq)
        {
            let spot = (record.business_id.uuid(), id.uuid(), seq);
            spots.entry(spot).or_default().push((index, Means::Key));
        }
    }
    for row in write.run(bind(STATUSES_READ, batch)).await? {
        let index = get_index(&row, 0)?;
        let Some(record) = batch.get(index) else { continue };
        if !get::<bool>(&row, 1)? {
            return Err(StoreError::NotFound("channel"));
        }
        if let Some(id) = get::<Option<Uuid>>(&row, 2)? {
            desk.add_sent(record, (ConversationId::from_uuid(id), get_count(&row, 3)?));
            let spot = (record.business_id.uuid(), id, get(&row, 3)?);
            spots.entry(spot).or_default().push((index, Means::Name));
        }
    }
    for row in write.run(bind(STATUSES_PARKED, batch)).await? {
        if let Some(record) = batch.get(get_index(&row, 0)?) {
            desk.add_parked(record, parse_doc(get(&row, 1)?, "parked status")?);
        }
    }
    lock_messages(write, &mut desk, batch, &spots).await?;
    Ok(desk)
}

/// What led from news to a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    Key,
    Name,
}

fn bind(sql: &'static str, batch: &[StatusRecord]) -> Bound {
    let mut columns = (vec![], vec![], vec![]);
    for record in batch {
        columns.0.push(record.business_id.uuid());
        columns.1.push(record.channel_id.uuid());
        columns.2.push(bytes(&record.update.provider_ref));
    }
    query(sql).bind(columns.0).bind(columns.1).bind(columns.2)
}

async fn lock_messages(
    write: &mut Write,
    desk: &mut StatusDesk,
    batch: &[StatusRecord],
    spots: &BTreeMap<Spot, Vec<(usize, Means)>>,
) -> StoreResult<()> {
    if spots.is_empty() {
        return Ok(());
    }
    let mut columns = (vec![], vec![], vec![]);
    for (business, id, seq) in spots.keys() {
        columns.0.push(*business);
        columns.1.push(*id);
        columns.2.push(*seq);
    }
    let lock = query(STATUSES_LOCK).bind(columns.0).bind(columns.1).bind(columns.2);
    let mut found: HashMap<Spot, (Uuid, Message)> = HashMap::new();
    for row in write.run(lock).await? {
        let message: Message = get_doc(&row, 2, "message")?;
        let Some(seq) = count(message.seq) else { continue };
        let spot = (get(&row, 1)?, message.conversation_id.uuid(), seq);
        found.insert(spot, (get(&row, 0)?, message));
    }
    for (spot, about) in spots {
        let Some((channel, message)) = found.get(spot) else { continue };
        for (index, means) in about {
            let Some(record) = batch.get(*index) else { continue };
            if *means == Means::Name || record.channel_id.uuid() == *channel {
                desk.add_message(record, message.clone());
            }
        }
    }
    Ok(())
}
