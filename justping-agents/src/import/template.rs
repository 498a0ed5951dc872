//! Texts with `{{ code }}` in them, written again for the templates used here.

use crate::text::{MAX_TEMPLATE_CHARS, Template};

/// A text written for the templates used here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// The template; it compiles.
    pub(super) text: String,
    /// Code that could not be carried over and now stands in the text as it was.
    pub(super) kept: Vec<String>,
    /// Whether the end of the text is missing.
    pub(super) cut: bool,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Plain(&'t str),
    /// What stands between `{{` and `}}`.
    Code(&'t str),
}

/// Splits a text at its `{{ code }}`; of nested braces the innermost pair counts.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut begin, mut seen) = (0, 0);
    while let Some(length) = text.get(seen..).and_then(|rest| rest.find("}}")) {
        let end = seen + length;
        let open = text.get(begin..end).and_then(|head| head.rfind("{{")).map(|at| begin + at);
        if let Some(open) = open {
            let plain = text.get(begin..open).filter(|plain| !plain.is_empty());
            pieces.extend(plain.map(Piece::Plain));
            pieces.extend(text.get(open + 2..end).map(Piece::Code));
            begin = end + 2;
        }
        seen = end + 2;
    }
    pieces.extend(text.get(begin..).filter(|rest| !rest.is_empty()).map(Piece::Plain));
    pieces
}

/// The only code of a text that has nothing else.
pub(super) fn sole_code(text: &str) -> Option<&str> {
    match pieces(text.trim()).as_slice() {
        [Piece::Code(code)] => Some(code.trim()),
        _ => None,
    }
}

/// Writes a text again; `code` says what an expression of the source is here, `None` when it is
/// nothing.
pub(super) fn write(text: &str, code: &mut dyn FnMut(&str) -> Option<String>) -> Written {
    let mut written = Written::default();
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => escape(&mut written.text, plain),
            Piece::Code(source) => match code(source.trim()).filter(|code| compiles(code)) {
                Some(code) => {
                    written.text.push_str("{{ ");
                    written.text.push_str(&code);
                    written.text.push_str(" }}");
                }
                None => {
                    written.kept.push(source.trim().to_owned());
                    escape(&mut written.text, &format!("{{{{{source}}}}}"));
                }
            },
        }
    }
    if Template::compile(&written.text).is_err() {
        written.cut = true;
        written.text.clear();
        let plain: String = text.chars().take(MAX_TEMPLATE_CHARS / 16).collect();
        escape(&mut written.text, &plain);
    }
    written
}

/// A text without code, for the templates used here.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}

fn compiles(code: &str) -> bool {
    Template::compile(&format!("{{{{ {code} }}}}")).is_ok()
}

/// Adds a text so that no brace of it begins code, wherever it stands.
fn escape(out: &mut String, text: &str) {
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let opens = matches!(letters.peek(), None | Some('{' | '%' | '#'));
        if letter == '{' && opens {
            out.push_str("{{ '{' }}");
        } else {
            out.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_are_the_innermost_braces() {
        let pieces = pieces("a {{ x }} b {{{y}}} {{ open");
        assert_eq!(
            pieces,
            [
                Piece::Plain("a "),
                Piece::Code(" x "),
                Piece::Plain(" b {"),
                Piece::Code("y"),
                Piece::Plain("} {{ open"),
            ]
        );
        assert_eq!(sole_code(" {{ a.b }} "), Some("a.b"));
        assert_eq!(sole_code("x{{ a }}"), None);
    }

    proptest! {
        /// Without anything to say about its code, a text comes out as it went in.
        #[test]
        fn a_text_stays_what_it_is(text in "([{}%# a-z\\n]|\\{\\{|\\}\\}){0,40}") {
            let written = write(&text, &mut |_| None);
            let template = Template::compile(&written.text).unwrap();
            let rendered = template.render(&json!({})).unwrap();
            prop_assert!(!written.cut);
            prop_assert_eq!(rendered, text);
        }
    }
}
