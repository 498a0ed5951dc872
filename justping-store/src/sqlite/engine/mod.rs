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

use async_trait::async_trait;
use justping_core::model::{BusinessId, ConversationId, Message, Timestamp};
use justping_core::port::store::{
    Accept, Accepted, CallClaim, CallFinish, ClaimOptions, EngineStore, OutsideMail, Post,
    QueueStats, SendClaim, SendQuota, SendRecord, StatusOutcome, StatusRecord, StoreResult,
    TurnClaim, TurnCommit, TurnCommitted, TurnRelease,
};

use super::SqliteStore;

/// Every statement of the engine by file.
#[cfg(test)]
pub(super) const LISTS: &[&[(&str, &str)]] = &[
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

#[cfg(test)]
pub(super) use accept::SIZED;

#[async_trait]
impl EngineStore for SqliteStore {
    async fn accept(&self, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.connections.write().await?;
        let result = accept::run(&mut write, batch).await;
        write.settle(result).await
    }

    async fn claim_turns(
        &self,
        options: &ClaimOptions,
        after: Option<BusinessId>,
    ) -> StoreResult<Vec<TurnClaim>> {
        let mut write = self.connections.write().await?;
        let result = claim_turn::run(&mut write, options, after).await;
        write.settle(result).await
    }

    async fn commit_turns(
        &self,
        batch: Vec<TurnCommit>,
    ) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.connections.write().await?;
        let result = commit_turn::run(&mut write, batch).await;
        write.settle(result).await
    }

    async fn release_turns(&self, batch: &[TurnRelease]) -> StoreResult<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.connections.change(claim_turn::release(batch)?).await.map(drop)
    }

    async fn post(&self, batch: Vec<Post>) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.connections.write().await?;
        let result = post::run(&mut write, batch).await;
        write.settle(result).await
    }

    async fn claim_outbox(
        &self,
        options: &ClaimOptions,
        quota: &SendQuota,
        unknown_until: Timestamp,
    ) -> StoreResult<Vec<SendClaim>> {
        let mut write = self.connections.write().await?;
        let result = claim_outbox::run(&mut write, options, quota, unknown_until).await;
        write.settle(result).await
    }

    async fn record_sends(&self, batch: Vec<SendRecord>) -> StoreResult<Vec<Message>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.connections.write().await?;
        let result = record_send::run(&mut write, batch).await;
        write.settle(result).await
    }

    async fn record_statuses(&self, batch: Vec<StatusRecord>) -> StoreResult<Vec<StatusOutcome>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut write = self.connections.write().await?;
        let result = record_status::run(&mut write, batch).await;
        write.settle(result).await
    }

    async fn fire_due(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        let mut write = self.connections.write().await?;
        let result = write.whole(timer::fire(now, limit)).await;
        Ok(write.settle(result).await?.len() as u64)
    }

    async fn claim_calls(&self, options: &ClaimOptions) -> StoreResult<Vec<CallClaim>> {
        let mut write = self.connections.write().await?;
        let result = call::claim(&mut write, options).await;
        write.settle(result).await
    }

    async fn finish_calls(&self, batch: Vec<CallFinish>) -> StoreResult<u64> {
        if batch.is_empty() {
            return Ok(0);
        }
        let mut write = self.connections.write().await?;
        let result = call::finish(&mut write, batch).await;
        write.settle(result).await
    }

    async fn put_outside(&self, batch: Vec<OutsideMail>) -> StoreResult<u64> {
        if batch.is_empty() {
            return Ok(0);
        }
        let mail = call::put_outside(batch)?;
        let mut write = self.connections.write().await?;
        let result = write.whole(mail).await;
        Ok(write.settle(result).await?.len() as u64)
    }

    async fn queue_stats(&self, now: Timestamp) -> StoreResult<QueueStats> {
        let rows = self.connections.read(timer::queue_stats(now)).await?;
        timer::read_queue_stats(&rows)
    }

    async fn generations(
        &self,
        conversations: &[(BusinessId, ConversationId)],
    ) -> StoreResult<Vec<Option<u64>>> {
        let rows = self.connections.read(claim_outbox::generations(conversations)?).await?;
        claim_outbox::read_generations(&rows, conversations.len())
    }

    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        let rows = self.connections.read(timer::next_due(now)).await?;
        timer::read_next_due(&rows, now)
    }
}
