use crate::model::{Contact, Content, Conversation, FailureKind, Timestamp};
use crate::port::Capabilities;

/// Everything the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct SendFacts<'a> {
    /// The moment of sending.
    pub now: Timestamp,
    /// Who gets it.
    pub contact: &'a Contact,
    /// Where.
    pub conversation: &'a Conversation,
    /// What.
    pub content: &'a Content,
    /// What the channel is like.
    pub capabilities: &'a Capabilities,
}

/// Whether a message may leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// Not in this form: the customer-service window is closed and only a template may leave.
    NeedsTemplate,
    /// Not yet.
    DeferUntil(Timestamp),
    /// No.
    Deny(FailureKind),
}

/// Decides whether a message may leave now.
///
/// In this order: a contact that opted out or is suppressed on this kind of channel gets nothing;
/// without an address there is nobody to send to; outside the customer-service window, on channels
/// that have one, only a template may leave. The window is open up to and without its last moment.
pub fn can_send(facts: &SendFacts<'_>) -> Decision {
    let kind = &facts.capabilities.kind;
    if facts.contact.opted_out.contains(kind) {
        return Decision::Deny(FailureKind::OptedOut);
    }
    if facts.contact.suppressed.contains(kind) || facts.contact.address(kind).is_none() {
        return Decision::Deny(FailureKind::InvalidRecipient);
    }
    let open = facts.conversation.window_expires_at.is_some_and(|end| facts.now < end);
    let free_form = !matches!(facts.content, Content::Template(_));
    if facts.capabilities.service_window && free_form && !open {
        return Decision::NeedsTemplate;
    }
    Decision::Allow
}
