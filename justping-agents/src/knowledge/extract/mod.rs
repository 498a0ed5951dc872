//! What a file says: its texts in reading order, each with the headings above it.
//!
//! Pure and total: whatever the bytes are, there is a [`Document`] or an [`ExtractError`], in bounded
//! time and memory.

mod csv;
mod html;
mod markdown;
mod pdf;
mod plain;

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};
use justping_core::model::{SOURCE_BYTES_MAX, SourceFormat};

/// Most pages of a PDF.
pub const PDF_PAGES_MAX: usize = 2_000;
/// Most rows of a table.
pub const CSV_ROWS_MAX: usize = 50_000;
/// Most columns of a table.
pub const CSV_COLUMNS_MAX: usize = 200;
/// Most bytes of text of a document.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Characters of a heading that are kept.
const HEADING_CHARS_MAX: usize = 200;

/// A document that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// What it calls itself.
    pub title: Option<String>,
    /// Its texts, in reading order.
    pub blocks: Vec<Block>,
}

/// A paragraph, an item of a list, a row of a table, a piece of code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The headings it stands under, outermost first, joined with ` › `.
    pub section: String,
    /// The page of a PDF or the row of a table, counted from 1.
    pub page: Option<u32>,
    /// What it says; never blank.
    pub text: String,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// It is larger than sources may be, packed or unpacked.
    #[error("the file is too large")]
    TooLarge,
    /// It has more pages, rows or columns than sources may have.
    #[error("the file has too many {0}")]
    TooMany(&'static str),
    /// It takes a password to read it.
    #[error("the file is encrypted")]
    Encrypted,
    /// It is not what it is said to be.
    #[error("the file is no {format}: {detail}")]
    Malformed {
        /// What it should be.
        format: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// It takes too long to read it.
    #[error("the file takes too long to read")]
    TooSlow,
    /// It says nothing, such as a PDF that is all pictures.
    #[error("there is no text in the file")]
    Empty,
}

impl ExtractError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooMany(_) => "too_many",
            Self::Encrypted => "encrypted",
            Self::Malformed { .. } => "malformed",
            Self::TooSlow => "too_slow",
            Self::Empty => "empty",
        }
    }

    fn malformed(format: &'static str, detail: impl Into<String>) -> Self {
        Self::Malformed { format, detail: detail.into() }
    }
}

/// Reads a file. `charset` is how its text is encoded, if somebody said so.
///
/// ```
/// use justping_agents::knowledge::extract;
/// use justping_core::model::SourceFormat;
///
/// let document = extract(SourceFormat::Markdown, b"# Returns\n\nWithin 30 days.", None)?;
/// assert_eq!(document.blocks[0].section, "Returns");
/// assert_eq!(document.blocks[0].text, "Within 30 days.");
/// # Ok::<(), justping_agents::knowledge::ExtractError>(())
/// ```
///
/// # Errors
/// [`ExtractError`].
pub fn extract(
    format: SourceFormat,
    bytes: &[u8],
    charset: Option<&str>,
) -> Result<Document, ExtractError> {
    if bytes.len() > SOURCE_BYTES_MAX {
        return Err(ExtractError::TooLarge);
    }
    let document = match format {
        SourceFormat::Text => plain::read(&text("text", bytes, charset)?),
        SourceFormat::Markdown => markdown::read(&text("Markdown", bytes, charset)?),
        SourceFormat::Html => html::read(&text("HTML", bytes, charset.or(html::charset(bytes)))?),
        SourceFormat::Csv => csv::read(&text("table", bytes, charset)?)?,
        SourceFormat::Pdf => pdf::read(bytes)?,
    };
    if document.blocks.is_empty() { Err(ExtractError::Empty) } else { Ok(document) }
}

/// The format that a media type names.
pub fn format_of(media_type: &str) -> Option<SourceFormat> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/plain" => Some(SourceFormat::Text),
        "text/markdown" | "text/x-markdown" => Some(SourceFormat::Markdown),
        "text/html" | "application/xhtml+xml" => Some(SourceFormat::Html),
        "application/pdf" | "application/x-pdf" => Some(SourceFormat::Pdf),
        "text/csv" | "text/tab-separated-values" | "application/csv" => Some(SourceFormat::Csv),
        _ => None,
    }
}

/// The encoding that a media type names.
pub fn charset_of(media_type: &str) -> Option<&str> {
    let mut parameters = media_type.split(';').skip(1).filter_map(|part| part.split_once('='));
    let (_, charset) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(charset.trim().trim_matches('"'))
}

/// Bytes as text: in the encoding that they begin with, that was said, or that fits.
fn text<'b>(
    format: &'static str,
    bytes: &'b [u8],
    charset: Option<&str>,
) -> Result<Cow<'b, str>, ExtractError> {
    let said = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    let text = match (Encoding::for_bom(bytes), said, std::str::from_utf8(bytes)) {
        (Some((encoding, _)), ..) => encoding.decode(bytes).0,
        (None, _, Ok(text)) => Cow::Borrowed(text),
        (None, said, Err(_)) => said.unwrap_or(WINDOWS_1252).decode_without_bom_handling(bytes).0,
    };
    if text.contains('\0') {
        return Err(ExtractError::malformed(format, "it has characters of binary files"));
    }
    Ok(text)
}

/// A document in the making: headings, and blocks under them.
#[derive(Debug, Default)]
struct Writer {
    document: Document,
    /// The open headings with their levels.
    headings: Vec<(u8, String)>,
    section: String,
}

impl Writer {
    /// Opens a heading of a level, 1 for the greatest; it closes those that are not greater.
    fn heading(&mut self, level: u8, text: &str) {
        let text: String = collapse(text).chars().take(HEADING_CHARS_MAX).collect();
        self.headings.retain(|(open, _)| *open < level);
        if !text.is_empty() {
            if self.document.title.is_none() && level == 1 {
                self.document.title = Some(text.clone());
            }
            self.headings.push((level, text));
        }
        let texts: Vec<&str> = self.headings.iter().map(|(_, text)| text.as_str()).collect();
        self.section = texts.join(" › ");
    }

    /// Adds a block as it is, unless it is blank.
    fn block(&mut self, page: Option<u32>, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            let section = self.section.clone();
            self.document.blocks.push(Block { section, page, text: text.to_owned() });
        }
    }
}

/// A text with single spaces instead of any blanks.
fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
