//! The page about nodes, made of what the nodes say of themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use justping_core::port::NodeDescriptor;
use serde_json::{Map, Value};

/// Writes the page: one section a node, in the order given, with its settings and its exits.
///
/// ```
/// use justping_agents::{Flows, handbook};
///
/// let page = handbook::page(&Flows::new().descriptors());
/// assert!(page.contains("## `text`"));
/// ```
#[must_use]
pub fn page(nodes: &[NodeDescriptor]) -> String {
    let mut page = String::from(
        "# Nodes\n\nWhat flows are made of. This page is generated from the descriptors of the \
         nodes; do not edit it.\n",
    );
    for node in nodes {
        section(&mut page, node);
    }
    page
}

fn section(page: &mut String, node: &NodeDescriptor) {
    // Writing to a text does not fail.
    let _ = writeln!(page, "\n## `{}` \u{2013} {}\n\n{}", node.kind, node.title, node.summary);
    let traits =
        [(node.suspends, "It may wait."), (node.calls, "It asks for work outside the step.")];
    for (_, text) in traits.into_iter().filter(|(is, _)| *is) {
        let _ = writeln!(page, "\n{text}");
    }
    let no_members = Map::new();
    let members = node.schema.get("properties").and_then(Value::as_object).unwrap_or(&no_members);
    if !members.is_empty() {
        page.push_str("\n| setting | value | |\n|---|---|---|\n");
        rows(page, "", &node.schema);
    }
    if !node.exits.is_empty() {
        page.push_str("\n| exit | when |\n|---|---|\n");
        for exit in &node.exits {
            let _ = writeln!(page, "| `{}` | {} |", exit.name, cell(&exit.title));
        }
    }
}

/// A row for each member of an object, and for those of the objects in it.
fn rows(page: &mut String, prefix: &str, object: &Value) {
    let required = |name: &str| {
        let list = object.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one == name))
    };
    let members = object.get("properties").and_then(Value::as_object).into_iter().flatten();
    // Whatever order the JSON library keeps them in.
    for (name, schema) in members.collect::<BTreeMap<_, _>>() {
        let title = schema.get("title").and_then(Value::as_str).unwrap_or_default();
        let must = if required(name) { " (required)" } else { "" };
        let _ = writeln!(page, "| `{prefix}{name}` | {} | {}{must} |", value(schema), cell(title));
        rows(page, &format!("{prefix}{name}."), schema);
        if let Some(items) = schema.get("items") {
            rows(page, &format!("{prefix}{name}[]."), items);
        }
    }
}

/// What a value may be, in a few words.
fn value(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(|one| format!("`{}`", plain(one))).collect();
        return values.join(", ");
    }
    if let Some(constant) = schema.get("const") {
        return format!("`{}`", plain(constant));
    }
    let kind = match (schema.get("format").and_then(Value::as_str), schema.get("type")) {
        (Some("template"), _) => "text with variables".to_owned(),
        (Some(format), _) => cell(format),
        (None, Some(Value::Array(kinds))) => {
            kinds.iter().map(plain).collect::<Vec<_>>().join(" or ")
        }
        (None, Some(kind)) => plain(kind),
        (None, None) => "anything".to_owned(),
    };
    let bound =
        |name: &str, sign: &str| schema.get(name).map(|number| format!("{sign} {}", plain(number)));
    let bounds = [bound("minimum", "\u{2265}"), bound("maximum", "\u{2264}")];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if bounds.is_empty() { kind } else { format!("{kind}, {}", bounds.join(", ")) }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), cell)
}

/// A text that stays within its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use justping_core::port::ExitDescriptor;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_told_with_its_settings_and_exits() {
        let node = NodeDescriptor {
            kind: "ask".to_owned(),
            title: "Ask".to_owned(),
            summary: "Asks.".to_owned(),
            schema: json!({
                "type": "object", "required": ["text"],
                "properties": {
                    "text": {"type": "string", "title": "What | who", "format": "template"},
                    "list": {"type": "array", "items": {"properties": {
                        "n": {"type": "integer", "minimum": 1, "maximum": 3}
                    }}},
                    "how": {"enum": ["a", 2]}
                }
            }),
            exits: vec![ExitDescriptor { name: "next".to_owned(), title: "Next".to_owned() }],
            suspends: true,
            calls: false,
        };
        let page = page(&[node]);
        for line in [
            "## `ask` \u{2013} Ask",
            "It may wait.",
            "| `text` | text with variables | What \\| who (required) |",
            "| `list` | array |  |",
            "| `list[].n` | integer, \u{2265} 1, \u{2264} 3 |  |",
            "| `how` | `a`, `2` |  |",
            "| `next` | Next |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(!page.contains("outside the step"));
    }
}
