use std::collections::{BTreeMap, HashMap};

use justping_core::model::{ConversationId, Message, OutboxRow};
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
            (SELECT true FROM channels h WHERE h.business_id = v.b AND h.id = v.c) IS NOT NULL, \
            r.conversation_id, r.seq, r.created_at \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY v (b, c, r, ord) \
            LEFT JOIN LATERAL ( \
                SELECT conversation_id, seq, created_at FROM sent_refs x WHERE x.business_id = v.b \
                    AND x.channel_id = v.c AND x.provider_ref = v.r LIMIT 1) r ON true";
    STATUSES_PARKED = "SELECT v.ord, p.doc \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY v (b, c, r, ord) \
            CROSS JOIN LATERAL ( \
                SELECT p.id, p.doc FROM parked_statuses p WHERE p.business_id = v.b \
                    AND p.channel_id = v.c AND p.provider_ref = v.r OFFSET 0) p \
        ORDER BY p.id";
    /// The messages that the news may be about, in the order in which all lock them. Where their
    /// moment is known, only the partition of that moment is looked at.
    STATUSES_LOCK = "SELECT ( \
                SELECT n.channel_id FROM conversations n WHERE n.business_id = v.b AND n.id = v.c), \
            g.business_id, g.doc \
        FROM ( \
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) \
                u (b, c, s, since, until) \
            ORDER BY c, s OFFSET 0) v CROSS JOIN LATERAL ( \
                SELECT business_id, doc FROM messages m WHERE m.business_id = v.b \
                    AND m.conversation_id = v.c AND m.seq = v.s \
                    AND m.created_at >= v.since AND m.created_at <= v.until \
                LIMIT 1 FOR UPDATE) g";
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
    let mut spots: BTreeMap<Spot, About> = BTreeMap::new();
    for (index, record) in batch.iter().enumerate() {
        if let Some((id, seq)) = place_of_key(&record.update)
            && let Some(seq) = count(seq)
        {
            let spot = (record.business_id.uuid(), id.uuid(), seq);
            let moment = record.update.key.as_deref().and_then(OutboxRow::moment_of_key);
            spots.entry(spot).or_default().add(index, Means::Key, moment);
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
            spots.entry(spot).or_default().add(index, Means::Name, get(&row, 4)?);
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

/// What is about one message.
#[derive(Default)]
struct About {
    records: Vec<(usize, Means)>,
    /// When the message was made, if that is known.
    moment: Option<i64>,
}

impl About {
    fn add(&mut self, index: usize, means: Means, moment: Option<i64>) {
        self.records.push((index, means));
        // What is stored beside the name is our own; a key went around through the provider.
        self.moment = match means {
            Means::Key => self.moment.or(moment),
            Means::Name => moment.or(self.moment),
        };
    }
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
    spots: &BTreeMap<Spot, About>,
) -> StoreResult<()> {
    if spots.is_empty() {
        return Ok(());
    }
    let mut columns = (vec![], vec![], vec![], vec![], vec![]);
    for ((business, id, seq), about) in spots {
        columns.0.push(*business);
        columns.1.push(*id);
        columns.2.push(*seq);
        columns.3.push(about.moment.unwrap_or(i64::MIN));
        columns.4.push(about.moment.unwrap_or(i64::MAX));
    }
    let lock = query(STATUSES_LOCK).bind(columns.0).bind(columns.1).bind(columns.2);
    let lock = lock.bind(columns.3).bind(columns.4);
    let mut found: HashMap<Spot, (Uuid, Message)> = HashMap::new();
    for row in write.run(lock).await? {
        let message: Message = get_doc(&row, 2, "message")?;
        let Some(seq) = count(message.seq) else { continue };
        let spot = (get(&row, 1)?, message.conversation_id.uuid(), seq);
        found.insert(spot, (get(&row, 0)?, message));
    }
    for (spot, about) in spots {
        let Some((channel, message)) = found.get(spot) else { continue };
        for (index, means) in &about.records {
            let Some(record) = batch.get(*index) else { continue };
            if *means == Means::Name || record.channel_id.uuid() == *channel {
                desk.add_message(record, message.clone());
            }
        }
    }
    Ok(())
}
