use std::collections::{BTreeMap, BTreeSet};

use crate::model::Timestamp;

/// Keys that become ready at a moment and then stand in lines, the oldest first.
#[derive(Debug)]
pub(super) struct Lines<L, A, K> {
    slots: BTreeMap<K, (Timestamp, L, A)>,
    waiting: BTreeSet<(Timestamp, K)>,
    ready: BTreeMap<L, BTreeSet<(A, K)>>,
}

impl<L, A, K> Default for Lines<L, A, K> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), waiting: BTreeSet::new(), ready: BTreeMap::new() }
    }
}

impl<L: Ord + Copy, A: Ord + Copy, K: Ord + Copy> Lines<L, A, K> {
    /// Puts a key in, or moves it.
    pub(super) fn set(&mut self, key: K, due: Timestamp, line: L, age: A) {
        self.remove(key);
        self.slots.insert(key, (due, line, age));
        self.waiting.insert((due, key));
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, key: K) {
        let Some((due, line, age)) = self.slots.remove(&key) else { return };
        self.waiting.remove(&(due, key));
        if let Some(keys) = self.ready.get_mut(&line) {
            keys.remove(&(age, key));
            if keys.is_empty() {
                self.ready.remove(&line);
            }
        }
    }

    /// Lets the keys that are due by now join their lines.
    pub(super) fn ripen(&mut self, now: Timestamp) {
        while let Some(&(due, key)) = self.waiting.first()
            && due <= now
        {
            self.waiting.pop_first();
            if let Some((_, line, age)) = self.slots.get(&key) {
                self.ready.entry(*line).or_default().insert((*age, key));
            }
        }
    }

    /// Every line that has a ready key, with these.
    pub(super) fn ready(&self) -> impl ExactSizeIterator<Item = (L, &BTreeSet<(A, K)>)> {
        self.ready.iter().map(|(line, keys)| (*line, keys))
    }

    /// When each key is due, with its line.
    pub(super) fn dues(&self) -> impl Iterator<Item = (Timestamp, L)> {
        self.slots.values().map(|(due, line, _)| (*due, *line))
    }

    /// A moment at which a key is due: the next one, or one that has passed if keys are ready.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let ready = self.ready.first_key_value().and_then(|(_, keys)| keys.first());
        let ready = ready.and_then(|(_, key)| self.slots.get(key)).map(|(due, ..)| *due);
        let waiting = self.waiting.first().map(|(due, _)| *due);
        ready.into_iter().chain(waiting).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn ready(lines: &Lines<u8, u8, char>) -> Vec<(u8, String)> {
        lines
            .ready()
            .map(|(line, keys)| (line, keys.iter().map(|(_, key)| key).collect()))
            .collect()
    }

    #[test]
    fn due_keys_stand_in_their_lines_and_the_next_moment_is_known() {
        let mut lines = Lines::default();
        for (key, due, line, age) in [('a', 5, 1, 3), ('b', 1, 1, 2), ('c', 9, 2, 1)] {
            lines.set(key, at(due), line, age);
        }
        assert_eq!(lines.next_due(), Some(at(1)));
        lines.ripen(at(0));
        assert_eq!(ready(&lines), []);
        lines.ripen(at(5));
        assert_eq!(ready(&lines), [(1, "ba".to_owned())]);
        lines.remove('b');
        assert_eq!(lines.next_due(), Some(at(5)));
        lines.set('a', at(10), 1, 0);
        assert_eq!(ready(&lines), []);
        lines.ripen(at(9));
        assert_eq!(ready(&lines), [(2, "c".to_owned())]);
        lines.remove('c');
        lines.remove('a');
        assert_eq!(lines.next_due(), None);
    }
}
