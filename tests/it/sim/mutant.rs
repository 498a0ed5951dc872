//! Stores that break their contract on purpose, each in one way: what the simulation must notice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use justping::memory::MemoryStore;
use justping::model::{
    ChannelId, Contact, ContactPatch, ConversationId, DeliveryStatus, Event, EventBody, Lane,
    Message, Page,
};
use justping::policy::consent_patch;
use justping::port::StoreResult;
use justping::port::store::{
    Accept, Accepted, ContactStore, ConversationStore, EngineStore, Post, SendClaim, SendOutcome,
    SendRecord, StatusOutcome, StatusRecord, TurnCommit, TurnCommitted,
};

/// What a store gets wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Nothing.
    #[default]
    None,
    /// It records a message again when its webhook is repeated.
    ForgetsDuplicates,
    /// A turn that lost its lease or its revision still speaks.
    ForgetsTheFence,
    /// It gives a send to a second worker while the first still has it.
    GivesTwice,
    /// It takes the newest status for the truth, whatever came before.
    GoesBack,
    /// It does not remember for which owner a message was prepared.
    ForgetsTheGeneration,
    /// It does not remember that a contact wants silence.
    ForgetsTheOptOut,
    /// It hears a wish again when its webhook is repeated.
    HearsRepeatedWishes,
    /// It does not remember that a message may have left.
    ForgetsTheDoubt,
    /// It gives a send the contact of another business.
    MixesBusinesses,
    /// It takes a try that will be repeated for a success.
    CountsARetryAsSent,
    /// It loses the last message a turn decides.
    LosesTheLastWord,
    /// It loses the events a turn brings.
    LosesEvents,
}

/// A store's way of being wrong, with what it needs to remember for that.
#[derive(Debug, Default)]
pub(super) struct Mutant {
    mutation: Mutation,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    accepted: BTreeSet<(ChannelId, String)>,
    given: Vec<SendClaim>,
    newest: BTreeMap<(ConversationId, u64), DeliveryStatus>,
    contacts: Vec<Contact>,
}

impl Mutant {
    pub(super) fn new(mutation: Mutation) -> Self {
        Self { mutation, memory: Mutex::default() }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accept(&self, mut batch: Vec<Accept>) -> Vec<Accept> {
        if self.is(Mutation::ForgetsDuplicates) {
            let mut memory = self.memory();
            for accept in &mut batch {
                let key = (accept.channel_id, accept.message.provider_ref.clone());
                if !memory.accepted.insert(key) {
                    accept.message.provider_ref = format!("again-{}", accept.message_id);
                }
            }
        }
        batch
    }

    /// What became of a batch; the wishes in it are what some stores get wrong.
    pub(super) async fn accepted(
        &self,
        store: &MemoryStore,
        batch: &[Accept],
        answers: &[Accepted],
    ) -> StoreResult<()> {
        for (accept, answer) in batch.iter().zip(answers) {
            let Some(wish) = consent_patch(&accept.message) else { continue };
            let is_new = matches!(answer, Accepted::New { .. });
            let patch = match self.mutation {
                Mutation::ForgetsTheOptOut if is_new => {
                    ContactPatch { opt_in: wish.opt_out, ..ContactPatch::default() }
                }
                Mutation::HearsRepeatedWishes if !is_new => wish,
                _ => continue,
            };
            let business = accept.business_id;
            let contact = store.contact_by_identity(business, &accept.message.from[0]).await?;
            store.patch_contact(business, contact.id, &patch, accept.now).await?;
        }
        Ok(())
    }

    pub(super) async fn commit_turns(
        &self,
        store: &MemoryStore,
        mut batch: Vec<TurnCommit>,
    ) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        for commit in &mut batch {
            match self.mutation {
                Mutation::LosesTheLastWord => drop(commit.messages.pop()),
                Mutation::LosesEvents => commit.events.retain(|event| !tells_of_a_session(event)),
                _ => {}
            }
        }
        let mut results = store.commit_turns(batch.clone()).await?;
        if self.is(Mutation::ForgetsTheFence) {
            for (commit, result) in batch.into_iter().zip(&mut results) {
                if result.is_err() {
                    *result = speak_anyway(store, commit).await;
                }
            }
        }
        Ok(results)
    }

