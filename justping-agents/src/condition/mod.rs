//! Conditions: the one way flows, segments and routing ask yes-or-no questions.
//!
//! Written in JSON, as an editor builds it:
//!
//! ```json
//! {"all": [
//!     {"field": "contact.fields.plan", "op": "eq", "value": "Pro"},
//!     {"not": {"field": "contact.tags", "op": "contains", "value": "vip"}}
//! ]}
//! ```
//!
//! A node is `{"all": […]}` (true when empty), `{"any": […]}` (false when empty), `{"not": {…}}` or
//! a leaf `{"field", "op", "value"}`. How values compare is pinned in [`Operator`].

mod compare;
mod leaf;
mod parse;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use self::leaf::Leaf;
pub use self::leaf::Operator;
use crate::scope::Scope;

/// The deepest nesting; a leaf alone has depth 1.
pub const MAX_DEPTH: usize = 16;

/// The most leaves in one condition.
pub const MAX_LEAVES: usize = 200;

/// The most values in the list of `in` and `not_in`.
pub const MAX_LIST: usize = 500;

/// The longest text value, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;

/// The longest pattern of `matches`, in bytes.
pub const MAX_PATTERN_BYTES: usize = 512;

/// Is a condition that has been checked and is ready to evaluate.
#[derive(Clone, Debug)]
pub struct Condition {
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Leaf(Box<Leaf>),
}

/// Says where and why a JSON value is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ConditionError {
    /// Where, as a JSON path from `$`.
    pub path: String,
    /// What is wrong there, for the author.
    pub message: String,
}

impl Condition {
    /// Checks `json` and prepares it.
    ///
    /// # Errors
    /// [`ConditionError`] for anything that is not exactly a condition, unknown members included,
    /// and for more than [`MAX_DEPTH`] levels, [`MAX_LEAVES`] leaves or [`MAX_LIST`] values.
    pub fn compile(json: &Value) -> Result<Self, ConditionError> {
        parse::condition(json).map(|node| Self { node })
    }

    /// Answers the question with the values of `scope`; never fails.
    pub fn eval(&self, scope: &dyn Scope) -> bool {
        self.node.eval(scope)
    }

    /// Lists the paths of the fields it reads, in the order they are written, repeats included.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let mut leaves = Vec::new();
        self.node.collect_leaves(&mut leaves);
        leaves.into_iter().map(Leaf::field)
    }

    /// Lists the texts that a field is compared with, repeats included.
    pub fn texts_beside<'c>(&'c self, field: &'c str) -> impl Iterator<Item = &'c str> {
        let mut leaves = Vec::new();
        self.node.collect_leaves(&mut leaves);
        leaves.into_iter().filter(move |leaf| leaf.field() == field).flat_map(Leaf::texts)
    }

    /// Returns the JSON it was compiled from.
    pub fn to_json(&self) -> Value {
        self.node.to_json()
    }
}

/// Conditions are equal when their JSON is.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Value::deserialize(deserializer)?;
        Self::compile(&json).map_err(serde::de::Error::custom)
    }
}

impl Node {
    fn eval(&self, scope: &dyn Scope) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.eval(scope)),
            Self::Any(nodes) => nodes.iter().any(|node| node.eval(scope)),
            Self::Not(node) => !node.eval(scope),
            Self::Leaf(leaf) => leaf.eval(scope),
        }
    }

    fn collect_leaves<'n>(&'n self, leaves: &mut Vec<&'n Leaf>) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => {
                nodes.iter().for_each(|node| node.collect_leaves(leaves));
            }
            Self::Not(node) => node.collect_leaves(leaves),
            Self::Leaf(leaf) => leaves.push(leaf),
        }
    }

    fn to_json(&self) -> Value {
        let list = |nodes: &[Self]| -> Value { nodes.iter().map(Self::to_json).collect() };
        match self {
            Self::All(nodes) => json!({ "all": list(nodes) }),
            Self::Any(nodes) => json!({ "any": list(nodes) }),
            Self::Not(node) => json!({ "not": node.to_json() }),
            Self::Leaf(leaf) => leaf.to_json(),
        }
    }
}
