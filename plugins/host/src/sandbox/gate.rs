//! Who may go next: businesses take turns, whatever each of them asks for.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Whom places are shared out by.
pub(crate) trait Key: Copy + Eq + Hash {}

impl<K: Copy + Eq + Hash> Key for K {}

/// For how long a place is left to short work after somebody asked for one. Longer than a turn.
const LEFT_TO_SHORT: Duration = Duration::from_millis(100);

/// A gate with a few places. Who waits is served in turns of one a key, so that a key with a long
/// queue delays another by one place at most.
///
/// Work that turned out to be long has a line of its own, and so has everything of a key with such
/// work. As long as others ask, it leaves one place to them: they wait for each other, not for it.
#[derive(Debug)]
pub(crate) struct Gate<K: Key>(Mutex<Queue<K>>);

#[derive(Debug)]
struct Queue<K: Key> {
    free: usize,
    /// Most places of long work while others ask.
    long_max: usize,
    /// Places of long work.
    long_inside: usize,
    /// Keys with long work, and how much of it.
    heavy: HashMap<K, u32>,
    short: Line<K>,
    long: Line<K>,
    /// When somebody last asked for short work.
    short_asked: Option<Instant>,
    /// Whether it is the turn of long work, if both wait.
    is_long_next: bool,
}

/// Who waits.
#[derive(Debug)]
struct Line<K: Key> {
    /// The keys somebody waits for, in the order of their turns.
    turns: VecDeque<K>,
    waiting: HashMap<K, VecDeque<oneshot::Sender<Place<K>>>>,
}

/// A place inside; dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Place<K: Key> {
    gate: Option<Arc<Gate<K>>>,
    is_long: bool,
}

/// Work that turned out to be long, until it is dropped.
#[derive(Debug)]
pub(crate) struct Heavy<K: Key> {
    gate: Arc<Gate<K>>,
    key: K,
}

/// A way to a place.
pub(crate) enum Way<K: Key> {
    /// It is there.
    Inside(Place<K>),
    /// It will come.
    Wait(oneshot::Receiver<Place<K>>),
}

impl<K: Key> Gate<K> {
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue {
            free: places,
            long_max: places.saturating_sub(1).max(1),
            long_inside: 0,
            heavy: HashMap::new(),
            short: Line::default(),
            long: Line::default(),
            short_asked: None,
            is_long_next: false,
        })))
    }

    /// Asks for a place, and queues when there is none.
    pub(crate) fn ask(self: &Arc<Self>, key: K, now: Instant) -> Way<K> {
        let mut queue = self.queue();
        let is_long = queue.heavy.contains_key(&key);
        if !is_long {
            queue.short_asked = Some(now);
        }
        if queue.free > 0 && (!is_long || queue.admits_long()) {
            queue.take(is_long);
            return Way::Inside(Place { gate: Some(Arc::clone(self)), is_long });
        }
        let (sender, receiver) = oneshot::channel();
        let line = if is_long { &mut queue.long } else { &mut queue.short };
        line.join(key, sender);
        Way::Wait(receiver)
    }

    /// Says that some work of a key is long.
    pub(crate) fn heavy(self: &Arc<Self>, key: K) -> Heavy<K> {
        *self.queue().heavy.entry(key).or_default() += 1;
        Heavy { gate: Arc::clone(self), key }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands what is free to whose turn it is. Those who left meanwhile are passed over.
    fn pass_on(self: &Arc<Self>, was_long: bool) {
        let mut queue = self.queue();
        queue.free += 1;
        queue.long_inside -= usize::from(was_long);
        while queue.free > 0 {
            let Some((sender, is_long)) = queue.next() else { return };
            match sender.send(Place { gate: Some(Arc::clone(self)), is_long }) {
                Ok(()) => queue.take(is_long),
                // Its drop must not come back here: the queue is held.
                Err(mut unwanted) => drop(unwanted.gate.take()),
            }
        }
    }
}

impl<K: Key> Queue<K> {
    fn take(&mut self, is_long: bool) {
        self.free -= 1;
        self.long_inside += usize::from(is_long);
    }

    fn admits_long(&self) -> bool {
        let is_asked = self.short_asked.is_some_and(|at| at.elapsed() < LEFT_TO_SHORT);
        self.long_inside < self.long_max || !is_asked
    }

