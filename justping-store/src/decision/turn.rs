//! Which turns go through, and what they write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use justping_core::model::{
    BusinessId, Call, CallId, Contact, ContactId, Conversation, ConversationChange, ConversationId,
    Direction, GroupId, Lane, Message, OutboxRow, Rollup, Session, SessionId, SessionStatus, Timer,
    TimerId, Timestamp, TraceStep,
};
use justping_core::port::store::{StoreError, StoreResult, TurnCommit, TurnCommitted, TurnMessage};

use super::{Events, Groups};

/// Names a conversation.
pub(crate) type Key = (BusinessId, ConversationId);

/// A conversation of the batch, as it stands and as it will be written.
pub(crate) struct Turn {
    fence: u64,
    leased: bool,
    pub(crate) conversation: Conversation,
    pub(crate) waiting: Option<Session>,
    /// Whether its commit went through, so that it is to be written.
    done: bool,
    pub(crate) clear_timers: bool,
    pub(crate) timers: BTreeMap<TimerId, Timer>,
    pub(crate) cancel_calls: bool,
    pub(crate) calls: BTreeMap<CallId, Call>,
}

/// What is stored about a batch of turns, and then what is to be written.
#[derive(Default)]
pub(crate) struct Ledger {
    turns: HashMap<Key, Turn>,
    contacts: HashMap<(BusinessId, ContactId), (Contact, bool)>,
    /// Needed only where a turn moves its contact between groups.
    pub(crate) groups: Groups,
    pub(crate) sessions: BTreeMap<(BusinessId, SessionId), Session>,
    session_owners: HashMap<(BusinessId, SessionId), ConversationId>,
    timer_owners: HashMap<TimerId, Key>,
    call_owners: HashMap<CallId, Key>,
    pub(crate) trace: Vec<(Key, SessionId, TraceStep)>,
    pub(crate) consumed: Vec<(Key, i64)>,
    pub(crate) messages: Vec<Message>,
    pub(crate) outbox: Vec<OutboxRow>,
    pub(crate) events: Events,
    pub(crate) counters: Rollup,
}

impl Ledger {
    /// A conversation as it stands, with its lease, its waiting session and, where the turn changes
    /// it, its contact.
    pub(crate) fn add_turn(
        &mut self,
        (fence, leased): (u64, bool),
        conversation: Conversation,
        waiting: Option<Session>,
    ) {
        let turn = Turn {
            fence,
            leased,
            conversation,
            waiting,
            done: false,
            clear_timers: false,
            timers: BTreeMap::new(),
            cancel_calls: false,
            calls: BTreeMap::new(),
        };
        self.turns.insert(turn.key(), turn);
    }

    /// A contact as it stands; needed only where a turn changes it.
    pub(crate) fn add_contact(&mut self, contact: Contact) {
        self.contacts.insert((contact.business_id, contact.id), (contact, false));
    }

    /// Whose a session is.
    pub(crate) fn add_session(&mut self, id: (BusinessId, SessionId), owner: ConversationId) {
        self.session_owners.insert(id, owner);
    }

    /// Whose a timer is.
    pub(crate) fn add_timer(&mut self, id: TimerId, owner: Key) {
        self.timer_owners.insert(id, owner);
    }

    /// Whose a call is.
    pub(crate) fn add_call(&mut self, id: CallId, owner: Key) {
        self.call_owners.insert(id, owner);
    }

    /// The contact of a conversation of the batch.
    pub(crate) fn contact_of(&self, key: Key) -> Option<(BusinessId, ContactId)> {
        self.turns.get(&key).map(|turn| (key.0, turn.conversation.contact_id))
    }

    /// Decides a commit: all of it or an error and nothing.
    pub(crate) fn commit(&mut self, commit: TurnCommit) -> StoreResult<TurnCommitted> {
        let key = (commit.business_id, commit.conversation_id);
        self.check(&commit, key)?;
        let turn = self.turns.get_mut(&key).ok_or(StoreError::NotFound("conversation"))?;
        turn.done = true;
        turn.leased = false;
        for session in commit.sessions {
            turn.put_session(&session);
            self.session_owners.insert((key.0, session.id), key.1);
            self.sessions.insert((key.0, session.id), session);
        }
        self.trace.extend(commit.trace.into_iter().map(|(session, step)| (key, session, step)));
        turn.clear_timers = commit.clear_timers;
        turn.timers.extend(commit.timers.into_iter().map(|timer| (timer.id, timer)));
        turn.cancel_calls = commit.cancel_calls;
        turn.calls.extend(commit.calls.into_iter().map(|call| (call.id, call)));
        let before = turn.conversation.status;
        let changed = turn.change(&commit.changes, commit.now);
        self.counters.follow(Some(before), &turn.conversation, commit.now);
        if commit.changes.contains(&ConversationChange::Close)
            && let Some(session) = turn.close(commit.now)
        {
            self.sessions.insert((key.0, session.id), session);
        }
        if turn.clear_timers {
            self.timer_owners.retain(|_, owner| *owner != key);
        }
        if turn.cancel_calls {
            self.call_owners.retain(|_, owner| *owner != key);
        }
        self.timer_owners.extend(turn.timers.keys().map(|id| (*id, key)));
        self.call_owners.extend(turn.calls.keys().map(|id| (*id, key)));
        let contact = (key.0, turn.conversation.contact_id);
        if let Some((contact, changed)) =
            self.contacts.get_mut(&contact).filter(|_| commit.contact.changes_contact())
        {
            *changed |= contact.apply(&commit.contact, commit.now);
        }
        if commit.contact.moves_groups() {
            self.groups.possible(contact, &commit.contact, commit.now);
        }
        self.consumed.extend(commit.consumed.into_iter().map(|seq| (key, seq)));
        let mut messages = Vec::with_capacity(commit.messages.len());
        for message in commit.messages {
            let message = write_message(&mut turn.conversation, message, commit.now);
            self.outbox.extend(message.1);
            messages.push(message.0);
        }
        self.messages.extend_from_slice(&messages);
        commit.events.into_iter().for_each(|event| self.events.push(event));
        if changed {
            self.events.updated(&turn.conversation, commit.now);
        }
        Ok(TurnCommitted { conversation: turn.conversation.clone(), messages })
    }

