//! The tools: which operation of the API each of them is, and what it takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use justping::model::Permission;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::api::PREFIX;
use crate::http::access::Caller;

/// Where the schemas of bodies are in the description of the API, and where in that of a tool.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";
/// What the key of repetition is called as an argument.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// What a tool does to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Changes,
    /// Changes, and whoever is at the other end notices.
    Speaks,
}

/// A tool before the description of the API is read: name, title, method, path, effect.
type Entry = (&'static str, &'static str, &'static str, &'static str, Effect);

const ENTRIES: &[Entry] = &[
    ("search_contacts", "Search contacts", "get", "/search/contacts", Effect::Reads),
    ("list_contacts", "List contacts", "get", "/contacts", Effect::Reads),
    ("get_contact", "Read a contact", "get", "/contacts/{id}", Effect::Reads),
    ("create_contact", "Create a contact", "post", "/contacts", Effect::Changes),
    ("update_contact", "Change a contact", "patch", "/contacts/{id}", Effect::Changes),
    ("list_groups", "List groups", "get", "/groups", Effect::Reads),
    ("get_group", "Read a group", "get", "/groups/{id}", Effect::Reads),
    ("create_group", "Create a group", "post", "/groups", Effect::Changes),
    ("rename_group", "Rename a group", "put", "/groups/{id}", Effect::Changes),
    ("list_group_members", "List who is in a group", "get", MEMBERS, Effect::Reads),
    ("add_to_group", "Put contacts into a group", "post", MEMBERS, Effect::Changes),
    ("remove_from_group", "Take contacts out of a group", "post", REMOVE, Effect::Changes),
    ("list_conversations", "List conversations", "get", "/conversations", Effect::Reads),
    ("get_conversation", "Read a conversation", "get", "/conversations/{id}", Effect::Reads),
    ("read_messages", "Read messages", "get", "/conversations/{id}/messages", Effect::Reads),
    ("search_messages", "Search messages", "get", "/search/messages", Effect::Reads),
    ("send_message", "Write a message", "post", "/conversations/{id}/messages", Effect::Speaks),
    ("assign_conversation", "Assign a conversation", "put", ASSIGN, Effect::Changes),
    (
        "hand_back_conversation",
        "Hand a conversation back to the bot",
        "put",
        ASSIGN,
        Effect::Changes,
    ),
    (
        "close_conversation",
        "Close a conversation",
        "post",
        "/conversations/{id}/close",
        Effect::Changes,
    ),
    (
        "reopen_conversation",
        "Reopen a conversation",
        "post",
        "/conversations/{id}/reopen",
        Effect::Changes,
    ),
    ("list_members", "List members", "get", "/members", Effect::Reads),
    ("list_agents", "List agents", "get", "/agents", Effect::Reads),
    ("get_agent", "Read an agent", "get", "/agents/{id}", Effect::Reads),
    ("list_flows", "List flows", "get", "/flows", Effect::Reads),
    ("get_flow", "Read a flow", "get", "/flows/{id}", Effect::Reads),
    ("list_knowledge", "List knowledge bases", "get", "/knowledge", Effect::Reads),
    ("search_knowledge", "Search knowledge", "get", "/knowledge/{id}/search", Effect::Reads),
];

const ASSIGN: &str = "/conversations/{id}/assign";
const MEMBERS: &str = "/groups/{id}/members";
const REMOVE: &str = "/groups/{id}/members/remove";

/// The body of tools that leave no choice.
fn fixed_body(tool: &str) -> Option<Value> {
    (tool == "hand_back_conversation").then(|| json!({"owner": {"type": "bot"}}))
}

/// An operation of the API as a tool.
#[derive(Debug)]
pub(super) struct Operation {
    tool: Tool,
    /// `None` where any key will do.
    permission: Option<Permission>,
    pub(super) method: String,
    /// With `{id}` where the argument of that name goes.
    pub(super) path: String,
    /// The arguments that go into the query.
    pub(super) query: BTreeSet<String>,
    pub(super) body: Body,
}

/// What the body of a request is.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// All arguments that go nowhere else.
    Rest,
    /// Always the same.
    Fixed(Value),
}

/// Every tool.
#[derive(Debug)]
pub(super) struct Operations(Vec<Operation>);

impl Operations {
    /// Reads what the tools take from the description of the API. One that is not in there is left out;
    /// a test insists that all are.
    pub(super) fn of(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).unwrap_or_default();
        Self(ENTRIES.iter().filter_map(|entry| operation(&document, *entry)).collect())
    }

    /// The tools that a caller may use.
    pub(super) fn tools(&self, caller: &Caller) -> Vec<Tool> {
        let may = |operation: &&Operation| operation.permission.is_none_or(|need| caller.may(need));
        self.0.iter().filter(may).map(|operation| operation.tool.clone()).collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Operation> {
        self.0.iter().find(|operation| operation.tool.name == name)
    }
}

