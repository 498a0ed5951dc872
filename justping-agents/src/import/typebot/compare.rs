//! Conditions.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::place::{Cx, Place};
use crate::condition::Condition;
use crate::import::json::{at, list, objects, plain, text};
use crate::import::sketch::option_id;

/// Most cases of a switch.
const CASES_MAX: usize = 50;

/// Goes one way or another.
pub(super) fn branch<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let items = list(place.block.json, "items");
    let mut ids = HashSet::new();
    let mut cases = Vec::new();
    for (index, item) in objects(place.block.json, "items") {
        let path = at(&at(&place.block.path, "items"), index);
        if cases.len() == CASES_MAX {
            cx.ledger.unsupported(&path, "more cases than a switch has");
            continue;
        }
        let condition = condition(cx, place, item.get("content"), &at(&path, "content"));
        let id = option_id(&mut ids, text(item, "id").unwrap_or_default());
        cases.push((id, condition, index));
    }
    match cases.as_slice() {
        [] => return cx.stand_in(place, "a condition without cases"),
        [(_, condition, _)] => cx.put(place, "condition", json!({"condition": condition})),
        _ => {
            let case = |(id, condition, _): &(String, Value, usize)| json!({"id": id, "condition": condition});
            let cases: Vec<Value> = cases.iter().map(case).collect();
            cx.put(place, "switch", json!({"cases": cases}));
        }
    }
    let alone = cases.len() == 1;
    for (id, _, index) in cases {
        let exit = if alone { "true".to_owned() } else { format!("option:{id}") };
        let path = at(&at(&place.block.path, "items"), index);
        cx.ledger.imported(&path, &format!("{}/{exit}", place.node));
        if let Some(item) = items.get(index) {
            cx.go_on_by(place, &exit, item);
        }
    }
    cx.go_on(place, if alone { "false" } else { "default" });
}

/// The comparisons of a case as a condition.
fn condition<'s>(cx: &mut Cx<'s>, place: &Place<'s>, content: Option<&Value>, path: &str) -> Value {
    let empty = json!({});
    let content = content.unwrap_or(&empty);
    let path = at(path, "comparisons");
    let comparisons = objects(content, "comparisons");
    let leaves: Vec<Value> =
        comparisons.map(|(index, one)| leaf(cx, place, one, &at(&path, index))).collect();
    let mut leaves = leaves.into_iter();
    match (leaves.next(), leaves.len()) {
        (Some(alone), 0) => alone,
        (first, _) => {
            let all: Vec<Value> = first.into_iter().chain(leaves).collect();
            let any = text(content, "logicalOperator") == Some("OR");
            if any { json!({"any": all}) } else { json!({"all": all}) }
        }
    }
}

/// A condition that never holds.
fn never() -> Value {
    json!({"any": []})
}

fn leaf<'s>(cx: &mut Cx<'s>, place: &Place<'s>, one: &Value, path: &str) -> Value {
    let Some(variable) = cx.variable(one.get("variableId")) else {
        cx.ledger.degraded(path, &place.node, "compares nothing: it never holds");
        return never();
    };
    let Some(operator) = text(one, "comparisonOperator") else {
        cx.ledger.degraded(path, &place.node, "has no operator: it never holds");
        return never();
    };
    let value = one.get("value").and_then(plain).unwrap_or_default();
    if value.contains("{{") {
        let reason = "compares with another variable: it never holds";
        cx.ledger.unsupported(path, reason);
        cx.ledger.unsupported(&at(path, "value"), reason);
        return never();
    }
    let leaf = |op: &str| json!({"field": variable, "op": op, "value": value});
    let condition = match operator {
        "Equal to" => leaf("eq"),
        "Not equal" => leaf("ne"),
        "Contains" => leaf("contains"),
        "Does not contain" => leaf("not_contains"),
        "Greater than" => leaf("gt"),
        "Greater or equal to" => leaf("gte"),
        "Less than" => leaf("lt"),
        "Less or equal to" => leaf("lte"),
        "Starts with" => leaf("starts_with"),
        "Ends with" => leaf("ends_with"),
        "Is set" => json!({"not": {"field": variable, "op": "is_empty"}}),
        "Is empty" => json!({"field": variable, "op": "is_empty"}),
        "Matches regex" => matches(&variable, &value),
        "Does not match regex" => json!({"not": matches(&variable, &value)}),
        _ => {
            let reason = format!("the operator `{operator}` is unknown: it never holds");
            cx.ledger.unsupported(path, &reason);
            return never();
        }
    };
    match Condition::compile(&condition) {
        Ok(_) => {
            cx.ledger.imported(path, &place.node);
            condition
        }
        Err(error) => {
            cx.ledger.unsupported(path, &format!("{error}: it never holds"));
            never()
        }
    }
}

/// Patterns stand between slashes, with letters after them.
fn matches(variable: &str, pattern: &str) -> Value {
    let bare = pattern.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    let pattern = bare.map_or(pattern, |(pattern, _)| pattern);
    json!({"field": variable, "op": "matches", "value": pattern})
}
