//! The linter: looks a document over before it is published, and collects what a program is made of.
//!
//! It is total: any JSON gives findings, in the order of the document, never a panic. What is wrong
//! in one node does not hide what is wrong in another.

mod entry;
mod finding;
mod flow;
mod graph;
mod lint;
mod read;
mod subflow;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use justping_core::model::GroupId;
use justping_core::port::{BuiltNode, Finding, Severity, ToolSpec};
use serde_json::Value;

pub use self::finding::code;
use self::finding::error;
pub use self::lint::channel::{channel_limits, known_channels, limits_version};
pub use self::lint::fix::{FixError, apply_fix};
use crate::document::{self, DOCUMENT_MAX_BYTES, EDGES_MAX, NODES_MAX};
use crate::registry::Registry;
use crate::size;

/// The `type` of the node that starts a flow.
pub(crate) const TRIGGER: &str = "trigger";
/// The `type` of the node that only says something to authors.
pub(crate) const NOTE: &str = "note";

/// A document as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// What is wrong with it.
    pub(crate) findings: Vec<Finding>,
    /// Its nodes; those with a repeated id are left out.
    pub(crate) nodes: Vec<DraftNode>,
    /// Its edges between nodes that exist.
    pub(crate) edges: Vec<DraftEdge>,
    /// Its variables.
    pub(crate) variables: Vec<document::Variable>,
    /// How it runs.
    pub(crate) settings: document::Settings,
    /// Where it starts.
    pub(crate) trigger: Option<usize>,
    /// Where else it may go on, besides by edges and jumps: targets of words, intents and errors.
    pub(crate) roots: Vec<usize>,
    /// Node ids to places in `nodes`.
    pub(crate) ids: HashMap<String, usize>,
    /// What contacts may say at any time.
    pub(crate) intents: Vec<document::Intent>,
    /// The flows its nodes may call, by key. Their findings are among its own.
    pub(crate) flows: Vec<(String, Self)>,
}

/// A node with what its type made of it.
#[derive(Debug)]
pub(crate) struct DraftNode {
    /// Its place in the document's list.
    pub(crate) at: usize,
    /// As written.
    pub(crate) node: document::Node,
    /// Its configuration, when it is right.
    pub(crate) built: Option<Box<dyn BuiltNode>>,
    /// The exits it has.
    pub(crate) exits: Vec<String>,
}

/// An edge between places in [`Draft::nodes`].
#[derive(Debug)]
pub(crate) struct DraftEdge {
    pub(crate) source: usize,
    pub(crate) exit: String,
    pub(crate) target: usize,
}

/// Triggers of flows that are asked in this order, of which an earlier one takes the words of a later
/// one; each finding with the place of the later flow.
pub(crate) fn competing(flows: &[(&str, &Value)]) -> Vec<(usize, Finding)> {
    lint::trigger::competing(flows)
}

/// A flow that is called holds another flow under a key than its caller does.
pub(crate) fn flow_conflict(called: &str, key: &str) -> Finding {
    let message = format!("the flow `{called}` holds another flow under the key `{key}`");
    error(code::DUPLICATE_ID, format!("/flows/{key}"), message)
}

/// What a node names that belongs to the business.
#[derive(Debug)]
pub(crate) struct Named<T> {
    node: String,
    path: String,
    pub(crate) what: T,
}

impl<T: Display> Named<T> {
    fn missing(&self, code: &'static str, noun: &str) -> Finding {
        let message = format!("the business has no {noun} `{}`", self.what);
        finding::about(&self.node, finding::warning(code, &*self.path, message))
    }
}

/// Tools that are named and not among those that are known.
pub(crate) fn missing_tools(named: &[Named<String>], known: &[ToolSpec]) -> Vec<Finding> {
    let is_known = |name: &str| known.iter().any(|spec| spec.name == name);
    let missing = named.iter().filter(|tool| !is_known(&tool.what));
    missing.map(|tool| tool.missing(code::MISSING_TOOL, "tool")).collect()
}

