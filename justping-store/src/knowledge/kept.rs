//! What keeping and removing chunks changes.

use std::collections::{BTreeMap, BTreeSet};

use justping_core::model::{Chunk, ChunkId, Words};

/// Chunks to keep: those that are new, and those that are there already.
#[derive(Debug, Default)]
pub(crate) struct Kept<'a> {
    /// With the place each gets.
    pub(crate) new: Vec<(i64, &'a Chunk, Words)>,
    /// By id; of several the last.
    pub(crate) known: BTreeMap<ChunkId, &'a Chunk>,
}

impl<'a> Kept<'a> {
    /// Sorts chunks out; new ones get the places after `last`.
    pub(crate) fn of(chunks: &'a [Chunk], mut known: BTreeSet<ChunkId>, last: i64) -> Self {
        let mut kept = Self::default();
        for chunk in chunks {
            if known.insert(chunk.id) {
                let place = last + kept.new.len() as i64 + 1;
                kept.new.push((place, chunk, chunk.words()));
            } else {
                kept.known.insert(chunk.id, chunk);
            }
        }
        kept
    }
}

/// In how many of these texts each word is.
pub(crate) fn count_words<'a>(texts: impl Iterator<Item = &'a Words>) -> BTreeMap<&'a str, i64> {
    let mut counts = BTreeMap::new();
    for word in texts.flat_map(Words::iter) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// The words of a base as the index has them.
pub(crate) fn tagged(number: i64, words: &Words) -> String {
    words.iter().map(|word| format!("{number:x}_{word} ")).collect()
}

/// Words as one column: none has a space in it.
#[cfg(feature = "postgres")]
pub(crate) fn joined(words: &Words) -> String {
    words.iter().collect::<Vec<_>>().join(" ")
}
