use std::collections::BTreeMap;

use super::queue::Queue;
use super::{Key, State};
use crate::model::{Call, CallId, MailboxEvent, Timestamp};
use crate::port::StoreResult;
use crate::port::store::{CallClaim, CallFinish, ClaimOptions};

/// Calls that have not come back, oldest first.
#[derive(Debug, Default)]
pub(super) struct Calls {
    rows: BTreeMap<CallId, Work>,
    queue: Queue<CallId, (Timestamp, CallId)>,
}

#[derive(Debug)]
struct Work {
    call: Call,
    /// Counts claims.
    fence: u64,
}

impl Calls {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due()
    }

    /// Says whether a turn of this conversation may make the call.
    pub(super) fn accepts(&self, call: &Call, key: Key) -> bool {
        (call.business_id, call.conversation_id) == key && !self.rows.contains_key(&call.id)
    }

    fn remove(&mut self, id: CallId) -> Option<Call> {
        self.queue.remove(id);
        self.rows.remove(&id).map(|work| work.call)
    }

    /// Leases a call; what is handed out counts the claims before this one.
    fn claim(&mut self, id: CallId, until: Timestamp) -> Option<CallClaim> {
        let work = self.rows.get_mut(&id)?;
        let call = work.call.clone();
        work.call.attempts += 1;
        work.fence += 1;
        self.queue.set(id, until, (call.created_at, id));
        Some(CallClaim { call, fence: work.fence })
    }
}

impl State {
    pub(super) fn make_call(&mut self, call: Call) -> StoreResult<()> {
        let thread = self.threads.get_mut(call.business_id, call.conversation_id)?;
        thread.calls.insert(call.id);
        self.calls.queue.set(call.id, call.created_at, (call.created_at, call.id));
        self.calls.rows.insert(call.id, Work { call, fence: 0 });
        Ok(())
    }

    /// Forgets the calls of a conversation.
    pub(super) fn cancel_calls(&mut self, (business, id): Key) -> StoreResult<()> {
        let calls = std::mem::take(&mut self.threads.get_mut(business, id)?.calls);
        for id in calls {
            self.calls.remove(id);
        }
        Ok(())
    }

    pub(super) fn claim_calls(&mut self, options: &ClaimOptions) -> Vec<CallClaim> {
        let ids = self.calls.queue.take(options.now, options.limit);
        ids.into_iter().filter_map(|id| self.calls.claim(id, options.lease_until)).collect()
    }

    /// Puts a result into the mailbox; says whether its claim still stood.
    pub(super) fn finish_call(&mut self, finish: CallFinish) -> StoreResult<bool> {
        let standing = self.calls.rows.get(&finish.call_id).is_some_and(|work| {
            work.fence == finish.fence && work.call.business_id == finish.business_id
        });
        let Some(call) = standing.then(|| self.calls.remove(finish.call_id)).flatten() else {
            return Ok(false);
        };
        let key = (call.business_id, call.conversation_id);
        self.threads.get_mut(key.0, key.1)?.calls.remove(&call.id);
        let event = MailboxEvent::CallDone {
            call_id: call.id,
            session_id: call.session_id,
            token: call.request.token,
            result: finish.result,
        };
        self.deliver(key, event)?;
        Ok(true)
    }
}
