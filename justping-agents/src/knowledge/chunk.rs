//! Cutting a document into chunks.

use std::collections::BTreeSet;

use justping_core::model::{CHUNK_CHARS_MAX, Chunk, ChunkId, SOURCE_CHUNKS_MAX};
use sha2::{Digest, Sha256};
use unicode_segmentation::UnicodeSegmentation;
use uuid::Uuid;

use super::extract::{Block, Document, ExtractError};

/// How a document is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOptions {
    /// Characters a chunk has at most, unless a single word is longer; about 4 make a token.
    pub chars: usize,
    /// Characters of the end of a chunk, in whole sentences, that the next one begins with.
    pub overlap: usize,
}

impl Default for CutOptions {
    fn default() -> Self {
        Self { chars: 1_200, overlap: 200 }
    }
}

/// Cuts a document: at every heading, then between paragraphs and sentences, so that no chunk is
/// larger than wished. Two chunks that say the same under the same heading are one.
///
/// The id of a chunk is a hash of what it says, so that what stayed the same when a source is read
/// again is known to have.
///
/// # Errors
/// [`ExtractError::TooMany`] beyond [`SOURCE_CHUNKS_MAX`].
pub fn cut(document: &Document, options: CutOptions) -> Result<Vec<Chunk>, ExtractError> {
    let chars = options.chars.clamp(1, CHUNK_CHARS_MAX);
    let mut cutter = Cutter {
        chars,
        overlap: options.overlap.min(chars / 2),
        chunks: Vec::new(),
        known: BTreeSet::new(),
        open: Vec::new(),
        fresh: 0,
        page: None,
    };
    for section in document.blocks.chunk_by(|a, b| a.section == b.section) {
        cutter.section(section)?;
    }
    Ok(cutter.chunks)
}

struct Cutter<'d> {
    chars: usize,
    overlap: usize,
    chunks: Vec<Chunk>,
    known: BTreeSet<ChunkId>,
    /// The pieces of the chunk in the making: what parts each from the one before, and its text.
    open: Vec<(&'static str, &'d str)>,
    /// How many of them the chunk before does not have.
    fresh: usize,
    page: Option<u32>,
}

impl<'d> Cutter<'d> {
    fn section(&mut self, blocks: &'d [Block]) -> Result<(), ExtractError> {
        let section = blocks.first().map_or("", |block| &block.section);
        for block in blocks {
            let mut parted = "\n\n";
            for piece in pieces(&block.text, self.chars) {
                if self.fresh > 0 && self.size() + chars_of(piece) > self.chars {
                    self.close(section)?;
                }
                self.make_room(piece);
                if self.fresh == 0 {
                    self.page = block.page;
                }
                self.open.push((parted, piece));
                self.fresh += 1;
                parted = "";
            }
        }
        self.close(section)?;
        self.open.clear();
        Ok(())
    }

    fn size(&self) -> usize {
        self.open.iter().map(|(parted, piece)| parted.len() + chars_of(piece)).sum()
    }

    /// Lets go of the overlap that the next piece has no room beside.
    fn make_room(&mut self, piece: &str) {
        while self.fresh == 0 && !self.open.is_empty() && self.size() + chars_of(piece) > self.chars
        {
            self.open.remove(0);
        }
    }

    /// Ends the chunk in the making, and begins the next with its end.
    fn close(&mut self, section: &str) -> Result<(), ExtractError> {
        if self.fresh == 0 {
            return Ok(());
        }
        let mut text = String::new();
        for (parted, piece) in &self.open {
            text.push_str(if text.is_empty() { "" } else { parted });
            text.push_str(piece);
        }
        self.fresh = 0;
        let (mut kept, mut size) = (self.open.len(), 0);
        for (parted, piece) in self.open.iter().rev() {
            size += parted.len() + chars_of(piece);
            if size > self.overlap {
                break;
            }
            kept -= 1;
        }
        self.open.drain(..kept);
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let id = hash(section, text);
        if self.known.insert(id) {
            if self.chunks.len() >= SOURCE_CHUNKS_MAX {
                return Err(ExtractError::TooMany("chunks"));
            }
            let ordinal = self.chunks.len() as u32;
            let (section, text) = (section.to_owned(), text.to_owned());
            self.chunks.push(Chunk { id, ordinal, section, page: self.page, text });
        }
        Ok(())
    }
}

fn chars_of(text: &str) -> usize {
    text.chars().count()
}

/// The sentences of a text; one that is too long is parted between words, and a word that is too long
/// wherever it has to be.
fn pieces(text: &str, most: usize) -> impl Iterator<Item = &str> {
    text.split_sentence_bounds().flat_map(move |sentence| {
        let mut rest = sentence;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (piece, later) = rest.split_at(end_of_piece(rest, most));
            rest = later;
            Some(piece)
        })
    })
}

/// Where the first piece of a text ends.
fn end_of_piece(text: &str, most: usize) -> usize {
    let Some((cut, _)) = text.char_indices().nth(most) else { return text.len() };
    let head = text.get(..cut).unwrap_or(text);
    head.rfind(char::is_whitespace).map_or(cut, |at| {
        let blank = head.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        at + blank
    })
}

fn hash(section: &str, text: &str) -> ChunkId {
    let mut hash = Sha256::new();
    hash.update((section.len() as u64).to_be_bytes());
    hash.update(section);
    hash.update(text);
    let hash = hash.finalize();
    let half = hash.first_chunk::<16>().copied().unwrap_or_default();
    ChunkId::from_uuid(Uuid::from_bytes(half))
}