    /// Everything that can be wrong with a commit, before anything of it happens.
    fn check(&self, commit: &TurnCommit, key: Key) -> StoreResult<()> {
        let turn = self.turns.get(&key).ok_or(StoreError::NotFound("conversation"))?;
        if !turn.leased || turn.fence != commit.fence {
            return Err(StoreError::Stale("turn"));
        }
        if turn.conversation.revision != commit.revision {
            return Err(StoreError::Stale("conversation"));
        }
        let owner = |id: SessionId| self.session_owners.get(&(key.0, id)).copied();
        let fits = |session: &Session| {
            (session.business_id, session.conversation_id) == key
                && owner(session.id).is_none_or(|owner| owner == key.1)
        };
        if !commit.sessions.iter().all(fits) {
            return Err(StoreError::Invalid("session"));
        }
        let traced = |id: SessionId| {
            owner(id) == Some(key.1) || commit.sessions.iter().any(|session| session.id == id)
        };
        if !commit.trace.iter().all(|(session, _)| traced(*session)) {
            return Err(StoreError::Invalid("trace"));
        }
        let fits = |timer: &Timer| {
            (timer.business_id, timer.conversation_id) == key
                && self.timer_owners.get(&timer.id).is_none_or(|owner| *owner == key)
        };
        if !commit.timers.iter().all(fits) {
            return Err(StoreError::Invalid("timer"));
        }
        let fits = |call: &Call| {
            (call.business_id, call.conversation_id) == key
                && !self.call_owners.contains_key(&call.id)
        };
        if !commit.calls.iter().all(fits) {
            return Err(StoreError::Invalid("call"));
        }
        if !commit.events.iter().all(|event| event.business_id == key.0) {
            return Err(StoreError::Invalid("event"));
        }
        check_directions(commit.messages.iter().map(|message| message.direction))
    }

    /// The turns that went through.
    pub(crate) fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.turns.values().filter(|turn| turn.done)
    }

    /// Contacts to be written.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values().filter(|(_, changed)| *changed).map(|(contact, _)| contact)
    }
}

impl Turn {
    pub(crate) fn key(&self) -> Key {
        (self.conversation.business_id, self.conversation.id)
    }

    /// Makes the session the waiting one, or no longer so.
    fn put_session(&mut self, session: &Session) {
        if session.status == SessionStatus::Waiting {
            self.waiting = Some(session.clone());
        } else if self.waiting.as_ref().is_some_and(|waiting| waiting.id == session.id) {
            self.waiting = None;
        }
    }

    /// Applies a turn's changes, which are one revision whatever their number; says whether any
    /// changed something.
    fn change(&mut self, changes: &[ConversationChange], now: Timestamp) -> bool {
        let revision = self.conversation.revision + 1;
        let mut changed = false;
        for change in changes {
            changed |= self.conversation.apply(change, now);
        }
        self.conversation.revision = revision;
        self.conversation.updated_at = now;
        changed
    }

    /// Cancels the waiting session with its timers and calls. Mail that came during the turn stays:
    /// nobody has read it yet.
    fn close(&mut self, now: Timestamp) -> Option<Session> {
        self.clear_timers = true;
        self.timers.clear();
        self.cancel_calls = true;
        self.calls.clear();
        let session = self.waiting.take()?;
        Some(Session { status: SessionStatus::Cancelled, updated_at: now, ..session })
    }
}

fn write_message(
    conversation: &mut Conversation,
    message: TurnMessage,
    now: Timestamp,
) -> (Message, Option<OutboxRow>) {
    let TurnMessage { id, direction, author, content, due_at } = message;
    let message = Message::written(id, conversation, direction, author, content, now);
    let row = OutboxRow::of(&message, conversation, Lane::Interactive, due_at);
    (message, row)
}

/// The groups that turns name, each once.
pub(crate) fn named_groups<'a>(
    commits: impl IntoIterator<Item = &'a TurnCommit>,
) -> BTreeSet<(BusinessId, GroupId)> {
    let named = commits.into_iter().flat_map(|commit| {
        let groups = commit.contact.join_groups.union(&commit.contact.leave_groups);
        groups.map(|group| (commit.business_id, *group))
    });
    named.collect()
}

/// Only contacts write inbound messages, and those are accepted, not written.
pub(super) fn check_directions(directions: impl IntoIterator<Item = Direction>) -> StoreResult<()> {
    if directions.into_iter().any(|direction| direction == Direction::Inbound) {
        return Err(StoreError::Invalid("direction"));
    }
    Ok(())
}
