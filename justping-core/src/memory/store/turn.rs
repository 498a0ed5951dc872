use std::borrow::Cow;

use super::session::Run;
use super::{Key, State};
use crate::model::{
    Agent, BusinessId, ConversationChange, Direction, FlowVersionId, Lane, Message, OutboxRow,
    Session, SessionId, SessionStatus, Timestamp, TraceStep,
};
use crate::policy::{self, Reach};
use crate::port::store::{
    ClaimOptions, Post, TURN_ENTRIES_MAX, TurnClaim, TurnCommit, TurnCommitted, TurnMessage,
    TurnRelease,
};
use crate::port::{StoreError, StoreResult};

impl State {
    /// Puts a conversation where its mail and its lease say it belongs.
    pub(super) fn queue_turn(&mut self, key: Key) -> StoreResult<()> {
        let thread = self.threads.get(key.0, key.1)?;
        match thread.mailbox.front() {
            Some(oldest) => self.turns.set(key, thread.lease.due(), key.0, oldest.seq),
            None => self.turns.remove(key),
        }
        Ok(())
    }

    pub(super) fn claim_turns(
        &mut self,
        options: &ClaimOptions,
        after: Option<BusinessId>,
    ) -> StoreResult<Vec<TurnClaim>> {
        self.turns.ripen(options.now);
        let keys = self.choose_turns(options.limit, after);
        keys.into_iter().map(|key| self.claim_turn(key, options.lease_until)).collect()
    }

    fn choose_turns(&self, limit: u32, after: Option<BusinessId>) -> Vec<Key> {
        let mut depth = policy::first_depth(limit, self.turns.ready().len());
        loop {
            let queues = self.turns.ready().map(|(business, keys)| {
                let reach = if keys.len() > depth as usize { Reach::Depth } else { Reach::End };
                let first = keys.iter().take(depth as usize).map(|(_, key)| *key);
                (business, first.collect(), reach)
            });
            if let Some(chosen) = policy::take_turns(limit, after, queues.collect(), depth) {
                return chosen;
            }
            depth = depth.saturating_mul(2);
        }
    }

    fn claim_turn(&mut self, key: Key, lease_until: Timestamp) -> StoreResult<TurnClaim> {
        let (business, id) = key;
        let thread = self.threads.get_mut(business, id)?;
        thread.lease.fence += 1;
        thread.lease.until = Some(lease_until);
        let fence = thread.lease.fence;
        self.queue_turn(key)?;
        let thread = self.threads.get(business, id)?;
        let conversation = thread.conversation.clone();
        let channel = self.channels.get(business, conversation.channel_id)?.config.clone();
        let agent = channel.agent_id.and_then(|id| self.agents.find(business, id)).cloned();
        let session = thread.waiting.and_then(|id| self.sessions.find(business, id));
        Ok(TurnClaim {
            contact: self.contacts.rows.get(business, conversation.contact_id)?.clone(),
            groups: self.groups.of(business, conversation.contact_id),
            channel,
            versions: agent.as_ref().map(|agent| self.published(agent)).unwrap_or_default(),
            agent,
            session: session.map(|run| run.session.clone()),
            entries: thread.mailbox.iter().take(TURN_ENTRIES_MAX).cloned().collect(),
            conversation,
            fence,
        })
    }

    /// The published versions of an agent's flows, in its order.
    fn published(&self, agent: &Agent) -> Vec<FlowVersionId> {
        let flows = agent.flows.iter().filter_map(|id| self.flows.find(agent.business_id, *id));
        flows.filter_map(|row| row.flow.published).collect()
    }

    pub(super) fn release_turn(&mut self, release: &TurnRelease) {
        let (business, id) = (release.business_id, release.conversation_id);
        let Some(thread) = self.threads.find_mut(business, id) else { return };
        if thread.lease.held(release.fence) {
            thread.lease.until = None;
            thread.lease.not_before = release.not_before;
            // The conversation was found a line above, so this cannot fail.
            let _ = self.queue_turn((business, id));
        }
    }

    pub(super) fn commit_turn(&mut self, commit: TurnCommit) -> StoreResult<TurnCommitted> {
        self.check_commit(&commit)?;
        let (business, id, now) = (commit.business_id, commit.conversation_id, commit.now);
        let key = (business, id);
        self.put_sessions(key, commit.sessions)?;
        self.put_trace(business, commit.trace)?;
        if commit.clear_timers {
            self.clear_timers(key)?;
        }
        for timer in commit.timers {
            self.set_timer(timer)?;
        }
        if commit.cancel_calls {
            self.cancel_calls(key)?;
        }
        for call in commit.calls {
            self.make_call(call)?;
        }
        let changed = self.apply_changes(key, &commit.changes, now)?;
        let contact = self.threads.get(business, id)?.conversation.contact_id;
        let contact = (business, contact);
        self.contacts.apply(contact, &commit.contact, now)?;
        let groups = self.groups.possible(contact, &commit.contact);
        self.groups.change(contact, &groups, now);
        let messages = commit.messages.into_iter();
        let messages =
            messages.map(|message| self.write(key, message, now)).collect::<Result<_, _>>()?;
        for event in commit.events {
            self.record_event(event);
        }
        if changed {
            self.record_update(key, now)?;
        }
        self.end_turn(key, &commit.consumed)?;
        let conversation = &mut self.threads.get_mut(business, id)?.conversation;
        Ok(TurnCommitted { conversation: conversation.clone(), messages })
    }

