//! How tries to send end.

use std::collections::HashMap;

use justping_core::model::{BusinessId, ChannelId, DeliveryStatus, Message, StatusUpdate};
use justping_core::port::store::{SendOutcome, SendRecord};

use super::delivery::{Delivery, Place, Settled};
use crate::document::millis;

/// The provider's name that a result brought.
pub(crate) fn reference(record: &SendRecord) -> Option<&str> {
    match &record.outcome {
        SendOutcome::Sent { provider_ref, .. } => provider_ref.as_deref(),
        _ => None,
    }
}

/// A row of the outbox that the batch is about.
pub(crate) struct Parcel {
    /// The claim.
    pub(crate) fence: u64,
    /// Whether somebody is sending it, or may have.
    pub(crate) tried: bool,
    /// The channel it leaves by.
    pub(crate) channel: ChannelId,
}

/// What is stored about a batch of results, and then what is to be written.
#[derive(Default)]
pub(crate) struct SendDesk {
    parcels: HashMap<Place, Parcel>,
    pub(crate) delivery: Delivery,
}

impl SendDesk {
    /// A row of the outbox and its message, as they stand.
    pub(crate) fn add_parcel(&mut self, record: &SendRecord, parcel: Parcel, message: Message) {
        self.parcels.insert((record.conversation_id, record.seq), parcel);
        let key = (record.business_id, record.conversation_id, record.seq);
        self.delivery.messages.insert(key, (message, false));
    }

    /// The channel a record is about.
    pub(crate) fn channel(&self, record: &SendRecord) -> Option<ChannelId> {
        self.parcels.get(&(record.conversation_id, record.seq)).map(|parcel| parcel.channel)
    }

    /// News that waits for the reference of a record. Parcels come first: they know the channel.
    pub(crate) fn add_parked(&mut self, record: &SendRecord, update: StatusUpdate) {
        if let Some((channel, name)) = self.channel(record).zip(reference(record)) {
            self.delivery.add_parked((channel, name.to_owned()), update);
        }
    }

    /// The message that the reference of a record already names.
    pub(crate) fn add_sent(&mut self, record: &SendRecord, place: Place) {
        if let Some((channel, name)) = self.channel(record).zip(reference(record)) {
            self.delivery.sent.insert((channel, name.to_owned()), place);
        }
    }

    /// Records how a try ended; the message, if that changed its status.
    pub(crate) fn record(&mut self, record: SendRecord) -> Option<Message> {
        let (business, now) = (record.business_id, record.now);
        let place = (record.conversation_id, record.seq);
        self.delivery.message(business, place)?;
        let parcel = self.parcels.get_mut(&place)?;
        if parcel.fence != record.fence || !parcel.tried {
            return None;
        }
        let channel = parcel.channel;
        let moved = match record.outcome {
            SendOutcome::Retry { due_at } => {
                self.settle(business, place, false, millis(due_at), false)
            }
            SendOutcome::Defer { due_at } => {
                self.settle(business, place, false, millis(due_at), true)
            }
            SendOutcome::Unknown { due_at } => {
                self.settle(business, place, true, millis(due_at), false)
            }
            SendOutcome::Sent { provider_ref, changed } => {
                self.parcels.remove(&place);
                if let Some(content) = changed {
                    self.delivery.rewrite(business, place, *content);
                }
                let sent = (DeliveryStatus::Sent, now, None);
                let moved = self.delivery.finish((business, channel), place, sent);
                let named = provider_ref
                    .is_some_and(|name| self.delivery.name(business, place, (channel, name)));
                moved | named
            }
            SendOutcome::Failed(failure) => {
                self.parcels.remove(&place);
                let failed = (DeliveryStatus::Failed, now, Some(failure));
                self.delivery.finish((business, channel), place, failed)
            }
        };
        self.delivery.message(business, place).filter(|_| moved).cloned()
    }

    /// Puts a row back for later. The message is where it was, so this is never a change of it.
    fn settle(
        &mut self,
        business: BusinessId,
        place: Place,
        unknown: bool,
        due_at: i64,
        deferred: bool,
    ) -> bool {
        if let Some(parcel) = self.parcels.get_mut(&place) {
            parcel.tried = unknown;
        }
        let again = self.delivery.settled.get(&place).is_some_and(|row| row.deferred);
        let deferred = deferred || again;
        self.delivery.settled.insert(place, Settled { business, unknown, due_at, deferred });
        false
    }
}
