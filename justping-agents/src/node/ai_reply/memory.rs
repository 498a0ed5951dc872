//! What the node remembers between steps.

use justping_core::model::Cap;
use justping_core::port::{ChatMessage, ChatRole, NodeContext, ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::History;
use crate::ai::Reply;

/// Most bytes of one message's tool calls and results that are kept.
const ROUND_MAX_BYTES: usize = 16 * 1024;
/// Bytes that are left of a result when the room is short.
const RESULT_REST_BYTES: usize = 200;

/// What the node remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The talk.
    #[serde(rename = "h", default)]
    pub(super) history: History,
    /// Answers given.
    #[serde(rename = "n", default)]
    pub(super) turns: u32,
    /// When the wait ends, in milliseconds since 1970.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<i64>,
    /// What is on its way.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(super) out: Option<Out>,
    /// The answer under way.
    #[serde(rename = "r", default, skip_serializing_if = "Round::is_new")]
    pub(super) round: Round,
}

/// Work that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Out {
    /// An answer of the model.
    #[serde(rename = "m")]
    Model,
    /// The first of the open calls.
    #[serde(rename = "t")]
    Tool,
    /// A summary of what is no longer shown.
    #[serde(rename = "s")]
    Summary,
}

/// What happens between a message of the contact and the answer to it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Round {
    /// Calls of the model with their results, and what the contact wrote meanwhile.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) messages: Vec<ChatMessage>,
    /// Calls without a result, in order.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<ToolCall>,
    /// Answers of the model so far.
    #[serde(rename = "n", default)]
    pub(super) answers: u32,
    /// Whether the model was told once that its arguments are wrong.
    #[serde(rename = "f", default)]
    pub(super) mended: bool,
    /// Tokens spent.
    #[serde(rename = "t", default)]
    tokens: u64,
    /// Money spent.
    #[serde(rename = "p", default)]
    micros: u64,
}

impl Round {
    fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// Counts what an answer took.
    pub(super) fn spend(&mut self, reply: &Reply) {
        let tokens = reply.usage.input_tokens.saturating_add(reply.usage.output_tokens);
        self.tokens = self.tokens.saturating_add(tokens);
        self.micros = self.micros.saturating_add(reply.micros);
    }

    /// Says whether a budget has room for one more answer.
    pub(super) fn has_room(&self, cap: Cap) -> bool {
        cap.has_room(self.tokens, self.micros)
    }

    /// Adds the result of a call.
    pub(super) fn result(&mut self, call: &ToolCall, text: impl Into<String>) {
        let tool_call_id = Some(call.id.clone());
        self.messages.push(ChatMessage { tool_call_id, ..ChatMessage::new(ChatRole::Tool, text) });
        self.make_room();
    }

    /// Shortens the oldest results until all fit, and forgets the oldest calls where that is not
    /// enough.
    fn make_room(&mut self) {
        self.shorten_results();
        let is_call = |message: &ChatMessage| !message.tool_calls.is_empty();
        while self.messages.iter().map(weight).sum::<usize>() > ROUND_MAX_BYTES {
            let Some(next) = self.messages.iter().skip(1).position(is_call) else { return };
            // A call goes with its results, or a provider refuses what is left.
            self.messages.drain(..=next);
        }
    }

    fn shorten_results(&mut self) {
        let mut bytes: usize = self.messages.iter().map(weight).sum();
        for message in self.messages.iter_mut().filter(|one| one.role == ChatRole::Tool) {
            if bytes <= ROUND_MAX_BYTES {
                return;
            }
            let end = message.text.floor_char_boundary(RESULT_REST_BYTES);
            bytes -= message.text.len() - end;
            message.text.truncate(end);
        }
    }

    /// Gives up the calls that are open.
    pub(super) fn give_up(&mut self, why: &str) {
        for call in std::mem::take(&mut self.open) {
            self.result(&call, why);
        }
    }

    /// The contact writes while tools are at work: what is open is given up, as every call needs a
    /// result before anybody speaks again.
    pub(super) fn interrupt(&mut self, text: &str) {
        self.give_up("given up, because the contact wrote meanwhile");
        self.messages.push(ChatMessage::new(ChatRole::User, text));
    }
}

fn weight(message: &ChatMessage) -> usize {
    let calls = message.tool_calls.iter();
    message.text.len() + calls.map(|call| call.arguments.len()).sum::<usize>()
}

impl Memory {
    pub(super) fn load(cx: &NodeContext<'_>) -> Option<Self> {
        match &*cx.local {
            Value::Null => Some(Self::default()),
            memory => Self::deserialize(memory).ok(),
        }
    }

    pub(super) fn save(&self, cx: &mut NodeContext<'_>) {
        // Nothing in it fails to be JSON.
        *cx.local = serde_json::to_value(self).unwrap_or_default();
    }

    /// The contact wrote.
    pub(super) fn hear(&mut self, text: &str) {
        if self.round.messages.is_empty() {
            self.history.contact(text);
        } else {
            self.round.interrupt(text);
        }
    }

    /// The answer is complete: of the round only what was said is kept.
    pub(super) fn close_round(&mut self, text: &str) {
        for message in std::mem::take(&mut self.round).messages {
            match message.role {
                ChatRole::User => self.history.contact(&message.text),
                ChatRole::Assistant if !message.text.trim().is_empty() => {
                    self.history.model(&message.text);
                }
                _ => {}
            }
        }
        if !text.is_empty() {
            self.history.model(text);
        }
    }
}
