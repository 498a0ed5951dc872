//! The pure mapping between our words and the protocol's.

use justping_core::port::{
    AiError, ChatMessage, ChatRequest, ChatRole, Embedded, FinishReason, ToolCall, Usage,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::config::TokenLimit;

/// The name of the schema an answer must follow; servers want one.
pub(super) const SCHEMA_NAME: &str = "answer";

/// The body of a chat request.
pub(super) fn chat_request(request: &ChatRequest, model: &str, limit: TokenLimit) -> Value {
    let messages: Vec<Value> = request.messages.iter().map(message).collect();
    let mut body = json!({
        "model": request.model.as_deref().unwrap_or(model),
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true}
    });
    let mut set = |name: &str, value: Value| {
        if let Some(body) = body.as_object_mut() {
            body.insert(name.to_owned(), value);
        }
    };
    if !request.tools.is_empty() {
        let tool = |tool: &justping_core::port::ToolSpec| {
            json!({"type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters
            }})
        };
        set("tools", request.tools.iter().map(tool).collect());
    }
    if let Some(schema) = &request.response_schema {
        let schema = json!({"name": SCHEMA_NAME, "schema": schema, "strict": is_strict(schema)});
        set("response_format", json!({"type": "json_schema", "json_schema": schema}));
    }
    if let Some(tokens) = request.max_output_tokens {
        let name = match limit {
            TokenLimit::MaxCompletionTokens => "max_completion_tokens",
            TokenLimit::MaxTokens => "max_tokens",
        };
        set(name, json!(tokens));
    }
    if let Some(temperature) = request.temperature {
        set("temperature", json!(temperature));
    }
    body
}

/// Says whether a schema is one that strict structured output takes: every object is closed and
/// requires all of its members.
///
/// Source: OpenAI's guide "Structured outputs", "Supported schemas".
pub(super) fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Array(schemas) => schemas.iter().all(is_strict),
        Value::Object(members) => {
            let properties = members.get("properties").and_then(Value::as_object);
            let is_object =
                properties.is_some() || members.get("type").is_some_and(|kind| kind == "object");
            let required = members.get("required").and_then(Value::as_array);
            let requires = |name: &String| {
                required.is_some_and(|required| required.iter().any(|one| one == name.as_str()))
            };
            let closed = members.get("additionalProperties") == Some(&Value::Bool(false))
                && properties.is_none_or(|properties| properties.keys().all(requires));
            let inner = members.iter().filter(|(name, _)| *name != "enum" && *name != "const");
            (!is_object || closed) && inner.map(|(_, value)| value).all(is_strict)
        }
        _ => true,
    }
}

fn message(message: &ChatMessage) -> Value {
    match message.role {
        ChatRole::System => json!({"role": "system", "content": message.text}),
        ChatRole::User => json!({"role": "user", "content": message.text}),
        ChatRole::Tool => json!({
            "role": "tool", "content": message.text, "tool_call_id": message.tool_call_id
        }),
        ChatRole::Assistant if message.tool_calls.is_empty() => {
            json!({"role": "assistant", "content": message.text})
        }
        ChatRole::Assistant => {
            let call = |call: &ToolCall| {
                json!({"id": call.id, "type": "function", "function": {
                    "name": call.name, "arguments": call.arguments
                }})
            };
            let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
            let content = Some(&message.text).filter(|text| !text.is_empty());
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
    }
}

/// A chunk of a streamed answer, or a whole answer: both have the same members, a chunk's choices
/// have a `delta` and a whole answer's a `message`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Completion {
    #[serde(default)]
    pub(super) error: Option<Value>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) choices: Vec<Choice>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default, alias = "message", deserialize_with = "or_default")]
    pub(super) delta: Delta,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub(super) content: Option<String>,
    /// What the model says instead of content when it refuses.
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tool_calls: Vec<WireCall>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct WireCall {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) function: WireFunction,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct WireFunction {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) arguments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default, deserialize_with = "or_default")]
    prompt_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    completion_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    prompt_tokens_details: PromptDetails,
}

#[derive(Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default, deserialize_with = "or_default")]
    cached_tokens: u64,
}

/// Servers write `null` for what is not there.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

impl From<&WireUsage> for Usage {
    fn from(usage: &WireUsage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            output_tokens: usage.completion_tokens,
            cached_tokens: usage.prompt_tokens_details.cached_tokens,
            ..Self::default()
        }
    }
}

/// The reason in our words.
pub(super) fn finish(reason: &str) -> FinishReason {
    match reason {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::Filtered,
        _ => FinishReason::Other,
    }
}

/// The body of an embedding request.
#[derive(Debug, Serialize)]
pub(super) struct EmbedRequest<'a> {
    pub(super) model: &'a str,
    pub(super) input: &'a [String],
    pub(super) encoding_format: &'static str,
}

/// Reads vectors, in the order of the texts, and what they took; servers that do not say are believed
/// to take nothing.
pub(super) fn embeddings(body: &[u8], texts: usize) -> Result<Embedded, AiError> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Vector>,
        #[serde(default)]
        usage: Option<Counted>,
    }
    #[derive(Deserialize)]
    struct Counted {
        #[serde(default)]
        prompt_tokens: u64,
    }
    #[derive(Deserialize)]
    struct Vector {
        index: usize,
        embedding: Vec<f32>,
    }
    let malformed = |what: &str| AiError::Malformed(what.to_owned());
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| malformed("the answer is not a list of embeddings"))?;
    let mut vectors = answer.data;
    vectors.sort_by_key(|vector| vector.index);
    let complete = vectors.iter().map(|vector| vector.index).eq(0..texts);
    if !complete {
        return Err(malformed("the answer does not have one embedding for each text"));
    }
    let vectors = vectors.into_iter().map(|vector| vector.embedding).collect();
    let input_tokens = answer.usage.map_or(0, |usage| usage.prompt_tokens);
    Ok(Embedded { vectors, input_tokens })
}
