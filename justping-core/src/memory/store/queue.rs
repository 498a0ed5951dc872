use std::collections::{BTreeMap, BTreeSet};

use crate::model::Timestamp;

/// Keys that become ready at a moment and are then taken in the order of a rank.
///
/// A lease is nothing but a later moment: who takes a key puts it back with the end of its lease.
#[derive(Debug)]
pub(super) struct Queue<K, R> {
    slots: BTreeMap<K, (Timestamp, R)>,
    waiting: BTreeSet<(Timestamp, K)>,
    ready: BTreeSet<(R, K)>,
}

impl<K, R> Default for Queue<K, R> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), waiting: BTreeSet::new(), ready: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, R: Ord + Copy> Queue<K, R> {
    /// Puts a key in, or moves it.
    pub(super) fn set(&mut self, key: K, due: Timestamp, rank: R) {
        self.remove(key);
        self.slots.insert(key, (due, rank));
        self.waiting.insert((due, key));
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, key: K) {
        if let Some((due, rank)) = self.slots.remove(&key) {
            self.waiting.remove(&(due, key));
            self.ready.remove(&(rank, key));
        }
    }

    /// Takes up to `limit` keys that are due, smallest rank first.
    pub(super) fn take(&mut self, now: Timestamp, limit: u32) -> Vec<K> {
        while let Some(&(due, key)) = self.waiting.first()
            && due <= now
        {
            self.waiting.pop_first();
            self.ready.extend(self.slots.get(&key).map(|(_, rank)| (*rank, key)));
        }
        let mut taken = Vec::new();
        while taken.len() < limit as usize
            && let Some((_, key)) = self.ready.pop_first()
        {
            self.slots.remove(&key);
            taken.push(key);
        }
        taken
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// A moment at which a key is due: the next one, or one that has passed if keys are ready.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let ready = self.ready.first().and_then(|(_, key)| self.slots.get(key));
        let waiting = self.waiting.first().map(|(due, _)| *due);
        ready.map(|(due, _)| *due).into_iter().chain(waiting).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn due_keys_leave_by_rank_and_the_next_moment_is_known() {
        let mut queue = Queue::default();
        for (key, due, rank) in [('a', 5, 3), ('b', 1, 2), ('c', 9, 1)] {
            queue.set(key, at(due), rank);
        }
        assert_eq!(queue.next_due(), Some(at(1)));
        assert_eq!(queue.take(at(0), 9), []);
        assert_eq!(queue.take(at(5), 1), ['b']);
        assert_eq!(queue.next_due(), Some(at(5)));
        queue.set('a', at(10), 0);
        assert_eq!(queue.take(at(9), 9), ['c']);
        queue.remove('a');
        assert_eq!(queue.next_due(), None);
    }
}
