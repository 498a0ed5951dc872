use std::collections::BTreeSet;

use justping_core::model::Capability;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::PackageFinding;
use crate::Export;

/// What a plugin was found to be when it was verified.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// SHA-256 of the component, lowercase hexadecimal.
    pub component: String,
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Bytes of its machine code, on the machine that verified it.
    pub code_bytes: u64,
    /// What the platform may call.
    pub exports: BTreeSet<Export>,
    /// The capabilities that it uses.
    pub imports: BTreeSet<Capability>,
    /// Whether it can only compute: the same call gives the same answer.
    pub pure: bool,
    /// Its nodes for flows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeInfo>,
    /// Its tools for models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolInfo>,
    /// The names of the events that it wants; one `*` at the end stands for any rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The channel that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelInfo>,
    /// Its functions for texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterInfo>,
    /// What its author should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<PackageFinding>,
}

/// The member of a function's configuration that it is applied to.
pub const FILTER_VALUE: &str = "value";
/// The member of a function's configuration that lists its arguments.
pub const FILTER_ARGUMENTS: &str = "arguments";
/// The exit of a function.
pub const FILTER_EXIT: &str = "next";

impl Inspection {
    /// What flows may call: the nodes, and the functions for texts, each of which is a node that gives
    /// what it makes of a value. A node goes before a function of the same name.
    pub fn flow_nodes(&self) -> Vec<NodeInfo> {
        let is_new = |filter: &&FilterInfo| self.nodes.iter().all(|node| node.name != filter.name);
        let filters = self.filters.iter().filter(is_new).map(FilterInfo::node);
        self.nodes.iter().cloned().chain(filters).collect()
    }

    /// What flows may call by this name.
    pub fn flow_node(&self, name: &str) -> Option<NodeInfo> {
        let node = self.nodes.iter().find(|node| node.name == name).cloned();
        node.or_else(|| {
            self.filters.iter().find(|filter| filter.name == name).map(FilterInfo::node)
        })
    }

    /// Whether the plugin has a node of its own of this name.
    pub fn has_node(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.name == name)
    }
}

/// A node for flows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its name within the plugin.
    pub name: String,
    /// What people see.
    pub title: String,
    /// What it does.
    pub summary: String,
    /// JSON Schema of its configuration.
    pub schema: Value,
    /// The ways out, besides `error`.
    pub exits: Vec<ExitInfo>,
    /// Whether it may wait.
    pub waits: bool,
}

/// A way out of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitInfo {
    /// Its name, as edges carry it.
    pub name: String,
    /// What people see.
    pub title: String,
}

/// A tool for models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolInfo {
    /// Its name within the plugin.
    pub name: String,
    /// What it does, for models.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// The kind of addresses it reaches.
    pub kind: String,
    /// What people see.
    pub title: String,
    /// What it can do, an object.
    pub capabilities: Value,
}

/// A function for texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterInfo {
    /// Its name within the plugin.
    pub name: String,
    /// What it does.
    pub summary: String,
}

impl FilterInfo {
    /// The function as a node of flows.
    fn node(&self) -> NodeInfo {
        NodeInfo {
            name: self.name.clone(),
            title: self.name.clone(),
            summary: self.summary.clone(),
            schema: json!({
                "type": "object",
                "properties": {
                    FILTER_VALUE: {"title": "Value"},
                    FILTER_ARGUMENTS: {"type": "array", "title": "Arguments"},
                },
                "required": [FILTER_VALUE],
                "additionalProperties": false,
            }),
            exits: vec![ExitInfo { name: FILTER_EXIT.to_owned(), title: "Done".to_owned() }],
            waits: false,
        }
    }
}
