//! Asking the provider, outside the step.

use std::time::Duration;

use justping_core::model::CallResult;
use justping_core::port::{
    AiError, AiProvider, ChatReply, ChatRequest, DeltaSink, ToolSpec, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The tool by which a model hands off.
const HAND_OFF: &str = "hand_off";
/// Requests made for one call at most.
const ATTEMPTS_MAX: u32 = 3;
/// The pause before the second request; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// The longest pause, whatever the provider wishes.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are kept.
const ANSWER_MAX_BYTES: usize = 16 * 1024;
/// Most bytes of a reason that are kept.
const REASON_MAX_BYTES: usize = 1024;

/// What a call comes back with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Why the model hands off, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hand_off: Option<String>,
    #[serde(default)]
    usage: Usage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

impl Answer {
    /// What it took.
    pub(super) fn usage(&self, node: &str) -> Value {
        json!({
            "node": node,
            "model": self.model,
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "cached_tokens": self.usage.cached_tokens
        })
    }
}

/// The tool as models see it.
pub(super) fn hand_off_tool() -> ToolSpec {
    ToolSpec {
        name: HAND_OFF.to_owned(),
        description: "Give the conversation to a human colleague, when the contact asks for one \
            or you cannot help."
            .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {"reason": {
                "type": "string",
                "description": "What the colleague should know, in a sentence."
            }},
            "required": ["reason"],
            "additionalProperties": false
        }),
    }
}

/// Asks, and asks again while that may help and nothing of an answer was shown yet.
pub(super) async fn ask(
    provider: &dyn AiProvider,
    request: &ChatRequest,
    on_delta: &dyn DeltaSink,
) -> CallResult {
    let mut attempt = 1;
    loop {
        let mut shown = false;
        let mut show = |text: &str| {
            shown = true;
            on_delta.delta(text);
        };
        let error = match provider.chat(request, &mut show).await {
            Ok(reply) => return answer(reply),
            Err(error) => error,
        };
        let (true, Some(pause)) = (attempt < ATTEMPTS_MAX && !shown, pause(&error, attempt)) else {
            return refused(error.code(), &error.to_string());
        };
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// How long to wait before asking again; `None` when that does not help.
fn pause(error: &AiError, attempt: u32) -> Option<Duration> {
    let (AiError::Unavailable { after, .. } | AiError::RateLimited { after }) = error else {
        return None;
    };
    let backoff = BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(8));
    Some(after.unwrap_or(backoff).min(BACKOFF_MAX))
}

fn answer(reply: ChatReply) -> CallResult {
    let call = reply.tool_calls.iter().find(|call| call.name == HAND_OFF);
    let hand_off = call.map(|call| reason(&call.arguments));
    if reply.text.trim().is_empty() && hand_off.is_none() {
        return refused("empty_answer", "the model said nothing");
    }
    let text = shortened(&reply.text, ANSWER_MAX_BYTES);
    let answer = Answer { text, hand_off, usage: reply.usage, model: reply.model };
    match serde_json::to_value(&answer) {
        Ok(value) => CallResult::Ok(value),
        Err(_) => refused("malformed", "the answer is not JSON"),
    }
}

/// The reason in the arguments a model wrote; they are unchecked and may be anything.
fn reason(arguments: &str) -> String {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let reason = arguments.get("reason").and_then(Value::as_str).unwrap_or_default();
    shortened(reason, REASON_MAX_BYTES)
}

fn shortened(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
}

fn refused(code: &str, detail: &str) -> CallResult {
    CallResult::Error { code: code.to_owned(), detail: detail.to_owned() }
}
