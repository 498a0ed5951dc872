use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, ConversationId, MemberId, Timestamp, Typist};
use crate::port::{Change, Clock, ClockExt, PRESENT_MAX, Presence, PresenceError, PresenceResult};

/// Rooms that are looked through for whose time is over before a new one is made.
const SWEEP_AT: usize = 1_024;

/// Who is here, as one process knows it.
pub struct MemoryPresence {
    clock: Arc<dyn Clock>,
    here: Rooms<BusinessId, MemberId>,
    typing: Rooms<(BusinessId, ConversationId), Typist>,
}

impl fmt::Debug for MemoryPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPresence").finish_non_exhaustive()
    }
}

impl MemoryPresence {
    /// Nobody is here yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, here: Rooms::default(), typing: Rooms::default() }
    }

    fn until(&self, ttl: Duration) -> (Timestamp, Timestamp) {
        let ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        (self.clock.now(), self.clock.after_ms(ms))
    }
}

/// Until when each is in a room.
type Room<P> = BTreeMap<P, Timestamp>;

struct Rooms<R, P>(Mutex<HashMap<R, Room<P>>>);

impl<R, P> Default for Rooms<R, P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Eq + Hash, P: Ord + Copy> Rooms<R, P> {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<R, Room<P>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enter(
        &self,
        room: R,
        who: P,
        (now, until): (Timestamp, Timestamp),
    ) -> PresenceResult<Change> {
        self.with(|rooms| {
            if rooms.len() >= SWEEP_AT && !rooms.contains_key(&room) {
                rooms.retain(|_, room| room.values().any(|until| *until > now));
            }
            let room = rooms.entry(room).or_default();
            room.retain(|_, until| *until > now);
            if room.len() >= PRESENT_MAX && !room.contains_key(&who) {
                return Err(PresenceError::Full);
            }
            Ok(change(room.insert(who, until).is_none()))
        })
    }

    fn exit(&self, room: &R, who: &P, now: Timestamp) -> Change {
        self.with(|rooms| {
            let Some(people) = rooms.get_mut(room) else { return Change::Unchanged };
            let was_here = people.remove(who).is_some_and(|until| until > now);
            if people.is_empty() {
                rooms.remove(room);
            }
            change(was_here)
        })
    }

    fn list(&self, room: &R, now: Timestamp) -> Vec<P> {
        self.with(|rooms| {
            let people = rooms.get(room).into_iter().flatten();
            people.filter(|(_, until)| **until > now).map(|(who, _)| *who).collect()
        })
    }
}

fn change(is_news: bool) -> Change {
    if is_news { Change::Changed } else { Change::Unchanged }
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn arrive(
        &self,
        business: BusinessId,
        member: MemberId,
        ttl: Duration,
    ) -> PresenceResult<Change> {
        self.here.enter(business, member, self.until(ttl))
    }

    async fn leave(&self, business: BusinessId, member: MemberId) -> PresenceResult<Change> {
        Ok(self.here.exit(&business, &member, self.clock.now()))
    }

    async fn members(&self, business: BusinessId) -> PresenceResult<Vec<MemberId>> {
        Ok(self.here.list(&business, self.clock.now()))
    }

    async fn start_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
        ttl: Duration,
    ) -> PresenceResult<Change> {
        self.typing.enter((business, conversation), typist, self.until(ttl))
    }

    async fn stop_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
    ) -> PresenceResult<Change> {
        Ok(self.typing.exit(&(business, conversation), &typist, self.clock.now()))
    }

    async fn typists(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> PresenceResult<Vec<Typist>> {
        Ok(self.typing.list(&(business, conversation), self.clock.now()))
    }
}
