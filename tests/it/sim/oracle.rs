//! The model beside the engine: it sees what contacts wrote, what the store did and what providers
//! got, and says at once when a promise is broken.

use std::collections::{BTreeMap, BTreeSet};

use justping::model::{
    BusinessId, ChannelId, Content, Conversation, ConversationChange, ConversationId,
    DeliveryStatus, Direction, MailboxEvent, Message, MessageId, Origin, OutboxRow, Owner,
    Timestamp, UnknownPolicy,
};
use justping::port::store::{Accept, Accepted, SendClaim, TurnClaim, TurnCommit, TurnCommitted};
use justping::port::{Outbound, StoreResult};

use super::law::{Law, Violation};
use super::provider::place;
use super::world::{SEND_LEASE, Shop};

/// What a contact decided by a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Silence,
    Speech,
}

/// A message a contact wrote, as the provider knows it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) contact: String,
    pub(super) wish: Option<Wish>,
    /// Whether some delivery of it was answered 200.
    pub(super) acknowledged: bool,
    /// Where it stands in the ledger.
    pub(super) place: Option<(ConversationId, u64)>,
}

/// Mail that a bot has to deal with.
#[derive(Debug, Default)]
pub(super) struct Mail {
    pub(super) consumed: u32,
    /// Somebody closed the conversation while it waited.
    pub(super) dropped: bool,
    conversation: Option<ConversationId>,
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) business: BusinessId,
    pub(super) conversation: ConversationId,
    pub(super) seq: u64,
    pub(super) origin: Origin,
    generation: u64,
    pub(super) requests: u32,
    pub(super) effects: u32,
    /// A request went out and no answer told what became of it.
    in_doubt: bool,
}

/// What a process knew when it leased a send.
#[derive(Debug)]
struct Lease {
    to: BTreeSet<String>,
    /// The contact had asked for silence, and that was acknowledged.
    silent: bool,
    window_ends: Option<Timestamp>,
}

/// Everything the oracle remembers.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) violation: Option<Violation>,
    pub(super) shops: Vec<Shop>,
    pub(super) written: BTreeMap<(ChannelId, String), Written>,
    /// The newest wish of each contact, in the order of the ledger, and whose message said so.
    pub(super) wishes: BTreeMap<(BusinessId, String), (Wish, String)>,
    pub(super) conversations: BTreeMap<ConversationId, (BusinessId, String)>,
    pub(super) mail: BTreeMap<MessageId, Mail>,
    entries: BTreeMap<i64, Option<MessageId>>,
    consumed: BTreeSet<i64>,
    pub(super) rows: BTreeMap<String, Row>,
    leases: BTreeMap<(u64, String), Lease>,
    /// The generation each process read last.
    looks: BTreeMap<(u64, ConversationId), u64>,
    statuses: BTreeMap<(ConversationId, u64), DeliveryStatus>,
    newest_effect: BTreeMap<ConversationId, u64>,
}

impl Oracle {
    /// Says that a promise is broken; the first one counts.
    pub(super) fn accuse(&mut self, law: Law, detail: String) {
        self.violation.get_or_insert(Violation { law, detail });
    }

