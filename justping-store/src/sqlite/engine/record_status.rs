use justping_core::model::ConversationId;
use justping_core::port::store::{StatusOutcome, StatusRecord, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::delivery;
use super::write::rows;
use crate::decision::{StatusDesk, place_of_key};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, count, get, get_count, parse_doc, statements};

statements! {
    /// The batch's channels that are missing (0), the messages its keys name (1), those its
    /// references name (2), and the news that waits for its references (3).
    STATUSES_READ = "BEGIN IMMEDIATE; \
        SELECT 0, v.key FROM json_each($1) v WHERE NOT EXISTS ( \
            SELECT 1 FROM channels \
            WHERE business_id = unhex(v.value ->> 0) AND id = unhex(v.value ->> 1)); \
        SELECT 1, v.value ->> 4, g.doc FROM json_each($2) v \
            CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                AND n.id = unhex(v.value ->> 2) AND n.channel_id = unhex(v.value ->> 1) \
            CROSS JOIN messages g ON g.business_id = n.business_id \
                AND g.conversation_id = n.id AND g.seq = v.value ->> 3; \
        SELECT 2, v.key, r.conversation_id, r.seq, g.doc FROM json_each($1) v \
            CROSS JOIN sent_refs r ON r.channel_id = unhex(v.value ->> 1) \
                AND r.provider_ref = v.value ->> 2 \
            CROSS JOIN messages g ON g.business_id = unhex(v.value ->> 0) \
                AND g.conversation_id = r.conversation_id AND g.seq = r.seq; \
        SELECT 3, v.key, p.doc FROM json_each($1) v \
            CROSS JOIN parked_statuses p ON p.channel_id = unhex(v.value ->> 1) \
                AND p.provider_ref = v.value ->> 2 \
        ORDER BY p.id";
}

pub(super) async fn run(
    write: &mut Write<'_>,
    batch: Vec<StatusRecord>,
) -> StoreResult<Vec<StatusOutcome>> {
    let found = write.begin(read(&batch)?).await?;
    let mut desk = read_desk(&batch, &found)?;
    let outcomes = batch.into_iter().map(|record| desk.record(record)).collect();
    write.commit(delivery::writes(&desk.delivery)?).await?;
    Ok(outcomes)
}

fn read(batch: &[StatusRecord]) -> StoreResult<Bound> {
    let references = batch.iter().map(|record| {
        let (business, channel) = (record.business_id.uuid(), record.channel_id.uuid());
        (Hex(business), Hex(channel), &*record.update.provider_ref)
    });
    let keys = batch.iter().enumerate().filter_map(|(index, record)| {
        let (id, seq) = place_of_key(&record.update)?;
        let (business, channel) = (record.business_id.uuid(), record.channel_id.uuid());
        Some((Hex(business), Hex(channel), Hex(id.uuid()), count(seq)?, index))
    });
    Ok(query(STATUSES_READ).bind(rows(references)?).bind(rows(keys)?))
}

fn read_desk(batch: &[StatusRecord], rows: &[SqliteRow]) -> StoreResult<StatusDesk> {
    let mut desk = StatusDesk::default();
    for row in rows {
        let index = usize::try_from(get::<i64>(row, 1)?).unwrap_or(usize::MAX);
        let Some(record) = batch.get(index) else { continue };
        match get::<i64>(row, 0)? {
            0 => return Err(StoreError::NotFound("channel")),
            1 => desk.add_message(record, parse_doc(get(row, 2)?, "message")?),
            2 => {
                let place = (ConversationId::from_uuid(get(row, 2)?), get_count(row, 3)?);
                desk.add_sent(record, place);
                desk.add_message(record, parse_doc(get(row, 4)?, "message")?);
            }
            _ => desk.add_parked(record, parse_doc(get(row, 2)?, "parked status")?),
        }
    }
    Ok(desk)
}
