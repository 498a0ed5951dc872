//! Asking servers and handing over.

use serde_json::{Map, Value, json};

use super::place::{Cx, Place};
use crate::import::json::{at, list, plain, text, visible};

/// Characters of a note for the team at most.
const NOTE_MAX_CHARS: usize = 2000;
const FORM: &str = "application/x-www-form-urlencoded";

/// Asks another server.
pub(super) fn http<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let properties = place.state.properties;
    let method = text(properties, "method").unwrap_or("GET").to_ascii_uppercase();
    request(cx, place, &method, text(properties, "content_type").unwrap_or(FORM));
}

/// Runs a function of Twilio's: asks its address.
pub(super) fn function<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let reason = "asked like any other server, without Twilio's signature";
    cx.ledger.degraded(&place.state.path, &place.node, reason);
    request(cx, place, "POST", FORM);
}

fn request<'s>(cx: &mut Cx<'s>, place: &Place<'s>, method: &str, content_type: &str) {
    let properties = place.state.properties;
    let Some(url) = visible(properties, "url") else {
        cx.stand_in(place, "the address is missing");
        return;
    };
    let mut data = Map::new();
    data.insert("method".to_owned(), Value::from(method));
    let url = cx.text(&place.state.property_path("url"), url);
    data.insert("url".to_owned(), Value::from(url));
    let fields = fields(cx, place);
    let has_body = !matches!(method, "GET" | "HEAD");
    if let Some(body) = visible(properties, "body").filter(|_| has_body) {
        let body = cx.text(&place.state.property_path("body"), body);
        data.insert("body".to_owned(), json!({"text": body, "content_type": content_type}));
    } else if !fields.is_empty() {
        match has_body {
            true => data.insert("body".to_owned(), json!({"form": fields})),
            false => data.insert("query".to_owned(), Value::from(fields)),
        };
    }
    let answer = cx.answer(place.state.name);
    cx.sketch.declare(&answer, None);
    data.insert("save".to_owned(), json!([{"variable": answer, "pointer": ""}]));
    if cx.mentions(&format!("widgets.{}.status_code", place.state.name)) {
        let status = cx.status(place.state.name);
        cx.sketch.declare(&status, None);
        data.insert("status_variable".to_owned(), Value::from(status));
    }
    let ids = ["service_sid", "environment_sid", "function_sid"];
    let known = ["url", "method", "content_type", "parameters", "body"];
    cx.leftovers(place, &[&known[..], &ids[..]].concat());
    cx.put(place, "http", Value::from(data));
    cx.leave(place, &[("success", "success"), ("failed", "error"), ("fail", "error")]);
}

fn fields<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> Vec<Value> {
    let base = place.state.property_path("parameters");
    let mut fields = Vec::new();
    for (index, field) in list(place.state.properties, "parameters").iter().enumerate() {
        let path = at(&at(&base, index), "value");
        if let Some(key) = visible(field, "key") {
            let value = field.get("value").and_then(plain).unwrap_or_default();
            fields.push(json!({"name": key, "value": cx.text(&path, &value)}));
        }
    }
    fields
}

/// Gives the conversation to people.
pub(super) fn hand_off<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let mut data = Map::new();
    for name in ["attributes", "task_attributes"] {
        let attributes = visible(place.state.properties, name);
        if let Some(text) = attributes.filter(|text| text.chars().count() <= NOTE_MAX_CHARS) {
            let text = cx.text(&at(&at(&place.state.path, "properties"), name), text);
            data.insert("note".to_owned(), Value::from(text));
        }
    }
    cx.leftovers(place, &["attributes", "task_attributes"]);
    let reason = "people take over for good: the flow does not go on afterwards";
    if place.state.exits.iter().any(|exit| exit.next.is_some()) {
        cx.ledger.degraded(&place.state.path, &place.node, reason);
    }
    cx.put(place, "handoff", Value::from(data));
    for exit in place.state.exits.iter().filter(|exit| exit.next.is_some()) {
        cx.ledger.unsupported(&exit.path, reason);
    }
}
