//! The calls of a model that the step itself answers: no work outside is needed for them.

use justping_core::port::{ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Transfer;
use justping_core::model::MemoryField;

/// The tool by which a model hands off to people.
pub(super) const HAND_OFF: &str = "hand_off";
/// The tool by which a model hands over to another agent.
pub(super) const TRANSFER: &str = "transfer";
/// The tool by which a model keeps something in mind.
pub(super) const REMEMBER: &str = "remember";
/// The names that tools of others cannot have.
pub(super) const OWN: [&str; 3] = [HAND_OFF, TRANSFER, REMEMBER];

/// Most bytes of a text that a model hands over.
const TEXT_MAX_BYTES: usize = 1024;
/// Most facts that a model hands over.
const FACTS_MAX: usize = 20;
/// Most bytes of what a model keeps in mind.
const MEMORY_MAX_BYTES: usize = 500;

/// What a model hands over: typed, so that it does not depend on how a sentence is worded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HandOver {
    /// Why.
    #[serde(default)]
    pub(super) reason: String,
    /// What happened so far.
    #[serde(default)]
    pub(super) summary: String,
    /// What was found out, by name.
    #[serde(default)]
    pub(super) facts: Map<String, Value>,
    /// How the contact feels.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) sentiment: String,
    /// What could be answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) suggested_reply: String,
}

impl HandOver {
    /// Reads the arguments a model wrote; they are unchecked and may be anything.
    pub(super) fn of(call: &ToolCall) -> Self {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let text = |name: &str| {
            shortened(
                arguments.get(name).and_then(Value::as_str).unwrap_or_default(),
                TEXT_MAX_BYTES,
            )
        };
        let sentiment = text("sentiment");
        Self {
            reason: text("reason"),
            summary: text("summary"),
            facts: arguments.get("facts").map(facts).unwrap_or_default(),
            sentiment: if SENTIMENTS.contains(&sentiment.as_str()) {
                sentiment
            } else {
                String::new()
            },
            suggested_reply: text("suggested_reply"),
        }
    }

    /// As a variable. Texts always become JSON.
    pub(super) fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

const SENTIMENTS: [&str; 3] = ["positive", "neutral", "negative"];

/// Facts come as a list of names and values, or as an object.
fn facts(facts: &Value) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::String(text) => Value::from(shortened(text, TEXT_MAX_BYTES)),
        Value::Bool(_) | Value::Number(_) => value.clone(),
        other => Value::from(shortened(&other.to_string(), TEXT_MAX_BYTES)),
    };
    let pairs: Vec<(&str, &Value)> = match facts {
        Value::Array(list) => list
            .iter()
            .filter_map(|one| Some((one.get("name")?.as_str()?, one.get("value")?)))
            .collect(),
        Value::Object(members) => members.iter().map(|(n, v)| (n.as_str(), v)).collect(),
        _ => Vec::new(),
    };
    let short = |(name, value): (&str, &Value)| (shortened(name, 100), text(value));
    pairs.into_iter().take(FACTS_MAX).map(short).collect()
}

fn shortened(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
}

fn handing(more: Value) -> Value {
    let mut members = json!({
        "reason": {"type": "string", "description": "Why, in a sentence."},
        "summary": {"type": "string", "description": "What happened so far, in a few sentences."},
        "facts": {
            "type": "array", "description": "What the contact told you.",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                "required": ["name", "value"], "additionalProperties": false
            }
        }
    });
    if let (Value::Object(members), Value::Object(more)) = (&mut members, more) {
        members.extend(more);
    }
    members
}

/// The tools as models see them.
pub(super) fn hand_off_tool() -> ToolSpec {
    let more = json!({
        "sentiment": {"type": "string", "enum": SENTIMENTS, "description": "How the contact feels."},
        "suggested_reply": {"type": "string", "description": "What the colleague could answer."}
    });
    ToolSpec {
        name: HAND_OFF.to_owned(),
        description: "Give the conversation to a human colleague, when the contact asks for one \
            or you cannot help."
            .to_owned(),
        parameters: json!({
            "type": "object", "properties": handing(more), "required": ["reason"],
            "additionalProperties": false
        }),
    }
}

pub(super) fn transfer_tool(transfers: &[Transfer]) -> ToolSpec {
    let ids: Vec<&str> = transfers.iter().map(|one| one.id.as_str()).collect();
    let lines: Vec<String> =
        transfers.iter().map(|one| format!("{}: {}", one.id, one.description)).collect();
    let to = json!({"to": {"type": "string", "enum": ids, "description": lines.join("\n")}});
    ToolSpec {
        name: TRANSFER.to_owned(),
        description: "Hand the conversation over to another agent who is better suited.".to_owned(),
        parameters: json!({
            "type": "object", "properties": handing(to), "required": ["to", "reason"],
            "additionalProperties": false
        }),
    }
}

/// To whom a model transfers.
pub(super) fn transferee(call: &ToolCall) -> Option<String> {
    let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
    Some(arguments.get("to")?.as_str()?.to_owned())
}

pub(super) fn remember_tool(fields: &[MemoryField]) -> ToolSpec {
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let lines: Vec<String> =
        fields.iter().map(|field| format!("{}: {}", field.name, field.description)).collect();
    ToolSpec {
        name: REMEMBER.to_owned(),
        description: "Keep something about the contact in mind for later talks.".to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "field": {"type": "string", "enum": names, "description": lines.join("\n")},
                "value": {"type": "string", "description": "Short and to the point."}
            },
            "required": ["field", "value"], "additionalProperties": false
        }),
    }
}

/// What a model keeps in mind: a field of those it may set, and a value.
pub(super) fn remembered(call: &ToolCall, fields: &[MemoryField]) -> Option<(String, Value)> {
    let arguments: Value = serde_json::from_str(&call.arguments).ok()?;
    let field = arguments.get("field")?.as_str()?;
    let value = match arguments.get("value")? {
        Value::String(text) => Value::from(shortened(text, MEMORY_MAX_BYTES)),
        value @ (Value::Bool(_) | Value::Number(_)) => value.clone(),
        _ => return None,
    };
    let known = fields.iter().any(|one| one.name == field);
    known.then(|| (field.to_owned(), value))
}
