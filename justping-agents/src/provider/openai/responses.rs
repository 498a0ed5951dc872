//! The responses API: the request, and folding its events. Nothing is kept by the provider
//! (`store` is false): the whole chat goes with every request.
//!
//! Source: OpenAI's API reference, "Responses" and "Streaming events".

use justping_core::port::{
    AiError, ChatMessage, ChatReply, ChatRequest, ChatRole, FinishReason, ToolCall, ToolSpec, Usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error;
use super::wire::{SCHEMA_NAME, is_strict, or_default};
use crate::provider::link::{ANSWER_MAX_BYTES, CALLS_MAX, Fold, cut, too_long};

/// The least limit on an answer's tokens that the API takes.
const OUTPUT_TOKENS_MIN: u32 = 16;

/// The body of a request.
pub(super) fn request(request: &ChatRequest, model: &str) -> Value {
    let mut body = json!({
        "model": request.model.as_deref().unwrap_or(model),
        "input": request.messages.iter().flat_map(items).collect::<Value>(),
        "stream": true,
        "store": false
    });
    let mut set = |name: &str, value: Value| {
        if let Some(body) = body.as_object_mut() {
            body.insert(name.to_owned(), value);
        }
    };
    if !request.tools.is_empty() {
        let tool = |tool: &ToolSpec| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters, "strict": false
            })
        };
        set("tools", request.tools.iter().map(tool).collect());
    }
    if let Some(schema) = &request.response_schema {
        let strict = is_strict(schema);
        let format = json!({
            "type": "json_schema", "name": SCHEMA_NAME, "schema": schema, "strict": strict
        });
        set("text", json!({"format": format}));
    }
    if let Some(tokens) = request.max_output_tokens {
        set("max_output_tokens", json!(tokens.max(OUTPUT_TOKENS_MIN)));
    }
    if let Some(temperature) = request.temperature {
        set("temperature", json!(temperature));
    }
    body
}

/// A message is one item, and each call it makes another.
fn items(message: &ChatMessage) -> Vec<Value> {
    let said = |role: &str| json!({"role": role, "content": message.text});
    match message.role {
        ChatRole::System => vec![said("system")],
        ChatRole::User => vec![said("user")],
        ChatRole::Tool => vec![json!({
            "type": "function_call_output", "call_id": message.tool_call_id, "output": message.text
        })],
        ChatRole::Assistant => {
            let text = (!message.text.is_empty()).then(|| said("assistant"));
            let calls = message.tool_calls.iter().map(|call| {
                json!({
                    "type": "function_call", "call_id": call.id, "name": call.name,
                    "arguments": call.arguments
                })
            });
            text.into_iter().chain(calls).collect()
        }
    }
}

/// One event of a stream, as far as its members matter.
#[derive(Debug, Default, Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    output_index: u32,
    #[serde(default, deserialize_with = "or_default")]
    delta: Value,
    #[serde(default)]
    arguments: Option<String>,
    #[serde(default)]
    item: Option<Item>,
    #[serde(default)]
    response: Option<Whole>,
}

/// An answer, whole or as the last event tells it.
#[derive(Debug, Default, Deserialize)]
struct Whole {
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    incomplete_details: Option<Incomplete>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    output: Option<Vec<Item>>,
}

#[derive(Debug, Default, Deserialize)]
struct Incomplete {
    #[serde(default, deserialize_with = "or_default")]
    reason: String,
}

/// Something a model puts out. Kinds that are not ours, such as reasoning, are read over.
#[derive(Debug, Default, Deserialize)]
struct Item {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    call_id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    arguments: Value,
    #[serde(default, deserialize_with = "or_default")]
    content: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct WireUsage {
    #[serde(default, deserialize_with = "or_default")]
    input_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    output_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    input_tokens_details: InputDetails,
}

#[derive(Debug, Default, Deserialize)]
struct InputDetails {
    #[serde(default, deserialize_with = "or_default")]
    cached_tokens: u64,
}

/// An answer as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct ResponseFold {
    text: String,
    calls: Vec<(u32, ToolCall)>,
    refused: bool,
    ended: Option<FinishReason>,
    usage: Usage,
    model: Option<String>,
}

