use std::collections::HashSet;

use justping_core::model::{
    BusinessId, ChannelId, ConversationId, DeliveryStatus, Direction, Message, OutboxRow,
    StatusUpdate,
};
use justping_core::port::store::{StatusOutcome, StatusRecord, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::delivery::{Delivery, Place};
use super::write::rows;
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
    let mut desk = Desk::new(&batch, &found)?;
    let outcomes = batch.into_iter().map(|record| desk.record(record)).collect();
    write.commit(desk.delivery.writes()?).await?;
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

fn place_of_key(update: &StatusUpdate) -> Option<Place> {
    update.key.as_deref().and_then(OutboxRow::parse_key)
}

#[derive(Default)]
struct Desk {
    /// Outbound messages by their channel: those that news of the channel may move.
    ours: HashSet<(BusinessId, ChannelId, Place)>,
    delivery: Delivery,
}

impl Desk {
    fn new(batch: &[StatusRecord], rows: &[SqliteRow]) -> StoreResult<Self> {
        let mut desk = Self::default();
        for row in rows {
            let index = usize::try_from(get::<i64>(row, 1)?).unwrap_or(usize::MAX);
            let Some(record) = batch.get(index) else { continue };
            let reference = (record.channel_id, record.update.provider_ref.clone());
            match get::<i64>(row, 0)? {
                0 => return Err(StoreError::NotFound("channel")),
                1 => desk.add_message(record, parse_doc(get(row, 2)?, "message")?),
                2 => {
                    let id = ConversationId::from_uuid(get(row, 2)?);
                    desk.delivery.sent.insert(reference, (id, get_count(row, 3)?));
                    desk.add_message(record, parse_doc(get(row, 4)?, "message")?);
                }
                _ => {
                    let update: StatusUpdate = parse_doc(get(row, 2)?, "parked status")?;
                    let waiting = desk.delivery.parked.entry(reference).or_default();
                    if waiting.iter().all(|known| known.status != update.status) {
                        waiting.push(update);
                    }
                }
            }
        }
        Ok(desk)
    }

    fn add_message(&mut self, record: &StatusRecord, message: Message) {
        let place = (message.conversation_id, message.seq);
        if message.direction == Direction::Outbound {
            self.ours.insert((record.business_id, record.channel_id, place));
        }
        let key = (record.business_id, place.0, place.1);
        self.delivery.messages.entry(key).or_insert((message, false));
    }

    fn record(&mut self, record: StatusRecord) -> StatusOutcome {
        let StatusRecord { business_id: business, channel_id: channel, mut update, now } = record;
        let at = *update.at.get_or_insert(now);
        let reference = (channel, update.provider_ref.clone());
        let Some(place) = self.find(business, channel, &update) else {
            self.delivery.park(reference, update);
            return StatusOutcome::Parked;
        };
        let mut moved = match update.status {
            DeliveryStatus::Received | DeliveryStatus::Queued => false,
            DeliveryStatus::Sent
            | DeliveryStatus::Delivered
            | DeliveryStatus::Read
            | DeliveryStatus::Failed => {
                self.delivery.finish(business, place, (update.status, at, update.failure))
            }
        };
        if !reference.1.is_empty() {
            moved |= self.delivery.name(business, place, &reference);
        }
        let message = self.delivery.message(business, place).filter(|_| moved);
        message.map_or(StatusOutcome::Unchanged, |message| StatusOutcome::Applied {
            conversation_id: message.conversation_id,
            message_id: message.id,
            seq: message.seq,
            status: message.status,
        })
    }

    /// The message that news is about: by our key, else by the provider's name.
    fn find(
        &self,
        business: BusinessId,
        channel: ChannelId,
        update: &StatusUpdate,
    ) -> Option<Place> {
        let ours = |place: &Place| self.ours.contains(&(business, channel, *place));
        let by_name = || self.delivery.sent.get(&(channel, update.provider_ref.clone())).copied();
        place_of_key(update).filter(ours).or_else(|| by_name().filter(ours))
    }
}
