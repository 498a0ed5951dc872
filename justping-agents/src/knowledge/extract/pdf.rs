//! PDF: the text of its pages.
//!
//! A file of a few kilobytes can unpack to gigabytes. What is unpacked while a file is opened is
//! measured before it is, what a page unpacks to is bounded, and between pages the time is looked at.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use flate2::read::ZlibDecoder;
use lopdf::{DecompressError, Document as Pdf, Error, LoadOptions};

use super::plain::paragraphs;
use super::{Document, ExtractError, PDF_PAGES_MAX, TEXT_BYTES_MAX, Writer};

/// Most bytes that the objects of a file unpack to, all together.
const OBJECTS_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most bytes that what draws a page unpacks to.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest that the pages of a file may take; it is looked at after each.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where a file has to say that it is a PDF.
const HEADER_WITHIN_BYTES: usize = 1_024;

pub(super) fn read(bytes: &[u8]) -> Result<Document, ExtractError> {
    let head = bytes.get(..HEADER_WITHIN_BYTES).unwrap_or(bytes);
    if !head.windows(5).any(|part| part == b"%PDF-") {
        return Err(ExtractError::malformed("PDF", "it does not say that it is one"));
    }
    measure(bytes)?;
    // The parser of foreign bytes is not ours: should it break, it is the file that cannot be read.
    let read = catch_unwind(AssertUnwindSafe(|| pages(bytes)));
    read.unwrap_or_else(|_| Err(ExtractError::malformed("PDF", "it breaks the parser")))
}

/// Refuses a file whose packed objects unpack to too much. They are looked for where the parser looks:
/// behind `stream`, with what is said of it before. A name may be written in numbers (`#4f`): then it
/// could be any.
fn measure(bytes: &[u8]) -> Result<(), ExtractError> {
    let (mut sum, mut from) = (0, 0);
    while let Some(at) = find(bytes, b"stream", from) {
        let said = bytes.get(from..at).unwrap_or_default();
        let data = bytes.get(at + 6..).unwrap_or_default();
        from = at + 6;
        let holds_objects =
            [&b"ObjStm"[..], b"XRef", b"#"].iter().any(|name| find(said, name, 0).is_some());
        if !holds_objects {
            continue;
        }
        let data = data.strip_prefix(b"\r").unwrap_or(data);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let left = OBJECTS_BYTES_MAX - sum;
        let mut unpacked = ZlibDecoder::new(data).take(left + 1);
        let mut sink = std::io::sink();
        // What breaks off has been unpacked up to there.
        sum += std::io::copy(&mut unpacked, &mut sink).unwrap_or(left + 1 - unpacked.limit());
        if sum > OBJECTS_BYTES_MAX {
            return Err(ExtractError::TooLarge);
        }
        let packed_otherwise = [&b"LZW"[..], b"RunLength", b"Brotli"];
        if packed_otherwise.iter().any(|name| find(said, name, 0).is_some()) {
            return Err(ExtractError::malformed("PDF", "its objects are packed in an unusual way"));
        }
    }
    Ok(())
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len()).position(|part| part == wanted).map(|at| from + at)
}

fn pages(bytes: &[u8]) -> Result<Document, ExtractError> {
    let started = Instant::now();
    let options = LoadOptions::with_max_decompressed_size(OBJECTS_BYTES_MAX as usize);
    let pdf = Pdf::load_mem_with_options(bytes, options).map_err(refusal)?;
    if pdf.is_encrypted() {
        return Err(ExtractError::Encrypted);
    }
    let numbers: Vec<u32> =
        (1u32..).zip(pdf.page_iter().take(PDF_PAGES_MAX + 1)).map(|(n, _)| n).collect();
    if numbers.len() > PDF_PAGES_MAX {
        return Err(ExtractError::TooMany("pages"));
    }
    let mut writer = Writer::default();
    let mut text_bytes = 0;
    for number in numbers {
        if started.elapsed() > PATIENCE {
            return Err(ExtractError::TooSlow);
        }
        let text = match pdf.extract_text_with_limit(&[number], PAGE_BYTES_MAX) {
            Ok(text) => text,
            Err(error @ Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
                return Err(refusal(error));
            }
            // One page that cannot be read is not all of them.
            Err(_) => continue,
        };
        text_bytes += text.len();
        if text_bytes > TEXT_BYTES_MAX {
            return Err(ExtractError::TooLarge);
        }
        paragraphs(&text.replace('\0', ""), Some(number), &mut writer);
    }
    Ok(writer.document)
}

fn refusal(error: Error) -> ExtractError {
    match error {
        Error::Decompress(DecompressError::MemoryLimitExceeded { .. }) => ExtractError::TooLarge,
        Error::Decryption(_) | Error::InvalidPassword | Error::UnsupportedSecurityHandler(_) => {
            ExtractError::Encrypted
        }
        other => ExtractError::malformed("PDF", other.to_string()),
    }
}
