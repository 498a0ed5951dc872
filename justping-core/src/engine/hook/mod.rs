//! Hooks on the way of messages: what they say, and what of it holds.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::registry::OpenChannel;
use super::{EngineError, JustPing};
use crate::model::{Content, Event, EventBody, Failure, FailureKind, InboundMessage, Timestamp};
use crate::policy::{self, Decision};
use crate::port::store::{SendClaim, SendOutcome};
use crate::port::{HookContext, MessageHook, Verdict};

impl JustPing {
    /// The hook, when the business of a channel has one.
    fn hook(&self, open: &OpenChannel) -> Option<(&Arc<dyn MessageHook>, HookContext)> {
        let business_id = open.config.business_id;
        let hook = self.inner.hook.as_ref().filter(|hook| hook.is_set(business_id))?;
        let kind = open.adapter.capabilities().kind.clone();
        Some((hook, HookContext { business_id, channel_id: open.config.id, kind }))
    }

    /// Shows what was received to the hook, and gives what goes on. What is dropped leaves an
    /// event.
    pub(super) async fn after_receive(
        &self,
        open: &OpenChannel,
        messages: Vec<InboundMessage>,
        now: Timestamp,
    ) -> Result<Vec<InboundMessage>, EngineError> {
        let Some((hook, context)) = self.hook(open) else { return Ok(messages) };
        if messages.is_empty() {
            return Ok(messages);
        }
        let look = look(&**hook, &context, messages);
        let looked = tokio::time::timeout(self.inner.config.hook_wait, look).await;
        let (kept, dropped) = looked.ok().flatten().ok_or(EngineError::Overloaded)?;
        for (provider_ref, reason) in dropped {
            let channel_id = open.config.id;
            let body = EventBody::MessageDropped { channel_id, provider_ref, reason };
            let event =
                Event { business_id: context.business_id, conversation_id: None, at: now, body };
            self.inner.store.record_event(&event).await?;
            self.inner.bus.publish(vec![event]).await;
        }
        Ok(kept)
    }

    /// Shows a message that may leave to the hook: what it says instead, if it does.
    pub(super) async fn before_send(
        &self,
        claim: &SendClaim,
        open: &OpenChannel,
    ) -> Result<Option<Content>, SendOutcome> {
        let Some((hook, context)) = self.hook(open) else { return Ok(None) };
        let verdict = hook.before_send(&context, &claim.message, &claim.contact);
        match tokio::time::timeout(self.inner.config.hook_wait, verdict).await {
            Ok(Verdict::Pass) => Ok(None),
            Ok(Verdict::Change(content)) => self.fitting(claim, open, content).map(Some),
            Ok(Verdict::Drop { reason }) => Err(refused(FailureKind::DroppedByHook, &reason)),
            Ok(Verdict::Later) => Err(self.again(claim, None, "no hook can answer now")),
            Err(_) => Err(self.again(claim, None, "no hook answered in time")),
        }
    }

    /// What a hook made of a message is held to what every message is held to.
    fn fitting(
        &self,
        claim: &SendClaim,
        open: &OpenChannel,
        content: Content,
    ) -> Result<Content, SendOutcome> {
        let capabilities = open.adapter.capabilities();
        let decision = policy::can_send(&policy::SendFacts {
            now: self.inner.clock.now(),
            contact: &claim.contact,
            conversation: &claim.conversation,
            content: &content,
            capabilities,
        });
        match decision {
            Decision::Allow => {}
            Decision::DeferUntil(due_at) => return Err(SendOutcome::Defer { due_at }),
            Decision::NeedsTemplate => {
                let detail = "the service window is closed for what a hook made of it";
                return Err(refused(FailureKind::WindowClosed, detail));
            }
            Decision::Deny(kind) => {
                let detail = "the policy forbids what a hook made of it";
                return Err(refused(kind, detail));
            }
        }
        let mut parts = policy::fit(content, capabilities);
        match (parts.pop(), parts.is_empty()) {
            (Some(content), true) => Ok(content),
            _ => {
                let detail = "what a hook made of it does not fit into one message";
                Err(refused(FailureKind::Rejected, detail))
            }
        }
    }
}

/// Asks about messages in their order: those that go on, and names and reasons of the others; `None`
/// when nobody can say now.
async fn look(
    hook: &dyn MessageHook,
    context: &HookContext,
    messages: Vec<InboundMessage>,
) -> Option<(Vec<InboundMessage>, Vec<(String, String)>)> {
    let (mut kept, mut dropped) = (Vec::with_capacity(messages.len()), Vec::new());
    for message in messages {
        // Who asks for silence, or speaks again, is heard whatever anybody makes of it.
        if policy::consent_of(&message.content).is_some() {
            kept.push(message);
            continue;
        }
        match hook.after_receive(context, &message).await {
            Verdict::Change(content) if policy::consent_of(&content).is_none() => {
                kept.push(InboundMessage { content, ..message });
            }
            Verdict::Change(_) => {
                tracing::warn!(business = %context.business_id, "a hook put consent into a mouth");
                kept.push(message);
            }
            Verdict::Pass => kept.push(message),
            Verdict::Drop { reason } => dropped.push((message.provider_ref, bounded(&reason))),
            Verdict::Later => return None,
        }
    }
    Some((kept, dropped))
}

fn bounded(reason: &str) -> String {
    reason.chars().take(crate::port::HOOK_REASON_MAX_CHARS).collect()
}

fn refused(kind: FailureKind, detail: &str) -> SendOutcome {
    SendOutcome::Failed(Failure { kind, code: None, detail: bounded(detail) })
}
