//! One list of two.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use justping_core::model::{ChunkId, SourceId};
use justping_core::port::store::{KnowledgeFound, KnowledgeHit};

/// Added to each rank, so that the first places of one list do not outweigh all of the other. 60 is the
/// value of those who found the method: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
/// outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009.
pub const RANK_OFFSET: u32 = 60;

/// A chunk with its places in both lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The chunk and its source. Its score is that of the list it is named by first.
    pub hit: KnowledgeHit,
    /// How much of the question its words answer, if they do.
    pub share: Option<f32>,
    /// How alike its meaning is, if it was compared.
    pub likeness: Option<f32>,
    /// The sum over both lists of 1 / (offset + rank).
    pub fused: f64,
}

/// Merges what was found by words and by meaning, by the ranks alone: scores of two kinds cannot be
/// compared.
pub fn fuse(found: KnowledgeFound) -> Vec<Ranked> {
    let mut ranked: BTreeMap<(SourceId, ChunkId), Ranked> = BTreeMap::new();
    let KnowledgeFound { by_words, by_meaning } = found;
    for (hits, is_share) in [(by_words, true), (by_meaning, false)] {
        for (hit, rank) in hits.into_iter().zip(1u32..) {
            let (key, score) = ((hit.source_id, hit.chunk.id), hit.score);
            let new = || Ranked { hit, share: None, likeness: None, fused: 0.0 };
            let row = ranked.entry(key).or_insert_with(new);
            row.fused += 1.0 / f64::from(RANK_OFFSET + rank);
            let slot = if is_share { &mut row.share } else { &mut row.likeness };
            *slot = Some(score);
        }
    }
    let mut ranked: Vec<Ranked> = ranked.into_values().collect();
    ranked.sort_by(order);
    ranked
}

/// The best first; among equals the more alike, then those of the older source, in its order.
fn order(a: &Ranked, b: &Ranked) -> Ordering {
    let key = |row: &Ranked| (row.hit.source_id, row.hit.chunk.ordinal);
    let likeness = |row: &Ranked| row.likeness.unwrap_or(-1.0);
    b.fused
        .total_cmp(&a.fused)
        .then(likeness(b).total_cmp(&likeness(a)))
        .then_with(|| key(a).cmp(&key(b)))
}
