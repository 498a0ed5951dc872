use justping_core::model::{ChannelId, ConversationId, Message};
use justping_core::port::store::{SendRecord, StoreResult};
use sqlx::query;

use super::delivery;
use crate::decision::{Parcel, SendDesk, reference};
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{
    bytes, count, get, get_count, get_doc, get_index, parse_doc, statements,
};

statements! {
    /// The rows of the batch with their messages, in the order in which all lock them.
    PARCELS_LOCK = "SELECT v.ord, o.fence, o.phase = 2 OR o.unknown, n.channel_id, g.doc \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) WITH ORDINALITY v (b, c, s, ord) \
            JOIN outbox o ON o.business_id = v.b AND o.conversation_id = v.c AND o.seq = v.s \
            CROSS JOIN LATERAL ( \
                SELECT n.channel_id FROM conversations n \
                WHERE n.business_id = v.b AND n.id = v.c OFFSET 0) n \
            JOIN messages g ON g.business_id = v.b AND g.conversation_id = v.c AND g.seq = v.s \
                AND g.created_at = o.created_at \
        ORDER BY v.c, v.s FOR UPDATE OF g, o";
    /// The news that waits for the references of the batch.
    PARKED_FOR = "SELECT v.ord, p.doc \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY v (b, c, r, ord) \
            CROSS JOIN LATERAL ( \
                SELECT p.id, p.doc FROM parked_statuses p WHERE p.business_id = v.b \
                    AND p.channel_id = v.c AND p.provider_ref = v.r OFFSET 0) p \
        ORDER BY p.id";
    /// The references of the batch that are known.
    SENT_AS = "SELECT v.ord, r.conversation_id, r.seq \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY v (b, c, r, ord) \
            CROSS JOIN LATERAL ( \
                SELECT r.conversation_id, r.seq FROM sent_refs r WHERE r.business_id = v.b \
                    AND r.channel_id = v.c AND r.provider_ref = v.r OFFSET 0) r";
}

pub(super) async fn run(write: &mut Write, batch: Vec<SendRecord>) -> StoreResult<Vec<Message>> {
    delivery::lock(write, batch.iter().filter_map(reference)).await?;
    let mut desk = read(write, &batch).await?;
    let messages = batch.into_iter().filter_map(|record| desk.record(record)).collect();
    delivery::writes(write, &desk.delivery).await?;
    Ok(messages)
}

async fn read(write: &mut Write, batch: &[SendRecord]) -> StoreResult<SendDesk> {
    let mut columns = (vec![], vec![], vec![]);
    for record in batch {
        columns.0.push(record.business_id.uuid());
        columns.1.push(record.conversation_id.uuid());
        columns.2.push(count(record.seq));
    }
    let lock = query(PARCELS_LOCK).bind(columns.0).bind(columns.1).bind(columns.2);
    let mut desk = SendDesk::default();
    for row in write.run(lock).await? {
        let Some(record) = batch.get(get_index(&row, 0)?) else { continue };
        let parcel = Parcel {
            fence: get_count(&row, 1)?,
            tried: get(&row, 2)?,
            channel: ChannelId::from_uuid(get(&row, 3)?),
        };
        desk.add_parcel(record, parcel, get_doc(&row, 4, "message")?);
    }
    let named: Vec<(&SendRecord, ChannelId, &str)> = batch
        .iter()
        .filter_map(|record| Some((record, desk.channel(record)?, reference(record)?)))
        .collect();
    if named.is_empty() {
        return Ok(desk);
    }
    for row in write.run(bind_names(PARKED_FOR, &named)).await? {
        if let Some((record, _, _)) = named.get(get_index(&row, 0)?) {
            desk.add_parked(record, parse_doc(get(&row, 1)?, "parked status")?);
        }
    }
    for row in write.run(bind_names(SENT_AS, &named)).await? {
        if let Some((record, _, _)) = named.get(get_index(&row, 0)?) {
            desk.add_sent(record, (ConversationId::from_uuid(get(&row, 1)?), get_count(&row, 2)?));
        }
    }
    Ok(desk)
}

fn bind_names(sql: &'static str, named: &[(&SendRecord, ChannelId, &str)]) -> Bound {
    let mut columns = (vec![], vec![], vec![]);
    for (record, channel, name) in named {
        columns.0.push(record.business_id.uuid());
        columns.1.push(channel.uuid());
        columns.2.push(bytes(name));
    }
    query(sql).bind(columns.0).bind(columns.1).bind(columns.2)
}
