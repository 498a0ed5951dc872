//! Templates that only insert values, rendered without the engine.

use std::fmt::Write as _;

use minijinja::value::{Serde, Value as EngineValue};
use serde_json::{Number, Value};

use super::{MAX_OUTPUT_CHARS, TemplateError};
use crate::scope::{MAX_PATH_BYTES, Scope};

/// More bytes than this cannot be [`MAX_OUTPUT_CHARS`] characters.
const MAX_OUTPUT_BYTES: usize = MAX_OUTPUT_CHARS * 4;

/// The room reserved for the text of one value.
const VALUE_BYTES: usize = 24;

/// Names that mean something to the engine when they come first in a path.
const ENGINE_NAMES: [&str; 14] = [
    "true", "True", "false", "False", "none", "None", "not", "loop", "self", "super", "caller",
    "varargs", "kwargs", "range",
];

/// Is literal text and values, in order.
#[derive(Debug)]
pub(super) struct Segments {
    parts: Vec<Part>,
    reserve: usize,
}

#[derive(Debug)]
enum Part {
    Literal(Box<str>),
    Path { root: Box<str>, rest: Box<[Box<str>]> },
}

/// Splits `source`; `None` when any of it needs the engine.
pub(super) fn parse(source: &str) -> Option<Segments> {
    if source.contains("{%") || source.contains("{#") {
        return None;
    }
    let mut parts = Vec::new();
    let mut left = source;
    while let Some((before, tail)) = left.split_once("{{") {
        let (code, after) = tail.split_once("}}")?;
        if !before.is_empty() {
            parts.push(Part::Literal(before.into()));
        }
        parts.push(parse_path(code)?);
        left = after;
    }
    if !left.is_empty() {
        parts.push(Part::Literal(left.into()));
    }
    let reserve = parts.iter().map(Part::reserve).sum();
    Some(Segments { parts, reserve })
}

/// Reads `a.b.c` with blanks around it.
fn parse_path(code: &str) -> Option<Part> {
    let mut names = code.trim_matches([' ', '\t', '\n']).split('.');
    let root = names.next().filter(|name| is_name(name) && !ENGINE_NAMES.contains(name))?;
    if code.len() > MAX_PATH_BYTES {
        return None;
    }
    let rest: Option<Box<[Box<str>]>> =
        names.map(|name| is_name(name).then(|| name.into())).collect();
    Some(Part::Path { root: root.into(), rest: rest? })
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Part {
    fn reserve(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Path { .. } => VALUE_BYTES,
        }
    }
}

impl Segments {
    /// Renders into one string; stops early when it cannot be short enough any more.
    pub(super) fn render(&self, scope: &dyn Scope) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(self.reserve);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Path { root, rest } => {
                    if let Some(value) = find(scope, root, rest) {
                        print(&mut out, value);
                    }
                }
            }
            if out.len() > MAX_OUTPUT_BYTES {
                return Err(TemplateError::too_long("text", MAX_OUTPUT_CHARS));
            }
        }
        Ok(out)
    }

    /// Returns the paths, sorted, each once.
    pub(super) fn variables(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.parts.iter().filter_map(Part::path).collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

impl Part {
    fn path(&self) -> Option<String> {
        match self {
            Self::Literal(_) => None,
            Self::Path { root, rest } => {
                let names = std::iter::once(root).chain(rest).map(AsRef::as_ref);
                Some(names.collect::<Vec<&str>>().join("."))
            }
        }
    }
}

fn find<'s>(scope: &'s dyn Scope, root: &str, rest: &[Box<str>]) -> Option<&'s Value> {
    rest.iter().try_fold(scope.get(root)?, |value, name| value.as_object()?.get(name.as_ref()))
}

/// Prints a value as the engine does; lists and objects are left to it.
fn print(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Number(number) => print_number(out, number),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Null => out.push_str("None"),
        Value::Array(_) | Value::Object(_) => {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", EngineValue::from(Serde(value)));
        }
    }
}

fn print_number(out: &mut String, number: &Number) {
    let start = out.len();
    let _ = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(n), _, _) => write!(out, "{n}"),
        (None, Some(n), _) => write!(out, "{n}"),
        (None, None, Some(n)) => write!(out, "{n}"),
        (None, None, None) => Ok(()),
    };
    let whole = out.get(start..).is_some_and(|digits| !digits.contains('.'));
    if whole && number.is_f64() {
        out.push_str(".0");
    }
}
