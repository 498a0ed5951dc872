use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::{
    CallId, Conversation, MailboxEntry, Message, OutboxRow, OutboxState, SessionId, TimerId,
    Timestamp,
};

/// A conversation with everything that hangs on it.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) conversation: Conversation,
    /// The message with `seq` n is at n - 1.
    pub(super) messages: Vec<Message>,
    pub(super) mailbox: VecDeque<MailboxEntry>,
    pub(super) lease: Lease,
    /// What is still to be sent, by the message's place.
    pub(super) outbox: BTreeMap<u64, Parcel>,
    pub(super) sessions: BTreeSet<SessionId>,
    /// The session that goes on with the next event.
    pub(super) waiting: Option<SessionId>,
    pub(super) timers: BTreeSet<TimerId>,
    pub(super) calls: BTreeSet<CallId>,
}

/// Who may take the conversation's next turn.
#[derive(Debug)]
pub(super) struct Lease {
    /// Counts claims: an older number proves nothing any more.
    pub(super) fence: u64,
    /// Until when a worker holds it.
    pub(super) until: Option<Timestamp>,
    /// When nobody holds it: since when it may be taken.
    pub(super) not_before: Timestamp,
}

impl Lease {
    /// From when on a worker may take it.
    pub(super) fn due(&self) -> Timestamp {
        self.until.unwrap_or(self.not_before)
    }

    /// Says whether the claim with this fence still stands. A lease that ran out stands until
    /// somebody else takes the conversation.
    pub(super) fn held(&self, fence: u64) -> bool {
        self.until.is_some() && self.fence == fence
    }
}

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) row: OutboxRow,
    /// Counts claims.
    pub(super) fence: u64,
    /// Until when the worker that is sending it holds it.
    pub(super) leased_until: Timestamp,
}

impl Thread {
    pub(super) fn new(conversation: Conversation) -> Self {
        let lease = Lease { fence: 0, until: None, not_before: conversation.created_at };
        Self {
            conversation,
            messages: Vec::new(),
            mailbox: VecDeque::new(),
            lease,
            outbox: BTreeMap::new(),
            sessions: BTreeSet::new(),
            waiting: None,
            timers: BTreeSet::new(),
            calls: BTreeSet::new(),
        }
    }

    pub(super) fn message(&self, seq: u64) -> Option<&Message> {
        self.messages.get(index(seq)?)
    }

    pub(super) fn message_mut(&mut self, seq: u64) -> Option<&mut Message> {
        self.messages.get_mut(index(seq)?)
    }

    /// Ends a message's row, if it still has one, and tells the message why; says whether that
    /// changed its status.
    pub(super) fn finish(&mut self, seq: u64, tell: impl FnOnce(&mut Message) -> bool) -> bool {
        self.outbox.remove(&seq);
        self.message_mut(seq).is_some_and(tell)
    }
}

impl Parcel {
    /// Puts the row back for later. The message is where it was, so this is never a change of it.
    pub(super) fn settle(&mut self, state: OutboxState, due_at: Timestamp) -> bool {
        self.row.state = state;
        self.row.due_at = due_at;
        false
    }
}

fn index(seq: u64) -> Option<usize> {
    usize::try_from(seq.checked_sub(1)?).ok()
}
