use std::collections::HashMap;

use justping_core::model::{ChannelId, ConversationId, DeliveryStatus, Message, StatusUpdate};
use justping_core::port::store::{SendOutcome, SendRecord, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::delivery::{Delivery, Place, Settled};
use super::write::rows;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, count, get, get_count, get_doc, millis, parse_doc, statements};

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
    let mut desk = Desk::new(&batch, &found)?;
    let messages = batch.into_iter().filter_map(|record| desk.record(record)).collect();
    write.commit(desk.delivery.writes()?).await?;
    Ok(messages)
}

fn read(batch: &[SendRecord]) -> StoreResult<Bound> {
    let records = batch.iter().enumerate().filter_map(|(index, record)| {
        let (business, id) = (record.business_id.uuid(), record.conversation_id.uuid());
        Some((Hex(business), Hex(id), count(record.seq)?, reference(record), index))
    });
    Ok(query(SENDS_READ).bind(rows(records)?))
}

fn reference(record: &SendRecord) -> Option<&str> {
    match &record.outcome {
        SendOutcome::Sent { provider_ref } => provider_ref.as_deref(),
        _ => None,
    }
}

/// A row of the outbox that the batch is about.
struct Parcel {
    fence: u64,
    /// Whether somebody is sending it, or may have.
    tried: bool,
    channel: ChannelId,
}

#[derive(Default)]
struct Desk {
    parcels: HashMap<Place, Parcel>,
    delivery: Delivery,
}

impl Desk {
    fn new(batch: &[SendRecord], rows: &[SqliteRow]) -> StoreResult<Self> {
        let mut desk = Self::default();
        // The rows come in the order of the statement: parcels first, with the channel of each.
        for row in rows {
            let index = usize::try_from(get::<i64>(row, 1)?).unwrap_or(usize::MAX);
            let Some(record) = batch.get(index) else { continue };
            match get::<i64>(row, 0)? {
                0 => desk.add_parcel(record, row)?,
                1 => desk.add_parked(record, get(row, 2)?)?,
                _ => desk.add_sent(record, row)?,
            }
        }
        Ok(desk)
    }

    fn add_parcel(&mut self, record: &SendRecord, row: &SqliteRow) -> StoreResult<()> {
        let parcel = Parcel {
            fence: get_count(row, 2)?,
            tried: get(row, 3)?,
            channel: ChannelId::from_uuid(get(row, 4)?),
        };
        let message: Message = get_doc(row, 5, "message")?;
        self.parcels.insert((record.conversation_id, record.seq), parcel);
        let key = (record.business_id, record.conversation_id, record.seq);
        self.delivery.messages.insert(key, (message, false));
        Ok(())
    }

    fn channel(&self, record: &SendRecord) -> Option<ChannelId> {
        self.parcels.get(&(record.conversation_id, record.seq)).map(|parcel| parcel.channel)
    }

    fn add_parked(&mut self, record: &SendRecord, doc: &str) -> StoreResult<()> {
        if let Some((channel, name)) = self.channel(record).zip(reference(record)) {
            let waiting = self.delivery.parked.entry((channel, name.to_owned())).or_default();
            let update: StatusUpdate = parse_doc(doc, "parked status")?;
            if waiting.iter().all(|known| known.status != update.status) {
                waiting.push(update);
            }
        }
        Ok(())
    }

    fn add_sent(&mut self, record: &SendRecord, row: &SqliteRow) -> StoreResult<()> {
        if let Some((channel, name)) = self.channel(record).zip(reference(record)) {
            let place = (ConversationId::from_uuid(get(row, 2)?), get_count(row, 3)?);
            self.delivery.sent.insert((channel, name.to_owned()), place);
        }
        Ok(())
    }

    /// Records how a try ended; the message, if that changed its status.
    fn record(&mut self, record: SendRecord) -> Option<Message> {
        let (business, now) = (record.business_id, record.now);
        let place = (record.conversation_id, record.seq);
        self.delivery.message(business, place)?;
        let parcel = self.parcels.get_mut(&place)?;
        if parcel.fence != record.fence || !parcel.tried {
            return None;
        }
        let channel = parcel.channel;
        let moved = match record.outcome {
            SendOutcome::Retry { due_at } => self.settle(place, false, millis(due_at), false),
            SendOutcome::Defer { due_at } => self.settle(place, false, millis(due_at), true),
            SendOutcome::Unknown { due_at } => self.settle(place, true, millis(due_at), false),
            SendOutcome::Sent { provider_ref } => {
                self.parcels.remove(&place);
                let sent = (DeliveryStatus::Sent, now, None);
                let moved = self.delivery.finish(business, place, sent);
                let named = provider_ref
                    .is_some_and(|name| self.delivery.name(business, place, &(channel, name)));
                moved | named
            }
            SendOutcome::Failed(failure) => {
                self.parcels.remove(&place);
                let failed = (DeliveryStatus::Failed, now, Some(failure));
                self.delivery.finish(business, place, failed)
            }
        };
        self.delivery.message(business, place).filter(|_| moved).cloned()
    }

    /// Puts a row back for later. The message is where it was, so this is never a change of it.
    fn settle(&mut self, place: Place, unknown: bool, due_at: i64, deferred: bool) -> bool {
        if let Some(parcel) = self.parcels.get_mut(&place) {
            parcel.tried = unknown;
        }
        let again = self.delivery.settled.get(&place).is_some_and(|row| row.deferred);
        let deferred = deferred || again;
        self.delivery.settled.insert(place, Settled { unknown, due_at, deferred });
        false
    }
}
