//! One question about one field.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Value, json};

use super::compare;
use crate::scope::{Path, Scope};

/// Compares a field with a value.
///
/// Text compares trimmed and case-insensitively (Unicode simple lowercase). Two sides that are both
/// finite numbers, or texts of such, compare as numbers: `"7"`, `7`, `"7.0"` and `"007"` are equal.
/// Booleans equal the texts `true` and `false`. A missing field and one that is `null` are the same:
/// equal to `null`, not equal to anything else, without order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The same value; a list or an object equals nothing.
    Eq,
    /// Not [`Eq`](Self::Eq); true for a missing field unless the value is `null`.
    Ne,
    /// Greater. Two texts that are no numbers go by their characters, so ISO dates work; a number
    /// and a text that is none have no order and give false, as every order does without one.
    Gt,
    /// Greater or the same.
    Gte,
    /// Less.
    Lt,
    /// Less or the same.
    Lte,
    /// A text with the value in it, or a list with an item equal to it.
    Contains,
    /// Not [`Contains`](Self::Contains).
    NotContains,
    /// A text, number or boolean whose text starts with the value.
    StartsWith,
    /// A text, number or boolean whose text ends with the value.
    EndsWith,
    /// Equal to one of the values in a list.
    In,
    /// Not [`In`](Self::In).
    NotIn,
    /// Present and not `null`; takes no value.
    IsSet,
    /// Missing, `null`, blank text, an empty list or an empty object; takes no value.
    IsEmpty,
    /// A text in which a regular expression matches somewhere, ignoring case; linear time.
    Matches,
}

impl Operator {
    /// Every operator with its name in JSON.
    pub const NAMES: [(Self, &'static str); 15] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Gt, "gt"),
        (Self::Gte, "gte"),
        (Self::Lt, "lt"),
        (Self::Lte, "lte"),
        (Self::Contains, "contains"),
        (Self::NotContains, "not_contains"),
        (Self::StartsWith, "starts_with"),
        (Self::EndsWith, "ends_with"),
        (Self::In, "in"),
        (Self::NotIn, "not_in"),
        (Self::IsSet, "is_set"),
        (Self::IsEmpty, "is_empty"),
        (Self::Matches, "matches"),
    ];

    /// Finds the operator called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, other)| *other == name).map(|(operator, _)| *operator)
    }

    /// Returns its name in JSON.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(other, _)| *other == self).map_or("", |(_, name)| name)
    }

    /// Tells whether the operator is followed by a value.
    pub fn takes_value(self) -> bool {
        !matches!(self, Self::IsSet | Self::IsEmpty)
    }
}

/// Is a checked leaf.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) field: Path,
    pub(super) operator: Operator,
    pub(super) value: Value,
    /// The folded text of `value`.
    pub(super) text: String,
    pub(super) pattern: Option<Regex>,
}

impl Leaf {
    pub(super) fn field(&self) -> &str {
        self.field.as_str()
    }

    /// The texts it compares with: its value, or those in its list.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let listed = self.value.as_array().into_iter().flatten();
        listed.chain([&self.value]).filter_map(Value::as_str)
    }

    pub(super) fn to_json(&self) -> Value {
        let (field, op) = (self.field(), self.operator.name());
        if self.operator.takes_value() {
            json!({ "field": field, "op": op, "value": self.value })
        } else {
            json!({ "field": field, "op": op })
        }
    }

    pub(super) fn eval(&self, scope: &dyn Scope) -> bool {
        let found = self.field.find(scope).unwrap_or(&Value::Null);
        match self.operator {
            Operator::Eq => compare::equal(found, &self.value),
            Operator::Ne => !compare::equal(found, &self.value),
            Operator::Gt => self.order(found).is_some_and(Ordering::is_gt),
            Operator::Gte => self.order(found).is_some_and(Ordering::is_ge),
            Operator::Lt => self.order(found).is_some_and(Ordering::is_lt),
            Operator::Lte => self.order(found).is_some_and(Ordering::is_le),
            Operator::Contains => self.contained(found),
            Operator::NotContains => !self.contained(found),
            Operator::StartsWith => {
                compare::text(found).is_some_and(|text| text.starts_with(&self.text))
            }
            Operator::EndsWith => {
                compare::text(found).is_some_and(|text| text.ends_with(&self.text))
            }
            Operator::In => self.listed(found),
            Operator::NotIn => !self.listed(found),
            Operator::IsSet => !found.is_null(),
            Operator::IsEmpty => is_empty(found),
            Operator::Matches => self.matches(found),
        }
    }

    fn order(&self, found: &Value) -> Option<Ordering> {
        compare::order(found, &self.value)
    }

    fn contained(&self, found: &Value) -> bool {
        match found {
            Value::Array(items) => items.iter().any(|item| compare::equal(item, &self.value)),
            other => compare::text(other).is_some_and(|text| text.contains(&self.text)),
        }
    }

    fn listed(&self, found: &Value) -> bool {
        let values = self.value.as_array().into_iter().flatten();
        values.into_iter().any(|value| compare::equal(found, value))
    }

    fn matches(&self, found: &Value) -> bool {
        let pattern = self.pattern.as_ref();
        match (pattern, found) {
            (Some(pattern), Value::String(text)) => pattern.is_match(text.trim()),
            (Some(pattern), other) => {
                compare::text(other).is_some_and(|text| pattern.is_match(&text))
            }
            (None, _) => false,
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
