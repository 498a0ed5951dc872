//! How two values compare.

use std::cmp::Ordering;

use serde_json::Value;

/// The longest text that is looked at as a number, in bytes.
const MAX_NUMBER_BYTES: usize = 64;

/// Is a number: whole numbers compare exactly, so long identifiers that differ are different.
#[derive(Clone, Copy, Debug)]
pub(super) enum Num {
    Int(i128),
    Float(f64),
}

impl Num {
    /// Reads a JSON number or a text that is one: `[+-]digits[.digits][e[+-]digits]`, finite.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => {
                let int = number.as_i64().map(i128::from);
                let int = int.or_else(|| number.as_u64().map(i128::from));
                int.map(Self::Int).or_else(|| number.as_f64().map(Self::Float))
            }
            Value::String(text) => Self::read_text(text.trim()),
            _ => None,
        }
    }

    fn read_text(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
        // Keeps out `inf`, `nan`, `.5` and `5.`, which the standard parser takes.
        let edges = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_digit());
        if text.len() > MAX_NUMBER_BYTES
            || !edges
            || !text.bytes().all(plain)
            || text.contains(".e")
        {
            return None;
        }
        let int = text.parse().ok().map(Self::Int);
        int.or_else(|| text.parse().ok().filter(|n: &f64| n.is_finite()).map(Self::Float))
    }

    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }
}

/// Lowercases one character, simply: one character stays one.
pub(super) fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// Returns the characters of a text as they compare: trimmed, lowercase.
pub(super) fn folded(text: &str) -> impl DoubleEndedIterator<Item = char> + '_ {
    text.trim().chars().map(lower)
}

/// Tells whether two values are the same.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    if let (Some(a), Some(b)) = (Num::read(a), Num::read(b)) {
        return a.order(b) == Some(Ordering::Equal);
    }
    match (a, b) {
        (Value::String(a), Value::String(b)) => folded(a).eq(folded(b)),
        (Value::Bool(flag), Value::String(text)) | (Value::String(text), Value::Bool(flag)) => {
            folded(text).eq(if *flag { "true" } else { "false" }.chars())
        }
        (a, b) => a == b,
    }
}

/// Orders two values: numbers by size, two texts that are not numbers by their characters.
///
/// A number and a text that is none have no order; nor has anything else.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (Num::read(a), Num::read(b)) {
        (Some(a), Some(b)) => a.order(b),
        (None, None) => match (a, b) {
            (Value::String(a), Value::String(b)) => Some(folded(a).cmp(folded(b))),
            _ => None,
        },
        _ => None,
    }
}

/// Returns a scalar as folded text; lists, objects and null have none.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(folded(text).collect()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
