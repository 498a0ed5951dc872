//! HTML, by the tokens of the standard.
//!
//! No tree is built: text needs none, and the standard's way to build one takes time that grows with
//! the square of how deeply a page is nested.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::{Document, Writer, collapse};

/// Bytes at the beginning of a page in which it may say how it is encoded.
const CHARSET_WITHIN_BYTES: usize = 1_024;
/// Elements whose text is not the page's.
const SKIPPED: &[&str] = &[
    "script", "style", "noscript", "template", "svg", "nav", "footer", "aside", "iframe", "select",
];
/// Elements that stand in a line of text.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "sup", "time", "tt", "u", "var", "wbr",
];

pub(super) fn read(text: &str) -> Document {
    let reader = Reader(RefCell::default());
    let tokenizer = Tokenizer::new(reader, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(text));
    // It stops at whatever a page wants to have done, such as a script, and goes on when asked.
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    let mut page = tokenizer.sink.0.into_inner();
    page.flush();
    let mut document = page.writer.document;
    document.title = Some(collapse(&page.title)).filter(|text| !text.is_empty()).or(document.title);
    document
}

/// The encoding that the beginning of a page names.
pub(super) fn charset(bytes: &[u8]) -> Option<&str> {
    let head = bytes.get(..CHARSET_WITHIN_BYTES).unwrap_or(bytes);
    let at = head.windows(8).position(|part| part.eq_ignore_ascii_case(b"charset="))? + 8;
    let rest = head.get(at..)?;
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = rest.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b));
    std::str::from_utf8(rest.get(..end.unwrap_or(rest.len()))?).ok()
}

#[derive(Debug)]
struct Reader(RefCell<Page>);

#[derive(Debug, Default)]
struct Page {
    writer: Writer,
    open: String,
    title: String,
    in_title: bool,
    /// How many elements of one name are open whose text does not count.
    skipping: Option<(String, u32)>,
    heading: Option<u8>,
    in_pre: bool,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return page.tag(&tag),
            Token::CharacterTokens(text) => page.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Page {
    fn text(&mut self, text: &str) {
        if self.in_title {
            self.title.push_str(text);
        } else if self.skipping.is_none() {
            self.open.push_str(text);
        }
    }

    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let starts = tag.kind == TagKind::StartTag;
        if let Some((skipped, open)) = &mut self.skipping {
            if skipped == name {
                *open = if starts { *open + 1 } else { *open - 1 };
            }
            if *open == 0 {
                self.skipping = None;
            }
        } else if SKIPPED.contains(&name) {
            self.flush();
            if starts && !tag.self_closing {
                self.skipping = Some((name.to_owned(), 1));
            }
        } else {
            self.element(name, starts);
        }
        match name {
            "script" if starts => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "iframe" | "xmp" | "noembed" | "noframes" if starts => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            "title" | "textarea" if starts => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn element(&mut self, name: &str, starts: bool) {
        match name {
            "title" => self.in_title = starts && self.title.is_empty(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush();
                let level = name.as_bytes().last().map_or(1, |digit| digit - b'0');
                self.heading = starts.then_some(level);
            }
            "br" => self.open.push('\n'),
            "td" | "th" if !starts => self.open.push_str(" | "),
            "td" | "th" => {}
            "pre" => {
                self.flush();
                self.in_pre = starts;
            }
            name if INLINE.contains(&name) => {}
            _ => self.flush(),
        }
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.open);
        match self.heading {
            Some(level) => {
                if !text.trim().is_empty() {
                    self.heading = None;
                    self.writer.heading(level, &text);
                }
            }
            None if self.in_pre => self.writer.block(None, &text),
            None => self.writer.block(None, collapse(&text).trim_end_matches(" |")),
        }
    }
}