    /// Whose turn it is, and whether it is long work: both lines take turns.
    fn next(&mut self) -> Option<(oneshot::Sender<Place<K>>, bool)> {
        let is_long = self.admits_long()
            && !self.long.turns.is_empty()
            && (self.is_long_next || self.short.turns.is_empty());
        self.is_long_next = !is_long;
        let line = if is_long { &mut self.long } else { &mut self.short };
        Some((line.next()?, is_long))
    }
}

impl<K: Key> Default for Line<K> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new() }
    }
}

impl<K: Key> Line<K> {
    fn join(&mut self, key: K, sender: oneshot::Sender<Place<K>>) {
        let waiting = self.waiting.entry(key).or_default();
        waiting.push_back(sender);
        if waiting.len() == 1 {
            self.turns.push_back(key);
        }
    }

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
        if let Some(gate) = self.gate.take() {
            gate.pass_on(self.is_long);
        }
    }
}

impl<K: Key> Drop for Heavy<K> {
    fn drop(&mut self) {
        let mut queue = self.gate.queue();
        if let Some(count) = queue.heavy.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                queue.heavy.remove(&self.key);
            }
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

    fn ask(gate: &Arc<Gate<u8>>, key: u8) -> Way<u8> {
        gate.ask(key, Instant::now())
    }

    fn wait(way: Way<u8>) -> oneshot::Receiver<Place<u8>> {
        match way {
            Way::Wait(receiver) => receiver,
            Way::Inside(_) => panic!("there was a place"),
        }
    }

    #[test]
    fn keys_take_turns_whoever_came_first() {
        let gate = Gate::new(1);
        let Way::Inside(place) = ask(&gate, 0) else { panic!("it is empty") };
        let mut many: VecDeque<_> = (0..3).map(|_| wait(ask(&gate, 1))).collect();
        let mut one = wait(ask(&gate, 2));
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
        let (Way::Inside(a), Way::Inside(b)) = (ask(&gate, 0), ask(&gate, 0)) else {
            panic!("empty")
        };
        drop(wait(ask(&gate, 1)));
        let handed = wait(ask(&gate, 2));
        drop(a);
        // It was handed a place and left before it took it.
        drop(handed);
        drop(b);
        let ways = [ask(&gate, 3), ask(&gate, 3), ask(&gate, 3)];
        let inside = ways.iter().filter(|way| matches!(way, Way::Inside(_))).count();
        assert_eq!(inside, 2);
    }

    fn inside(way: Way<u8>) -> Place<u8> {
        match way {
            Way::Inside(place) => place,
            Way::Wait(_) => panic!("there was no place"),
        }
    }

    #[test]
    fn long_work_leaves_a_place_to_others_while_they_ask() {
        let gate = Gate::new(2);
        let heavy = gate.heavy(1);
        // Nobody else asks: it may have all.
        let both = [inside(ask(&gate, 1)), inside(ask(&gate, 1))];
        let mut short = wait(ask(&gate, 2));
        let mut long = [wait(ask(&gate, 1)), wait(ask(&gate, 1))];
        drop(both);
        let short_place = short.try_recv().unwrap();
        let long_place = long[0].try_recv().unwrap();
        assert!(long[1].try_recv().is_err());
        drop(short_place);
        assert!(long[1].try_recv().is_err(), "this place is left to who asks next");
        drop(inside(ask(&gate, 3)));
        // Long work takes turns with short work, where there is but one place for it.
        drop(long_place);
        let again = long[1].try_recv().unwrap();
        drop((again, heavy));
        let queue = gate.queue();
        assert_eq!((queue.free, queue.long_inside, queue.heavy.len()), (2, 0, 0));
        drop(queue);
        // What was long is over: the key is as any other.
        drop([inside(ask(&gate, 1)), inside(ask(&gate, 1))]);
    }

    #[test]
    fn both_lines_take_turns_at_a_single_place() {
        let gate = Gate::new(1);
        let _heavy = gate.heavy(1);
        let place = inside(ask(&gate, 0));
        let mut short: VecDeque<_> = (0..2).map(|_| wait(ask(&gate, 0))).collect();
        let mut long: VecDeque<_> = (0..2).map(|_| wait(ask(&gate, 1))).collect();
        drop(place);
        let mut order = String::new();
        for _ in 0..4 {
            let lines = [("s", &mut short), ("l", &mut long)];
            let (name, place) = lines
                .into_iter()
                .find_map(|(name, line)| Some((name, line.front_mut()?.try_recv().ok()?)))
                .unwrap();
            order.push_str(name);
            let line = if name == "s" { &mut short } else { &mut long };
            line.pop_front();
            drop(place);
        }
        assert_eq!(order, "slsl");
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
