use async_trait::async_trait;

use super::MemoryStore;
use crate::model::{BusinessId, ConversationId, Message, Timestamp};
use crate::port::StoreResult;
use crate::port::store::{
    Accept, Accepted, CallClaim, CallFinish, ClaimOptions, EngineStore, OutsideMail, Post,
    QueueStats, SendClaim, SendQuota, SendRecord, StatusOutcome, StatusRecord, TurnClaim,
    TurnCommit, TurnCommitted, TurnRelease,
};

#[async_trait]
impl EngineStore for MemoryStore {
    async fn accept(&self, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
        self.state().accept(batch)
    }

    async fn claim_turns(
        &self,
        options: &ClaimOptions,
        after: Option<BusinessId>,
    ) -> StoreResult<Vec<TurnClaim>> {
        self.state().claim_turns(options, after)
    }

    async fn commit_turns(
        &self,
        batch: Vec<TurnCommit>,
    ) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        let mut state = self.state();
        Ok(batch.into_iter().map(|commit| state.commit_turn(commit)).collect())
    }

    async fn release_turns(&self, batch: &[TurnRelease]) -> StoreResult<()> {
        let mut state = self.state();
        batch.iter().for_each(|release| state.release_turn(release));
        Ok(())
    }

    async fn post(&self, batch: Vec<Post>) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        let mut state = self.state();
        Ok(batch.into_iter().map(|post| state.post(post)).collect())
    }

    async fn claim_outbox(
        &self,
        options: &ClaimOptions,
        quota: &SendQuota,
        unknown_until: Timestamp,
    ) -> StoreResult<Vec<SendClaim>> {
        self.state().claim_outbox(options, quota, unknown_until)
    }

    async fn record_sends(&self, batch: Vec<SendRecord>) -> StoreResult<Vec<Message>> {
        let mut state = self.state();
        let messages = batch.into_iter().map(|record| state.record_send(record));
        messages.filter_map(Result::transpose).collect()
    }

    async fn record_statuses(&self, batch: Vec<StatusRecord>) -> StoreResult<Vec<StatusOutcome>> {
        self.state().record_statuses(batch)
    }

    async fn fire_due(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        self.state().fire_due(now, limit)
    }

    async fn claim_calls(&self, options: &ClaimOptions) -> StoreResult<Vec<CallClaim>> {
        Ok(self.state().claim_calls(options))
    }

    async fn finish_calls(&self, batch: Vec<CallFinish>) -> StoreResult<u64> {
        let mut state = self.state();
        let mut finished = 0;
        for finish in batch {
            finished += u64::from(state.finish_call(finish)?);
        }
        Ok(finished)
    }

    async fn put_outside(&self, batch: Vec<OutsideMail>) -> StoreResult<u64> {
        let mut state = self.state();
        let mut put = 0;
        for mail in batch {
            put += u64::from(state.put_outside(mail)?);
        }
        Ok(put)
    }

    async fn queue_stats(&self, now: Timestamp) -> StoreResult<QueueStats> {
        Ok(self.state().queue_stats(now))
    }

    async fn generations(
        &self,
        conversations: &[(BusinessId, ConversationId)],
    ) -> StoreResult<Vec<Option<u64>>> {
        let state = self.state();
        let generation = |&(business, id): &(_, _)| {
            state.threads.get(business, id).ok().map(|thread| thread.conversation.generation)
        };
        Ok(conversations.iter().map(generation).collect())
    }

    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        Ok(self.state().next_due().map(|due| due.max(now)))
    }
}
