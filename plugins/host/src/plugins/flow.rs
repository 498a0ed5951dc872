//! What flows may use of plugins: nodes for editors, and a look at the nodes of a document.

use justping_core::model::BusinessId;
use justping_core::port::{ExitDescriptor, Finding, NodeDescriptor, Severity, StoreResult};
use serde_json::{Map, Value, json};

use super::{Installed, Plugins};
use crate::package::{NodeInfo, Templates, config_problems};

/// The `type` of a plugin's node in documents.
pub const NODE_KIND: &str = "plugin";

/// A node of a plugin, for editors.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginNode {
    /// What is needed to draw it and its form.
    pub descriptor: NodeDescriptor,
    /// The `data` that a new one begins with: plugin, node, exits and an empty configuration.
    pub preset: Value,
}

impl Plugins {
    /// The nodes of the plugins that run, functions for texts among them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn nodes(&self, business: BusinessId) -> StoreResult<Vec<PluginNode>> {
        let plugins = self.all(business).await?;
        let running = plugins.iter().filter(|one| one.plugin.enabled);
        let nodes = running.flat_map(|one| {
            one.inspection
                .flow_nodes()
                .into_iter()
                .map(|node| PluginNode::of(&one.plugin.name, &node))
        });
        Ok(nodes.collect())
    }

    /// Looks at the nodes of a document that are of plugins: whether what they name is installed and
    /// runs, and whether their configuration and exits fit it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn check_flow(
        &self,
        business: BusinessId,
        document: &Value,
    ) -> StoreResult<Vec<Finding>> {
        let nodes = plugin_nodes(document);
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let plugins = self.all(business).await?;
        Ok(nodes.iter().flat_map(|(path, node)| check(&plugins, path, node)).collect())
    }
}

impl PluginNode {
    fn of(plugin: &str, node: &NodeInfo) -> Self {
        let names: Vec<&str> = node.exits.iter().map(|exit| exit.name.as_str()).collect();
        let preset = json!({"plugin": plugin, "node": node.name, "config": {}, "exits": names});
        let schema = json!({
            "type": "object",
            "properties": {
                "plugin": {"const": plugin},
                "node": {"const": node.name},
                "config": node.schema,
                "exits": {"const": names},
            },
            "required": ["plugin", "node", "exits"],
        });
        let exit =
            |name: &str, title: &str| ExitDescriptor { name: name.into(), title: title.into() };
        let mut exits: Vec<_> = node.exits.iter().map(|one| exit(&one.name, &one.title)).collect();
        exits.push(exit("error", "Error"));
        let descriptor = NodeDescriptor {
            kind: NODE_KIND.to_owned(),
            title: node.title.clone(),
            summary: node.summary.clone(),
            schema,
            exits,
            suspends: true,
            calls: true,
        };
        Self { descriptor, preset }
    }
}

/// The nodes of plugins, with where they are: in the document and in the flows within it.
fn plugin_nodes(document: &Value) -> Vec<(String, &Value)> {
    let mut lists = vec![(String::new(), document)];
    if let Some(flows) = document.get("flows").and_then(Value::as_object) {
        lists.extend(flows.iter().map(|(key, flow)| (format!("/flows/{}", escaped(key)), flow)));
    }
    let mut found = Vec::new();
    for (path, flow) in lists {
        let nodes = flow.get("nodes").and_then(Value::as_array).map(Vec::as_slice);
        for (index, node) in nodes.unwrap_or_default().iter().enumerate() {
            if node.get("type").and_then(Value::as_str) == Some(NODE_KIND) {
                found.push((format!("{path}/nodes/{index}"), node));
            }
        }
    }
    found
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn check(plugins: &[std::sync::Arc<Installed>], path: &str, node: &Value) -> Vec<Finding> {
    let id = node.get("id").and_then(Value::as_str);
    let finding = |severity, code: &str, part: &str, message: String| Finding {
        severity,
        code: code.to_owned(),
        node: id.map(str::to_owned),
        path: format!("{path}/data{part}"),
        message,
        fix: Vec::new(),
    };
    let error = |code, part: &str, message| vec![finding(Severity::Error, code, part, message)];
    let text = |name: &str| node.pointer(&format!("/data/{name}")).and_then(Value::as_str);
    // What lacks them is told by the node's own schema.
    let (Some(name), Some(called)) = (text("plugin"), text("node")) else { return Vec::new() };
    let Some(found) = plugins.iter().find(|one| one.plugin.name == name) else {
        let message = format!("no plugin {name} is installed");
        return error("plugin_not_installed", "/plugin", message);
    };
    if !found.plugin.enabled {
        let message = format!("the plugin {name} is switched off");
        return error("plugin_not_installed", "/plugin", message);
    }
    let Some(info) = found.inspection.flow_node(called) else {
        let message = format!("the plugin {name} has no node {called}");
        return error("plugin_node_unknown", "/node", message);
    };
    let mut findings = Vec::new();
    let empty = Map::new();
    let config = node.pointer("/data/config").and_then(Value::as_object).unwrap_or(&empty);
    for problem in config_problems(Some(&info.schema), config, Templates::Open) {
        let part = format!("/config{}", problem.path);
        findings.push(finding(Severity::Error, "plugin_config", &part, problem.message));
    }
    let listed = node.pointer("/data/exits").and_then(Value::as_array).map(Vec::as_slice);
    let listed: Vec<&str> = listed.unwrap_or_default().iter().filter_map(Value::as_str).collect();
    for (index, exit) in listed.iter().enumerate() {
        if !info.exits.iter().any(|one| one.name == *exit) {
            let message = format!("the node {called} has no exit {exit}");
            let part = format!("/exits/{index}");
            findings.push(finding(Severity::Error, "plugin_exits", &part, message));
        }
    }
    for exit in info.exits.iter().filter(|exit| !listed.contains(&exit.name.as_str())) {
        let message = format!("the node {called} may leave by {}, which is not listed", exit.name);
        findings.push(finding(Severity::Warning, "plugin_exits", "/exits", message));
    }
    findings
}
