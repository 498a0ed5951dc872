//! One answer of a model, outside the step.

use std::collections::BTreeSet;
use std::time::Duration;

use justping_core::model::{AgentId, CallResult, PersonalData, Spend, UsageCaps, UsageOwner};
use justping_core::port::{
    AiError, AiProvider, ChatReply, ChatRequest, FinishReason, PerformContext, ToolCall, Usage,
};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use uuid::Uuid;

use super::guard::{Redactor, Restorer, says};
use super::ledger::{Denied, Wish, hold_id, most_tokens};
use super::work::{BUDGET_CODE, refused};
use super::{AiHost, span};

/// Requests made for one call at least, where the provider cannot answer for the moment.
const ATTEMPTS_MAX: usize = 3;
/// The pause before the models are asked again; it doubles.
const BACKOFF: Duration = Duration::from_millis(500);
/// The longest pause, whatever the provider wishes.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are kept.
const ANSWER_MAX_BYTES: usize = 16 * 1024;
/// Most bytes of the arguments of an answer's calls that are kept, together.
const ARGUMENTS_MAX_BYTES: usize = 8 * 1024;
/// Most calls of one answer that are kept.
const CALLS_MAX: usize = 16;
/// Most tokens of an answer where nothing else is said: what is unlimited could not be held.
const OUTPUT_TOKENS: u32 = 4_096;

/// What is asked, as it is journaled. Everything that the work needs is in here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) request: ChatRequest,
    /// Tools of the process and the business that are offered besides; what they look like is not
    /// part of the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<String>,
    /// Models asked in turn when the first does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fallback: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<AgentId>,
    /// Which of the agent's prompts it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prompt: Option<String>,
    #[serde(default)]
    pub(crate) guard: AskGuard,
    #[serde(default)]
    pub(crate) caps: UsageCaps,
    /// Whether the contact may watch the answer being written.
    #[serde(default)]
    pub(crate) shown: bool,
}

/// What the model must not see or say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AskGuard {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) redact: BTreeSet<PersonalData>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) blocked: Vec<String>,
}

/// What a call comes back with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<ToolCall>,
    #[serde(default)]
    pub(crate) usage: Usage,
    /// What it cost, in millionths of the price table's currency.
    #[serde(default)]
    pub(crate) micros: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Whether the model said what it must not: then the text is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) blocked: bool,
}

/// Why one request gave no reply.
enum Failure {
    Ai { error: AiError, shown: bool },
    Denied(Denied),
}

/// Asks, and asks again while that may help and nothing of an answer was shown yet.
pub(super) async fn ask(host: &AiHost, ask: &Ask, cx: &PerformContext<'_>) -> CallResult {
    let Some(provider) = &host.provider else {
        return refused("no_provider", "no AI provider is configured");
    };
    let mut offered = limited(&ask.request);
    for name in &ask.tools {
        match host.tool(cx.scope.business_id, name).await {
            Ok(tool) => offered.tools.extend(tool.map(|tool| tool.spec().clone())),
            // Without what it was promised a model would make up what it cannot look up.
            Err(error) => return refused(error.code(), &error.to_string()),
        }
    }
    let fallback = ask.fallback.iter().map(|model| Some(model.clone()));
    let models: Vec<Option<String>> =
        std::iter::once(ask.request.model.clone()).chain(fallback).collect();
    let mut round = 0;
    let mut attempts = 0;
    loop {
        let mut pause = None;
        for model in &models {
            let request = ChatRequest { model: model.clone(), ..offered.clone() };
            attempts += 1;
            let asked = Attempt { host, provider: &**provider, ask, cx, number: attempts };
            match asked.once(&request).await {
                Ok(reply) => return answer(reply),
                Err(Failure::Denied(denied)) => return forbidden(&denied),
                Err(Failure::Ai { error, shown }) => {
                    let wait = pause_after(&error, round).filter(|_| !shown);
                    if wait.is_none() || attempts >= ATTEMPTS_MAX.max(models.len()) {
                        return refused(error.code(), &error.to_string());
                    }
                    pause = pause.max(wait);
                }
            }
        }
        round += 1;
        tokio::time::sleep(pause.unwrap_or(BACKOFF)).await;
    }
}

/// The request with a limit on the answer, so that its cost has one.
pub(super) fn limited(request: &ChatRequest) -> ChatRequest {
    let tokens = request.max_output_tokens.unwrap_or(OUTPUT_TOKENS);
    ChatRequest { max_output_tokens: Some(tokens), ..request.clone() }
}

/// How long to wait before asking again; `None` when that does not help.
fn pause_after(error: &AiError, round: u32) -> Option<Duration> {
    let (AiError::Unavailable { after, .. } | AiError::RateLimited { after }) = error else {
        return None;
    };
    let backoff = BACKOFF.saturating_mul(1 << round.min(8));
    Some(after.unwrap_or(backoff).min(BACKOFF_MAX))
}

fn forbidden(denied: &Denied) -> CallResult {
    let code = match denied {
        Denied::Budget(_) => BUDGET_CODE,
        Denied::Unpriced => "unpriced",
        Denied::Store(_) => "unavailable",
    };
    refused(code, &denied.to_string())
}

