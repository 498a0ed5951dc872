//! The engine's atomic moves.

mod accept;
mod call;
pub(super) mod change;
mod claim_outbox;
mod claim_turn;
mod commit_turn;
mod delivery;
pub(super) mod open;
mod post;
mod record_send;
mod record_status;
mod timer;
mod write;

#[cfg(test)]
pub(super) use self::record_status::STATUSES_LOCK;
#[cfg(test)]
pub(super) use self::statements::LISTS;

use async_trait::async_trait;
use justping_core::model::{BusinessId, ConversationId, Message, Timestamp};
use justping_core::port::Loops;
use justping_core::port::store::{
    Accept, Accepted, CallClaim, CallFinish, ClaimOptions, EngineStore, OutsideMail, Post,
    QueueStats, SendClaim, SendQuota, SendRecord, StatusOutcome, StatusRecord, StoreResult,
    TurnClaim, TurnCommit, TurnCommitted, TurnRelease,
};

use super::PostgresStore;
use super::connection::{Scope, transaction};

#[async_trait]
impl EngineStore for PostgresStore {
    async fn accept(&self, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let accepted: StoreResult<Vec<Accepted>> =
            transaction!(self, Scope::System, |write| accept::run(write, batch.clone()));
        let accepted = accepted?;
        self.moved(accept::work(&accepted));
        Ok(accepted)
    }

    async fn claim_turns(
        &self,
        options: &ClaimOptions,
        after: Option<BusinessId>,
    ) -> StoreResult<Vec<TurnClaim>> {
        transaction!(self, Scope::System, |write| claim_turn::run(write, options, after))
    }

    async fn commit_turns(
        &self,
        batch: Vec<TurnCommit>,
    ) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes: StoreResult<Vec<_>> =
            transaction!(self, Scope::System, |write| commit_turn::run(write, batch.clone()));
        self.moved(commit_turn::work(&batch));
        outcomes
    }

    async fn release_turns(&self, batch: &[TurnRelease]) -> StoreResult<()> {
        if batch.is_empty() {
            return Ok(());
        }
        transaction!(self, Scope::System, |write| claim_turn::release(write, batch))
    }

    async fn post(&self, batch: Vec<Post>) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes: StoreResult<Vec<_>> =
            transaction!(self, Scope::System, |write| post::run(write, batch.clone()));
        self.moved(Loops::SENDS);
        outcomes
    }

    async fn claim_outbox(
        &self,
        options: &ClaimOptions,
        quota: &SendQuota,
        unknown_until: Timestamp,
    ) -> StoreResult<Vec<SendClaim>> {
        transaction!(self, Scope::System, |write| {
            claim_outbox::run(write, options, quota, unknown_until)
        })
    }

    async fn record_sends(&self, batch: Vec<SendRecord>) -> StoreResult<Vec<Message>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let messages: StoreResult<Vec<Message>> =
            transaction!(self, Scope::System, |write| record_send::run(write, batch.clone()));
        self.connections.changed();
        messages
    }

    async fn record_statuses(&self, batch: Vec<StatusRecord>) -> StoreResult<Vec<StatusOutcome>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes: StoreResult<Vec<StatusOutcome>> =
            transaction!(self, Scope::System, |write| record_status::run(write, batch.clone()));
        self.connections.changed();
        outcomes
    }

    async fn fire_due(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        let fired: StoreResult<u64> =
            transaction!(self, Scope::System, |write| timer::fire(write, now, limit));
        let fired = fired?;
        if fired > 0 {
            self.moved(Loops::TURNS);
        }
        Ok(fired)
    }

    async fn claim_calls(&self, options: &ClaimOptions) -> StoreResult<Vec<CallClaim>> {
        transaction!(self, Scope::System, |write| call::claim(write, options))
    }

    async fn finish_calls(&self, batch: Vec<CallFinish>) -> StoreResult<u64> {
        if batch.is_empty() {
            return Ok(0);
        }
        let finished: StoreResult<u64> =
            transaction!(self, Scope::System, |write| call::finish(write, &batch));
        self.moved(Loops::TURNS);
        finished
    }

    async fn put_outside(&self, batch: Vec<OutsideMail>) -> StoreResult<u64> {
        if batch.is_empty() {
            return Ok(0);
        }
        let put: StoreResult<u64> =
            transaction!(self, Scope::System, |write| call::put_outside(write, &batch));
        self.moved(Loops::TURNS);
        put
    }

    async fn queue_stats(&self, now: Timestamp) -> StoreResult<QueueStats> {
        let rows = self.connections.read(Scope::System, timer::queue_stats(now)).await?;
        timer::read_queue_stats(&rows)
    }

    async fn generations(
        &self,
        conversations: &[(BusinessId, ConversationId)],
    ) -> StoreResult<Vec<Option<u64>>> {
        let rows = self.connections.read(Scope::System, claim_outbox::generations(conversations));
        claim_outbox::read_generations(&rows.await?, conversations.len())
    }

    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        let rows = self.connections.read(Scope::System, timer::next_due(now)).await?;
        timer::read_next_due(&rows, now)
    }
}

/// Every statement of the engine by file.
#[cfg(test)]
mod statements {
    use super::*;

    pub(in crate::postgres) const LISTS: &[&[(&str, &str)]] = &[
        accept::STATEMENTS,
        call::STATEMENTS,
        change::STATEMENTS,
        claim_outbox::STATEMENTS,
        claim_turn::STATEMENTS,
        commit_turn::STATEMENTS,
        delivery::STATEMENTS,
        open::STATEMENTS,
        post::STATEMENTS,
        record_send::STATEMENTS,
        record_status::STATEMENTS,
        timer::STATEMENTS,
    ];
}
