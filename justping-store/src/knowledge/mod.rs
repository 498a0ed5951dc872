//! Knowledge bases, as far as it does not matter which database keeps them.

mod cache;
mod kept;
mod vector;

pub(crate) use self::cache::{CodeCache, CodeRow};
#[cfg(feature = "postgres")]
pub(crate) use self::kept::joined;
pub(crate) use self::kept::{Kept, count_words, tagged};
pub(crate) use self::vector::{from_bytes, to_bytes};

use std::collections::BTreeMap;

use justping_core::model::{Chunk, Source, SourceId, SourceState, Timestamp, likeness};
use justping_core::port::store::{KnowledgeHit, StoreResult};

use crate::document::{moment, parse_doc};

/// Chunks that one statement removes.
pub(crate) const REMOVED_AT_ONCE: u32 = 256;

/// A source from its columns: what changes while it is read stands beside the document.
pub(crate) fn to_source(doc: &str, state: &str, updated_at: i64) -> StoreResult<Source> {
    let state: SourceState = parse_doc(state, "source")?;
    let updated_at: Timestamp = moment(updated_at)?;
    Ok(Source { state, updated_at, ..parse_doc(doc, "source")? })
}

/// Candidates by how alike they are, the best first.
pub(crate) fn by_likeness(
    order: &[i64],
    vectors: &BTreeMap<i64, Vec<f32>>,
    asked: &[f32],
    most: usize,
) -> Vec<(i64, f32)> {
    let alike = |place: &i64| Some((*place, likeness(vectors.get(place)?, asked)));
    let mut found: Vec<(i64, f32)> = order.iter().filter_map(alike).collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.truncate(most);
    found
}

/// Hits from places and scores. What went meanwhile is left out.
pub(crate) fn to_hits(
    found: &[(i64, f32)],
    chunks: &BTreeMap<i64, (SourceId, Chunk)>,
) -> Vec<KnowledgeHit> {
    let hit = |(place, score): &(i64, f32)| {
        let (source_id, chunk) = chunks.get(place)?;
        Some(KnowledgeHit { chunk: chunk.clone(), source_id: *source_id, score: *score })
    };
    found.iter().filter_map(hit).collect()
}