/// One request.
struct Attempt<'a> {
    host: &'a AiHost,
    provider: &'a dyn AiProvider,
    ask: &'a Ask,
    cx: &'a PerformContext<'a>,
    number: usize,
}

impl Attempt<'_> {
    async fn once(&self, request: &ChatRequest) -> Result<Reply, Failure> {
        let hold = self.hold(request).await.map_err(Failure::Denied)?;
        let span = span::chat(self.provider.name(), request, self.cx);
        span::agent(&span, self.ask.agent, self.ask.prompt.as_deref());
        let mut redactor = Redactor::new(self.ask.guard.redact.iter().copied());
        let request = redactor.redact_request(request);
        let mut shown = false;
        let result = self.chat(&request, &redactor, &mut shown).instrument(span.clone()).await;
        match &result {
            Ok(reply) => span::answered(&span, reply),
            Err(error) => span::failed(&span, error.code()),
        }
        if self.host.captures {
            span::said(&span, &request, result.as_ref().ok());
        }
        let micros = self.enter(hold, &request, result.as_ref().ok()).await;
        match result {
            Ok(reply) => {
                let reply = redactor.restore_reply(reply);
                let blocked = says(&reply.text, &self.ask.guard.blocked);
                Ok(Reply {
                    text: if blocked { String::new() } else { reply.text },
                    calls: if blocked { Vec::new() } else { reply.tool_calls },
                    usage: reply.usage,
                    micros,
                    model: reply.model,
                    blocked,
                })
            }
            Err(error) => Err(Failure::Ai { error, shown }),
        }
    }

    /// Asks the provider; the contact watches unless the whole answer must be judged first.
    async fn chat(
        &self,
        request: &ChatRequest,
        redactor: &Redactor,
        shown: &mut bool,
    ) -> Result<ChatReply, AiError> {
        let watched = self.ask.shown && self.ask.guard.blocked.is_empty();
        let mut restorer = Restorer::new(redactor);
        let mut show = |text: &str| {
            if watched && !text.is_empty() {
                *shown = true;
                self.cx.on_delta.delta(text);
            }
        };
        let mut hear = |text: &str| show(&restorer.push(text));
        let reply = self.provider.chat(request, &mut hear).await?;
        show(&restorer.finish());
        let is_empty = reply.text.trim().is_empty() && reply.tool_calls.is_empty();
        match reply.finish {
            FinishReason::Filtered if is_empty => Err(AiError::Rejected {
                code: "filtered".to_owned(),
                reason: "the provider withheld the answer".to_owned(),
            }),
            _ => Ok(reply),
        }
    }

    fn owner(&self) -> UsageOwner {
        let scope = self.cx.scope;
        UsageOwner {
            business_id: scope.business_id,
            conversation_id: Some(scope.conversation_id),
            agent_id: self.ask.agent,
        }
    }

    /// Holds room in the budgets. A worker that takes the call after a death takes the same place.
    async fn hold(&self, request: &ChatRequest) -> Result<Uuid, Denied> {
        let call = self.cx.scope.call_id.uuid();
        let id = hold_id(&[call.as_bytes(), &(self.number as u64).to_be_bytes()]);
        if let Some(ledger) = &self.host.ledger {
            let models = self.provider.models(request.model.as_deref());
            let models: Vec<&str> = models.iter().map(String::as_str).collect();
            let output = u64::from(request.max_output_tokens.unwrap_or(OUTPUT_TOKENS));
            let input_tokens = most_tokens(request);
            let wish = Wish { input_tokens, output_tokens: output, models: &models };
            ledger.hold(id, self.owner(), self.ask.caps, wish).await?;
        }
        Ok(id)
    }

    /// Enters what it took; gives the cost.
    async fn enter(&self, hold: Uuid, request: &ChatRequest, reply: Option<&ChatReply>) -> u64 {
        let Some(ledger) = &self.host.ledger else { return 0 };
        let asked = || self.provider.models(request.model.as_deref()).into_iter().next();
        let model = reply.and_then(|reply| reply.model.clone()).or_else(asked).unwrap_or_default();
        let micros = reply.map_or(0, |reply| ledger.cost(&model, &reply.usage));
        let spend = reply.map(|reply| Spend::of(&reply.usage, micros));
        ledger.enter(hold, self.owner(), &model, spend).await;
        micros
    }
}

fn answer(mut reply: Reply) -> CallResult {
    if reply.text.trim().is_empty() && reply.calls.is_empty() && !reply.blocked {
        return refused("empty_answer", "the model said nothing");
    }
    shorten(&mut reply.text, ANSWER_MAX_BYTES);
    reply.calls.truncate(CALLS_MAX);
    let mut left = ARGUMENTS_MAX_BYTES;
    for call in &mut reply.calls {
        // Arguments that are cut are no JSON any more, which the model is told.
        shorten(&mut call.arguments, left);
        left -= call.arguments.len();
    }
    match serde_json::to_value(&reply) {
        Ok(value) => CallResult::Ok(value),
        Err(_) => refused("malformed", "the answer is not JSON"),
    }
}

fn shorten(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}
