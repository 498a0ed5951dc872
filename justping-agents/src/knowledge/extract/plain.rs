//! Plain text: paragraphs parted by blank lines.

use super::{Document, Writer, collapse};

pub(super) fn read(text: &str) -> Document {
    let mut writer = Writer::default();
    paragraphs(text, None, &mut writer);
    writer.document
}

/// Writes the paragraphs of a text.
pub(super) fn paragraphs(text: &str, page: Option<u32>, writer: &mut Writer) {
    let mut open = String::new();
    for line in text.lines() {
        let line = collapse(line);
        if line.is_empty() {
            writer.block(page, &open);
            open.clear();
        } else {
            join(&mut open, &line);
        }
    }
    writer.block(page, &open);
}

/// Adds a line to a paragraph; a word that was broken at its end becomes whole.
fn join(open: &mut String, line: &str) {
    let continues = line.chars().next().is_some_and(char::is_lowercase);
    let broken = open.strip_suffix('-').is_some_and(|rest| rest.ends_with(char::is_alphabetic));
    if broken && continues {
        open.pop();
    } else if !open.is_empty() {
        open.push(' ');
    }
    open.push_str(line);
}
