//! Who may go next: businesses take turns, whatever each of them asks for.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Whom places are shared out by.
pub(crate) trait Key: Copy + Eq + Hash {}

impl<K: Copy + Eq + Hash> Key for K {}

/// A gate with a few places. Who waits is served in turns of one a key, so that a key with a long
/// queue delays another by one place at most.
#[derive(Debug)]
pub(crate) struct Gate<K: Key>(Mutex<Queue<K>>);

#[derive(Debug)]
struct Queue<K: Key> {
    free: usize,
    /// The keys somebody waits for, in the order of their turns.
    turns: VecDeque<K>,
    waiting: HashMap<K, VecDeque<oneshot::Sender<Place<K>>>>,
}

/// A place inside; dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Place<K: Key>(Option<Arc<Gate<K>>>);

/// A way to a place.
pub(crate) enum Way<K: Key> {
    /// It is there.
    Inside(Place<K>),
    /// It will come.
    Wait(oneshot::Receiver<Place<K>>),
}

impl<K: Key> Gate<K> {
    pub(crate) fn new(places: usize) -> Arc<Self> {
        let queue = Queue { free: places, turns: VecDeque::new(), waiting: HashMap::new() };
        Arc::new(Self(Mutex::new(queue)))
    }

    /// Asks for a place, and queues when there is none.
    pub(crate) fn ask(self: &Arc<Self>, key: K) -> Way<K> {
        let mut queue = self.queue();
        if queue.free > 0 {
            queue.free -= 1;
            return Way::Inside(Place(Some(Arc::clone(self))));
        }
        let (sender, receiver) = oneshot::channel();
        let waiting = queue.waiting.entry(key).or_default();
        waiting.push_back(sender);
        if waiting.len() == 1 {
            queue.turns.push_back(key);
        }
        Way::Wait(receiver)
    }

    /// Waits for a place.
    pub(crate) async fn enter(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        match self.ask(key) {
            Way::Inside(place) => Some(place),
            Way::Wait(place) => place.await.ok(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a place to whose turn it is. Those who left meanwhile are passed over.
    fn pass_on(self: &Arc<Self>) {
        let mut queue = self.queue();
        while let Some(sender) = queue.next() {
            match sender.send(Place(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Its drop must not come back here: the queue is held.
                Err(mut unwanted) => drop(unwanted.0.take()),
            }
        }
        queue.free += 1;
    }
}

impl<K: Key> Queue<K> {
    fn next(&mut self) -> Option<oneshot::Sender<Place<K>>> {
        let key = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&key)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        next
    }
}

impl<K: Key> Drop for Place<K> {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.pass_on();
        }
    }
}

/// Counts who is there, by key.
#[derive(Debug)]
pub(crate) struct Crowd<K: Key>(Mutex<HashMap<K, u32>>);

/// One of the crowd, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member<K: Key> {
    crowd: Arc<Crowd<K>>,
    key: K,
}

impl<K: Key> Crowd<K> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// Joins, unless `max` are there.
    pub(crate) fn join(self: &Arc<Self>, key: K, max: u32) -> Option<Member<K>> {
        let mut counts = self.counts();
        let count = counts.entry(key).or_default();
        if *count >= max {
            if *count == 0 {
                counts.remove(&key);
            }
            return None;
        }
        *count += 1;
        Some(Member { crowd: Arc::clone(self), key })
    }

    /// How many there are of all keys.
    pub(crate) fn len(&self) -> usize {
        self.counts().values().map(|count| *count as usize).sum()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key> Drop for Member<K> {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(way: Way<u8>) -> oneshot::Receiver<Place<u8>> {
        match way {
            Way::Wait(receiver) => receiver,
            Way::Inside(_) => panic!("there was a place"),
        }
    }

    #[test]
    fn keys_take_turns_whoever_came_first() {
        let gate = Gate::new(1);
        let Way::Inside(place) = gate.ask(0) else { panic!("it is empty") };
        let mut many: VecDeque<_> = (0..3).map(|_| wait(gate.ask(1))).collect();
        let mut one = wait(gate.ask(2));
        drop(place);
        let first = many.pop_front().unwrap().try_recv().unwrap();
        assert!(one.try_recv().is_err());
        drop(first);
        let second = one.try_recv().unwrap();
        drop(second);
        let mut third = many.pop_front().unwrap();
        assert!(third.try_recv().is_ok());
    }

    #[test]
    fn who_left_is_passed_over_and_no_place_is_lost() {
        let gate = Gate::new(2);
        let (Way::Inside(a), Way::Inside(b)) = (gate.ask(0), gate.ask(0)) else { panic!("empty") };
        drop(wait(gate.ask(1)));
        let handed = wait(gate.ask(2));
        drop(a);
        // It was handed a place and left before it took it.
        drop(handed);
        drop(b);
        let ways = [gate.ask(3), gate.ask(3), gate.ask(3)];
        let inside = ways.iter().filter(|way| matches!(way, Way::Inside(_))).count();
        assert_eq!(inside, 2);
    }

    #[test]
    fn a_crowd_is_bounded_by_key_and_forgets() {
        let crowd = Crowd::new();
        let members: Vec<_> = (0..3).filter_map(|_| crowd.join(7, 2)).collect();
        assert_eq!((members.len(), crowd.len()), (2, 2));
        assert!(crowd.join(8, 2).is_some());
        drop(members);
        assert_eq!(crowd.len(), 0);
        assert!(crowd.join(7, 0).is_none());
        assert!(crowd.counts().is_empty());
    }
}
