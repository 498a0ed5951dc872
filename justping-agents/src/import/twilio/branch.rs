//! Deciding and remembering.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::place::{Cx, Place};
use crate::condition::Condition;
use crate::import::json::{at, list, objects, plain, text};
use crate::import::sketch::option_id;

/// Most cases of a switch.
const CASES_MAX: usize = 50;

/// Goes the first way whose conditions hold.
pub(super) fn split<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let mut ids = HashSet::new();
    let mut cases = Vec::new();
    let mut ways = Vec::new();
    for exit in place.state.exits.iter().filter(|exit| exit.event == "match") {
        if cases.len() == CASES_MAX {
            cx.ledger.otherwise(&exit.path, "more cases than a switch has");
            continue;
        }
        let conditions = list(exit.json, "conditions");
        let title = conditions.iter().find_map(|one| text(one, "friendly_name"));
        let id = option_id(&mut ids, title.unwrap_or("case"));
        let path = at(&exit.path, "conditions");
        let leaves = objects(exit.json, "conditions");
        let leaves: Vec<Value> =
            leaves.map(|(index, one)| condition(cx, place, one, &at(&path, index))).collect();
        let condition = if leaves.is_empty() { json!({"any": []}) } else { json!({"all": leaves}) };
        ways.push((format!("option:{id}"), exit));
        cases.push(json!({"id": id, "condition": condition}));
    }
    let input = place.state.property_path("input");
    if let Some(source) = text(place.state.properties, "input") {
        // The conditions name what they compare; this only says it once more.
        let _ = cx.field(&input, source);
    }
    cx.leftovers(place, &["input"]);
    if cases.is_empty() {
        cx.stand_in(place, "a decision without cases");
        return;
    }
    cx.put(place, "switch", json!({"cases": cases}));
    for (exit, way) in ways {
        cx.connect(place, &way.path, &exit, way.next);
    }
    cx.leave(place, &[("noMatch", "default")]);
}

/// One condition; one that cannot be asked never holds.
fn condition<'s>(cx: &mut Cx<'s>, place: &Place<'s>, one: &Value, path: &str) -> Value {
    let never = json!({"any": []});
    let arguments = at(path, "arguments");
    let argument = list(one, "arguments").first().and_then(Value::as_str).unwrap_or_default();
    let Some(field) = cx.field(&at(&arguments, 0), argument) else {
        let reason = "compares more than a variable: it never holds";
        cx.ledger.unsupported(path, reason);
        cx.ledger.otherwise(&at(&arguments, 0), reason);
        return never;
    };
    let value = one.get("value").and_then(plain).unwrap_or_default();
    if value.contains("{{") {
        let reason = "compares with another variable: it never holds";
        cx.ledger.unsupported(path, reason);
        return never;
    }
    let leaf = |op: &str| json!({"field": field, "op": op, "value": value});
    let words = || value.split(',').map(|word| Value::from(word.trim())).collect::<Vec<_>>();
    let any = |op: &str| {
        let leaves =
            words().into_iter().map(|word| json!({"field": field, "op": op, "value": word}));
        json!({"any": leaves.collect::<Vec<_>>()})
    };
    let empty = json!({"field": field, "op": "is_empty"});
    let condition = match text(one, "type").unwrap_or_default() {
        "equal_to" => leaf("eq"),
        "not_equal_to" => leaf("ne"),
        "matches_any_of" => json!({"field": field, "op": "in", "value": words()}),
        "does_not_match_any_of" => json!({"field": field, "op": "not_in", "value": words()}),
        "is_blank" => empty,
        "is_not_blank" => json!({"not": empty}),
        "regex" => leaf("matches"),
        "contains" => any("contains"),
        "does_not_contain" => json!({"not": any("contains")}),
        "starts_with" => leaf("starts_with"),
        "does_not_start_with" => json!({"not": leaf("starts_with")}),
        "less_than" => leaf("lt"),
        "greater_than" => leaf("gt"),
        other => {
            let reason = format!("the comparison `{other}` has no counterpart: it never holds");
            cx.ledger.unsupported(path, &reason);
            return never;
        }
    };
    match Condition::compile(&condition) {
        Ok(_) => {
            cx.ledger.imported(path, &place.node);
            condition
        }
        Err(error) => {
            cx.ledger.unsupported(path, &format!("{error}: it never holds"));
            never
        }
    }
}

/// Sets variables.
pub(super) fn set<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let base = place.state.property_path("variables");
    let mut assignments = Vec::new();
    for (index, variable) in objects(place.state.properties, "variables") {
        let path = at(&base, index);
        let Some(key) = text(variable, "key").filter(|key| !key.is_empty()) else {
            cx.ledger.unsupported(&path, "a variable without name");
            continue;
        };
        let name = cx.sketch.names.of(key);
        match variable.get("value") {
            Some(Value::String(value)) => {
                let value = cx.text(&at(&path, "value"), value);
                assignments.push(json!({"variable": name, "text": value}));
            }
            value => {
                let value = value.cloned().unwrap_or_default();
                assignments.push(json!({"variable": name, "json": value}));
            }
        }
        cx.ledger.imported(&path, &name);
    }
    cx.leftovers(place, &["variables"]);
    if assignments.is_empty() {
        cx.stand_in(place, "sets no variable");
        return;
    }
    cx.put(place, "set", json!({"assignments": assignments}));
    cx.leave(place, &[("next", "next")]);
}