    /// Everything that can be wrong with a commit, before anything of it happens.
    fn check_commit(&self, commit: &TurnCommit) -> StoreResult<()> {
        let (business, id) = (commit.business_id, commit.conversation_id);
        let key = (business, id);
        let thread = self.threads.get(business, id)?;
        if !thread.lease.held(commit.fence) {
            return Err(StoreError::Stale("turn"));
        }
        if thread.conversation.revision != commit.revision {
            return Err(StoreError::Stale("conversation"));
        }
        let known = |session: &Session| {
            self.sessions.find(business, session.id).is_none()
                || thread.sessions.contains(&session.id)
        };
        let own = |session: &Session| (session.business_id, session.conversation_id) == key;
        if !commit.sessions.iter().all(|session| own(session) && known(session)) {
            return Err(StoreError::Invalid("session"));
        }
        let traced = |id: &SessionId| {
            thread.sessions.contains(id) || commit.sessions.iter().any(|session| session.id == *id)
        };
        if !commit.trace.iter().all(|(session, _)| traced(session)) {
            return Err(StoreError::Invalid("trace"));
        }
        if !commit.timers.iter().all(|timer| self.timers.accepts(timer, key)) {
            return Err(StoreError::Invalid("timer"));
        }
        if !commit.calls.iter().all(|call| self.calls.accepts(call, key)) {
            return Err(StoreError::Invalid("call"));
        }
        if !commit.events.iter().all(|event| event.business_id == business) {
            return Err(StoreError::Invalid("event"));
        }
        check_directions(commit.messages.iter().map(|message| message.direction))
    }

    fn put_sessions(&mut self, (business, id): Key, sessions: Vec<Session>) -> StoreResult<()> {
        let thread = self.threads.get_mut(business, id)?;
        for session in sessions {
            thread.sessions.insert(session.id);
            if session.status == SessionStatus::Waiting {
                thread.waiting = Some(session.id);
            } else if thread.waiting == Some(session.id) {
                thread.waiting = None;
            }
            match self.sessions.find_mut(business, session.id) {
                Some(run) => run.session = session,
                None => {
                    let run = Run { session: session.clone(), trace: Default::default() };
                    self.sessions.put(business, session.id, run);
                }
            }
        }
        Ok(())
    }

    fn put_trace(
        &mut self,
        business: BusinessId,
        trace: Vec<(SessionId, TraceStep)>,
    ) -> StoreResult<()> {
        for (session, step) in trace {
            self.sessions.get_mut(business, session)?.trace.insert(step.number, step);
        }
        Ok(())
    }

    /// Applies a turn's changes, which are one revision whatever their number; says whether any
    /// changed something. Mail that came during a turn that closes stays: nobody has read it yet.
    fn apply_changes(
        &mut self,
        key: Key,
        changes: &[ConversationChange],
        now: Timestamp,
    ) -> StoreResult<bool> {
        let conversation = &mut self.threads.get_mut(key.0, key.1)?.conversation;
        let (revision, before) = (conversation.revision + 1, conversation.status);
        let mut changed = false;
        for change in changes {
            changed |= conversation.apply(change, now);
        }
        conversation.revision = revision;
        conversation.updated_at = now;
        self.counters.follow(Some(before), conversation, now);
        if changes.contains(&ConversationChange::Close) {
            self.end_session(key, now)?;
        }
        Ok(changed)
    }

    fn write(&mut self, key: Key, message: TurnMessage, now: Timestamp) -> StoreResult<Message> {
        let TurnMessage { id, direction, author, content, due_at } = message;
        let message = self.append(key, |conversation| {
            Message::written(id, conversation, direction, author, content, now)
        })?;
        let conversation = &self.threads.get(key.0, key.1)?.conversation;
        if let Some(row) = OutboxRow::of(&message, conversation, Lane::Interactive, due_at) {
            self.queue_send(row)?;
        }
        Ok(message)
    }

    /// Takes the consumed entries out of the mailbox and ends the lease.
    fn end_turn(&mut self, key: Key, consumed: &[i64]) -> StoreResult<()> {
        let thread = self.threads.get_mut(key.0, key.1)?;
        thread.mailbox.retain(|entry| !consumed.contains(&entry.seq));
        thread.lease.until = None;
        self.queue_turn(key)
    }

    pub(super) fn post(&mut self, post: Post) -> StoreResult<TurnCommitted> {
        let (business, id, now) = (post.business_id, post.conversation_id, post.now);
        let key = (business, id);
        let conversation = &mut self.threads.get_mut(business, id)?.conversation;
        check_directions([post.direction])?;
        let channel = conversation.channel_id;
        let reference = post.reference().map(Cow::into_owned);
        if let Some(reference) = &reference
            && self.references.received(channel, reference).is_some()
        {
            return Err(StoreError::Conflict("message"));
        }
        let before = conversation.status;
        let changed = post
            .owner
            .is_some_and(|owner| conversation.apply(&ConversationChange::Assign { owner }, now));
        self.counters.follow(Some(before), conversation, now);
        let message = self.append(key, |conversation| Message {
            reply_to: post.reply_to,
            provider_ref: post.provider_ref,
            ..Message::written(
                post.message_id,
                conversation,
                post.direction,
                post.author,
                post.content,
                now,
            )
        })?;
        if let Some(reference) = reference {
            self.references.receive(channel, reference, (id, message.seq));
        }
        let conversation = self.threads.get(business, id)?.conversation.clone();
        if let Some(row) = OutboxRow::of(&message, &conversation, post.lane, now) {
            self.queue_send(row)?;
        }
        if changed {
            self.record_update(key, now)?;
        }
        Ok(TurnCommitted { conversation, messages: vec![message] })
    }
}

/// Only contacts write inbound messages, and those are accepted, not written.
fn check_directions(directions: impl IntoIterator<Item = Direction>) -> StoreResult<()> {
    if directions.into_iter().any(|direction| direction == Direction::Inbound) {
        return Err(StoreError::Invalid("direction"));
    }
    Ok(())
}
