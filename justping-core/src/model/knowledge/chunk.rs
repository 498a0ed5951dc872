use serde::{Deserialize, Serialize};

use crate::model::{ChunkId, Words};

/// Most characters of a chunk.
pub const CHUNK_CHARS_MAX: usize = 4_000;

/// A piece of a source that says something by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Made of what it says: what did not change keeps its id, and its vector.
    pub id: ChunkId,
    /// Its place in the source, counted from 0.
    pub ordinal: u32,
    /// The headings it stands under, outermost first, joined with ` › `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
    /// The page of a PDF or the row of a table it begins on, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// What it says.
    pub text: String,
}

impl Chunk {
    /// The words it is found by.
    pub fn words(&self) -> Words {
        let mut words = Words::default();
        words.add(&self.section);
        words.add(&self.text);
        words
    }

    /// What is turned into its vector.
    pub fn meaning(&self) -> String {
        if self.section.is_empty() {
            return self.text.clone();
        }
        format!("{}\n{}", self.section, self.text)
    }
}
