//! What agents know: sources are read, cut and embedded, and questions find passages of them.
//!
//! `extract` what a file says · `chunk` cutting it · `ingest` the worker that reads sources ·
//! `search` finding passages · `tool` the same for models · `fuse` one list of two · `answer` what a model is asked to make of them.
//! Reading sources needs the feature `knowledge`; searching does not.

mod answer;
#[cfg(feature = "knowledge")]
mod chunk;
#[cfg(feature = "knowledge")]
mod extract;
mod fuse;
#[cfg(feature = "knowledge")]
mod ingest;
mod search;
#[cfg(test)]
#[cfg(feature = "knowledge")]
mod tests;
mod tool;

pub use self::answer::{Answered, PASSAGES_MAX, ask, read};
#[cfg(feature = "knowledge")]
pub use self::chunk::{CutOptions, cut};
#[cfg(feature = "knowledge")]
pub use self::extract::{
    Block, CSV_COLUMNS_MAX, CSV_ROWS_MAX, Document, ExtractError, PDF_PAGES_MAX, TEXT_BYTES_MAX,
    charset_of, extract, format_of,
};
pub use self::fuse::{RANK_OFFSET, Ranked, fuse};
#[cfg(feature = "knowledge")]
pub use self::ingest::{ATTEMPTS_MAX, EMBED_BATCH, Ingest, Reader};
pub use self::search::{
    Knowledge, KnowledgeError, LIKENESS_MIN, Passage, QUESTION_MAX_CHARS, SHARE_MIN,
};
pub use self::tool::SearchKnowledge;
