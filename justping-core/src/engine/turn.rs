use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use super::decide::{Env, decide, give_up};
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
        let claims = inner.store.claim_turns(&options, inner.places.turns_after()).await?;
        inner.places.turn_of(claims.last().map(|claim| claim.conversation.business_id));
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
        if !releases.is_empty() {
            inner.store.release_turns(&releases).await?;
        }
        if commits.is_empty() {
            return Ok(0);
        }
        let results = self.commit(&commits).await;
        if results.is_err() {
            // The mail is still there; so that it need not wait for the leases to run out.
            let all: Vec<TurnRelease> = claims.iter().map(|claim| self.release(claim)).collect();
            inner.store.release_turns(&all).await?;
        }
        Ok(self.after_commit(commits, results?).await)
    }

    /// Commits together; a batch that the store refuses as a whole goes one by one, so that one
    /// turn does not hold up the others.
    async fn commit(
        &self,
        commits: &[TurnCommit],
    ) -> Result<Vec<Result<TurnCommitted, StoreError>>, EngineError> {
        let store = &self.inner.store;
        match store.commit_turns(commits.to_vec()).await {
            Ok(results) => Ok(results),
            Err(error @ StoreError::Unavailable(_)) => Err(error.into()),
            Err(_) => {
                let mut results = Vec::with_capacity(commits.len());
                for commit in commits {
                    let one = store.commit_turns(vec![commit.clone()]).await;
                    results.push(one.and_then(|mut one| {
                        let none = || StoreError::Corrupt("a turn without a result".to_owned());
                        one.pop().unwrap_or_else(|| Err(none()))
                    }));
                }
                Ok(results)
            }
        }
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

    /// Decides a turn. What will never work is given up; what may work later is an error.
    async fn decide(&self, claim: &TurnClaim) -> Result<TurnCommit, EngineError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let open = match inner.registry.open(claim.channel.clone()).await {
            Ok(open) => open,
            Err(error @ EngineError::Store(StoreError::Unavailable(_))) => return Err(error),
            Err(error) => return Ok(give_up(claim, now, &error.to_string())),
        };
        let publication = self.publication(claim).await?;
        let newest = publication.as_ref().map(|newest| newest.version_id);
        let programs = self.programs(claim, newest).await?;
        let capabilities = open.adapter.capabilities();
        let env = Env {
            now,
            ids: &inner.ids,
            capabilities,
            programs: &programs,
            publication: publication.as_ref(),
            links: inner.links.as_ref(),
        };
        // A node is somebody else's code: its panic costs its own session only.
        let decided = std::panic::catch_unwind(AssertUnwindSafe(|| decide(claim, &env)));
        Ok(decided.unwrap_or_else(|_| {
            tracing::error!(conversation = %claim.conversation.id, "a node panicked");
            give_up(claim, now, "a node panicked")
        }))
    }

    pub(super) async fn programs(
        &self,
        claim: &TurnClaim,
        newest: Option<FlowVersionId>,
    ) -> Result<HashMap<FlowVersionId, Compiled>, StoreError> {
        let pinned = claim.session.as_ref().map(|session| session.flow_version_id);
        let mut programs = HashMap::new();
        for version in claim.versions.iter().copied().chain(pinned).chain(newest) {
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
            self.show_typing(&commit);
            if commit.cancel_calls || !commit.changes.is_empty() {
                self.inner.running.stop(commit.conversation_id, &commit.calls);
            }
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
