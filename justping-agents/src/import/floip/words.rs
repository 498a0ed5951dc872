//! Texts with formulas in them: `@contact.name`, `@(flow.age)`.

/// Words a path begins with; anything else behind an `@` is text.
const ROOTS: [&str; 5] = ["contact", "flow", "block", "channel", "date"];

/// Splits a text: pieces, each with whether it is code (without its `@`).
pub(super) fn codes(text: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let (mut begin, mut seen) = (0, 0);
    while let Some(length) = text.get(seen..).and_then(|rest| rest.find('@')) {
        let at = seen + length;
        let tail = text.get(at + 1..).unwrap_or_default();
        seen = at + 1;
        if tail.starts_with('@') {
            // Two of them are one that is meant as such.
            pieces.push((text.get(begin..=at).unwrap_or_default(), false));
            begin = at + 2;
            seen = begin;
            continue;
        }
        let Some(code) = code(tail) else { continue };
        pieces.push((text.get(begin..at).unwrap_or_default(), false));
        pieces.push((code, true));
        begin = at + 1 + code.len();
        seen = begin;
    }
    pieces.push((text.get(begin..).unwrap_or_default(), false));
    pieces.retain(|(piece, _)| !piece.is_empty());
    pieces
}

/// The code a text begins with: a path, or something in brackets.
fn code(tail: &str) -> Option<&str> {
    if tail.starts_with('(') {
        let mut depth = 0_usize;
        for (at, letter) in tail.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return tail.get(..=at);
            }
        }
        return None;
    }
    let end = tail.find(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c));
    let path = tail.get(..end.unwrap_or(tail.len()))?.trim_end_matches('.');
    let root = path.split('.').next()?;
    (ROOTS.contains(&root) && path.contains('.')).then_some(path)
}

/// The path that code reads; `None` when it is more than that.
pub(super) fn path(code: &str) -> Option<&str> {
    let inner = code.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(code);
    let inner = inner.trim();
    let legal = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    inner.split('.').all(legal).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_text() {
        let found = codes("Hi @contact.name, @(flow.age)! me@site.org @@home");
        let code: Vec<&str> =
            found.iter().filter(|(_, code)| *code).map(|(text, _)| *text).collect();
        assert_eq!(code, ["contact.name", "(flow.age)"]);
        let text: String = found.iter().filter(|(_, code)| !code).map(|(text, _)| *text).collect();
        assert_eq!(text, "Hi , ! me@site.org @home");
        assert_eq!(path("(flow.age)"), Some("flow.age"));
        assert_eq!(path("(flow.age + 1)"), None);
        assert_eq!(codes("@(open"), [("@(open", false)]);
    }
}
