//! The pure mapping of a request.

use justping_core::port::{ChatMessage, ChatRequest, ChatRole, ToolSpec};
use serde_json::{Map, Value, json};

use super::config::{AnthropicConfig, PromptCache};

/// Said where the protocol wants a word of the contact and there is none.
const SILENCE: &str = "…";
/// The API's highest temperature.
const TEMPERATURE_MAX: f64 = 1.0;

/// The body of a request.
pub(super) fn request(request: &ChatRequest, config: &AnthropicConfig) -> Value {
    let mut body = Map::new();
    let model = request.model.as_deref().unwrap_or(&config.model);
    body.insert("model".to_owned(), json!(model));
    let limit = request.max_output_tokens.unwrap_or(config.max_output_tokens);
    body.insert("max_tokens".to_owned(), json!(limit));
    body.insert("stream".to_owned(), json!(true));
    let mut system = system(&request.messages);
    let mut tools: Vec<Value> = request.tools.iter().map(tool).collect();
    let mut messages = messages(&request.messages);
    if config.prompt_cache != PromptCache::Off {
        // A mark keeps all that stands before it: tools first, then the instructions.
        system.last_mut().or(tools.last_mut()).map(mark);
    }
    if config.prompt_cache == PromptCache::Chat {
        let blocks = messages.last_mut().and_then(|message| message.get_mut("content"));
        let last = blocks.and_then(Value::as_array_mut).and_then(|blocks| blocks.last_mut());
        last.map(mark);
    }
    for (name, list) in [("system", system), ("tools", tools), ("messages", messages)] {
        if !list.is_empty() {
            body.insert(name.to_owned(), Value::Array(list));
        }
    }
    if let Some(schema) = &request.response_schema {
        let format = json!({"type": "json_schema", "schema": schema});
        body.insert("output_config".to_owned(), json!({"format": format}));
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(temperature.min(TEMPERATURE_MAX)));
    }
    Value::Object(body)
}

fn mark(block: &mut Value) {
    if let Value::Object(block) = block {
        block.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
    }
}

fn text(text: &str) -> Option<Value> {
    // The API refuses texts that say nothing.
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

fn system(messages: &[ChatMessage]) -> Vec<Value> {
    let system = messages.iter().filter(|message| message.role == ChatRole::System);
    system.filter_map(|message| text(&message.text)).collect()
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "name": tool.name, "description": tool.description, "input_schema": tool.parameters
    })
}

/// What is said in turns: messages of one side that follow each other are one, and the contact
/// speaks first. Results of tools are said by the contact's side.
fn messages(messages: &[ChatMessage]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = vec![("user", Vec::new())];
    for message in messages.iter().filter(|message| message.role != ChatRole::System) {
        let role = if message.role == ChatRole::Assistant { "assistant" } else { "user" };
        if turns.last().is_none_or(|(last, _)| *last != role) {
            turns.push((role, Vec::new()));
        }
        if let Some((_, blocks)) = turns.last_mut() {
            blocks.extend(self::blocks(message));
        }
    }
    let silence = || vec![json!({"type": "text", "text": SILENCE})];
    let turn = |(role, blocks): (&str, Vec<Value>)| {
        let blocks = if blocks.is_empty() { silence() } else { blocks };
        json!({"role": role, "content": blocks})
    };
    turns.into_iter().map(turn).collect()
}

fn blocks(message: &ChatMessage) -> Vec<Value> {
    if message.role == ChatRole::Tool {
        return vec![json!({
            "type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.text
        })];
    }
    let calls = message.tool_calls.iter().map(|call| {
        // The API wants an object; what a model wrote may be anything.
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let input = if input.is_object() { input } else { json!({}) };
        json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
    });
    text(&message.text).into_iter().chain(calls).collect()
}
