use std::collections::HashMap;

use super::decide::{Env, decide};
use super::program::Compiled;
use super::{EngineError, JustPing};
use crate::model::{Event, EventBody, FlowVersionId};
use crate::port::StoreError;
use crate::port::store::{ClaimOptions, TurnClaim, TurnCommit, TurnCommitted, TurnRelease};

impl JustPing {
    /// Leases conversations with mail, decides and commits. Returns how many turns went through.
    pub(super) async fn turn_batch(&self) -> Result<usize, EngineError> {
        let inner = &self.inner;
        let options = self.claim(inner.config.turn_lease, inner.config.turns_per_claim);
        let claims = inner.store.claim_turns(&options).await?;
        let mut commits = Vec::with_capacity(claims.len());
        let mut releases = Vec::new();
        for claim in &claims {
            match self.decide(claim).await {
                Ok(commit) => commits.push(commit),
                Err(error) => {
                    tracing::warn!(conversation = %claim.conversation.id, %error, "a turn waits");
                    releases.push(self.release(claim));
                }
            }
        }
        inner.store.release_turns(&releases).await?;
        if commits.is_empty() {
            return Ok(0);
        }
        let results = inner.store.commit_turns(commits.clone()).await?;
        Ok(self.after_commit(commits, results).await)
    }

    pub(super) fn claim(&self, lease: std::time::Duration, limit: u32) -> ClaimOptions {
        let (now, lease_until) = (self.inner.clock.now(), self.later(lease));
        ClaimOptions { worker: self.inner.worker, now, lease_until, limit }
    }

    fn release(&self, claim: &TurnClaim) -> TurnRelease {
        TurnRelease {
            business_id: claim.conversation.business_id,
            conversation_id: claim.conversation.id,
            fence: claim.fence,
            not_before: self.later(self.inner.config.poll),
        }
    }

    async fn decide(&self, claim: &TurnClaim) -> Result<TurnCommit, EngineError> {
        let inner = &self.inner;
        let open = inner.registry.open(claim.channel.clone()).await?;
        let programs = self.programs(claim).await?;
        let env = Env {
            now: inner.clock.now(),
            ids: &inner.ids,
            capabilities: open.adapter.capabilities(),
            programs: &programs,
        };
        Ok(decide(claim, &env))
    }

    async fn programs(
        &self,
        claim: &TurnClaim,
    ) -> Result<HashMap<FlowVersionId, Compiled>, StoreError> {
        let pinned = claim.session.as_ref().map(|session| session.flow_version_id);
        let mut programs = HashMap::new();
        for version in claim.versions.iter().copied().chain(pinned) {
            let compiled = self.inner.programs.get(claim.conversation.business_id, version).await?;
            programs.insert(version, compiled);
        }
        Ok(programs)
    }

    /// Wakes whoever has work now and tells the listeners what happened.
    async fn after_commit(
        &self,
        commits: Vec<TurnCommit>,
        results: Vec<Result<TurnCommitted, StoreError>>,
    ) -> usize {
        let mut events = Vec::new();
        let mut done = 0;
        for (commit, result) in commits.into_iter().zip(results) {
            let committed = match result {
                Ok(committed) => committed,
                // Somebody changed the conversation meanwhile: its mail is still there.
                Err(error) => {
                    tracing::debug!(conversation = %commit.conversation_id, %error, "a turn is void");
                    self.inner.wake.turns.notify_one();
                    continue;
                }
            };
            done += 1;
            if !commit.calls.is_empty() {
                self.inner.wake.calls.notify_one();
            }
            if !commit.timers.is_empty() {
                self.inner.wake.schedule.notify_one();
            }
            events.extend(message_events(&committed));
            if !commit.changes.is_empty() {
                events.push(changed(&committed));
            }
            events.extend(commit.events);
        }
        if !events.is_empty() {
            self.inner.wake.sends.notify_one();
            self.inner.bus.publish(events).await;
        }
        done
    }
}

/// The news that messages were recorded.
pub(super) fn message_events(committed: &TurnCommitted) -> impl Iterator<Item = Event> {
    committed.messages.iter().map(|message| Event {
        business_id: message.business_id,
        conversation_id: Some(message.conversation_id),
        at: message.created_at,
        body: EventBody::MessageNew { message: message.clone() },
    })
}

/// The news that a conversation changed.
pub(super) fn changed(committed: &TurnCommitted) -> Event {
    let conversation = committed.conversation.clone();
    Event {
        business_id: conversation.business_id,
        conversation_id: Some(conversation.id),
        at: conversation.updated_at,
        body: EventBody::ConversationUpdated { conversation },
    }
}
