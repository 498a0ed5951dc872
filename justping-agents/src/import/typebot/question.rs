//! Inputs that are answered in words.

use serde_json::{Map, Value, json};

use super::message;
use super::place::{Cx, Place};
use crate::import::json::number;

/// A question of inputs without a bubble before them: nothing is said.
const SILENCE: &str = " ";
/// Times to ask again: the source never stops asking.
const RETRIES: u64 = 20;
/// The greatest rating unless the source says otherwise.
const RATING_MAX: f64 = 10.0;

/// Asks a question.
pub(super) fn ask<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let prompt = prompt(cx, place).unwrap_or_else(|| SILENCE.to_owned());
    let mut data = Map::new();
    data.insert("prompt".to_owned(), Value::from(prompt));
    data.insert("variable".to_owned(), Value::from(variable(cx, place)));
    data.insert("max_retries".to_owned(), Value::from(RETRIES));
    retry(cx, place, &mut data);
    kind(cx, place, &mut data);
    cx.leftovers(place, &KNOWN);
    cx.put(place, "input", Value::from(data));
    cx.go_on(place, "reply");
}

const KNOWN: [&str; 10] = [
    "hasTime",
    "variableId",
    "retryMessageContent",
    "min",
    "max",
    "step",
    "length",
    "startsAt",
    "defaultCountryCode",
    "isRange",
];

/// The bubble before the question.
pub(super) fn prompt<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> Option<String> {
    let bubble = place.bubble?;
    Some(message::bubble(cx, bubble, &place.node)).filter(|text| !text.trim().is_empty())
}

/// The variable the answer goes to; answers the source forgets get one of their own.
pub(super) fn variable<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> String {
    let known = cx.variable(place.block.option("variableId"));
    known.unwrap_or_else(|| {
        let name = cx.sketch.names.fresh("answer");
        cx.sketch.declare(&name, None);
        name
    })
}

/// What is said when an answer does not fit.
pub(super) fn retry<'s>(cx: &mut Cx<'s>, place: &Place<'s>, data: &mut Map<String, Value>) {
    let text = place.block.json.get("options").and_then(|o| o.get("retryMessageContent"));
    if let Some(text) = text.and_then(Value::as_str).filter(|text| !text.trim().is_empty()) {
        let text = cx.text(&place.block.option_path("retryMessageContent"), text);
        data.insert("retry".to_owned(), Value::from(text));
    }
}

fn kind<'s>(cx: &mut Cx<'s>, place: &Place<'s>, data: &mut Map<String, Value>) {
    let empty = json!({});
    let options = place.block.json.get("options").unwrap_or(&empty);
    let (path, node) = (&place.block.path, &place.node);
    let mut put = |name: &str, value: Value| {
        data.insert(name.to_owned(), value);
    };
    match place.block.kind {
        "number input" => {
            put("kind", json!("number"));
            for name in ["min", "max"] {
                if let Some(limit) = number(options, name) {
                    put(name, json!(limit));
                } else if options.get(name).is_some_and(|value| !value.is_null()) {
                    let reason = format!("the limit `{name}` is a formula and left out");
                    cx.ledger.degraded(path, node, &reason);
                }
            }
            if number(options, "step").is_some_and(|step| step.fract() == 0.0 && step > 1.0) {
                cx.ledger.degraded(path, node, "numbers between the steps are taken too");
            }
        }
        "rating input" => {
            put("kind", json!("number"));
            put("min", json!(number(options, "startsAt").unwrap_or(1.0)));
            put("max", json!(number(options, "length").unwrap_or(RATING_MAX)));
            put("integer", json!(true));
        }
        "email input" => put("kind", json!("email")),
        "phone number input" => {
            put("kind", json!("phone"));
            let country = options.get("defaultCountryCode").and_then(Value::as_str);
            if let Some(country) = country.filter(|code| code.len() == 2) {
                put("default_region", json!(country));
            }
        }
        "url input" => put("kind", json!("url")),
        "file input" => put("kind", json!("file")),
        "time input" => put("kind", json!("time")),
        "date input" => {
            put("kind", json!("date"));
            if options.get("hasTime") == Some(&Value::Bool(true)) {
                cx.ledger.degraded(path, node, "the day is asked for, not the time");
            }
        }
        "payment input" => {
            put("kind", json!("payment"));
            let reason = "waits for the event of a payment; asking for the money is up to you";
            cx.ledger.degraded(path, node, reason);
        }
        _ => {}
    }
}
