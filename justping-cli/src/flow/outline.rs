//! A document as text: every node with its ways out.

use std::fmt::Write as _;

use justping::agents::document::DEFAULT_EXIT;
use serde_json::Value;

/// Most characters of what a node says.
const EXCERPT_MAX_CHARS: usize = 60;
/// Members of a node's data that tell what it is about, the best first.
const TELLING: [&str; 7] = ["text", "prompt", "url", "note", "variable", "flow", "event"];

/// The nodes and edges of a document, or of a flow it brings along.
pub(super) struct Graph<'v> {
    /// The key of a flow that is brought along.
    pub(super) key: Option<&'v str>,
    pub(super) nodes: Vec<Node<'v>>,
}

pub(super) struct Node<'v> {
    pub(super) id: &'v str,
    pub(super) kind: &'v str,
    pub(super) excerpt: Option<String>,
    /// Exits with the nodes they lead to.
    pub(super) exits: Vec<(&'v str, &'v str)>,
}

/// Every graph of a document. What is no node is left out: the linter speaks of it.
pub(super) fn graphs(document: &Value) -> Vec<Graph<'_>> {
    let mut graphs = vec![graph(None, document)];
    let flows = document.get("flows").and_then(Value::as_object);
    graphs.extend(flows.into_iter().flatten().map(|(key, flow)| graph(Some(key), flow)));
    graphs
}

fn graph<'v>(key: Option<&'v str>, value: &'v Value) -> Graph<'v> {
    let list = |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
    let edges: Vec<(&str, &str, &str)> = list("edges")
        .filter_map(|edge| {
            let exit = text(edge, "sourceHandle").unwrap_or(DEFAULT_EXIT);
            Some((text(edge, "source")?, exit, text(edge, "target")?))
        })
        .collect();
    let node = |node: &'v Value| {
        let id = text(node, "id")?;
        let ways = edges.iter().filter(|(source, _, _)| *source == id);
        Some(Node {
            id,
            kind: text(node, "type").unwrap_or("?"),
            excerpt: node.get("data").and_then(excerpt),
            exits: ways.map(|(_, exit, target)| (*exit, *target)).collect(),
        })
    };
    Graph { key, nodes: list("nodes").filter_map(node).collect() }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn excerpt(data: &Value) -> Option<String> {
    let text = TELLING.iter().find_map(|name| text(data, name))?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(EXCERPT_MAX_CHARS).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    (!short.is_empty()).then_some(short)
}

/// The outline people read.
pub(super) fn outline(graphs: &[Graph<'_>]) -> String {
    let mut out = String::new();
    for graph in graphs {
        if let Some(key) = graph.key {
            let _ = writeln!(out, "\nflow {key}");
        }
        for node in &graph.nodes {
            let _ = write!(out, "{} ({})", node.id, node.kind);
            let _ = match &node.excerpt {
                Some(excerpt) => writeln!(out, "  {excerpt}"),
                None => writeln!(out),
            };
            for (exit, target) in &node.exits {
                let _ = writeln!(out, "    {exit} -> {target}");
            }
        }
    }
    out
}

/// A flowchart for Mermaid. Nodes are numbered: their ids may be anything.
pub(super) fn mermaid(graphs: &[Graph<'_>]) -> String {
    let mut out = "flowchart TD\n".to_owned();
    for (number, graph) in graphs.iter().enumerate() {
        if let Some(key) = graph.key {
            let _ = writeln!(out, "  subgraph f{number} [{}]", quoted(key));
        }
        let name = |id: &str| graph.nodes.iter().position(|node| node.id == id);
        for (index, node) in graph.nodes.iter().enumerate() {
            let label = match &node.excerpt {
                Some(excerpt) => format!("{} ({})\n{excerpt}", node.id, node.kind),
                None => format!("{} ({})", node.id, node.kind),
            };
            let _ = writeln!(out, "  f{number}n{index}[{}]", quoted(&label));
            for (exit, target) in &node.exits {
                let Some(target) = name(target) else { continue };
                let _ =
                    writeln!(out, "  f{number}n{index} -->|{}| f{number}n{target}", quoted(exit));
            }
        }
        if graph.key.is_some() {
            out.push_str("  end\n");
        }
    }
    out
}

fn quoted(text: &str) -> String {
    let text = text.replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;");
    format!("\"{}\"", text.replace('>', "#gt;").replace('\n', "<br/>"))
}
