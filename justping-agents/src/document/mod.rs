//! The document of a flow, `justping.flow/1`: a superset of what React Flow saves.
//!
//! Fields this version does not know, such as an editor's own, are tolerated at the top and in
//! nodes and edges; the `data` of a node is checked against its type's schema instead.

mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::words::{
    Burst, Intent, KEYWORD_MAX_CHARS, KEYWORDS_MAX, KeywordMatch, MenuWord, RestartWord,
    SessionWords,
};

/// The `schema` of every document.
pub const SCHEMA: &str = "justping.flow/1";
/// Most nodes of a document.
pub const NODES_MAX: usize = 2_000;
/// Most edges of a document.
pub const EDGES_MAX: usize = 10_000;
/// Most variables a document declares.
pub const VARIABLES_MAX: usize = 500;
/// Most bytes of a document, written without blanks.
pub const DOCUMENT_MAX_BYTES: usize = 1024 * 1024;
/// Most bytes of an id of a node or an edge.
pub const ID_MAX_BYTES: usize = 80;
/// Most bytes of the key of a flow.
pub const FLOW_KEY_MAX_BYTES: usize = 64;
/// Most bytes of a variable's name.
pub const VARIABLE_NAME_MAX_BYTES: usize = 64;
/// Most flows of a document besides its own.
pub const FLOWS_MAX: usize = 50;
/// Most intents of a document.
pub const INTENTS_MAX: usize = 50;
/// The exit of an edge that names none.
pub const DEFAULT_EXIT: &str = "next";
/// Names that templates and conditions read but no variable may have.
pub const RESERVED_NAMES: [&str; 4] = ["contact", "agent", "message", "now"];

/// A flow as people edit it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: String,
    /// The name people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The session's variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// How it runs.
    #[serde(default)]
    pub settings: Settings,
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The arrows.
    #[serde(default)]
    pub edges: Vec<Edge>,
    /// Flows that nodes of the document call, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flows: BTreeMap<String, SubFlow>,
    /// What contacts may say at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<Intent>,
    /// What the editor shows first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewport: Option<Value>,
}

/// A flow that other flows of the document call. It starts at its trigger, or at its first node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubFlow {
    /// The name people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its own variables: each call starts with their defaults and what the caller gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The arrows.
    #[serde(default)]
    pub edges: Vec<Edge>,
}

/// A variable of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name: letters, digits and `_`, not first a digit.
    pub name: String,
    /// What it holds.
    #[serde(default, rename = "type")]
    pub kind: VariableType,
    /// What it holds when a session starts; absent when it starts unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableType {
    /// Anything.
    #[default]
    Any,
    /// Text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// Named values.
    Object,
}

impl VariableType {
    /// Says whether a value is of the type.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// How a flow runs. Limits can only be tightened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Most nodes visited in one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_visits: Option<u32>,
    /// Most steps of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
    /// Words that always mean the same. None unless written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_words: Option<SessionWords>,
    /// The node or flow that runs once before a session fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<String>,
    /// How long to wait for more messages before answering. At once unless written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, unique in the document.
    pub id: String,
    /// The type of node.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the editor draws it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Value>,
    /// Its configuration.
    #[serde(default = "empty_object")]
    pub data: Value,
}

fn empty_object() -> Value {
    Value::Object(Map::new())
}

/// An arrow from an exit of a node to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Its id, unique among edges.
    pub id: String,
    /// The node it leaves.
    pub source: String,
    /// The exit it leaves by; [`DEFAULT_EXIT`] when absent.
    #[serde(default, rename = "sourceHandle", skip_serializing_if = "Option::is_none")]
    pub source_handle: Option<String>,
    /// The node it leads to.
    pub target: String,
}

impl Edge {
    /// The exit it leaves by.
    pub fn exit(&self) -> &str {
        self.source_handle.as_deref().unwrap_or(DEFAULT_EXIT)
    }
}

/// Says whether a variable may have this name.
pub fn is_variable_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    starts && rest && name.len() <= VARIABLE_NAME_MAX_BYTES && !RESERVED_NAMES.contains(&name)
}

/// Says whether a flow in [`Document::flows`] may have this key: letters, digits, `_` and `-`, at
/// most 64. Ids of flows are such keys.
pub fn is_flow_key(key: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !key.is_empty() && key.len() <= FLOW_KEY_MAX_BYTES && key.bytes().all(fits)
}

/// Says whether a node or an edge may have this id.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_MAX_BYTES && !id.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_saved_by_an_editor_reads_and_writes() {
        let saved = json!({
            "schema": SCHEMA, "name": "Hello", "editor": {"zoom": 2},
            "variables": [{"name": "age", "type": "number", "default": 1}],
            "nodes": [{"id": "a", "type": "trigger", "position": {"x": 1, "y": 2}, "selected": true}],
            "edges": [{"id": "e", "source": "a", "target": "a", "targetHandle": null}],
            "viewport": {"x": 0, "y": 0, "zoom": 1}
        });
        let document: Document = serde_json::from_value(saved).unwrap();
        assert_eq!(document.edges[0].exit(), "next");
        assert_eq!(document.nodes[0].data, json!({}));
        assert_eq!(document.variables[0].kind, VariableType::Number);
        let again: Document =
            serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
        assert_eq!(again, document);
    }

    #[test]
    fn names_and_ids_have_rules() {
        assert!(is_variable_name("first_name2"));
        for name in ["", "2nd", "a b", "a.b", "contact", "é", &"a".repeat(65)] {
            assert!(!is_variable_name(name), "{name}");
        }
        assert!(is_id("node 1.2"));
        assert!(!is_id("") && !is_id("a\n") && !is_id(&"a".repeat(81)));
    }

    #[test]
    fn a_type_admits_its_values_only() {
        assert!(VariableType::Any.admits(&json!(null)));
        assert!(VariableType::Text.admits(&json!("x")) && !VariableType::Text.admits(&json!(1)));
        assert!(VariableType::List.admits(&json!([])) && !VariableType::Object.admits(&json!([])));
    }
}
