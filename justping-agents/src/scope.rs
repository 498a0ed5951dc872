//! Where templates and conditions look names up.
//!
//! A [`Scope`] lends values, it never gives copies away: a session's variables, the contact and the
//! conversation stay where they are, and a template that reads two of them touches two.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::{Map, Value};

/// The longest dotted path, in bytes.
pub const MAX_PATH_BYTES: usize = 256;

/// The most segments a dotted path may have.
pub const MAX_PATH_SEGMENTS: usize = 16;

/// Resolves the first segment of a path (`contact` in `contact.fields.plan`) to a value.
///
/// # Contract
/// Looking the same name up twice during one render or evaluation gives the same value. `None` means
/// the name is not set; that is not an error anywhere in this crate.
///
/// # Implementing
/// Maps of JSON values implement it already; several sources are put in front of one another with
/// [`Layers`].
pub trait Scope {
    /// Returns the value called `name`, or `None` when there is none.
    fn get(&self, name: &str) -> Option<&Value>;
}

impl Scope for Map<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }
}

/// An object lends its members; any other value has none.
impl Scope for Value {
    fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }
}

impl Scope for BTreeMap<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }
}

impl Scope for HashMap<String, Value> {
    fn get(&self, name: &str) -> Option<&Value> {
        Self::get(self, name)
    }
}

/// Looks a name up in several scopes; the first that has it wins.
#[derive(Clone, Copy)]
pub struct Layers<'a>(pub &'a [&'a dyn Scope]);

impl Scope for Layers<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find_map(|layer| layer.get(name))
    }
}

impl fmt::Debug for Layers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layers").field(&self.0.len()).finish()
    }
}

/// Is a dotted path, split once and looked up many times.
///
/// Segments are any text without `.` and control characters: `contact.fields.Favourite colour` is a
/// path. A segment of digits also indexes a list: `order.items.0.name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: Box<str>,
}

/// Says why a text is not a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path, or one of its segments, is empty.
    #[error("a path is names joined by dots, none of them empty")]
    Empty,
    /// The path is longer than [`MAX_PATH_BYTES`] or has more than [`MAX_PATH_SEGMENTS`] segments.
    #[error("path too long (at most {MAX_PATH_BYTES} bytes and {MAX_PATH_SEGMENTS} segments)")]
    TooLong,
    /// The path contains a control character.
    #[error("path contains a control character")]
    Control,
}

impl Path {
    /// Checks `text` and keeps it.
    ///
    /// # Errors
    /// [`PathError`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_PATH_BYTES || text.split('.').count() > MAX_PATH_SEGMENTS {
            return Err(PathError::TooLong);
        }
        if text.split('.').any(|segment| segment.trim().is_empty()) {
            return Err(PathError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        Ok(Self { text: text.into() })
    }

    /// Returns the path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Walks the path from `scope`; `None` when a step of it is missing.
    pub fn find<'s>(&self, scope: &'s dyn Scope) -> Option<&'s Value> {
        let mut segments = self.text.split('.');
        let root = scope.get(segments.next()?)?;
        segments.try_fold(root, step)
    }
}

/// Goes one segment deeper; lists take a number.
fn step<'v>(value: &'v Value, segment: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn path_walks_objects_and_lists() {
        let scope = json!({"order": {"items": [{"name": "tea"}]}, "a b": 1});
        let find = |path: &str| Path::parse(path).unwrap().find(&scope).cloned();
        assert_eq!(find("order.items.0.name"), Some(json!("tea")));
        assert_eq!(find("a b"), Some(json!(1)));
        assert_eq!(find("order.items.1.name"), None);
        assert_eq!(find("order.items.name"), None);
        assert_eq!(find("order.items.0.name.more"), None);
        assert_eq!(find("missing"), None);
    }

    #[test]
    fn path_rejects_what_is_not_one() {
        assert_eq!(Path::parse(""), Err(PathError::Empty));
        assert_eq!(Path::parse("a..b"), Err(PathError::Empty));
        assert_eq!(Path::parse("a. "), Err(PathError::Empty));
        assert_eq!(Path::parse("a\nb"), Err(PathError::Control));
        assert_eq!(Path::parse(&"a".repeat(257)), Err(PathError::TooLong));
        assert_eq!(Path::parse(&["a"; 17].join(".")), Err(PathError::TooLong));
    }

    #[test]
    fn first_layer_wins() {
        let (local, global) = (json!({"x": 1}), json!({"x": 2, "y": 3}));
        let layers: [&dyn Scope; 2] = [&local, &global];
        let scope = Layers(&layers);
        assert_eq!(scope.get("x"), Some(&json!(1)));
        assert_eq!(scope.get("y"), Some(&json!(3)));
        assert_eq!(scope.get("z"), None);
    }
}
