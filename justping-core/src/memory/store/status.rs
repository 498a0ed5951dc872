use std::collections::BTreeMap;

use super::State;
use crate::model::{
    BusinessId, ChannelId, ConversationId, DeliveryStatus, Direction, Message, OutboxRow,
    StatusUpdate, Timestamp,
};
use crate::port::StoreResult;
use crate::port::store::{StatusOutcome, StatusRecord};

/// Provider ids whose news may wait for their message. Beyond it the oldest are dropped: they are
/// most likely about messages that something else sent by the same account.
const PARKED_MAX: usize = 100_000;

/// A message: its conversation and its `seq`.
type Place = (ConversationId, u64);
/// A provider's id of a message on a channel.
type Reference = (ChannelId, String);

/// What providers call messages, and news of messages they have not named yet.
#[derive(Debug, Default)]
pub(super) struct References {
    received: BTreeMap<Reference, Place>,
    sent: BTreeMap<Reference, Place>,
    parked: BTreeMap<Reference, Parked>,
    /// Parked references by age.
    ages: BTreeMap<u64, Reference>,
    last_age: u64,
}

#[derive(Debug)]
struct Parked {
    age: u64,
    /// At most one a status.
    news: Vec<StatusUpdate>,
}

impl References {
    /// The message that came with this reference: from a contact, or past us.
    pub(super) fn received(&self, channel: ChannelId, reference: &str) -> Option<Place> {
        self.received.get(&(channel, reference.to_owned())).copied()
    }

    pub(super) fn receive(&mut self, channel: ChannelId, reference: String, place: Place) {
        self.received.insert((channel, reference), place);
    }

    fn park(&mut self, reference: Reference, update: StatusUpdate) {
        if let Some(parked) = self.parked.get_mut(&reference) {
            if parked.news.iter().all(|known| known.status != update.status) {
                parked.news.push(update);
            }
            return;
        }
        if self.parked.len() >= PARKED_MAX
            && let Some((_, oldest)) = self.ages.pop_first()
        {
            self.parked.remove(&oldest);
        }
        self.last_age += 1;
        self.ages.insert(self.last_age, reference.clone());
        self.parked.insert(reference, Parked { age: self.last_age, news: vec![update] });
    }

    /// Takes the news that waited for a reference.
    fn unpark(&mut self, reference: &Reference) -> Vec<StatusUpdate> {
        let Some(parked) = self.parked.remove(reference) else { return Vec::new() };
        self.ages.remove(&parked.age);
        parked.news
    }
}

impl References {
    /// Drops news that has waited too long.
    pub(super) fn trim_parked(&mut self, before: Timestamp, limit: u32) -> u64 {
        let mut left = limit;
        for parked in self.parked.values_mut() {
            parked.news.retain(|news| {
                let goes = left > 0 && news.at.is_some_and(|at| at < before);
                left -= u32::from(goes);
                !goes
            });
        }
        self.parked.retain(|_, parked| !parked.news.is_empty());
        self.ages.retain(|_, reference| self.parked.contains_key(reference));
        u64::from(limit - left)
    }
}

/// The references in a map that `is_old` says so of, a bounded number.
fn old_ones(
    places: &BTreeMap<Reference, Place>,
    is_old: impl Fn(&Reference, Place) -> bool,
    limit: u32,
) -> Vec<Reference> {
    let old = places.iter().filter(|(reference, place)| is_old(reference, **place));
    old.map(|(reference, _)| reference.clone()).take(limit as usize).collect()
}

impl State {
    /// Says whether a reference's message is that old.
    fn is_older(&self, (channel, _): &Reference, (id, seq): Place, before: Timestamp) -> bool {
        let business = self.channel_owners.get(channel);
        let thread = business.and_then(|business| self.threads.find(*business, id));
        let message = thread.and_then(|thread| thread.message(seq));
        message.is_none_or(|message| message.created_at < before)
    }

