//! Folding the events of a streamed answer.
//!
//! Source: Anthropic's documentation, "Streaming Messages".

use justping_core::port::{AiError, ChatReply, FinishReason, ToolCall, Usage};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::error;
use crate::provider::link::{ANSWER_MAX_BYTES, CALLS_MAX, Fold, cut, too_long};

/// One event, as far as its members matter. Unknown types and blocks are read over.
#[derive(Debug, Default, Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    index: u32,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    content_block: Option<Block>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

/// A whole answer, or what is known of one when it begins.
#[derive(Debug, Default, Deserialize)]
struct Message {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    content: Option<Vec<Block>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
struct Block {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    text: String,
    #[serde(default, deserialize_with = "or_default")]
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    input: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    text: String,
    #[serde(default, deserialize_with = "or_default")]
    partial_json: String,
    #[serde(default)]
    stop_reason: Option<String>,
}

/// Tokens read anew, put into the cache and taken from it are counted apart.
#[derive(Debug, Default, Deserialize)]
struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// An answer as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct MessageFold {
    text: String,
    calls: Vec<OpenCall>,
    stop_reason: Option<String>,
    usage: WireUsage,
    model: Option<String>,
    done: bool,
}

/// A call and what its block began with, which counts when no part follows.
#[derive(Debug)]
struct OpenCall {
    index: u32,
    call: ToolCall,
    input: Value,
}

impl Fold for MessageFold {
    fn event(&mut self, data: &str, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError> {
        if self.done || data.trim().is_empty() || data.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Event = serde_json::from_str(data)
            .map_err(|_| AiError::Malformed("an event is not one of a message".to_owned()))?;
        match event.kind.as_str() {
            "error" => return Err(error::of_event(data)),
            "message_start" => self.begin(event.message.unwrap_or_default(), on_delta),
            "content_block_start" => {
                self.block(event.index, event.content_block.unwrap_or_default(), on_delta);
            }
            "content_block_delta" => {
                self.delta(event.index, &event.delta.unwrap_or_default(), on_delta);
            }
            "message_delta" => {
                self.count(event.usage);
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                self.stop_reason = reason.or(self.stop_reason.take());
            }
            "message_stop" => self.done = true,
            _ => {}
        }
        let arguments = self.calls.iter().map(|open| open.call.arguments.len()).sum::<usize>();
        if self.calls.len() > CALLS_MAX || self.text.len() + arguments > ANSWER_MAX_BYTES {
            return Err(too_long());
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(self) -> Result<ChatReply, AiError> {
        if self.stop_reason.is_none() && !self.done {
            return Err(cut());
        }
        let tool_calls: Vec<ToolCall> = self.calls.into_iter().map(OpenCall::close).collect();
        if tool_calls.iter().any(|call| call.name.is_empty() || call.id.is_empty()) {
            return Err(AiError::Malformed("a call names no tool".to_owned()));
        }
        Ok(ChatReply {
            finish: finish(self.stop_reason.as_deref()),
            usage: usage(&self.usage),
            text: self.text,
            tool_calls,
            model: self.model,
        })
    }

    fn whole(body: &[u8], on_delta: &mut dyn FnMut(&str)) -> Result<ChatReply, AiError> {
        let no_message = || AiError::Malformed("the answer is not a message".to_owned());
        let message: Message = serde_json::from_slice(body).map_err(|_| no_message())?;
        if message.content.is_none() {
            return Err(no_message());
        }
        let mut fold = Self { done: true, ..Self::default() };
        fold.begin(message, on_delta);
        fold.finish()
    }
}

impl MessageFold {
    fn begin(&mut self, message: Message, on_delta: &mut dyn FnMut(&str)) {
        self.model = message.model.filter(|model| !model.is_empty());
        self.stop_reason = message.stop_reason;
        self.count(message.usage);
        for (block, index) in message.content.into_iter().flatten().zip(0_u32..) {
            self.block(index, block, on_delta);
        }
    }

    fn block(&mut self, index: u32, block: Block, on_delta: &mut dyn FnMut(&str)) {
        match block.kind.as_str() {
            "text" => self.say(&block.text, on_delta),
            "tool_use" => {
                let call = ToolCall { id: block.id, name: block.name, arguments: String::new() };
                self.calls.push(OpenCall { index, call, input: block.input });
            }
            _ => {}
        }
    }

    fn delta(&mut self, index: u32, delta: &Delta, on_delta: &mut dyn FnMut(&str)) {
        match delta.kind.as_str() {
            "text_delta" => self.say(&delta.text, on_delta),
            "input_json_delta" => {
                // Tools that the provider runs itself have such parts too; they are not ours.
                let open = self.calls.iter_mut().find(|open| open.index == index);
                if let Some(open) = open {
                    open.call.arguments.push_str(&delta.partial_json);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, text: &str, on_delta: &mut dyn FnMut(&str)) {
        if !text.is_empty() {
            self.text.push_str(text);
            on_delta(text);
        }
    }

    /// Later counts are totals: they replace earlier ones.
    fn count(&mut self, usage: Option<WireUsage>) {
        let (Some(new), old) = (usage, &mut self.usage) else { return };
        old.input_tokens = new.input_tokens.or(old.input_tokens);
        old.output_tokens = new.output_tokens.or(old.output_tokens);
        old.cache_creation_input_tokens =
            new.cache_creation_input_tokens.or(old.cache_creation_input_tokens);
        old.cache_read_input_tokens = new.cache_read_input_tokens.or(old.cache_read_input_tokens);
    }
}

impl OpenCall {
    fn close(self) -> ToolCall {
        let mut call = self.call;
        if call.arguments.is_empty() {
            let object = self.input.as_object().cloned().unwrap_or_else(Map::new);
            call.arguments = Value::Object(object).to_string();
        }
        call
    }
}

fn usage(usage: &WireUsage) -> Usage {
    let cached = usage.cache_read_input_tokens.unwrap_or(0);
    let written = usage.cache_creation_input_tokens.unwrap_or(0);
    let fresh = usage.input_tokens.unwrap_or(0);
    Usage {
        input_tokens: fresh.saturating_add(cached).saturating_add(written),
        output_tokens: usage.output_tokens.unwrap_or(0),
        cached_tokens: cached,
        cache_write_tokens: written,
    }
}

/// The reason in our words.
fn finish(reason: Option<&str>) -> FinishReason {
    match reason {
        Some("end_turn" | "stop_sequence") => FinishReason::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        Some("tool_use") => FinishReason::ToolCalls,
        Some("refusal") => FinishReason::Filtered,
        // Such as `pause_turn`, of tools that the provider runs itself.
        _ => FinishReason::Other,
    }
}
