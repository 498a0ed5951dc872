//! Comparisons that never hold, because a variable is declared to hold something else.

use std::collections::HashMap;

use justping_core::port::Finding;
use serde_json::Value;

use crate::check::Draft;
use crate::check::finding::{about, code, error};
use crate::document::VariableType;

/// Looks at every comparison of a declared variable.
pub(super) fn mismatches(draft: &Draft) -> Vec<Finding> {
    let kinds: HashMap<&str, VariableType> =
        draft.variables.iter().map(|variable| (variable.name.as_str(), variable.kind)).collect();
    let mut findings = Vec::new();
    for node in draft.nodes.iter().filter(|node| node.built.is_some()) {
        let mut found = Vec::new();
        conditions(&node.node.data, &format!("/nodes/{}/data", node.at), &mut found);
        for (path, condition) in found {
            let mut leaves = Vec::new();
            collect(condition, &path, &mut leaves);
            for (path, leaf) in leaves {
                let field = leaf.get("field").and_then(Value::as_str).unwrap_or_default();
                let Some(kind) = kinds.get(field) else { continue };
                if let Some(problem) = problem(*kind, leaf) {
                    let message = format!("`{field}` {problem}");
                    let finding = error(code::TYPE_MISMATCH, path, message);
                    findings.push(about(&node.node.id, finding));
                }
            }
        }
    }
    findings
}

/// Members called `condition`.
fn conditions<'v>(value: &'v Value, path: &str, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                conditions(item, &format!("{path}/{at}"), found);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                match name.as_str() {
                    "condition" => found.push((path, item)),
                    _ => conditions(item, &path, found),
                }
            }
        }
        _ => {}
    }
}

/// The leaves of a condition; it is not deep, as it compiled.
fn collect<'v>(condition: &'v Value, path: &str, leaves: &mut Vec<(String, &'v Value)>) {
    for key in ["all", "any"] {
        for (at, item) in
            condition.get(key).and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            collect(item, &format!("{path}/{key}/{at}"), leaves);
        }
    }
    if let Some(inner) = condition.get("not") {
        collect(inner, &format!("{path}/not"), leaves);
    }
    if condition.get("field").is_some() {
        leaves.push((path.to_owned(), condition));
    }
}

/// Why a comparison with a variable of this type never holds, or always does.
fn problem(kind: VariableType, leaf: &Value) -> Option<String> {
    let op = leaf.get("op").and_then(Value::as_str)?;
    let value = leaf.get("value").unwrap_or(&Value::Null);
    let orders = ["gt", "gte", "lt", "lte"].contains(&op);
    let writes = ["starts_with", "ends_with", "matches"].contains(&op);
    match kind {
        VariableType::Number if ["eq", "ne"].contains(&op) || orders => {
            let text = value.as_str()?;
            (!is_number(text)).then(|| format!("is a number and never `{text}`"))
        }
        VariableType::Boolean if ["eq", "ne"].contains(&op) => {
            let text = value.as_str().map(|text| text.trim().to_lowercase());
            let fits = value.is_boolean()
                || value.is_null()
                || text.is_some_and(|text| text == "true" || text == "false");
            (!fits).then(|| format!("is true or false and never {value}"))
        }
        VariableType::Boolean if orders => Some("is true or false and has no order".to_owned()),
        VariableType::List | VariableType::Object if orders || writes => {
            Some("is a list or an object and neither ordered nor a text".to_owned())
        }
        VariableType::List | VariableType::Object if op == "eq" && !value.is_null() => {
            Some("is a list or an object and equal to nothing".to_owned())
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}
