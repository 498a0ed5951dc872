use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, Timestamp};
use crate::port::{
    Clock, ClockExt, DeadItem, Delivery, ItemLease, Published, QUEUE_DEATHS_MAX, Queue, QueueError,
    QueueItem, QueueLengths, QueueResult, RETRY_AFTER_MAX, Settled, check_items, share_lanes,
};

/// Live items of a queue unless told otherwise.
const LIVE_MAX_DEFAULT: usize = 1_000_000;
/// Dead items of a queue unless told otherwise.
const DEAD_MAX_DEFAULT: usize = 10_000;

/// A queue in one process.
#[derive(Debug)]
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    lease: Duration,
    live_max: usize,
    dead_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ready: [VecDeque<Waiting>; 3],
    delayed: BTreeMap<(Timestamp, u64), Waiting>,
    /// What workers hold, by lease.
    held: BTreeMap<u64, Waiting>,
    /// The leases by their ends.
    ends: BTreeMap<(Timestamp, u64), ()>,
    dead: VecDeque<DeadItem>,
    names: HashSet<(BusinessId, String)>,
    last: u64,
}

/// An item and its life so far.
#[derive(Debug)]
struct Waiting {
    item: QueueItem,
    attempts: u32,
    deaths: u32,
    /// Until when it is held.
    until: Timestamp,
}

impl MemoryQueue {
    /// An empty queue whose workers may hold an item for `lease`.
    pub fn new(clock: Arc<dyn Clock>, lease: Duration) -> Self {
        let (live_max, dead_max) = (LIVE_MAX_DEFAULT, DEAD_MAX_DEFAULT);
        Self { clock, lease, live_max, dead_max, state: Mutex::default() }
    }

    /// How many live and how many dead items there may be.
    #[must_use]
    pub fn bounds(mut self, live_max: usize, dead_max: usize) -> Self {
        (self.live_max, self.dead_max) = (live_max, dead_max);
        self
    }

    fn after(&self, span: Duration) -> Timestamp {
        self.clock.after_ms(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    /// The state at this moment: what is due is ready, and what its worker left behind too.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.clock.now(), self.dead_max);
        state
    }
}

impl State {
    fn advance(&mut self, now: Timestamp, dead_max: usize) {
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            let waiting = entry.remove();
            self.line_up(waiting);
        }
        while let Some(entry) = self.ends.first_entry()
            && entry.key().0 <= now
        {
            let ((_, lease), ()) = entry.remove_entry();
            if let Some(mut waiting) = self.held.remove(&lease) {
                waiting.deaths += 1;
                if waiting.deaths < QUEUE_DEATHS_MAX {
                    self.line_up(waiting);
                } else {
                    let reason = format!("its worker died {QUEUE_DEATHS_MAX} times");
                    self.give_up(waiting, reason, now, dead_max);
                }
            }
        }
    }

    fn line_up(&mut self, waiting: Waiting) {
        let rank = usize::from(waiting.item.lane.rank());
        if let Some(lane) = self.ready.get_mut(rank) {
            lane.push_back(waiting);
        }
    }

    fn give_up(&mut self, waiting: Waiting, reason: String, at: Timestamp, dead_max: usize) {
        self.names.remove(&name(&waiting.item));
        self.dead.push_back(DeadItem { item: waiting.item, reason, at });
        while self.dead.len() > dead_max {
            self.dead.pop_front();
        }
    }

    fn add(&mut self, item: &QueueItem) -> Published {
        if !self.names.insert(name(item)) {
            return Published::Duplicate;
        }
        let until = Timestamp::MIN;
        self.line_up(Waiting { item: item.clone(), attempts: 0, deaths: 0, until });
        Published::New
    }

    fn hand_out(&mut self, mut waiting: Waiting, until: Timestamp) -> Delivery {
        self.last += 1;
        waiting.attempts += 1;
        waiting.until = until;
        let (item, attempt) = (waiting.item.clone(), waiting.attempts);
        self.held.insert(self.last, waiting);
        self.ends.insert((until, self.last), ());
        Delivery { item, attempt, lease: ItemLease(self.last.to_string()) }
    }

    fn let_go(&mut self, lease: &ItemLease) -> Option<Waiting> {
        let lease = lease.0.parse().ok()?;
        let waiting = self.held.remove(&lease)?;
        self.ends.remove(&(waiting.until, lease));
        Some(waiting)
    }
}

fn name(item: &QueueItem) -> (BusinessId, String) {
    (item.business_id, item.id.clone())
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn publish(&self, items: &[QueueItem]) -> QueueResult<Vec<Published>> {
        check_items(items)?;
        let mut state = self.state();
        if state.names.len() + items.len() > self.live_max {
            return Err(QueueError::Full);
        }
        Ok(items.iter().map(|item| state.add(item)).collect())
    }

    async fn claim(&self, limit: u32) -> QueueResult<Vec<Delivery>> {
        let (mut state, until) = (self.state(), self.after(self.lease));
        let shares = share_lanes(limit, state.ready.each_ref().map(|lane| lane.len() as u64));
        let mut claimed = Vec::new();
        for (rank, share) in shares.into_iter().enumerate() {
            for _ in 0..share {
                let next = state.ready.get_mut(rank).and_then(VecDeque::pop_front);
                claimed.extend(next.map(|waiting| state.hand_out(waiting, until)));
            }
        }
        Ok(claimed)
    }

    async fn ack(&self, leases: &[ItemLease]) -> QueueResult<Vec<Settled>> {
        let mut state = self.state();
        let settle = |lease| match state.let_go(lease) {
            Some(waiting) => {
                state.names.remove(&name(&waiting.item));
                Settled::Done
            }
            None => Settled::Stale,
        };
        Ok(leases.iter().map(settle).collect())
    }

    async fn retry(&self, lease: &ItemLease, after: Duration) -> QueueResult<Settled> {
        let (mut state, due_at) = (self.state(), self.after(after.min(RETRY_AFTER_MAX)));
        let Some(waiting) = state.let_go(lease) else { return Ok(Settled::Stale) };
        state.last += 1;
        let place = (due_at, state.last);
        state.delayed.insert(place, waiting);
        Ok(Settled::Done)
    }

    async fn bury(&self, lease: &ItemLease, reason: &str) -> QueueResult<Settled> {
        let mut state = self.state();
        let Some(waiting) = state.let_go(lease) else { return Ok(Settled::Stale) };
        state.give_up(waiting, reason.to_owned(), self.clock.now(), self.dead_max);
        Ok(Settled::Done)
    }

    async fn dead(&self, limit: u32) -> QueueResult<Vec<DeadItem>> {
        Ok(self.state().dead.iter().take(limit as usize).cloned().collect())
    }

    async fn replay(&self, limit: u32) -> QueueResult<u64> {
        let mut state = self.state();
        let mut replayed = 0;
        for _ in 0..limit {
            let Some(dead) = state.dead.pop_front() else { break };
            // One that was published again meanwhile lives already.
            state.add(&dead.item);
            replayed += 1;
        }
        Ok(replayed)
    }

    async fn lengths(&self) -> QueueResult<QueueLengths> {
        let state = self.state();
        Ok(QueueLengths {
            ready: state.ready.each_ref().map(|lane| lane.len() as u64),
            delayed: state.delayed.len() as u64,
            leased: state.held.len() as u64,
            dead: state.dead.len() as u64,
        })
    }
}
