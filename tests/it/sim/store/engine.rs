use async_trait::async_trait;
use justping::model::{BusinessId, ConversationId, Message, Timestamp};
use justping::port::StoreResult;
use justping::port::store::{
    Accept, Accepted, CallClaim, CallFinish, ClaimOptions, EngineStore, OutsideMail, Post,
    QueueStats, SendClaim, SendQuota, SendRecord, StatusOutcome, StatusRecord, TurnClaim,
    TurnCommit, TurnCommitted, TurnRelease,
};

use super::SimStore;

#[async_trait]
impl EngineStore for SimStore {
    async fn accept(&self, batch: Vec<Accept>) -> StoreResult<Vec<Accepted>> {
        let world = &self.world;
        let work = async {
            let rows = world.mutant.accept(batch.clone());
            let answers = world.store.accept(rows).await?;
            world.mutant.accepted(&world.store, &batch, &answers).await?;
            world.watch(|oracle| oracle.accepted(&batch, &answers));
            Ok(answers)
        };
        self.pass("accept", work).await
    }

    async fn claim_turns(
        &self,
        options: &ClaimOptions,
        after: Option<BusinessId>,
    ) -> StoreResult<Vec<TurnClaim>> {
        let work = async {
            let claims = self.world.store.claim_turns(options, after).await?;
            self.world.watch(|oracle| oracle.turns_claimed(&claims));
            Ok(claims)
        };
        self.pass("claim_turns", work).await
    }

    async fn commit_turns(
        &self,
        batch: Vec<TurnCommit>,
    ) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        let world = &self.world;
        let work = async {
            let results = world.mutant.commit_turns(&world.store, batch.clone()).await?;
            world.watch(|oracle| oracle.turns_committed(&batch, &results));
            Ok(results)
        };
        self.pass("commit_turns", work).await
    }

    async fn release_turns(&self, batch: &[TurnRelease]) -> StoreResult<()> {
        self.pass("release_turns", self.world.store.release_turns(batch)).await
    }

    async fn post(&self, batch: Vec<Post>) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
        let work = async {
            let results = self.world.store.post(batch).await?;
            self.world.watch(|oracle| oracle.posted(&results));
            Ok(results)
        };
        self.pass("post", work).await
    }

    async fn claim_outbox(
        &self,
        options: &ClaimOptions,
        quota: &SendQuota,
        unknown_until: Timestamp,
    ) -> StoreResult<Vec<SendClaim>> {
        let world = &self.world;
        let work = async {
            let claims = world.store.claim_outbox(options, quota, unknown_until).await?;
            let claims = world.mutant.claim_outbox(claims);
            if let Some(life) = &self.life {
                world.watch(|oracle| oracle.sends_claimed(life.number, &claims));
            }
            Ok(claims)
        };
        self.pass("claim_outbox", work).await
    }

    async fn record_sends(&self, batch: Vec<SendRecord>) -> StoreResult<Vec<Message>> {
        let world = &self.world;
        let work = async {
            let rows = world.mutant.record_sends(batch.clone());
            let messages = world.store.record_sends(rows).await?;
            for record in &batch {
                world.log(format_args!("  {} {:?}", record.seq, record.outcome));
                world.examine(record.business_id, record.conversation_id).await?;
            }
            Ok(messages)
        };
        self.pass("record_sends", work).await
    }

    async fn record_statuses(&self, batch: Vec<StatusRecord>) -> StoreResult<Vec<StatusOutcome>> {
        let world = &self.world;
        let work = async {
            let outcomes = world.store.record_statuses(batch.clone()).await?;
            world.mutant.record_statuses(&batch, &outcomes);
            for (record, outcome) in batch.iter().zip(&outcomes) {
                world.log(format_args!("  {:?} {outcome:?}", record.update.status));
                if let StatusOutcome::Applied { conversation_id, .. } = outcome {
                    world.examine(record.business_id, *conversation_id).await?;
                }
            }
            Ok(outcomes)
        };
        self.pass("record_statuses", work).await
    }

    async fn fire_due(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        self.pass("fire_due", self.world.store.fire_due(now, limit)).await
    }

    async fn claim_calls(&self, options: &ClaimOptions) -> StoreResult<Vec<CallClaim>> {
        self.pass("claim_calls", self.world.store.claim_calls(options)).await
    }

    async fn finish_calls(&self, batch: Vec<CallFinish>) -> StoreResult<u64> {
        self.pass("finish_calls", self.world.store.finish_calls(batch)).await
    }

    async fn put_outside(&self, batch: Vec<OutsideMail>) -> StoreResult<u64> {
        self.pass("put_outside", self.world.store.put_outside(batch)).await
    }

    async fn queue_stats(&self, now: Timestamp) -> StoreResult<QueueStats> {
        self.pass("queue_stats", self.world.store.queue_stats(now)).await
    }

    async fn generations(
        &self,
        conversations: &[(BusinessId, ConversationId)],
    ) -> StoreResult<Vec<Option<u64>>> {
        let work = async {
            let found = self.world.store.generations(conversations).await?;
            if let Some(life) = &self.life {
                self.world.watch(|oracle| {
                    for ((_, id), generation) in conversations.iter().zip(&found) {
                        oracle.looked(life.number, *id, *generation);
                    }
                });
            }
            Ok(found)
        };
        self.pass("generations", work).await
    }

    async fn next_due(&self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        self.pass("next_due", self.world.store.next_due(now)).await
    }
}
