//! Reading a document part by part, so that one bad part does not hide the others.

use std::collections::HashSet;

use justping_core::port::{BuiltNode, Finding};
use serde::Deserialize;
use serde_json::Value;

use super::finding::{about, code, error, warning};
use super::{Draft, DraftEdge, DraftNode};
use crate::document::{
    Burst, Edge, ID_MAX_BYTES, Node, SCHEMA, Settings, VARIABLES_MAX, Variable, is_id,
    is_variable_name,
};
use crate::program::{STEPS_MAX, VISITS_MAX};
use crate::registry::Registry;

/// The exit that failures take, which every node has.
pub(super) const ERROR_EXIT: &str = "error";

/// The exit that a node takes after an interruption, which every node that waits has.
const INTERRUPTED_EXIT: &str = "interrupted";

/// Reads everything but nodes and edges.
pub(super) fn head(draft: &mut Draft, document: &Value) {
    let Some(root) = document.as_object() else {
        draft.findings.push(error(code::SCHEMA_INVALID, "", "a flow is a JSON object"));
        return;
    };
    if root.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        let message = format!("the schema must be `{SCHEMA}`");
        draft.findings.push(error(code::SCHEMA_INVALID, "/schema", message));
    }
    if root.get("name").is_some_and(|name| !name.is_string() && !name.is_null()) {
        draft.findings.push(error(code::SCHEMA_INVALID, "/name", "the name must be text"));
    }
    if root.get("triggers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        let message = "triggers are read from the trigger node, not from here";
        draft.findings.push(warning(code::IGNORED, "/triggers", message));
    }
    settings(draft, root.get("settings"));
    variables(draft, document);
}

fn settings(draft: &mut Draft, value: Option<&Value>) {
    let Some(value) = value.filter(|value| !value.is_null()) else { return };
    match Settings::deserialize(value) {
        Ok(settings) => draft.settings = settings,
        Err(reason) => {
            draft.findings.push(error(code::SCHEMA_INVALID, "/settings", reason.to_string()));
        }
    }
    let limits = [
        ("max_visits", draft.settings.max_visits, VISITS_MAX),
        ("max_steps", draft.settings.max_steps, STEPS_MAX),
    ];
    if let Some(burst) = draft.settings.burst
        && !(1..=burst.max_ms).contains(&burst.quiet_ms) | (burst.max_ms > Burst::MAX_MS)
    {
        let message = format!("`quiet_ms` is 1 to `max_ms`, and that at most {}", Burst::MAX_MS);
        draft.findings.push(error(code::SCHEMA_INVALID, "/settings/burst", message));
    }
    for (name, value, max) in limits {
        if value.is_some_and(|value| value == 0 || value > max) {
            let message = format!("must be 1 to {max}");
            draft.findings.push(error(code::SCHEMA_INVALID, format!("/settings/{name}"), message));
        }
    }
}

/// Reads what it declares of variables.
pub(super) fn variables(draft: &mut Draft, document: &Value) {
    let mut seen = HashSet::new();
    let items = list(draft, document, "variables");
    if items.len() > VARIABLES_MAX {
        let message = format!("a flow has at most {VARIABLES_MAX} variables");
        draft.findings.push(error(code::TOO_LARGE, "/variables", message));
    }
    for (at, item) in items.iter().enumerate().take(VARIABLES_MAX) {
        let path = format!("/variables/{at}");
        match Variable::deserialize(item) {
            Err(reason) => {
                draft.findings.push(error(code::SCHEMA_INVALID, path, reason.to_string()));
            }
            Ok(variable) => {
                draft.findings.extend(variable_problem(&variable, &path));
                if seen.insert(variable.name.clone()) {
                    draft.variables.push(variable);
                } else {
                    let message = format!("the variable `{}` is declared twice", variable.name);
                    draft.findings.push(error(code::DUPLICATE_ID, format!("{path}/name"), message));
                }
            }
        }
    }
}

fn variable_problem(variable: &Variable, path: &str) -> Option<Finding> {
    if !is_variable_name(&variable.name) {
        let message = "a name is letters, digits and `_`, not first a digit, and not reserved";
        return Some(error(code::SCHEMA_INVALID, format!("{path}/name"), message));
    }
    let default = variable.default.as_ref()?;
    (!default.is_null() && !variable.kind.admits(default)).then(|| {
        let message = "the default is not of the variable's type";
        error(code::SCHEMA_INVALID, format!("{path}/default"), message)
    })
}

