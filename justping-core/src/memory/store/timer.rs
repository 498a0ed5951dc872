use std::collections::BTreeMap;

use super::queue::Queue;
use super::{Key, State};
use crate::model::{MailboxEvent, Timer, TimerId, Timestamp};
use crate::port::StoreResult;

/// Timers that have not fired.
#[derive(Debug, Default)]
pub(super) struct Timers {
    rows: BTreeMap<TimerId, Timer>,
    queue: Queue<TimerId, (Timestamp, TimerId)>,
}

impl Timers {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due()
    }

    /// Says whether a turn of this conversation may set the timer.
    pub(super) fn accepts(&self, timer: &Timer, key: Key) -> bool {
        let own = |timer: &Timer| (timer.business_id, timer.conversation_id) == key;
        own(timer) && self.rows.get(&timer.id).is_none_or(own)
    }

    fn remove(&mut self, id: TimerId) -> Option<Timer> {
        self.queue.remove(id);
        self.rows.remove(&id)
    }
}

impl State {
    pub(super) fn set_timer(&mut self, timer: Timer) -> StoreResult<()> {
        let thread = self.threads.get_mut(timer.business_id, timer.conversation_id)?;
        thread.timers.insert(timer.id);
        self.timers.queue.set(timer.id, timer.due_at, (timer.due_at, timer.id));
        self.timers.rows.insert(timer.id, timer);
        Ok(())
    }

    /// Removes the timers of a conversation.
    pub(super) fn clear_timers(&mut self, (business, id): Key) -> StoreResult<()> {
        let timers = std::mem::take(&mut self.threads.get_mut(business, id)?.timers);
        for id in timers {
            self.timers.remove(id);
        }
        Ok(())
    }

    pub(super) fn fire_due(&mut self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        let mut fired = 0;
        for id in self.timers.queue.take(now, limit) {
            let Some(timer) = self.timers.remove(id) else { continue };
            let key = (timer.business_id, timer.conversation_id);
            self.threads.get_mut(key.0, key.1)?.timers.remove(&id);
            let Timer { id: timer_id, session_id, token, .. } = timer;
            self.deliver(key, MailboxEvent::Timer { timer_id, session_id, token })?;
            fired += 1;
        }
        Ok(fired)
    }
}
