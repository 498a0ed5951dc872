//! What the model is told first.

use justping_core::port::{NodeContext, Step, ToolSpec};
use serde_json::Value;

use super::control::{hand_off_tool, remember_tool, transfer_tool};
use super::memory::Memory;
use super::round::TRANSFER_VARIABLE;
use super::talk::Talk;
use super::{HandOff, config};
use crate::ai::guard::FOREIGN_RULE;

/// Most bytes of a transfer, as the next agent is told.
const TRANSFER_MAX_BYTES: usize = 8 * 1024;

/// The agent's instructions, the node's prompt, and what is known already.
pub(super) fn system(talk: &Talk, cx: &NodeContext<'_>, memory: &Memory) -> Result<String, Step> {
    let prompt = config::render_if(cx, talk.prompt.as_ref())?;
    let instructions = Some(cx.agent.instructions.trim()).filter(|text| !text.is_empty());
    let mut parts: Vec<String> =
        instructions.map(str::to_owned).into_iter().chain(prompt).collect();
    parts.extend(transferred(cx));
    parts.extend(remembered(cx));
    parts.extend(memory.history.summary().map(|text| format!("The talk so far: {text}")));
    if !talk.config.tools.is_empty() {
        parts.push(FOREIGN_RULE.to_owned());
    }
    Ok(parts.join("\n\n"))
}

/// What the agent before handed over.
fn transferred(cx: &NodeContext<'_>) -> Option<String> {
    let transfer = cx.variables.get(TRANSFER_VARIABLE)?;
    let text = transfer.to_string();
    let text = text.get(..text.floor_char_boundary(TRANSFER_MAX_BYTES))?;
    Some(format!("Another agent handed this conversation over to you: {text}"))
}

/// What is known of the contact, of what the agent remembers.
fn remembered(cx: &NodeContext<'_>) -> Option<String> {
    let fields = &cx.agent.settings.memory.fields;
    let known = fields.iter().filter_map(|field| {
        let value = cx.contact.fields.get(&field.name).filter(|value| !value.is_null())?;
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{}: {value}", field.name))
    });
    let known: Vec<String> = known.collect();
    (!known.is_empty()).then(|| format!("Known of the contact:\n{}", known.join("\n")))
}

/// The tools that are the node's own.
pub(super) fn own_tools(talk: &Talk, cx: &NodeContext<'_>) -> Vec<ToolSpec> {
    let config = &talk.config;
    let hand_off = (config.hand_off == HandOff::Allowed).then(hand_off_tool);
    let transfer = talk.may_transfer(cx).then(|| transfer_tool(&config.transfers));
    let fields = &cx.agent.settings.memory.fields;
    let remember = (!fields.is_empty()).then(|| remember_tool(fields));
    hand_off.into_iter().chain(transfer).chain(remember).collect()
}

/// The names of the others, as far as the agent allows them.
pub(super) fn tools(talk: &Talk, cx: &NodeContext<'_>) -> Vec<String> {
    talk.config.tools.iter().filter(|tool| allows(cx, tool)).cloned().collect()
}

/// Says whether the agent may use a tool.
pub(super) fn allows(cx: &NodeContext<'_>, tool: &str) -> bool {
    cx.agent.settings.tools.as_ref().is_none_or(|allowed| allowed.contains(tool))
}