fn operation(document: &Value, (name, title, method, path, effect): Entry) -> Option<Operation> {
    let path = format!("{PREFIX}{path}");
    let described = document.get("paths")?.get(&path)?.get(method)?;
    let mut arguments = Arguments::default();
    for parameter in described.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        arguments.parameter(parameter);
    }
    let body = described.pointer("/requestBody/content/application~1json/schema");
    let body = match (fixed_body(name), body) {
        (Some(fixed), _) => Body::Fixed(fixed),
        (None, Some(schema)) => {
            arguments.body(document, schema);
            Body::Rest
        }
        (None, None) => Body::None,
    };
    let scope = described.pointer("/security/0/api_key/0").cloned();
    let permission = scope.map(serde_json::from_value).transpose().ok()?;
    let text = |key: &str| described.get(key).and_then(Value::as_str).unwrap_or_default();
    let description = match fixed_body(name) {
        Some(_) => "Gives a conversation back to the bot, whose flow goes on.".to_owned(),
        None => format!("{}\n{}", text("summary"), text("description")).trim().to_owned(),
    };
    let annotations = ToolAnnotations::with_title(title)
        .read_only(effect == Effect::Reads)
        .destructive(false)
        .idempotent(method == "put")
        .open_world(effect == Effect::Speaks);
    let query = std::mem::take(&mut arguments.query);
    let tool = Tool::new(name, description, Arc::new(arguments.schema(document)));
    let tool = tool.with_annotations(annotations);
    Some(Operation { tool, permission, method: method.to_uppercase(), path, query, body })
}

/// The arguments of a tool, gathered from what a request is made of.
#[derive(Debug, Default)]
struct Arguments {
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    query: BTreeSet<String>,
}

impl Arguments {
    fn parameter(&mut self, parameter: &Value) {
        let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = match (text("in"), text("name")) {
            ("header", "Idempotency-Key") => IDEMPOTENCY_KEY,
            ("path" | "query", name) => name,
            _ => return,
        };
        let mut schema = parameter.get("schema").cloned().unwrap_or_else(|| json!({}));
        if let (Some(schema), false) = (schema.as_object_mut(), text("description").is_empty()) {
            schema.insert("description".to_owned(), json!(text("description")));
        }
        if parameter.get("required") == Some(&Value::Bool(true)) {
            self.required.insert(name.to_owned());
        }
        if text("in") == "query" {
            self.query.insert(name.to_owned());
        }
        self.properties.insert(name.to_owned(), schema);
    }

    /// Takes in the members of a body.
    fn body(&mut self, document: &Value, schema: &Value) {
        let named = schema.get("$ref").and_then(Value::as_str);
        let schema = named.and_then(|name| component(document, name)).unwrap_or(schema);
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            self.properties.extend(properties.clone());
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        self.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
    }

    fn schema(self, document: &Value) -> JsonObject {
        let mut properties = Value::Object(self.properties);
        let mut definitions = Map::new();
        define(document, &mut properties, &mut definitions);
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), properties);
        schema.insert("required".to_owned(), json!(self.required));
        schema.insert("additionalProperties".to_owned(), json!(false));
        if !definitions.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(definitions));
        }
        schema
    }
}

fn component<'d>(document: &'d Value, reference: &str) -> Option<&'d Value> {
    let name = reference.strip_prefix(COMPONENTS)?;
    document.get("components")?.get("schemas")?.get(name)
}

/// Brings along every schema that a schema refers to.
fn define(document: &Value, schema: &mut Value, definitions: &mut Map<String, Value>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(COMPONENTS).map(str::to_owned)
            {
                if !definitions.contains_key(&name)
                    && let Some(component) = component(document, reference)
                {
                    let mut component = component.clone();
                    definitions.insert(name.clone(), Value::Null);
                    define(document, &mut component, definitions);
                    definitions.insert(name.clone(), component);
                }
                *reference = format!("{DEFINITIONS}{name}");
            }
            members.values_mut().for_each(|member| define(document, member, definitions));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| define(document, item, definitions));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations() -> Operations {
        Operations::of(&crate::http::openapi())
    }

    #[test]
    fn every_tool_is_an_operation_of_the_api() {
        let operations = operations();
        let names: Vec<&str> = operations.0.iter().map(|one| one.tool.name.as_ref()).collect();
        let listed: Vec<&str> = ENTRIES.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, listed);
        for Operation { tool, permission, path, .. } in &operations.0 {
            assert!(permission.is_some(), "{} asks for no right", tool.name);
            assert!(tool.description.as_ref().is_some_and(|text| text.len() > 10), "{tool:?}");
            let schema = serde_json::to_value(&tool.input_schema).unwrap();
            let has_id = path.contains("{id}");
            let required = schema["required"].as_array().unwrap();
            assert_eq!(required.contains(&json!("id")), has_id, "{}", tool.name);
            let text = schema.to_string();
            assert!(!text.contains(COMPONENTS), "{}: {text}", tool.name);
            for reference in text.split(DEFINITIONS).skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(schema["$defs"].get(name).is_some(), "{}: {name}", tool.name);
            }
        }
    }

    #[test]
    fn arguments_are_those_of_the_request() {
        let operations = operations();
        let send = operations.find("send_message").unwrap();
        let schema = serde_json::to_value(&send.tool.input_schema).unwrap();
        assert_eq!(schema["required"], json!(["content", "id"]));
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["content", "id", "idempotency_key", "kind", "reply_to"]);
        let back = operations.find("hand_back_conversation").unwrap();
        assert_eq!(back.tool.input_schema["required"], json!(["id"]));
        let list = operations.find("list_conversations").unwrap();
        assert!(list.query.contains("after") && list.body == Body::None, "{list:?}");
        assert!(operations.find("delete_contact").is_none());
    }
}
