//! Rich text as plain text.

use serde_json::Value;

use crate::import::json::{at, list, text};

/// A leaf of rich text, or what stands around one.
#[derive(Debug)]
pub(super) struct Plain {
    /// The pieces in order: the text of a leaf with its pointer, or what is put between them.
    pub(super) pieces: Vec<(Option<String>, String)>,
    /// Whether there was anything besides words, links and lists.
    pub(super) styled: bool,
}

/// The text of a bubble; `path` is the bubble's pointer.
pub(super) fn plain(block: &Value, path: &str) -> Plain {
    let mut plain = Plain { pieces: Vec::new(), styled: false };
    let path = at(path, "content");
    let Some(content) = block.get("content") else { return plain };
    let paragraphs = list(content, "richText");
    if paragraphs.is_empty() {
        if let Some(text) = text(content, "plainText") {
            plain.pieces.push((Some(at(&path, "plainText")), text.to_owned()));
        }
        return plain;
    }
    let path = at(&path, "richText");
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            plain.between("\n");
        }
        plain.element(paragraph, &at(&path, index));
    }
    plain
}

/// Says whether a bubble has nothing to say.
pub(super) fn is_blank(block: &Value) -> bool {
    plain(block, "").pieces.iter().all(|(_, text)| text.trim().is_empty())
}

impl Plain {
    fn between(&mut self, text: &str) {
        self.pieces.push((None, text.to_owned()));
    }

    fn element(&mut self, element: &Value, path: &str) {
        if let Some(leaf) = text(element, "text") {
            let marks = ["bold", "italic", "underline", "strikethrough", "code"];
            self.styled |= marks.iter().any(|mark| element.get(*mark) == Some(&Value::Bool(true)));
            self.pieces.push((Some(at(path, "text")), leaf.to_owned()));
            return;
        }
        let kind = text(element, "type").unwrap_or_default();
        if kind == "li" {
            self.between("- ");
        }
        let children = list(element, "children");
        let before = self.pieces.len();
        for (index, child) in children.iter().enumerate() {
            let blocks = ["p", "li", "ul", "ol", "blockquote"];
            let kind = text(child, "type").unwrap_or_default();
            if index > 0 && blocks.contains(&kind) {
                self.between("\n");
            }
            self.element(child, &at(&at(path, "children"), index));
        }
        if let Some(url) = text(element, "url").filter(|_| kind == "a") {
            let words = self.pieces.get(before..).unwrap_or_default();
            let said: String = words.iter().map(|(_, text)| text.as_str()).collect();
            if said.trim().is_empty() {
                self.pieces.push((Some(at(path, "url")), url.to_owned()));
            } else if said.trim() != url {
                self.between(" (");
                self.pieces.push((Some(at(path, "url")), url.to_owned()));
                self.between(")");
            }
        }
    }
}
