use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::entropy::split_mix;
use crate::port::{
    AiError, AiProvider, ChatReply, ChatRequest, ChatRole, Embedded, FinishReason, OnDelta,
    ToolCall, Usage,
};

/// Requests that are remembered; beyond it the oldest are dropped.
const REQUESTS_MAX: usize = 10_000;
/// Numbers of an embedding.
const EMBEDDING_LEN: usize = 8;

/// A model that says what a test told it to say.
///
/// It answers with the reply scripted for the last thing the user said
/// ([`on`](Self::on)), else with the next of the replies in order ([`then`](Self::then)), else with
/// the [`otherwise`](Self::otherwise) reply, else it refuses with the code `unscripted`.
#[derive(Debug, Default)]
pub struct ScriptedAi {
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    by_text: BTreeMap<String, Answer>,
    in_order: VecDeque<Answer>,
    otherwise: Option<Answer>,
    requests: VecDeque<ChatRequest>,
}

type Answer = Result<AiReply, AiError>;

/// A scripted reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiReply {
    /// The text in the pieces in which it arrives.
    pub deltas: Vec<String>,
    /// The calls it makes.
    pub tool_calls: Vec<ToolCall>,
    /// Why it stops.
    pub finish: FinishReason,
    /// Tokens used; `None` counts words.
    pub usage: Option<Usage>,
}

impl AiReply {
    /// A reply with nothing but text, which arrives word by word.
    pub fn text(text: impl AsRef<str>) -> Self {
        let deltas = text.as_ref().split_inclusive(' ').map(str::to_owned).collect();
        Self { deltas, tool_calls: Vec::new(), finish: FinishReason::Stop, usage: None }
    }

    /// A reply that calls one tool.
    pub fn call(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        let call = ToolCall { id: "call_1".into(), name: name.into(), arguments: arguments.into() };
        Self { tool_calls: vec![call], finish: FinishReason::ToolCalls, ..Self::text("") }
    }
}

impl From<&str> for AiReply {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl ScriptedAi {
    /// A model without a script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replies with `reply` whenever the user's last message is `text`.
    pub fn on(&self, text: impl Into<String>, reply: impl Into<AiReply>) -> &Self {
        self.script().by_text.insert(text.into(), Ok(reply.into()));
        self
    }

    /// Replies with `reply` once, after what was scripted before.
    pub fn then(&self, reply: impl Into<AiReply>) -> &Self {
        self.script().in_order.push_back(Ok(reply.into()));
        self
    }

    /// Fails with `error` once, after what was scripted before.
    pub fn then_fail(&self, error: AiError) -> &Self {
        self.script().in_order.push_back(Err(error));
        self
    }

    /// Replies with `reply` when nothing else is scripted.
    pub fn otherwise(&self, reply: impl Into<AiReply>) -> &Self {
        self.script().otherwise = Some(Ok(reply.into()));
        self
    }

    /// What it was asked, oldest first.
    pub fn requests(&self) -> Vec<ChatRequest> {
        self.script().requests.iter().cloned().collect()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn answer(&mut self, request: &ChatRequest) -> Answer {
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(request.clone());
        let last = request.messages.iter().rev().find(|message| message.role == ChatRole::User);
        if let Some(answer) = last.and_then(|message| self.by_text.get(&message.text)) {
            return answer.clone();
        }
        let unscripted = || AiError::Rejected {
            code: "unscripted".to_owned(),
            reason: "the script has no answer to this".to_owned(),
        };
        let answer = self.in_order.pop_front().or_else(|| self.otherwise.clone());
        answer.unwrap_or_else(|| Err(unscripted()))
    }
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[async_trait]
impl AiProvider for ScriptedAi {
    fn name(&self) -> &str {
        "scripted"
    }

    fn models(&self, model: Option<&str>) -> Vec<String> {
        vec![model.unwrap_or("scripted").to_owned()]
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let reply = self.script().answer(request)?;
        for delta in &reply.deltas {
            on_delta(delta);
        }
        let text = reply.deltas.concat();
        let counted = || Usage {
            input_tokens: request.messages.iter().map(|message| words(&message.text)).sum(),
            output_tokens: words(&text),
            ..Usage::default()
        };
        Ok(ChatReply {
            usage: reply.usage.unwrap_or_else(counted),
            text,
            tool_calls: reply.tool_calls,
            finish: reply.finish,
            model: Some(request.model.clone().unwrap_or_else(|| "scripted".to_owned())),
        })
    }

    /// Gives the same vector for the same text, and most likely another for another.
    async fn embed(&self, _model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        let vectors = texts.iter().map(|text| embedding(text)).collect();
        Ok(Embedded { vectors, input_tokens: texts.iter().map(|text| words(text)).sum() })
    }
}

fn embedding(text: &str) -> Vec<f32> {
    let mut state = text
        .bytes()
        .fold(0, |seed: u64, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)));
    let number = |_| (split_mix(&mut state) >> 48) as f32 / 65_536.0;
    (0..EMBEDDING_LEN).map(number).collect()
}