    pub(super) fn check(&mut self, law: Law, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.accuse(law, detail());
        }
    }

    fn shop(&self, channel: ChannelId) -> Option<&Shop> {
        self.shops.iter().find(|shop| shop.channel == channel)
    }

    pub(super) fn accepted(&mut self, batch: &[Accept], answers: &[Accepted]) {
        self.check(Law::Once, batch.len() == answers.len(), || "an answer is missing".to_owned());
        for (accept, answer) in batch.iter().zip(answers) {
            match answer {
                Accepted::New { message, conversation, .. } => {
                    self.recorded(accept, message, conversation);
                }
                Accepted::Duplicate { conversation_id, seq } => {
                    let key = (accept.channel_id, accept.message.provider_ref.clone());
                    let place = self.written.get(&key).and_then(|written| written.place);
                    let same = place == Some((*conversation_id, *seq));
                    self.check(Law::Once, same, || format!("{key:?} is no duplicate: {place:?}"));
                }
            }
        }
    }

    fn recorded(&mut self, accept: &Accept, message: &Message, conversation: &Conversation) {
        let reference = accept.message.provider_ref.clone();
        let key = (accept.channel_id, reference.clone());
        let tags = [message.business_id, conversation.business_id];
        let own = tags == [accept.business_id; 2] && conversation.channel_id == accept.channel_id;
        self.check(Law::Tenant, own, || format!("{reference} went to another business"));
        let Some(written) = self.written.get_mut(&key) else {
            return self.accuse(Law::Once, format!("nobody wrote {reference}"));
        };
        let before = written.place.replace((message.conversation_id, message.seq));
        let (contact, wish) = (written.contact.clone(), written.wish);
        self.check(Law::Once, before.is_none(), || format!("{reference} was recorded twice"));
        let whose = (accept.business_id, contact);
        self.conversations.insert(message.conversation_id, whose.clone());
        if let Some(wish) = wish {
            self.wishes.insert(whose, (wish, reference));
        }
        if conversation.owner == Owner::Bot {
            let conversation = Some(message.conversation_id);
            self.mail.insert(message.id, Mail { conversation, ..Mail::default() });
        }
    }

    pub(super) fn acknowledged(&mut self, channel: ChannelId, reference: &str) {
        let Some(written) = self.written.get_mut(&(channel, reference.to_owned())) else { return };
        written.acknowledged = true;
        let lost = written.place.is_none();
        self.check(Law::Once, !lost, || format!("{reference} was accepted and is not there"));
    }

    pub(super) fn turns_claimed(&mut self, claims: &[TurnClaim]) {
        for claim in claims {
            let owner = claim.conversation.business_id;
            let mut tags = vec![claim.contact.business_id, claim.channel.business_id];
            tags.extend(claim.agent.as_ref().map(|agent| agent.business_id));
            tags.extend(claim.session.as_ref().map(|session| session.business_id));
            let own = tags.iter().all(|tag| *tag == owner);
            self.check(Law::Tenant, own, || format!("a turn of {owner} mixes {tags:?}"));
            for entry in &claim.entries {
                let message = match &entry.event {
                    MailboxEvent::Message { message_id, .. } => Some(*message_id),
                    MailboxEvent::Timer { .. }
                    | MailboxEvent::CallDone { .. }
                    | MailboxEvent::Outside { .. } => None,
                };
                self.entries.insert(entry.seq, message);
                let fresh = !self.consumed.contains(&entry.seq);
                self.check(Law::Consumed, fresh, || format!("mail {} comes again", entry.seq));
            }
        }
    }

    pub(super) fn turns_committed(
        &mut self,
        batch: &[TurnCommit],
        results: &[StoreResult<TurnCommitted>],
    ) {
        for (commit, result) in batch.iter().zip(results) {
            let Ok(committed) = result else { continue };
            for seq in &commit.consumed {
                let fresh = self.consumed.insert(*seq);
                self.check(Law::Consumed, fresh, || format!("mail {seq} was consumed twice"));
                let message = self.entries.get(seq).copied().flatten();
                if let Some(mail) = message.and_then(|id| self.mail.get_mut(&id)) {
                    mail.consumed += 1;
                }
            }
            self.wrote(committed);
        }
    }

    pub(super) fn posted(&mut self, results: &[StoreResult<TurnCommitted>]) {
        results.iter().flatten().for_each(|committed| self.wrote(committed));
    }

    /// Messages were recorded; those that go out have a row from now on.
    fn wrote(&mut self, committed: &TurnCommitted) {
        let conversation = &committed.conversation;
        for message in &committed.messages {
            let outbound = message.direction == Direction::Outbound;
            let due = message.created_at;
            let Some(row) = OutboxRow::of(message, conversation, Default::default(), due) else {
                self.check(Law::Terminal, !outbound, || "a message has no row".to_owned());
                continue;
            };
            let row = Row {
                business: row.business_id,
                conversation: row.conversation_id,
                seq: row.seq,
                origin: row.origin,
                generation: row.generation,
                requests: 0,
                effects: 0,
                in_doubt: false,
            };
            let key = OutboxRow::key(row.conversation, row.seq);
            let twice = self.rows.insert(key.clone(), row).is_some();
            self.check(Law::Terminal, !twice, || format!("{key} was recorded twice"));
        }
    }

    /// A person or program changed a conversation. Closing drops the mail that waits.
    pub(super) fn changed(&mut self, conversation: &Conversation, change: &ConversationChange) {
        if *change == ConversationChange::Close {
            let waits =
                |mail: &&mut Mail| mail.conversation == Some(conversation.id) && mail.consumed == 0;
            self.mail.values_mut().filter(waits).for_each(|mail| mail.dropped = true);
        }
    }

    pub(super) fn looked(&mut self, life: u64, id: ConversationId, generation: Option<u64>) {
        match generation {
            Some(generation) => self.looks.insert((life, id), generation),
            None => self.looks.remove(&(life, id)),
        };
    }

    pub(super) fn sends_claimed(&mut self, life: u64, claims: &[SendClaim]) {
        for claim in claims {
            let owner = claim.row.business_id;
            let tags = [
                claim.message.business_id,
                claim.conversation.business_id,
                claim.contact.business_id,
            ];
            let own = tags == [owner; 3];
            self.check(Law::Tenant, own, || format!("a send of {owner} mixes {tags:?}"));
            let whose = self.conversations.get(&claim.row.conversation_id).cloned();
            let silent = whose.and_then(|whose| self.silenced(&whose)).unwrap_or(false);
            let lease = Lease {
                to: claim.contact.identities.iter().map(|one| one.id.clone()).collect(),
                silent,
                window_ends: claim.conversation.window_expires_at,
            };
            self.looks.remove(&(life, claim.row.conversation_id));
            self.leases
                .insert((life, OutboxRow::key(claim.row.conversation_id, claim.row.seq)), lease);
        }
    }

    /// Whether a contact's newest wish is silence and we said that we heard it.
    fn silenced(&self, whose: &(BusinessId, String)) -> Option<bool> {
        let (wish, reference) = self.wishes.get(whose)?;
        let shop = self.shops.iter().find(|shop| shop.business == whose.0)?;
        let written = self.written.get(&(shop.channel, reference.clone()))?;
        Some(*wish == Wish::Silence && written.acknowledged)
    }

    /// A process hands a message to the provider: everything that may forbid it is asked here.
    pub(super) fn requested(
        &mut self,
        life: u64,
        channel: ChannelId,
        outbound: &Outbound,
        now: Timestamp,
    ) {
        let key = place(&outbound.idempotency_key);
        let shop = self.shop(channel).cloned();
        let (Some(row), Some(shop)) = (self.rows.get_mut(&key), shop) else {
            return self.accuse(Law::Tenant, format!("{key} belongs to nobody"));
        };
        row.requests += 1;
        let doubled = std::mem::replace(&mut row.in_doubt, true);
        let (own, generation) = (row.business == shop.business, row.generation);
        let (bot, conversation) = (row.origin == Origin::Bot, row.conversation);
        let whose = self.conversations.get(&conversation).cloned();
        self.check(Law::Tenant, own, || format!("{key} leaves by another business"));
        let at_most_once = shop.plan.policy == UnknownPolicy::AtMostOnce;
        self.check(Law::Effect, !(doubled && at_most_once), || {
            format!("{key} is sent again although it may have left")
        });
        let look = self.looks.get(&(life, conversation)).copied();
        self.check(Law::TakeOver, !bot || look == Some(generation), || {
            format!("{key} of generation {generation} leaves, last seen was {look:?}")
        });
        let Some(lease) = self.leases.get(&(life, key.clone())) else {
            return self.accuse(Law::Effect, format!("{key} is sent without a lease"));
        };
        let to: BTreeSet<String> = outbound.to.iter().map(|one| one.id.clone()).collect();
        let right = to == lease.to && whose.is_some_and(|(_, contact)| to.contains(&contact));
        let silent = lease.silent;
        let windowed = shop.plan.capabilities.service_window
            && !matches!(outbound.content, Content::Template(_));
        let ends = lease.window_ends.and_then(|end| end.checked_add(SEND_LEASE).ok());
        self.check(Law::Tenant, right, || format!("{key} goes to {to:?}"));
        self.check(Law::Silence, !silent, || format!("{key} leaves after an opt-out"));
        self.check(Law::Window, !windowed || ends.is_some_and(|end| now < end), || {
            format!("{key} leaves after its window closed")
        });
    }

    /// The provider said for certain that it did not take the message.
    pub(super) fn refused(&mut self, key: &str) {
        if let Some(row) = self.rows.get_mut(key) {
            row.in_doubt = false;
        }
    }

    /// The message reaches the contact. Repetitions that the provider recognises do not come here.
    pub(super) fn arrived(&mut self, channel: ChannelId, key: &str) {
        let policy = self.shop(channel).map(|shop| shop.plan.policy);
        let Some(row) = self.rows.get_mut(key) else { return };
        row.effects += 1;
        let (effects, conversation, seq) = (row.effects, row.conversation, row.seq);
        let once = effects == 1 || policy == Some(UnknownPolicy::AtLeastOnce);
        self.check(Law::Effect, once, || format!("{key} reached the contact {effects} times"));
        if effects == 1 {
            let newest = self.newest_effect.insert(conversation, seq);
            self.check(Law::Order, newest.is_none_or(|newest| newest < seq), || {
                format!("{key} arrives after {newest:?}")
            });
        }
    }

    /// The messages of a conversation as they are read now: none has gone back.
    pub(super) fn read(&mut self, messages: &[Message]) {
        for message in messages.iter().filter(|one| one.direction == Direction::Outbound) {
            let place = (message.conversation_id, message.seq);
            let before = self.statuses.insert(place, message.status);
            let forward = before.is_none_or(|before| may_follow(before, message.status));
            self.check(Law::Forward, forward, || {
                format!("{place:?} went from {before:?} to {:?}", message.status)
            });
        }
    }
}

/// Whether a status may be read after another one, written down a second time on purpose.
fn may_follow(before: DeliveryStatus, after: DeliveryStatus) -> bool {
    use DeliveryStatus::{Delivered, Failed, Queued, Read, Received, Sent};
    match before {
        Queued => matches!(after, Queued | Sent | Delivered | Read | Failed),
        Sent => matches!(after, Sent | Delivered | Read | Failed),
        Delivered => matches!(after, Delivered | Read),
        Read | Failed | Received => after == before,
    }
}