/// Reads the nodes and lets their types build them.
pub(super) fn nodes(draft: &mut Draft, registry: &Registry, document: &Value) {
    if document.is_object() && document.get("nodes").is_none() {
        draft.findings.push(error(code::SCHEMA_INVALID, "/nodes", "a flow has nodes"));
    }
    for (at, item) in list(draft, document, "nodes").iter().enumerate() {
        let path = format!("/nodes/{at}");
        let node = match Node::deserialize(item) {
            Ok(node) => node,
            Err(reason) => {
                draft.findings.push(error(code::SCHEMA_INVALID, path, reason.to_string()));
                continue;
            }
        };
        if !is_id(&node.id) {
            let message = format!("an id is 1 to {ID_MAX_BYTES} bytes of visible text");
            draft.findings.push(error(code::SCHEMA_INVALID, format!("{path}/id"), message));
        }
        if draft.ids.contains_key(&node.id) {
            let finding = error(
                code::DUPLICATE_ID,
                format!("{path}/id"),
                format!("two nodes are called `{}`", node.id),
            );
            draft.findings.push(about(&node.id, finding));
            continue;
        }
        draft.ids.insert(node.id.clone(), draft.nodes.len());
        let built = build(draft, registry, &node, &path);
        let exits = built.as_ref().map(|built| built.exits()).unwrap_or_default();
        draft.nodes.push(DraftNode { at, node, built, exits });
    }
}

fn build(
    draft: &mut Draft,
    registry: &Registry,
    node: &Node,
    path: &str,
) -> Option<Box<dyn BuiltNode>> {
    let Some(kind) = registry.get(&node.kind) else {
        let message = format!("there is no node of type `{}`", node.kind);
        let finding = error(code::UNKNOWN_NODE_TYPE, format!("{path}/type"), message);
        draft.findings.push(about(&node.id, finding));
        return None;
    };
    match kind.build(&node.data) {
        Ok(built) => Some(built),
        Err(problems) => {
            for problem in problems {
                let path = format!("{path}/data{}", problem.path);
                let finding = error(&problem.code, path, problem.message);
                draft.findings.push(about(&node.id, finding));
            }
            None
        }
    }
}

/// Reads the edges and tells the nodes which of their exits have one.
pub(super) fn edges(draft: &mut Draft, document: &Value) {
    let mut ids = HashSet::new();
    let mut exits = HashSet::new();
    for (at, item) in list(draft, document, "edges").iter().enumerate() {
        let path = format!("/edges/{at}");
        let edge = match Edge::deserialize(item) {
            Ok(edge) => edge,
            Err(reason) => {
                draft.findings.push(error(code::SCHEMA_INVALID, path, reason.to_string()));
                continue;
            }
        };
        if !is_id(&edge.id) {
            let message = format!("an id is 1 to {ID_MAX_BYTES} bytes of visible text");
            draft.findings.push(error(code::SCHEMA_INVALID, format!("{path}/id"), message));
        } else if !ids.insert(edge.id.clone()) {
            let message = format!("two edges are called `{}`", edge.id);
            draft.findings.push(error(code::DUPLICATE_ID, format!("{path}/id"), message));
        }
        let Some(found) = resolve(draft, &edge, &path) else { continue };
        if exits.insert((found.source, found.exit.clone())) {
            draft.edges.push(found);
        } else {
            let message = format!("two edges leave `{}` by `{}`", edge.source, edge.exit());
            let finding = error(code::DUPLICATE_EXIT, format!("{path}/sourceHandle"), message);
            draft.findings.push(about(&edge.source, finding));
        }
    }
    connect(draft);
}

/// Finds both ends of an edge.
fn resolve(draft: &mut Draft, edge: &Edge, path: &str) -> Option<DraftEdge> {
    let source = draft.ids.get(&edge.source).copied();
    let target = draft.ids.get(&edge.target).copied();
    for (end, name, found) in [("source", &edge.source, source), ("target", &edge.target, target)] {
        if found.is_none() {
            let message = format!("there is no node `{name}`");
            draft.findings.push(error(code::DANGLING_EDGE, format!("{path}/{end}"), message));
        }
    }
    let (source, target) = (source?, target?);
    let node = draft.nodes.get(source)?;
    let exit = edge.exit();
    let interruptible = node.built.as_ref().is_some_and(|built| built.suspends());
    let general = exit == ERROR_EXIT || exit == INTERRUPTED_EXIT && interruptible;
    if node.built.is_some() && !general && !node.exits.iter().any(|known| known == exit) {
        let message = format!("the node `{}` has no exit `{exit}`", edge.source);
        let finding = error(code::UNKNOWN_EXIT, format!("{path}/sourceHandle"), message);
        draft.findings.push(about(&edge.source, finding));
        return None;
    }
    Some(DraftEdge { source, exit: exit.to_owned(), target })
}

fn connect(draft: &mut Draft) {
    let mut connected: Vec<Vec<String>> = vec![Vec::new(); draft.nodes.len()];
    for edge in &draft.edges {
        if let Some(exits) = connected.get_mut(edge.source) {
            exits.push(edge.exit.clone());
        }
    }
    for (node, exits) in draft.nodes.iter_mut().zip(connected) {
        if let Some(built) = &mut node.built {
            built.connect(&exits);
        }
    }
}

/// A list of the document; anything else than a list is reported and taken as an empty one.
pub(super) fn list<'d>(draft: &mut Draft, document: &'d Value, name: &str) -> &'d [Value] {
    match document.get(name) {
        Some(Value::Array(items)) => items,
        None | Some(Value::Null) => &[],
        Some(_) => {
            let message = format!("`{name}` must be a list");
            draft.findings.push(error(code::SCHEMA_INVALID, format!("/{name}"), message));
            &[]
        }
    }
}