impl Fold for ResponseFold {
    fn event(&mut self, data: &str, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError> {
        if self.ended.is_some() || data.trim().is_empty() || data.trim() == "[DONE]" {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|_| no_event())?;
        // Errors come in an `error` member, or are the event itself.
        if value.get("type").and_then(Value::as_str) == Some("error") {
            return Err(error::of_stream(value.get("error").unwrap_or(&value)));
        }
        let event = Event::deserialize(value).map_err(|_| no_event())?;
        self.take(event, on_delta)?;
        let arguments = self.calls.iter().map(|(_, call)| call.arguments.len()).sum::<usize>();
        if self.calls.len() > CALLS_MAX || self.text.len() + arguments > ANSWER_MAX_BYTES {
            return Err(too_long());
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.ended.is_some()
    }

    fn finish(self) -> Result<ChatReply, AiError> {
        let ended = self.ended.ok_or_else(cut)?;
        let calls: Vec<ToolCall> = self.calls.into_iter().map(|(_, call)| call).collect();
        if calls.iter().any(|call| call.name.is_empty() || call.id.is_empty()) {
            return Err(AiError::Malformed("a call names no function".to_owned()));
        }
        let finish = match ended {
            FinishReason::Stop if self.refused => FinishReason::Filtered,
            FinishReason::Stop if !calls.is_empty() => FinishReason::ToolCalls,
            other => other,
        };
        let (text, usage, model) = (self.text, self.usage, self.model);
        Ok(ChatReply { text, tool_calls: calls, finish, usage, model })
    }

    fn whole(body: &[u8], on_delta: &mut dyn FnMut(&str)) -> Result<ChatReply, AiError> {
        let malformed = |_| AiError::Malformed("the answer is not a response".to_owned());
        let mut whole: Whole = serde_json::from_slice(body).map_err(malformed)?;
        let mut fold = Self::default();
        let Some(output) = whole.output.take() else {
            return Err(AiError::Malformed("the answer has no output".to_owned()));
        };
        for (item, index) in output.into_iter().zip(0_u32..) {
            for part in &item.content {
                fold.say(part, on_delta);
            }
            fold.begin(index, item);
        }
        fold.end(&whole)?;
        fold.finish()
    }
}

impl ResponseFold {
    fn take(&mut self, event: Event, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError> {
        let delta = || event.delta.as_str().unwrap_or_default().to_owned();
        match event.kind.as_str() {
            "response.output_text.delta" => {
                self.say(&Part { text: Some(delta()), refusal: None }, on_delta);
            }
            "response.refusal.delta" => {
                self.say(&Part { text: None, refusal: Some(delta()) }, on_delta);
            }
            "response.output_item.added" => {
                self.begin(event.output_index, event.item.unwrap_or_default());
            }
            "response.function_call_arguments.delta" => {
                if let Some(call) = self.call(event.output_index) {
                    call.arguments.push_str(&delta());
                }
            }
            "response.function_call_arguments.done" => {
                let whole = event.arguments;
                if let (Some(call), Some(whole)) = (self.call(event.output_index), whole) {
                    call.arguments = whole;
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.end(&event.response.unwrap_or_default())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, part: &Part, on_delta: &mut dyn FnMut(&str)) {
        self.refused |= part.refusal.as_ref().is_some_and(|refusal| !refusal.is_empty());
        for text in part.text.iter().chain(&part.refusal).filter(|text| !text.is_empty()) {
            self.text.push_str(text);
            on_delta(text);
        }
    }

    /// A call begins; its arguments may follow.
    fn begin(&mut self, index: u32, item: Item) {
        if item.kind == "function_call" {
            let arguments = match item.arguments {
                Value::String(text) => text,
                Value::Null => String::new(),
                other => other.to_string(),
            };
            let call = ToolCall { id: item.call_id, name: item.name, arguments };
            self.calls.push((index, call));
        }
    }

    fn call(&mut self, index: u32) -> Option<&mut ToolCall> {
        self.calls.iter_mut().find(|(at, _)| *at == index).map(|(_, call)| call)
    }

    fn end(&mut self, whole: &Whole) -> Result<(), AiError> {
        if let Some(error) = whole.error.as_ref().filter(|error| !error.is_null()) {
            return Err(error::of_stream(error));
        }
        self.model = whole.model.clone().filter(|model| !model.is_empty());
        if let Some(usage) = &whole.usage {
            self.usage = Usage {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                cached_tokens: usage.input_tokens_details.cached_tokens,
                ..Usage::default()
            };
        }
        let reason = whole.incomplete_details.as_ref().map(|details| details.reason.as_str());
        self.ended = Some(match (whole.status.as_str(), reason) {
            // Some compatible servers leave the status out.
            ("completed" | "complete" | "", _) => FinishReason::Stop,
            ("incomplete", Some("content_filter")) => FinishReason::Filtered,
            ("incomplete", Some("max_output_tokens")) => FinishReason::Length,
            ("failed" | "cancelled", _) => {
                let detail = whole.status.clone();
                return Err(AiError::Unavailable { after: None, detail });
            }
            // An answer that is still being made is none.
            ("queued" | "in_progress", _) => return Err(cut()),
            _ => FinishReason::Other,
        });
        Ok(())
    }
}

fn no_event() -> AiError {
    AiError::Malformed("an event is not one of a response".to_owned())
}
