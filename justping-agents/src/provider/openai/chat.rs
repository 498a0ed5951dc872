//! Folding the chunks of a streamed answer.

use justping_core::port::{AiError, ChatReply, FinishReason, ToolCall, Usage};

use super::error;
use super::wire::{self, Completion, Delta, WireCall};
use crate::provider::link::{ANSWER_MAX_BYTES, CALLS_MAX, Fold, cut, too_long};

/// The event that ends a stream.
const DONE: &str = "[DONE]";

/// An answer as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct ChatFold {
    text: String,
    calls: Vec<(Option<u32>, ToolCall)>,
    finish: Option<FinishReason>,
    usage: Usage,
    model: Option<String>,
    refused: bool,
    done: bool,
}

impl Fold for ChatFold {
    fn event(&mut self, data: &str, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError> {
        if self.done || data.trim().is_empty() {
            return Ok(());
        }
        if data.trim() == DONE {
            self.done = true;
            return Ok(());
        }
        let chunk: Completion = serde_json::from_str(data)
            .map_err(|_| AiError::Malformed("an event is not a chunk of a chat".to_owned()))?;
        self.take(&chunk, on_delta)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(self) -> Result<ChatReply, AiError> {
        if self.finish.is_none() && !self.done {
            return Err(cut());
        }
        if self.calls.iter().any(|(_, call)| call.name.is_empty()) {
            return Err(AiError::Malformed("a call names no function".to_owned()));
        }
        let said = self.finish.unwrap_or(FinishReason::Other);
        let finish = if self.refused { FinishReason::Filtered } else { said };
        Ok(ChatReply {
            text: self.text,
            tool_calls: self.calls.into_iter().map(|(_, call)| call).collect(),
            finish,
            usage: self.usage,
            model: self.model,
        })
    }
    fn whole(body: &[u8], on_delta: &mut dyn FnMut(&str)) -> Result<ChatReply, AiError> {
        let malformed = |_| AiError::Malformed("the answer is not a chat completion".to_owned());
        let completion: Completion = serde_json::from_slice(body).map_err(malformed)?;
        if completion.choices.is_empty() && completion.error.is_none() {
            return Err(AiError::Malformed("the answer has no choices".to_owned()));
        }
        let mut fold = Self::default();
        fold.take(&completion, on_delta)?;
        fold.finish()
    }
}

impl ChatFold {
    /// Adds a chunk. Only the first choice is ours; more were not asked for.
    fn take(&mut self, chunk: &Completion, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError> {
        if let Some(error) = &chunk.error {
            return Err(error::of_stream(error));
        }
        for choice in chunk.choices.iter().filter(|choice| choice.index == 0) {
            self.delta(&choice.delta, on_delta)?;
            if let Some(reason) = &choice.finish_reason {
                self.finish = Some(wire::finish(reason));
            }
        }
        if let Some(usage) = &chunk.usage {
            self.usage = usage.into();
        }
        if self.model.is_none() {
            self.model = chunk.model.clone().filter(|model| !model.is_empty());
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Delta, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError> {
        self.refused |= delta.refusal.as_ref().is_some_and(|refusal| !refusal.is_empty());
        for text in delta.content.iter().chain(&delta.refusal).filter(|text| !text.is_empty()) {
            self.text.push_str(text);
            on_delta(text);
        }
        delta.tool_calls.iter().try_for_each(|call| self.call(call))?;
        let arguments = self.calls.iter().map(|(_, call)| call.arguments.len()).sum::<usize>();
        if self.calls.len() > CALLS_MAX || self.text.len() + arguments > ANSWER_MAX_BYTES {
            return Err(too_long());
        }
        Ok(())
    }

    /// Continues the call with the same index. Servers that give no index begin a call with its id.
    fn call(&mut self, part: &WireCall) -> Result<(), AiError> {
        let id = part.id.as_deref().unwrap_or_default();
        let known = match part.index {
            Some(_) => self.calls.iter().position(|(index, _)| *index == part.index),
            None if !id.is_empty() => self.calls.iter().position(|(_, call)| call.id == id),
            None => self.calls.len().checked_sub(1),
        };
        let at = known.unwrap_or_else(|| {
            let call =
                ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
            self.calls.push((part.index, call));
            self.calls.len() - 1
        });
        let Some((_, call)) = self.calls.get_mut(at) else {
            return Err(AiError::Malformed("a part of a call has no call".to_owned()));
        };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            part.function.name.as_deref().unwrap_or_default().clone_into(&mut call.name);
        }
        call.arguments.push_str(part.function.arguments.as_deref().unwrap_or_default());
        Ok(())
    }
}
