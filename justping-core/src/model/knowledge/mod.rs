//! What a business knows: bases of sources, cut into chunks that are found by words and by meaning.
//! How they are found is decided here, whatever store keeps them.

mod base;
mod chunk;
mod codes;
mod words;

pub use base::{
    KnowledgeBase, SOURCE_BYTES_MAX, SOURCE_CHUNKS_MAX, Source, SourceFormat, SourceOrigin,
    SourceState,
};
pub use chunk::{CHUNK_CHARS_MAX, Chunk};
pub use codes::{CODE_CANDIDATES, Code, Codes, VECTOR_LEN_MAX, likeness};
pub use words::{ASKED_WORDS_MAX, Asked, POSTINGS_MAX, weigh};
