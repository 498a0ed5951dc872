//! What nodes that ask a model have in common.

use justping_core::model::UsageCaps;
use justping_core::port::{ChatRequest, Effect, NodeContext};
use serde_json::json;

use crate::ai::{Ask, AskGuard, Reply};

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
