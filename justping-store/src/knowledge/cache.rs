//! The codes of the bases that were searched last, in memory.
//!
//! The database holds the truth. Vectors of a base are numbered in the order in which they become
//! visible, so that what is missing here is what has a greater number; and the base counts whatever
//! went, so that codes of an older count are read anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use justping_core::model::{BusinessId, Code, Codes, KnowledgeBaseId};

/// Most bytes of codes that are kept; the base whose search is longest ago goes first. A million
/// vectors of 1,536 numbers take 200 MiB.
const CODES_MAX_BYTES: usize = 256 * 1024 * 1024;

/// Whose codes, and of which model.
pub(crate) type CodeKey = (BusinessId, KnowledgeBaseId, String);

/// A vector's number, the place of its chunk, and its code.
pub(crate) type CodeRow = (i64, i64, Code);

#[derive(Debug, Default)]
pub(crate) struct CodeCache {
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    bases: BTreeMap<CodeKey, Shelf>,
    /// Counts searches.
    now: u64,
}

#[derive(Debug, Default, Clone)]
struct Shelf {
    generation: i64,
    /// The greatest number among them.
    last: i64,
    codes: Arc<Codes>,
    used: u64,
}

impl CodeCache {
    /// The number up to which the codes of a generation are here.
    pub(crate) fn known(&self, key: &CodeKey, generation: i64) -> i64 {
        let shelves = self.lock();
        let shelf = shelves.bases.get(key).filter(|shelf| shelf.generation == generation);
        shelf.map_or(0, |shelf| shelf.last)
    }

    /// Takes in the codes whose numbers are greater than `from`, by their numbers, and gives all of
    /// the generation. `None` when those up to `from` are no longer here: then all have to be read.
    pub(crate) fn extend(
        &self,
        key: &CodeKey,
        generation: i64,
        from: i64,
        rows: impl IntoIterator<Item = CodeRow>,
    ) -> Option<Arc<Codes>> {
        let mut shelves = self.lock();
        shelves.now += 1;
        let used = shelves.now;
        let shelf = shelves.bases.entry(key.clone()).or_default();
        if shelf.generation != generation && from == 0 {
            *shelf = Shelf { generation, ..Shelf::default() };
        }
        if shelf.generation != generation || shelf.last < from {
            return None;
        }
        shelf.used = used;
        for (number, place, code) in rows {
            if number > shelf.last {
                Arc::make_mut(&mut shelf.codes).add(place, &code);
                shelf.last = number;
            }
        }
        let codes = Arc::clone(&shelf.codes);
        shelves.make_room(key);
        Some(codes)
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn make_room(&mut self, newest: &CodeKey) {
        let bytes = |shelf: &Shelf| shelf.codes.bytes();
        let mut sum: usize = self.bases.values().map(bytes).sum();
        while sum > CODES_MAX_BYTES {
            let others = self.bases.iter().filter(|(key, _)| *key != newest);
            let Some(oldest) = others.min_by_key(|(_, shelf)| shelf.used) else { return };
            let oldest = oldest.0.clone();
            sum -= self.bases.remove(&oldest).as_ref().map_or(0, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn key(n: u128) -> CodeKey {
        let base = KnowledgeBaseId::from_uuid(Uuid::from_u128(n));
        (BusinessId::from_uuid(Uuid::nil()), base, "small".to_owned())
    }

    fn row(number: i64) -> CodeRow {
        (number, number * 10, Code::of(&[number as f32, 1.0]))
    }

    #[test]
    fn what_is_new_is_added_and_what_changed_is_read_anew() {
        let cache = CodeCache::default();
        let extend = |generation, from, rows: &[i64]| {
            let rows = rows.iter().map(|number| row(*number));
            cache.extend(&key(1), generation, from, rows).map(|codes| codes.len())
        };
        assert_eq!(cache.known(&key(1), 0), 0);
        assert_eq!(extend(0, 0, &[1, 2]), Some(2));
        assert_eq!(cache.known(&key(1), 0), 2);
        assert_eq!(extend(0, 1, &[2, 3]), Some(3), "what overlaps is not doubled");
        assert_eq!((cache.known(&key(1), 0), cache.known(&key(1), 1)), (3, 0));
        assert_eq!(extend(0, 9, &[10]), None, "what lies between is missing");
        assert_eq!(extend(1, 3, &[4]), None, "of another generation");
        assert_eq!(extend(1, 0, &[3]), Some(1));
        assert_eq!(extend(0, 3, &[4]), None, "an old one comes late");
        assert_eq!((cache.known(&key(1), 1), cache.known(&key(2), 0)), (3, 0));
    }

    #[test]
    fn the_base_searched_longest_ago_makes_room() {
        let cache = CodeCache::default();
        let wide = Code::of(&vec![0.5; 1 << 20]);
        let rows = || (1..=700).map(|n| (n, n, wide.clone()));
        for n in 1..=3 {
            cache.extend(&key(n), 0, 0, rows());
            cache.extend(&key(1), 0, 700, []);
        }
        let known: Vec<i64> = (1..=3).map(|n| cache.known(&key(n), 0)).collect();
        assert_eq!(known, [700, 0, 700]);
    }
}
