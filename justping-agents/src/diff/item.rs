//! Comparing entries and values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{Change, ItemDiff, ListDiff};
use crate::document::DEFAULT_EXIT;
use crate::hash::content_hash;

/// Compares two lists by the names of their entries. Of entries that share a name the first is
/// compared with the first, the second with the second.
pub(super) fn list(kind: &str, before: &[Value], after: &[Value]) -> ListDiff {
    let (old, new) = (named(kind, before), named(kind, after));
    let olds: HashMap<&Key, &Value> = old.iter().map(|(key, item)| (key, *item)).collect();
    let news: HashMap<&Key, &Value> = new.iter().map(|(key, item)| (key, *item)).collect();
    let missing = |list: &[(Key, &Value)], other: &HashMap<&Key, &Value>| {
        let gone = list.iter().filter(|(key, _)| !other.contains_key(key));
        gone.map(|(_, item)| (*item).clone()).collect()
    };
    let changed = new.iter().filter_map(|(key, item)| {
        let changes = changes(olds.get(key)?, item);
        (!changes.is_empty()).then(|| ItemDiff { name: key.0.clone(), changes })
    });
    let stayed = |list: &[(Key, &Value)], other: &HashMap<&Key, &Value>| {
        let stayed = list.iter().filter(|(key, _)| other.contains_key(key));
        stayed.map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    ListDiff {
        added: missing(&new, &olds),
        removed: missing(&old, &news),
        changed: changed.collect(),
        reordered: stayed(&old, &news) != stayed(&new, &olds),
    }
}

/// An entry's name, and which of those with the name it is.
type Key = (String, usize);

fn named<'v>(kind: &str, items: &'v [Value]) -> Vec<(Key, &'v Value)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let key = |item| {
        let name = name(kind, item);
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        ((name, *count), item)
    };
    items.iter().map(key).collect()
}

fn name(kind: &str, item: &Value) -> String {
    let text = |member: &str| item.get(member).and_then(Value::as_str);
    match kind {
        "edges" => {
            let exit = text("sourceHandle").unwrap_or(DEFAULT_EXIT);
            format!("{} {exit}", text("source").unwrap_or_default())
        }
        "variables" => text("name").unwrap_or_default().to_owned(),
        _ => text("id").unwrap_or_default().to_owned(),
    }
}

/// The differences of two values, each at its own pointer.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut out = Vec::new();
    compare("", Some(before), Some(after), &mut out);
    out
}

/// Adds the differences of two values that may be absent.
pub(super) fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    out: &mut Vec<Change>,
) {
    match (before, after) {
        (None, None) => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                compare(&child(path, name), before.get(name), after.get(name), out);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                let path = format!("{path}/{index}");
                compare(&path, before.get(index), after.get(index), out);
            }
        }
        (Some(before), Some(after)) if is_same(before, after) => {}
        (before, after) => out.push(Change {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// `1` and `1.0` are one number, as in the hash.
fn is_same(before: &Value, after: &Value) -> bool {
    let numbers = before.is_number() && after.is_number();
    before == after || (numbers && content_hash(before) == content_hash(after))
}

/// The pointer of a member.
pub(super) fn child(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}
