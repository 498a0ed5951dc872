use std::fmt::Debug;

use async_trait::async_trait;

use crate::model::{BusinessId, ChannelId, ChannelKind, Contact, Content, InboundMessage, Message};

/// Most characters of the reason for a drop; what is longer is cut.
pub const HOOK_REASON_MAX_CHARS: usize = 300;

/// For whom a hook is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookContext {
    /// The business whose message it is.
    pub business_id: BusinessId,
    /// The channel it travels on.
    pub channel_id: ChannelId,
    /// The kind of the channel.
    pub kind: ChannelKind,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It goes on and says this instead.
    Change(Content),
    /// It goes no further.
    Drop {
        /// Why, for people; at most [`HOOK_REASON_MAX_CHARS`].
        reason: String,
    },
    /// Nobody can say now: it comes again. What came in is refused whole, so that the provider repeats
    /// it; what leaves is tried again later.
    Later,
}

impl Verdict {
    /// A drop, with as much of its reason as is kept.
    pub fn drop(reason: &str) -> Self {
        Self::Drop { reason: reason.chars().take(HOOK_REASON_MAX_CHARS).collect() }
    }
}

/// Looks at messages on their way, and may change or stop them.
///
/// # Contract
/// - A hook always has an answer. When what it asks fails or is late, it answers as it was told to
///   for that case (open: [`Verdict::Pass`], closed: [`Verdict::Drop`]); the engine cannot know. What
///   will be over by itself, such as a store that is away, is no reason to lose a message:
///   [`Verdict::Later`].
/// - It sees what is of one business only, and what it says holds for that message only.
/// - [`after_receive`](Self::after_receive) sees a message that was verified, before anything of it
///   is stored. One that is dropped is acknowledged to the provider and leaves the stored event
///   `message.dropped` with the reason. Words of consent, such as STOP, are not shown to hooks, and a
///   change that would make such a word of something else is no change: consent is what the contact
///   wrote.
/// - [`before_send`](Self::before_send) sees a message that may leave now, as it was written. A change
///   is held to the policy and has to fit the channel; it is what leaves, and what the thread shows
///   once the provider took it. A drop ends the message as failed
///   ([`FailureKind::DroppedByHook`](crate::model::FailureKind::DroppedByHook)).
///
/// # Ordering and idempotency
/// Messages of one request are shown in its order. A message may be shown again: a provider that
/// repeats it, and each try to send it, ask anew, and always about the original. Whoever wants the
/// same answer keeps it under [`Message::id`] or [`InboundMessage::provider_ref`].
///
/// # Cancellation
/// The engine waits for a bounded time
/// ([`EngineConfig::hook_wait`](crate::engine::EngineConfig::hook_wait)) and then drops the future. No
/// message goes on without an answer: the provider is told to come again, and a send is tried again
/// later.
///
/// # Errors
/// None: see the contract.
///
/// # Implementing
/// See [`memory::MemoryHook`](crate::memory::MemoryHook) for the smallest one; run
/// [`conformance::hook`](crate::conformance::hook) on yours. Several hooks of a business are one: the
/// implementation decides their order, and a drop ends it.
#[async_trait]
pub trait MessageHook: Send + Sync + Debug + 'static {
    /// Says whether the business has anything that looks at messages. Asked for every message: it
    /// costs no more than a look in memory. Without a hook nothing else is done.
    fn is_set(&self, business: BusinessId) -> bool;

    /// Right after a message was received and verified.
    async fn after_receive(&self, context: &HookContext, message: &InboundMessage) -> Verdict;

    /// Right before a message is handed to its channel.
    async fn before_send(
        &self,
        context: &HookContext,
        message: &Message,
        contact: &Contact,
    ) -> Verdict;
}
