//! Asking servers and models.

use serde_json::{Map, Value, json};

use super::place::{Cx, Place};
use crate::import::json::{at, list, text, visible};

/// The status from which an answer is an error: the source goes on whatever the answer is.
const NO_STATUS: u64 = 600;

/// Asks another server. Whatever it answers, the flow goes on.
pub(super) fn http<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let options = place.block.json.get("options");
    let hook = options.and_then(|options| options.get("webhook"));
    let base = at(&at(&place.block.path, "options"), "webhook");
    let Some((hook, url)) = hook.and_then(|hook| Some((hook, visible(hook, "url")?))) else {
        cx.stand_in(place, "the address is missing");
        return;
    };
    let method = text(hook, "method").unwrap_or("POST").to_ascii_uppercase();
    let mut data = Map::new();
    data.insert("method".to_owned(), Value::from(method.as_str()));
    data.insert("url".to_owned(), Value::from(cx.text(&at(&base, "url"), url)));
    data.insert("error_from".to_owned(), Value::from(NO_STATUS));
    for (from, to) in [("queryParams", "query"), ("headers", "headers")] {
        let fields = fields(cx, hook, &base, from);
        if !fields.is_empty() {
            data.insert(to.to_owned(), Value::from(fields));
        }
    }
    let takes_body = !matches!(method.as_str(), "GET" | "HEAD");
    if let Some(body) = visible(hook, "body").filter(|_| takes_body) {
        data.insert("body".to_owned(), self::body(cx, &at(&base, "body"), body));
    }
    let save = save(cx, place, &mut data);
    if !save.is_empty() {
        data.insert("save".to_owned(), Value::from(save));
    }
    cx.leftovers(place, &["webhook", "responseVariableMapping", "timeout"]);
    cx.put(place, "http", Value::from(data));
    for exit in ["success", "error", "timeout"] {
        cx.go_on(place, exit);
    }
}

/// Names and values of a list of fields.
fn fields<'s>(cx: &mut Cx<'s>, hook: &Value, base: &str, name: &str) -> Vec<Value> {
    let mut fields = Vec::new();
    for (index, field) in list(hook, name).iter().enumerate() {
        let path = at(&at(base, name), index);
        if let Some(key) = visible(field, "key") {
            let value = text(field, "value").unwrap_or_default();
            let value = cx.text(&at(&path, "value"), value);
            fields.push(json!({"name": key, "value": value}));
        }
    }
    fields
}

/// A body: JSON when it is that, else text.
fn body<'s>(cx: &mut Cx<'s>, path: &str, body: &str) -> Value {
    match serde_json::from_str::<Value>(body) {
        Ok(mut json) => {
            rewrite(cx, path, &mut json);
            json!({"json": json})
        }
        Err(_) => json!({"text": cx.text(path, body), "content_type": "application/json"}),
    }
}

/// Writes every text of a JSON body again.
fn rewrite(cx: &mut Cx<'_>, path: &str, json: &mut Value) {
    match json {
        Value::String(text) => *text = cx.text(path, text),
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(cx, path, item)),
        Value::Object(map) => map.values_mut().for_each(|item| rewrite(cx, path, item)),
        _ => {}
    }
}

/// What of the answer is saved: paths of names and numbers only.
fn save<'s>(cx: &mut Cx<'s>, place: &Place<'s>, data: &mut Map<String, Value>) -> Vec<Value> {
    let options = place.block.json.get("options");
    let mappings = options.map_or(&[][..], |options| list(options, "responseVariableMapping"));
    let base = place.block.option_path("responseVariableMapping");
    let mut save = Vec::new();
    for (index, mapping) in mappings.iter().enumerate() {
        let path = at(&at(&base, index), "bodyPath");
        let Some(variable) = cx.variable(mapping.get("variableId")) else {
            cx.ledger.unsupported(&path, "is saved in no variable");
            continue;
        };
        let source = text(mapping, "bodyPath").unwrap_or_default();
        if source == "statusCode" {
            data.insert("status_variable".to_owned(), Value::from(variable.as_str()));
            cx.ledger.imported(&path, &variable);
        } else if let Some(pointer) = pointer(source) {
            save.push(json!({"variable": variable, "pointer": pointer}));
            cx.ledger.imported(&path, &variable);
        } else {
            let reason = format!("`{source}` needs a script; `{variable}` stays empty");
            cx.ledger.unsupported(&path, &reason);
        }
    }
    save
}

/// Reads `data.a.b[0]`.
fn pointer(path: &str) -> Option<String> {
    let path = path.trim().replace('[', ".").replace(']', "");
    let mut names = path.split('.');
    if names.next()? != "data" {
        return None;
    }
    let legal = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_- $@".contains(c))
    };
    names.try_fold(String::new(), |pointer, name| legal(name).then(|| at(&pointer, name)))
}

/// Lets a model answer once.
pub(super) fn chat<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let action = place.block.option("action").and_then(Value::as_str).unwrap_or_default();
    if action != "Create chat completion" {
        cx.stand_in(place, &format!("the action `{action}` of a model has no counterpart"));
        return;
    }
    let options = place.block.json.get("options");
    let messages = options.map_or(&[][..], |options| list(options, "messages"));
    let base = place.block.option_path("messages");
    let mut prompt = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let Some(content) = visible(message, "content") else { continue };
        let content = cx.text(&at(&at(&base, index), "content"), content);
        match text(message, "role").unwrap_or("system") {
            "system" => prompt.push(content),
            role => prompt.push(format!("{role}: {content}")),
        }
    }
    let mut data = json!({"begin": "reply", "max_turns": 1, "hand_off": "never"});
    if let Value::Object(data) = &mut data {
        if !prompt.is_empty() {
            data.insert("prompt".to_owned(), Value::from(prompt.join("\n")));
        }
        let mapped = options.map_or(&[][..], |options| list(options, "responseMapping"));
        if let Some(variable) = mapped.iter().find_map(|one| cx.variable(one.get("variableId"))) {
            data.insert("variable".to_owned(), Value::from(variable));
        }
    }
    let reason = "the model answers the contact's newest text, and the answer is sent at once";
    cx.ledger.degraded(&place.block.path, &place.node, reason);
    cx.leftovers(place, &["action", "messages", "responseMapping"]);
    cx.put(place, "ai_reply", data);
    for exit in ["next", "error"] {
        cx.go_on(place, exit);
    }
}
