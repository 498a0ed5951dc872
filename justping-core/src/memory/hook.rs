use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{BusinessId, Contact, Content, InboundMessage, Message};
use crate::port::{HookContext, MessageHook, Verdict};

/// A hook that follows a list: what is said about a text is the verdict on each message of a business
/// that says exactly it. It remembers what it was shown.
#[derive(Debug, Default)]
pub struct MemoryHook {
    rules: Mutex<BTreeMap<(BusinessId, String), Verdict>>,
    shown: Mutex<Vec<String>>,
}

impl MemoryHook {
    /// A hook that lets everything pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what becomes of messages of a business with this text.
    pub fn rule(&self, business: BusinessId, text: &str, verdict: Verdict) {
        self.rules().insert((business, text.to_owned()), verdict);
    }

    /// The texts that it was shown, in order.
    pub fn shown(&self) -> Vec<String> {
        self.seen().clone()
    }

    fn rules(&self) -> MutexGuard<'_, BTreeMap<(BusinessId, String), Verdict>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Vec<String>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, context: &HookContext, content: &Content) -> Verdict {
        let text = content.plain().to_owned();
        self.seen().push(text.clone());
        self.rules().get(&(context.business_id, text)).cloned().unwrap_or(Verdict::Pass)
    }
}

#[async_trait]
impl MessageHook for MemoryHook {
    fn is_set(&self, business: BusinessId) -> bool {
        self.rules().keys().any(|(owner, _)| *owner == business)
    }

    async fn after_receive(&self, context: &HookContext, message: &InboundMessage) -> Verdict {
        self.judge(context, &message.content)
    }

    async fn before_send(&self, context: &HookContext, message: &Message, _: &Contact) -> Verdict {
        self.judge(context, &message.content)
    }
}
