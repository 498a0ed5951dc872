//! What a model has done before it answers.

use std::borrow::Cow;

use justping_core::model::{CallResult, ContactPatch};
use justping_core::port::{ChatMessage, ChatRole, Effect, NodeContext, Step, ToolCall};
use serde::Deserialize;
use serde_json::{Value, json};

use super::HandOff;
use super::control::{HAND_OFF, HandOver, REMEMBER, TRANSFER, remembered, transferee};
use super::memory::{Memory, Out};
use super::prompt::allows;
use super::talk::Talk;
use crate::ai::{INVALID_ARGUMENTS_CODE, Reply, ToolResult, ToolWork, Work};
use crate::node::prompt::exit;

/// Where the model's reason for a hand-off is saved.
pub(super) const REASON_VARIABLE: &str = "handoff_reason";
/// Where all that the model hands over to people is saved: reason, summary, facts, sentiment and a
/// suggested reply.
pub(super) const HAND_OFF_VARIABLE: &str = "handoff";
/// Where all that the model hands over to another agent is saved: to whom, from where, how often,
/// reason, summary and facts.
pub(super) const TRANSFER_VARIABLE: &str = "ai_transfer";
/// Transfers of a session unless the node says otherwise: agents must not pass a contact around.
const TRANSFERS_DEFAULT: u32 = 5;
/// Tells that the model hands off.
const HAND_OFF_EVENT: &str = "ai.handoff";

impl Talk {
    /// The model wants something done. What it said besides is sent first.
    pub(super) fn take_calls(
        &self,
        cx: &mut NodeContext<'_>,
        mut memory: Memory,
        reply: Reply,
    ) -> Result<Step, Step> {
        let text = reply.text.trim();
        self.send(cx, text);
        let hands_off = self.config.hand_off == HandOff::Allowed;
        if let Some(call) = reply.calls.iter().find(|call| call.name == HAND_OFF && hands_off) {
            return Ok(hand_off(cx, call));
        }
        if let Some(step) = reply.calls.iter().find_map(|call| self.transfer(cx, call)) {
            return Ok(step);
        }
        if memory.round.answers >= self.max_answers() {
            return Err(Step::Fail { reason: "the model calls tools without end".to_owned() });
        }
        let asked = ChatMessage {
            tool_calls: reply.calls.clone(),
            ..ChatMessage::new(ChatRole::Assistant, text)
        };
        memory.round.messages.push(asked);
        for call in reply.calls {
            self.take_call(cx, &mut memory, call)?;
        }
        self.next_call(cx, memory)
    }

    /// Answers a call at once, or leaves it open.
    fn take_call(
        &self,
        cx: &mut NodeContext<'_>,
        memory: &mut Memory,
        call: ToolCall,
    ) -> Result<(), Step> {
        if call.name == REMEMBER {
            let Some((field, value)) = remembered(&call, &cx.agent.settings.memory.fields) else {
                return mend(memory, &call, "no such field, or no value");
            };
            let patch = ContactPatch { fields: [(field, value)].into(), ..Default::default() };
            cx.effects.push(Effect::UpdateContact { patch });
            memory.round.result(&call, "kept");
        } else if self.config.tools.contains(&call.name) && allows(cx, &call.name) {
            memory.round.open.push(call);
        } else {
            memory.round.result(&call, "error: there is no such tool");
        }
        Ok(())
    }

    /// Calls the next tool, one at a time; with none left, the model goes on.
    fn next_call(&self, cx: &mut NodeContext<'_>, memory: Memory) -> Result<Step, Step> {
        let Some(call) = memory.round.open.first() else { return self.ask(cx, memory) };
        let work = Work::Tool(ToolWork {
            tool: call.name.clone(),
            arguments: call.arguments.clone(),
            contact: cx.contact.id,
        });
        Ok(Self::call(cx, memory, Out::Tool, &work))
    }

    /// What a tool gave has come.
    pub(super) fn take_result(
        &self,
        cx: &mut NodeContext<'_>,
        mut memory: Memory,
        result: &CallResult,
    ) -> Result<Step, Step> {
        if memory.round.open.is_empty() {
            return self.ask(cx, memory);
        }
        let call = memory.round.open.remove(0);
        let text = match result {
            CallResult::Ok(value) => {
                let result = ToolResult::deserialize(value).unwrap_or_default();
                if let Some(patch) = result.contact.filter(|patch| !patch.is_empty()) {
                    cx.effects.push(Effect::UpdateContact { patch });
                }
                result.text
            }
            CallResult::Error { code, detail } if code == INVALID_ARGUMENTS_CODE => {
                mend(&mut memory, &call, detail)?;
                return self.next_call(cx, memory);
            }
            // The model is told: it may find another way.
            CallResult::Error { code, detail } => format!("error: {code}: {detail}"),
        };
        memory.round.result(&call, text);
        self.next_call(cx, memory)
    }

    /// How often the session was handed over already.
    fn transfers(cx: &NodeContext<'_>) -> u64 {
        let transfer = cx.variables.get(TRANSFER_VARIABLE);
        transfer.and_then(|transfer| transfer.get("count")).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Says whether the model may hand over to another agent once more.
    pub(super) fn may_transfer(&self, cx: &NodeContext<'_>) -> bool {
        let most = self.config.max_transfers.unwrap_or(TRANSFERS_DEFAULT);
        !self.config.transfers.is_empty() && Self::transfers(cx) < u64::from(most)
    }

    fn transfer(&self, cx: &mut NodeContext<'_>, call: &ToolCall) -> Option<Step> {
        if call.name != TRANSFER || !self.may_transfer(cx) {
            return None;
        }
        let to = transferee(call)?;
        let known = self.config.transfers.iter().any(|one| one.id == to);
        if !known {
            return None;
        }
        let over = HandOver::of(call);
        let (count, from) = (Self::transfers(cx) + 1, cx.node.to_owned());
        let transfer = json!({
            "to": to, "from": from, "count": count,
            "reason": over.reason, "summary": over.summary, "facts": over.facts
        });
        cx.set(TRANSFER_VARIABLE, transfer);
        Some(Step::Exit(Cow::Owned(format!("option:{to}"))))
    }
}

/// Tells the model that its arguments do not fit; it may mend them once.
fn mend(memory: &mut Memory, call: &ToolCall, problem: &str) -> Result<(), Step> {
    if std::mem::replace(&mut memory.round.mended, true) {
        let reason = "the model gives arguments that do not fit, again".to_owned();
        return Err(Step::Fail { reason });
    }
    memory.round.result(call, format!("error: the arguments do not fit: {problem}"));
    Ok(())
}

fn hand_off(cx: &mut NodeContext<'_>, call: &ToolCall) -> Step {
    let over = HandOver::of(call);
    cx.set(REASON_VARIABLE, Value::from(over.reason.as_str()));
    cx.set(HAND_OFF_VARIABLE, over.value());
    let data = json!({"node": cx.node, "reason": over.reason, "summary": over.summary});
    cx.effects.push(Effect::Emit { name: HAND_OFF_EVENT.to_owned(), data });
    exit("handoff")
}