    /// Forgets what providers called received messages.
    pub(super) fn trim_received(&mut self, before: Timestamp, limit: u32) -> u64 {
        let is_old = |reference: &_, place| self.is_older(reference, place, before);
        let old = old_ones(&self.references.received, is_old, limit);
        for reference in &old {
            self.references.received.remove(reference);
        }
        old.len() as u64
    }

    /// Forgets what providers called sent messages.
    pub(super) fn trim_sent(&mut self, before: Timestamp, limit: u32) -> u64 {
        let is_old = |reference: &_, place| self.is_older(reference, place, before);
        let old = old_ones(&self.references.sent, is_old, limit);
        for reference in &old {
            self.references.sent.remove(reference);
        }
        old.len() as u64
    }

    /// Learns the provider's id of a message and tells it the news that waited for that; says
    /// whether its status changed.
    pub(super) fn refer(
        &mut self,
        business: BusinessId,
        (id, seq): Place,
        reference: String,
    ) -> StoreResult<bool> {
        let thread = self.threads.get_mut(business, id)?;
        let channel = thread.conversation.channel_id;
        let Some(message) = thread.message_mut(seq) else { return Ok(false) };
        message.provider_ref.get_or_insert_with(|| reference.clone());
        let reference = (channel, reference);
        self.references.sent.entry(reference.clone()).or_insert((id, seq));
        let mut moved = false;
        for news in self.references.unpark(&reference) {
            moved |= news.at.is_some_and(|at| {
                self.counters.hear(channel, message, (news.status, at, news.failure))
            });
        }
        Ok(moved)
    }

    pub(super) fn record_statuses(
        &mut self,
        batch: Vec<StatusRecord>,
    ) -> StoreResult<Vec<StatusOutcome>> {
        for record in &batch {
            self.channels.get(record.business_id, record.channel_id)?;
        }
        batch.into_iter().map(|record| self.record_status(record)).collect()
    }

    fn record_status(&mut self, record: StatusRecord) -> StoreResult<StatusOutcome> {
        let StatusRecord { business_id: business, channel_id: channel, mut update, now } = record;
        let at = *update.at.get_or_insert(now);
        let reference = update.provider_ref.clone();
        let Some((id, seq)) = self.find_sent(business, channel, &update) else {
            self.references.park((channel, reference), update);
            return Ok(StatusOutcome::Parked);
        };
        let thread = self.threads.get_mut(business, id)?;
        let counters = &mut self.counters;
        let tell = |message: &mut Message| {
            counters.hear(channel, message, (update.status, at, update.failure))
        };
        let mut moved = match update.status {
            DeliveryStatus::Received | DeliveryStatus::Queued => false,
            DeliveryStatus::Sent
            | DeliveryStatus::Delivered
            | DeliveryStatus::Read
            | DeliveryStatus::Failed => thread.finish(seq, tell),
        };
        self.queue_head((business, id))?;
        if !reference.is_empty() {
            moved |= self.refer(business, (id, seq), reference)?;
        }
        let message = self.threads.get(business, id)?.message(seq).filter(|_| moved);
        Ok(message.map_or(StatusOutcome::Unchanged, |message| StatusOutcome::Applied {
            conversation_id: id,
            message_id: message.id,
            seq,
            status: message.status,
        }))
    }

    /// The outbound message that news is about: by our key, else by the provider's id.
    fn find_sent(
        &self,
        business: BusinessId,
        channel: ChannelId,
        update: &StatusUpdate,
    ) -> Option<Place> {
        let ours = |(id, seq): &Place| {
            self.threads.find(business, *id).is_some_and(|thread| {
                thread.conversation.channel_id == channel
                    && thread.message(*seq).is_some_and(|m| m.direction == Direction::Outbound)
            })
        };
        let by_key = update.key.as_deref().and_then(OutboxRow::parse_key).filter(ours);
        let by_ref = || self.references.sent.get(&(channel, update.provider_ref.clone())).copied();
        by_key.or_else(|| by_ref().filter(ours))
    }
}
