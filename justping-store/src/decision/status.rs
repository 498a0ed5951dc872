//! What news about messages changes.

use std::collections::HashSet;

use justping_core::model::{
    BusinessId, ChannelId, DeliveryStatus, Direction, Message, OutboxRow, StatusUpdate,
};
use justping_core::port::store::{StatusOutcome, StatusRecord};

use super::delivery::{Delivery, Place, Reference};

/// The message that our key in the news names.
pub(crate) fn place_of_key(update: &StatusUpdate) -> Option<Place> {
    update.key.as_deref().and_then(OutboxRow::parse_key)
}

fn reference(record: &StatusRecord) -> Reference {
    (record.channel_id, record.update.provider_ref.clone())
}

/// What is stored about a batch of news, and then what is to be written.
#[derive(Default)]
pub(crate) struct StatusDesk {
    /// Outbound messages by their channel: those that news of the channel may move.
    ours: HashSet<(BusinessId, ChannelId, Place)>,
    pub(crate) delivery: Delivery,
}

impl StatusDesk {
    /// The message that the provider's name of a record is known to mean.
    pub(crate) fn add_sent(&mut self, record: &StatusRecord, place: Place) {
        self.delivery.sent.insert(reference(record), place);
    }

    /// News that waits for the reference of a record.
    pub(crate) fn add_parked(&mut self, record: &StatusRecord, update: StatusUpdate) {
        self.delivery.add_parked(reference(record), update);
    }

    /// A message that a record may be about, as it stands.
    pub(crate) fn add_message(&mut self, record: &StatusRecord, message: Message) {
        let place = (message.conversation_id, message.seq);
        if message.direction == Direction::Outbound {
            self.ours.insert((record.business_id, record.channel_id, place));
        }
        let key = (record.business_id, place.0, place.1);
        self.delivery.messages.entry(key).or_insert((message, false));
    }

    /// Records news; tells what became of it.
    pub(crate) fn record(&mut self, record: StatusRecord) -> StatusOutcome {
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
                let news = (update.status, at, update.failure);
                self.delivery.finish((business, channel), place, news)
            }
        };
        if !reference.1.is_empty() {
            moved |= self.delivery.name(business, place, reference);
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
