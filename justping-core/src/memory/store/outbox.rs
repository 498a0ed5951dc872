use std::collections::BTreeSet;

use super::line::Lines;
use super::queue::Queue;
use super::thread::Parcel;
use super::{Key, State};
use crate::model::{
    BusinessId, ChannelId, DeliveryStatus, Lane, Message, MessageId, OutboxRow, OutboxState,
    Timestamp,
};
use crate::policy::{self, Line};
use crate::port::StoreResult;
use crate::port::store::{ClaimOptions, QueueStats, SendClaim, SendOutcome, SendQuota, SendRecord};

/// Where a send waits.
type Place = (Lane, BusinessId, ChannelId);

/// The first row of every conversation that has any: the others wait behind it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Those nobody sends now, by the moment they are due, then by age.
    idle: Lines<Place, (Timestamp, MessageId), Key>,
    /// Those somebody sends now, by the end of the lease.
    sending: Queue<Key, ()>,
}

impl Outbox {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.idle.next_due().into_iter().chain(self.sending.next_due()).min()
    }

    fn stats(&self, now: Timestamp) -> QueueStats {
        let mut stats = QueueStats { sending: self.sending.len(), ..QueueStats::default() };
        for (due, (lane, ..)) in self.idle.dues() {
            let Some(lane) = stats.lanes.get_mut(usize::from(lane.rank())).filter(|_| due <= now)
            else {
                stats.later += 1;
                continue;
            };
            lane.due += 1;
            lane.oldest_due = Some(lane.oldest_due.map_or(due, |oldest| oldest.min(due)));
        }
        stats
    }

    fn choose(&self, limit: u32, quota: &SendQuota) -> Vec<Key> {
        let mut depth = policy::first_depth(limit, self.idle.ready().len());
        loop {
            let read = |((lane, business, channel), keys): (Place, &BTreeSet<(_, Key)>)| {
                let rows = keys.iter().take(depth as usize).copied().collect();
                Line { lane, business, channel, rows }
            };
            let lines = self.idle.ready().map(read).collect();
            if let Some(chosen) = policy::choose_sends(limit, quota, lines, depth) {
                return chosen;
            }
            depth = depth.saturating_mul(2);
        }
    }
}

impl State {
    pub(super) fn queue_stats(&self, now: Timestamp) -> QueueStats {
        let mail = self.threads.values().map(|thread| thread.mailbox.len() as u64).sum();
        QueueStats { mail, ..self.outbox.stats(now) }
    }

    /// Adds a row.
    pub(super) fn queue_send(&mut self, row: OutboxRow) -> StoreResult<()> {
        let (business, id) = (row.business_id, row.conversation_id);
        let send = Parcel { leased_until: row.due_at, fence: 0, row };
        self.threads.get_mut(business, id)?.outbox.insert(send.row.seq, send);
        self.queue_head((business, id))
    }

    /// Puts a conversation where its first row says it belongs.
    pub(super) fn queue_head(&mut self, key: Key) -> StoreResult<()> {
        let thread = self.threads.get(key.0, key.1)?;
        self.outbox.idle.remove(key);
        self.outbox.sending.remove(key);
        if let Some((_, Parcel { row, leased_until, .. })) = thread.outbox.first_key_value() {
            match row.state {
                OutboxState::Sending => self.outbox.sending.set(key, *leased_until, ()),
                OutboxState::Pending | OutboxState::Unknown => {
                    let place = (row.lane, row.business_id, row.channel_id);
                    let age = (row.created_at, row.message_id);
                    self.outbox.idle.set(key, row.due_at, place, age);
                }
            }
        }
        Ok(())
    }

    pub(super) fn claim_outbox(
        &mut self,
        options: &ClaimOptions,
        quota: &SendQuota,
        unknown_until: Timestamp,
    ) -> StoreResult<Vec<SendClaim>> {
        for key in self.outbox.sending.take(options.now, u32::MAX) {
            if let Some(mut head) = self.threads.get_mut(key.0, key.1)?.outbox.first_entry() {
                head.get_mut().row.state = OutboxState::Unknown;
                head.get_mut().row.due_at = unknown_until;
            }
            self.queue_head(key)?;
        }
        self.outbox.idle.ripen(options.now);
        let keys = self.outbox.choose(options.limit, quota);
        let claims = keys.into_iter().map(|key| self.claim_head(key, options.lease_until));
        claims.filter_map(Result::transpose).collect()
    }

    /// Leases the first row of a conversation. The claim counts as a try until it is deferred.
    fn claim_head(&mut self, key: Key, until: Timestamp) -> StoreResult<Option<SendClaim>> {
        let (business, id) = key;
        let thread = self.threads.get_mut(business, id)?;
        let Some(mut head) = thread.outbox.first_entry() else { return Ok(None) };
        let send = head.get_mut();
        let row = send.row.clone();
        send.row.state = OutboxState::Sending;
        send.row.attempts += 1;
        send.leased_until = until;
        send.fence += 1;
        let fence = send.fence;
        self.queue_head(key)?;
        let thread = self.threads.get(business, id)?;
        let conversation = thread.conversation.clone();
        let contact = self.contacts.rows.get(business, row.contact_id)?.clone();
        let message = thread.message(row.seq).cloned();
        Ok(message.map(|message| SendClaim { row, message, conversation, contact, fence }))
    }

    /// Records how a try ended; the message, if that changed its status.
    pub(super) fn record_send(&mut self, record: SendRecord) -> StoreResult<Option<Message>> {
        let key = (record.business_id, record.conversation_id);
        let Some(thread) = self.threads.find_mut(key.0, key.1) else { return Ok(None) };
        let Some(send) = thread.outbox.get_mut(&record.seq) else { return Ok(None) };
        if send.fence != record.fence || send.row.state == OutboxState::Pending {
            return Ok(None);
        }
        let (channel, counters) = (send.row.channel_id, &mut self.counters);
        let place = (record.conversation_id, record.seq);
        let moved = match record.outcome {
            SendOutcome::Retry { due_at } => send.settle(OutboxState::Pending, due_at),
            SendOutcome::Unknown { due_at } => send.settle(OutboxState::Unknown, due_at),
            SendOutcome::Defer { due_at } => {
                send.row.attempts = send.row.attempts.saturating_sub(1);
                send.settle(OutboxState::Pending, due_at)
            }
            SendOutcome::Sent { provider_ref, changed } => {
                let moved = thread.finish(record.seq, |message| {
                    if let Some(content) = changed {
                        message.content = *content;
                    }
                    counters.hear(channel, message, (DeliveryStatus::Sent, record.now, None))
                });
                match provider_ref {
                    Some(reference) => moved | self.refer(record.business_id, place, reference)?,
                    None => moved,
                }
            }
            SendOutcome::Failed(failure) => thread.finish(record.seq, |message| {
                let failed = (DeliveryStatus::Failed, record.now, Some(failure));
                counters.hear(channel, message, failed)
            }),
        };
        self.queue_head(key)?;
        let message = self.threads.get(key.0, key.1)?.message(record.seq);
        Ok(message.filter(|_| moved).cloned())
    }
}
