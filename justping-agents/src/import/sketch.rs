//! A document on its way.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::names::Names;
use crate::check::NOTE;
use crate::check::code;
use crate::document::{DEFAULT_EXIT, ID_MAX_BYTES, SCHEMA};
use crate::fetch::ScriptedFetcher;
use crate::node;
use crate::registry::Registry;

/// Characters of a note at most.
const NOTE_MAX_CHARS: usize = 1000;
/// Room in an id for what tells two apart.
const SUFFIX_BYTES: usize = 12;
/// Bytes of the id of an option at most.
const OPTION_ID_MAX_BYTES: usize = 64;
/// Distance between boxes that the source draws as one, in pixels.
pub(super) const STEP: f64 = 140.0;

/// Where a box is drawn, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Spot {
    /// Reads `{"x": …, "y": …}`.
    pub(super) fn of(value: Option<&Value>) -> Option<Self> {
        let axis = |name: &str| value?.get(name)?.as_f64();
        Some(Self { x: axis("x")?, y: axis("y")? })
    }

    /// So many boxes below.
    pub(super) fn below(self, boxes: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a handful of boxes")]
        let steps = boxes as f64;
        Self { y: self.y + STEP * steps, ..self }
    }
}

/// A graph on its way; ids are unique, exits lead to one node.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Value>,
    edges: Vec<(String, String, String)>,
    ids: HashSet<String>,
    exits: HashSet<(String, String)>,
}

impl Graph {
    /// An id nothing else has: `wanted`, or nearly that.
    pub(super) fn id(&mut self, wanted: &str) -> String {
        let visible: String = wanted.chars().filter(|c| !c.is_control()).collect();
        let base = if visible.trim().is_empty() { "node" } else { head(&visible, ID_MAX_BYTES) };
        free(&mut self.ids, base, ID_MAX_BYTES)
    }

    /// Adds a node. One that its type refuses becomes a note; the refusal comes back.
    pub(super) fn node(
        &mut self,
        id: &str,
        kind: &str,
        data: Value,
        spot: Spot,
    ) -> Result<(), String> {
        let refusal = refusal(kind, &data);
        let (kind, data) = match &refusal {
            None => (kind, data),
            Some(reason) => (NOTE, note(reason)),
        };
        let position = json!({"x": spot.x, "y": spot.y});
        self.nodes.push(json!({"id": id, "type": kind, "position": position, "data": data}));
        refusal.map_or(Ok(()), Err)
    }

    /// Adds a node that stands in for something and passes on.
    pub(super) fn note(&mut self, id: &str, text: &str, spot: Spot) {
        // A note of plain text is never refused.
        let _ = self.node(id, NOTE, note(text), spot);
    }

    /// Adds an edge, unless its exit has one; says whether it did.
    pub(super) fn edge(&mut self, source: &str, exit: &str, target: &str) -> bool {
        let new = self.exits.insert((source.to_owned(), exit.to_owned()));
        if new {
            self.edges.push((source.to_owned(), exit.to_owned(), target.to_owned()));
        }
        new
    }

    /// The members `nodes` and `edges`.
    fn write(self) -> [(String, Value); 2] {
        let is_note: HashSet<&str> = self
            .nodes
            .iter()
            .filter(|node| node.get("type").and_then(Value::as_str) == Some(NOTE))
            .filter_map(|node| node.get("id").and_then(Value::as_str))
            .collect();
        let mut edges = Vec::with_capacity(self.edges.len());
        let mut left = HashSet::new();
        for (source, exit, target) in &self.edges {
            // What became a note has one way out: the first there was.
            let exit = if is_note.contains(source.as_str()) { DEFAULT_EXIT } else { exit };
            if left.insert((source, exit)) {
                let id = format!("e{}", edges.len() + 1);
                let edge =
                    json!({"id": id, "source": source, "sourceHandle": exit, "target": target});
                edges.push(edge);
            }
        }
        [("nodes".to_owned(), Value::from(self.nodes)), ("edges".to_owned(), Value::from(edges))]
    }
}

/// A flow on its way: its graph and its variables.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    pub(super) graph: Graph,
    pub(super) names: Names,
    variables: BTreeMap<String, Option<Value>>,
}

impl Sketch {
    /// Declares a variable.
    pub(super) fn declare(&mut self, name: &str, default: Option<Value>) {
        self.variables.entry(name.to_owned()).or_insert(default);
    }

    /// The flow, and remarks about its variables.
    pub(super) fn write(self, name: Option<&str>) -> (Map<String, Value>, Vec<String>) {
        let mut flow = Map::new();
        if let Some(name) = name.filter(|name| !name.trim().is_empty()) {
            flow.insert("name".to_owned(), Value::from(name));
        }
        let variable = |(name, default): (String, Option<Value>)| match default {
            Some(default) => json!({"name": name, "default": default}),
            None => json!({"name": name}),
        };
        let variables: Vec<Value> = self.variables.into_iter().map(variable).collect();
        flow.insert("variables".to_owned(), Value::from(variables));
        flow.extend(self.graph.write());
        let renamed = self.names.renamed().iter();
        let notes = renamed.map(|(from, to)| format!("the variable `{from}` is called `{to}`"));
        (flow, notes.collect())
    }
}

/// The document of a flow and the flows it calls.
pub(super) fn document(main: Map<String, Value>, called: Map<String, Value>) -> Value {
    let mut document = Map::from_iter([("schema".to_owned(), Value::from(SCHEMA))]);
    document.extend(main);
    if !called.is_empty() {
        document.insert("flows".to_owned(), Value::from(called));
    }
    Value::from(document)
}

/// A legal id of an option that no other of the node has.
pub(super) fn option_id(taken: &mut HashSet<String>, wanted: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let base: String = wanted.chars().map(letter).take(OPTION_ID_MAX_BYTES).collect();
    let base = if base.is_empty() { "option" } else { &base };
    free(taken, base, OPTION_ID_MAX_BYTES)
}

/// Takes `base`, or `base-2`, `base-3` … when it is taken.
fn free(taken: &mut HashSet<String>, base: &str, max: usize) -> String {
    let stem = head(base, max - SUFFIX_BYTES);
    let numbered = (2_u64..).map(|number| format!("{stem}-{number}"));
    let mut candidates = std::iter::once(base.to_owned()).chain(numbered);
    let free = candidates.find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// The beginning of a text, at most so many bytes of it.
fn head(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

fn note(text: &str) -> Value {
    let text: String = text.chars().take(NOTE_MAX_CHARS).collect();
    json!({"text": text, "unfinished": true})
}

/// Why a node's type does not take this configuration; what is missing only here is no reason.
fn refusal(kind: &str, data: &Value) -> Option<String> {
    static TYPES: OnceLock<Registry> = OnceLock::new();
    let types = TYPES.get_or_init(|| {
        let mut registry = Registry::default();
        node::built_in().into_iter().for_each(|node| registry.insert(node));
        // Nothing is asked; with a client the node looks at addresses too.
        registry.insert(Box::new(node::Http::new(Arc::new(ScriptedFetcher::new()))));
        registry
    });
    let problems = types.get(kind)?.build(data).err()?;
    let mut real = problems.iter().filter(|problem| problem.code != code::MISSING_PROVIDER);
    real.next().map(|problem| format!("{kind}: {} ({})", problem.message, problem.path))
}
