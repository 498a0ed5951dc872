//! What changed between two documents.
//!
//! [`diff`] is total: drafts are compared as they are, finished or not. The drawing does not count:
//! two documents without a difference have the same
//! [`content_hash`](justping_core::port::FlowRuntime::content_hash), and the other way round.

mod item;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::hash::strip_layout;

/// Lists of a graph whose entries have a name of their own.
const LISTS: [&str; 3] = ["nodes", "edges", "variables"];
/// The flows that a document brings along to call.
const FLOWS: &str = "flows";

/// What one document has that another has not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// The graph of the document itself.
    #[serde(flatten)]
    pub graph: GraphDiff,
    /// The flows it brings along, by key.
    pub flows: BTreeMap<String, SubflowDiff>,
}

/// What changed about a graph.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphDiff {
    /// Its nodes, by id.
    pub nodes: ListDiff,
    /// Its edges, by source and exit.
    pub edges: ListDiff,
    /// Its variables, by name.
    pub variables: ListDiff,
    /// Everything else, such as `/name` and `/settings/max_steps`; paths begin at the graph.
    pub rest: Vec<Change>,
}

/// What changed about a flow that a document brings along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum SubflowDiff {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed {
        /// How.
        #[serde(flatten)]
        graph: Box<GraphDiff>,
    },
}

/// What changed about a list whose entries have names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ListDiff {
    /// Entries that are new.
    pub added: Vec<Value>,
    /// Entries that are gone.
    pub removed: Vec<Value>,
    /// Entries that differ.
    pub changed: Vec<ItemDiff>,
    /// Whether entries that stayed have another order.
    pub reordered: bool,
}

/// What changed about one entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemDiff {
    /// The node's id, the edge's source and exit (`menu option:yes`), the variable's name.
    pub name: String,
    /// The differences; paths begin at the entry.
    pub changes: Vec<Change>,
}

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// JSON pointer (RFC 6901).
    pub path: String,
    /// What it was; absent when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Diff {
    /// Says whether the documents mean the same.
    pub fn is_empty(&self) -> bool {
        self.graph.is_empty() && self.flows.is_empty()
    }
}

impl GraphDiff {
    /// Says whether the graphs mean the same.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.nodes, &self.edges, &self.variables];
        lists.into_iter().all(ListDiff::is_empty) && self.rest.is_empty()
    }
}

impl ListDiff {
    /// Says whether the lists are the same.
    pub fn is_empty(&self) -> bool {
        let parts = [self.added.is_empty(), self.removed.is_empty(), self.changed.is_empty()];
        parts.into_iter().all(|is_empty| is_empty) && !self.reordered
    }
}

/// Compares two documents.
pub fn diff(before: &Value, after: &Value) -> Diff {
    let (mut before, mut after) = (before.clone(), after.clone());
    strip_layout(&mut before);
    strip_layout(&mut after);
    let (Value::Object(before), Value::Object(after)) = (&before, &after) else {
        let rest = item::changes(&before, &after);
        return Diff { graph: GraphDiff { rest, ..GraphDiff::default() }, ..Diff::default() };
    };
    let flows = match (before.get(FLOWS), after.get(FLOWS)) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => Some(flows(before, after)),
        _ => None,
    };
    let skip = if flows.is_some() { Some(FLOWS) } else { None };
    Diff { graph: graph(before, after, skip), flows: flows.unwrap_or_default() }
}

fn flows(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeMap<String, SubflowDiff> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let compare = |key: &&String| match (before.get(*key), after.get(*key)) {
        (None, _) => Some(SubflowDiff::Added),
        (_, None) => Some(SubflowDiff::Removed),
        (Some(before), Some(after)) => {
            let graph = match (before, after) {
                (Value::Object(before), Value::Object(after)) => graph(before, after, None),
                _ => GraphDiff { rest: item::changes(before, after), ..GraphDiff::default() },
            };
            (!graph.is_empty()).then(|| SubflowDiff::Changed { graph: Box::new(graph) })
        }
    };
    keys.into_iter().filter_map(|key| Some((key.clone(), compare(&key)?))).collect()
}

fn graph(before: &Map<String, Value>, after: &Map<String, Value>, skip: Option<&str>) -> GraphDiff {
    let mut rest = Vec::new();
    let mut list = |name: &str| match (before.get(name), after.get(name)) {
        (Some(Value::Array(before)), Some(Value::Array(after))) => item::list(name, before, after),
        // A list that is there only once is a change like any other.
        (before, after) => {
            item::compare(&format!("/{name}"), before, after, &mut rest);
            ListDiff::default()
        }
    };
    let [nodes, edges, variables] = LISTS.map(&mut list);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        if !LISTS.contains(&name.as_str()) && Some(name.as_str()) != skip {
            let path = item::child("", name);
            item::compare(&path, before.get(name), after.get(name), &mut rest);
        }
    }
    GraphDiff { nodes, edges, variables, rest }
}
