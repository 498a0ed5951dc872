//! What nodes that ask a model have in common.

use std::sync::Arc;

use justping_core::model::{CallResult, UsageCaps};
use justping_core::port::{
    ChatMessage, ChatRequest, ChatRole, Effect, NodeContext, Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::prompt::exit;
use crate::ai::{AiHost, Ask, AskGuard, BUDGET_CODE, Reply, Work};

/// The event that tells what an answer took.
pub(super) const USAGE_EVENT: &str = "ai.usage";
/// What the contact is told instead of what is blocked, unless the agent says otherwise.
pub(super) const BLOCKED_REPLY: &str = "I am sorry, I cannot help with that.";

/// What is asked, with all that the agent's settings say about asking.
pub(super) fn ask_for(cx: &NodeContext<'_>, request: ChatRequest) -> Ask {
    let settings = &cx.agent.settings;
    Ask {
        request,
        tools: Vec::new(),
        fallback: settings.fallback_models.clone(),
        agent: cx.agent.id,
        prompt: cx.agent.prompt.clone(),
        guard: AskGuard {
            redact: settings.guard.redact.clone(),
            blocked: settings.guard.blocked_answers.clone(),
        },
        caps: UsageCaps {
            conversation: settings.budget.conversation,
            agent_day: settings.budget.day,
            agent_month: settings.budget.month,
            ..UsageCaps::default()
        },
        shown: false,
    }
}

/// Tells what an answer took.
pub(super) fn usage(cx: &NodeContext<'_>, reply: &Reply) -> Effect {
    let data = json!({
        "node": cx.node,
        "agent": cx.agent.id,
        "prompt": cx.agent.prompt,
        "model": reply.model,
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
        "cached_tokens": reply.usage.cached_tokens,
        "micros": reply.micros
    });
    Effect::Emit { name: USAGE_EVENT.to_owned(), data }
}

/// One question to a model, whose answer is given to the flow and never to the contact.
#[derive(Debug)]
pub(super) struct Question {
    host: Arc<AiHost>,
    model: Option<String>,
    has_budget_exit: bool,
}

impl Question {
    pub(super) fn new(host: Arc<AiHost>, model: Option<String>) -> Self {
        Self { host, model, has_budget_exit: false }
    }

    pub(super) fn host(&self) -> &AiHost {
        &self.host
    }

    pub(super) fn connect(&mut self, exits: &[String]) {
        self.has_budget_exit = exits.iter().any(|exit| exit == "budget");
    }

    /// Asks, within the budget of the message. What was asked is remembered, as an answer out of shape
    /// may be mended, and what was spent so far.
    pub(super) fn ask(&self, cx: &mut NodeContext<'_>, request: ChatRequest) -> Step {
        let model = self.model.clone().or_else(|| cx.agent.model.clone());
        let request = ChatRequest { model, ..request };
        let (tokens, micros) = spent(cx);
        if !cx.agent.settings.budget.message.has_room(tokens, micros) {
            return self.over_budget("the budget of the message is used up");
        }
        *cx.local = json!({"q": request, "s": [tokens, micros]});
        let ask = ask_for(cx, request);
        Step::Call { input: Work::Ask(Box::new(ask)).input() }
    }

    /// The answer's text, once it is there; else how to go on.
    pub(super) fn answer(
        &self,
        cx: &mut NodeContext<'_>,
        event: &StepEvent,
    ) -> Result<String, Step> {
        let result = match event {
            StepEvent::Message { .. } | StepEvent::Timer { .. } | StepEvent::Outside { .. } => {
                return Err(Step::Wait { until: None });
            }
            StepEvent::CallDone { result, .. } => result,
        };
        let failed =
            |code: &str| Step::Fail { reason: format!("the model did not answer: {code}") };
        match result {
            CallResult::Ok(value) => {
                let reply = Reply::deserialize(value).map_err(|_| failed("malformed"))?;
                cx.effects.push(usage(cx, &reply));
                spend(cx, &reply);
                if reply.blocked { Err(failed("blocked")) } else { Ok(reply.text) }
            }
            CallResult::Error { code, .. } if code == BUDGET_CODE => {
                Err(self.over_budget("the model did not answer: budget"))
            }
            CallResult::Error { code, .. } => Err(failed(code)),
        }
    }

    fn over_budget(&self, reason: &str) -> Step {
        if self.has_budget_exit {
            return exit("budget");
        }
        Step::Fail { reason: reason.to_owned() }
    }

    /// Tells the model what is wrong with its answer and asks again, once.
    pub(super) fn mend(&self, cx: &mut NodeContext<'_>, answer: &str, problem: &str) -> Step {
        let asked = cx.local.get("q").and_then(|asked| ChatRequest::deserialize(asked).ok());
        let mended = cx.local.get("m").is_some();
        let Some(mut request) = asked.filter(|_| !mended) else {
            return Step::Fail { reason: "the model's answer is out of shape".to_owned() };
        };
        request.messages.push(ChatMessage::new(ChatRole::Assistant, answer));
        let again = format!("That is out of shape: {problem}. Answer again.");
        request.messages.push(ChatMessage::new(ChatRole::User, again));
        let step = self.ask(cx, request);
        if let Value::Object(memory) = &mut *cx.local {
            memory.insert("m".to_owned(), Value::Bool(true));
        }
        step
    }
}

/// Tokens and money that answers to this message took so far.
fn spent(cx: &NodeContext<'_>) -> (u64, u64) {
    let spent = cx.local.get("s").and_then(|spent| <(u64, u64)>::deserialize(spent).ok());
    spent.unwrap_or_default()
}

/// Counts what an answer took.
fn spend(cx: &mut NodeContext<'_>, reply: &Reply) {
    let (tokens, micros) = spent(cx);
    let took = reply.usage.input_tokens.saturating_add(reply.usage.output_tokens);
    if let Value::Object(memory) = &mut *cx.local {
        let sum = json!([tokens.saturating_add(took), micros.saturating_add(reply.micros)]);
        memory.insert("s".to_owned(), sum);
    }
}
