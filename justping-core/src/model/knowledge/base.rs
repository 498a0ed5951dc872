use serde::{Deserialize, Serialize};

use crate::model::{BusinessId, KnowledgeBaseId, SourceId, Timestamp};

/// Most bytes of a source as it came.
pub const SOURCE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most chunks of a source.
pub const SOURCE_CHUNKS_MAX: usize = 10_000;

/// A knowledge base: sources that are searched together. Any number of agents may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnowledgeBase {
    /// Its id.
    pub id: KnowledgeBaseId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The name people see.
    pub name: String,
    /// What it is about, for people and for models that choose where to look.
    pub description: String,
    /// The model that turns its chunks into vectors; without one it is searched by words alone.
    pub embedding_model: Option<String>,
    /// Counts changes.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Where the text of a source comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SourceOrigin {
    /// The bytes that were handed over; the store keeps them.
    Upload,
    /// An address that is asked whenever the source is read.
    Url {
        /// The address.
        url: String,
    },
}

/// What the bytes of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceFormat {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// HTML.
    Html,
    /// PDF.
    Pdf,
    /// A table whose first row names the columns.
    Csv,
}

/// How far a source is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum SourceState {
    /// It waits for a worker.
    Pending,
    /// It is fetched, read and cut.
    Reading,
    /// Its chunks are found by words; their vectors are being made.
    Embedding {
        /// Chunks that have one.
        done: u32,
        /// Chunks.
        total: u32,
    },
    /// All of it is found.
    Ready {
        /// Chunks.
        chunks: u32,
    },
    /// It cannot be read; what was found of it before still is.
    Failed {
        /// A stable code.
        code: String,
        /// Why, for people.
        detail: String,
    },
}

/// One text of a knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The base it belongs to.
    pub base_id: KnowledgeBaseId,
    /// The name people see, here and in citations.
    pub title: String,
    /// Where its text comes from.
    pub origin: SourceOrigin,
    /// What its bytes are; `None` for an address that says so itself.
    pub format: Option<SourceFormat>,
    /// How often it is read again by itself, in minutes.
    pub refresh_minutes: Option<u32>,
    /// How far it is.
    pub state: SourceState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed, its state included.
    pub updated_at: Timestamp,
}
