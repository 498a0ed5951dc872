use justping_core::model::{ChannelId, ConversationId, Message};
use justping_core::port::store::{SendRecord, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::delivery;
use super::write::rows;
use crate::decision::{Parcel, SendDesk, reference};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, count, get, get_count, get_doc, parse_doc, statements};

statements! {
    /// The rows of the batch with their messages (0), the news that waits for its references (1),
    /// and those of its references that are known (2).
    SENDS_READ = "BEGIN IMMEDIATE; \
        SELECT 0, v.value ->> 4, o.fence, o.phase = 2 OR o.unknown, n.channel_id, g.doc \
        FROM json_each($1) v \
            CROSS JOIN outbox o ON o.conversation_id = unhex(v.value ->> 1) \
                AND o.seq = v.value ->> 2 \
            CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                AND n.id = o.conversation_id \
            CROSS JOIN messages g ON g.business_id = n.business_id \
                AND g.conversation_id = o.conversation_id AND g.seq = o.seq; \
        SELECT 1, v.value ->> 4, p.doc FROM json_each($1) v \
            CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                AND n.id = unhex(v.value ->> 1) \
            CROSS JOIN parked_statuses p ON p.channel_id = n.channel_id \
                AND p.provider_ref = v.value ->> 3 \
        ORDER BY p.id; \
        SELECT 2, v.value ->> 4, r.conversation_id, r.seq FROM json_each($1) v \
            CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                AND n.id = unhex(v.value ->> 1) \
            CROSS JOIN sent_refs r ON r.channel_id = n.channel_id \
                AND r.provider_ref = v.value ->> 3";
}

pub(super) async fn run(
    write: &mut Write<'_>,
    batch: Vec<SendRecord>,
) -> StoreResult<Vec<Message>> {
    let found = write.begin(read(&batch)?).await?;
    let mut desk = read_desk(&batch, &found)?;
    let messages = batch.into_iter().filter_map(|record| desk.record(record)).collect();
    write.commit(delivery::writes(&desk.delivery)?).await?;
    Ok(messages)
}

fn read(batch: &[SendRecord]) -> StoreResult<Bound> {
    let records = batch.iter().enumerate().filter_map(|(index, record)| {
        let (business, id) = (record.business_id.uuid(), record.conversation_id.uuid());
        Some((Hex(business), Hex(id), count(record.seq)?, reference(record), index))
    });
    Ok(query(SENDS_READ).bind(rows(records)?))
}

/// The rows come in the order of the statement: parcels first, with the channel of each.
fn read_desk(batch: &[SendRecord], rows: &[SqliteRow]) -> StoreResult<SendDesk> {
    let mut desk = SendDesk::default();
    for row in rows {
        let index = usize::try_from(get::<i64>(row, 1)?).unwrap_or(usize::MAX);
        let Some(record) = batch.get(index) else { continue };
        match get::<i64>(row, 0)? {
            0 => {
                let parcel = Parcel {
                    fence: get_count(row, 2)?,
                    tried: get(row, 3)?,
                    channel: ChannelId::from_uuid(get(row, 4)?),
                };
                desk.add_parcel(record, parcel, get_doc(row, 5, "message")?);
            }
            1 => desk.add_parked(record, parse_doc(get(row, 2)?, "parked status")?),
            _ => {
                let place = (ConversationId::from_uuid(get(row, 2)?), get_count(row, 3)?);
                desk.add_sent(record, place);
            }
        }
    }
    Ok(desk)
}