/// Groups that are named and not among those that are known.
pub(crate) fn missing_groups(named: &[Named<GroupId>], known: &BTreeSet<GroupId>) -> Vec<Finding> {
    let missing = named.iter().filter(|group| !known.contains(&group.what));
    missing.map(|group| group.missing(code::MISSING_GROUP, "group")).collect()
}

impl Draft {
    /// Reads and checks a document.
    pub(crate) fn of(registry: &Registry, document: &Value) -> Self {
        let mut draft = Self::default();
        if draft.fits(document) {
            read::head(&mut draft, document);
            read::nodes(&mut draft, registry, document);
            read::edges(&mut draft, document);
            entry::check(&mut draft, document);
            flow::check(&mut draft);
            subflow::check(&mut draft, registry, document);
        }
        draft
    }

    /// Adds what speaks against publishing the document, though it can run.
    pub(crate) fn with_objections(mut self) -> Self {
        let mut findings = Vec::new();
        for (base, draft) in self.all() {
            for DraftNode { at, node, built, .. } in &draft.nodes {
                let objections = built.iter().flat_map(|built| built.objections());
                findings.extend(objections.map(|problem| {
                    let path = format!("{base}/nodes/{at}/data{}", problem.path);
                    finding::about(&node.id, error(&problem.code, path, problem.message))
                }));
            }
        }
        self.findings.append(&mut findings);
        self
    }

    /// The tools that nodes name, in the order of the document.
    pub(crate) fn tools(&self) -> Vec<Named<String>> {
        self.named(|built| built.tools())
    }

    /// The groups that nodes name, in the order of the document.
    pub(crate) fn groups(&self) -> Vec<Named<GroupId>> {
        self.named(|built| built.groups())
    }

    fn named<T>(&self, by: fn(&dyn BuiltNode) -> Vec<T>) -> Vec<Named<T>> {
        let mut named = Vec::new();
        for (base, draft) in self.all() {
            for DraftNode { at, node, built, .. } in &draft.nodes {
                let path = format!("{base}/nodes/{at}/data");
                named.extend(built.iter().flat_map(|built| by(&**built)).map(|what| Named {
                    node: node.id.clone(),
                    path: path.clone(),
                    what,
                }));
            }
        }
        named
    }

    /// The document's own flow and those its nodes call, each with the path to it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, &Self)> {
        let flows = self.flows.iter().map(|(key, draft)| (format!("/flows/{key}"), draft));
        std::iter::once((String::new(), self)).chain(flows)
    }

    /// Adds what an author should hear before publishing.
    pub(crate) fn with_lint(mut self) -> Self {
        lint::all(&mut self);
        self
    }

    /// What a kind of channel shows otherwise than it was written.
    pub(crate) fn channel_notes(&self, kind: &str) -> Vec<Finding> {
        lint::channel::notes(self, kind)
    }

    /// Says whether anything keeps the document from running.
    pub(crate) fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// Checks the limits that bound all other work.
    fn fits(&mut self, document: &Value) -> bool {
        let own =
            |flow: &Value, name: &str| flow.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let flows = || document.get("flows").and_then(Value::as_object).into_iter().flatten();
        let count = |name: &str| {
            own(document, name) + flows().map(|(_, flow)| own(flow, name)).sum::<usize>()
        };
        let limits = [("nodes", NODES_MAX), ("edges", EDGES_MAX)];
        for (name, max) in limits.into_iter().filter(|(name, max)| count(name) > *max) {
            let message = format!("a flow has at most {max} {name}");
            self.findings.push(error(code::TOO_LARGE, format!("/{name}"), message));
        }
        if size::written(document, DOCUMENT_MAX_BYTES).is_none() {
            let message = format!("a flow has at most {DOCUMENT_MAX_BYTES} bytes");
            self.findings.push(error(code::TOO_LARGE, "", message));
        }
        self.findings.is_empty()
    }
}