    pub(super) fn claim_outbox(&self, mut claims: Vec<SendClaim>) -> Vec<SendClaim> {
        let mut memory = self.memory();
        match self.mutation {
            Mutation::GivesTwice => {
                let again = std::mem::replace(&mut memory.given, claims.clone());
                claims.extend(again);
            }
            Mutation::ForgetsTheGeneration => {
                for claim in &mut claims {
                    claim.row.generation = claim.conversation.generation;
                }
            }
            Mutation::MixesBusinesses => {
                for claim in &mut claims {
                    let other = |known: &&Contact| known.business_id != claim.row.business_id;
                    let stranger = memory.contacts.iter().find(other).cloned();
                    memory.contacts.push(claim.contact.clone());
                    claim.contact.identities = stranger
                        .map_or_else(|| claim.contact.identities.clone(), |one| one.identities);
                }
            }
            _ => {}
        }
        claims
    }

    pub(super) fn record_sends(&self, mut batch: Vec<SendRecord>) -> Vec<SendRecord> {
        for record in &mut batch {
            match record.outcome {
                SendOutcome::Retry { .. } if self.is(Mutation::CountsARetryAsSent) => {
                    record.outcome = SendOutcome::Sent { provider_ref: None, changed: None };
                }
                SendOutcome::Unknown { due_at } if self.is(Mutation::ForgetsTheDoubt) => {
                    record.outcome = SendOutcome::Defer { due_at };
                }
                _ => {}
            }
        }
        let mut memory = self.memory();
        let done = |claim: &SendClaim| {
            let place = (claim.row.conversation_id, claim.row.seq);
            batch.iter().any(|record| (record.conversation_id, record.seq) == place)
        };
        memory.given.retain(|claim| !done(claim));
        batch
    }

    pub(super) fn record_statuses(&self, batch: &[StatusRecord], outcomes: &[StatusOutcome]) {
        if !self.is(Mutation::GoesBack) {
            return;
        }
        let mut memory = self.memory();
        for (record, outcome) in batch.iter().zip(outcomes) {
            let key = record.update.key.as_deref().and_then(justping::model::OutboxRow::parse_key);
            let named = match outcome {
                StatusOutcome::Applied { conversation_id, seq, .. } => {
                    Some((*conversation_id, *seq))
                }
                StatusOutcome::Unchanged => key,
                StatusOutcome::Parked => None,
            };
            if let Some(place) = named {
                memory.newest.insert(place, record.update.status);
            }
        }
    }

    pub(super) fn messages(&self, mut page: Page<Message>) -> Page<Message> {
        let memory = self.memory();
        for message in &mut page.items {
            let newest = memory.newest.get(&(message.conversation_id, message.seq));
            message.status = newest.copied().unwrap_or(message.status);
        }
        page
    }
}

fn tells_of_a_session(event: &Event) -> bool {
    matches!(event.body, EventBody::SessionStatus { .. })
}

/// Writes down what a turn decided although somebody else has taken its conversation.
async fn speak_anyway(store: &MemoryStore, commit: TurnCommit) -> StoreResult<TurnCommitted> {
    let (business, id, now) = (commit.business_id, commit.conversation_id, commit.now);
    let post = |message: justping::port::store::TurnMessage| Post {
        business_id: business,
        conversation_id: id,
        message_id: message.id,
        direction: message.direction,
        author: message.author,
        content: message.content,
        lane: Lane::Interactive,
        reply_to: None,
        provider_ref: None,
        once: None,
        owner: None,
        now,
    };
    let posts = commit.messages.into_iter().map(post).collect();
    let written: StoreResult<Vec<TurnCommitted>> = store.post(posts).await?.into_iter().collect();
    let messages = written?.into_iter().flat_map(|one| one.messages).collect();
    Ok(TurnCommitted { conversation: store.conversation(business, id).await?, messages })
}
