use std::fmt;

/// The promises, with the numbers the reliability plan gives them. Where it speaks of the recipients
/// of a broadcast, which do not exist yet, these speak of messages; its quiet hours and its audit
/// chain (I9) have nothing to be judged by yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Law {
    /// I1: every message reaches exactly one end once the faults stop.
    Terminal,
    /// I2: the states of the messages add up to what was asked for, and each is true.
    Truth,
    /// I3: at most one effect a key where the provider or the policy promises so.
    Effect,
    /// I4: nothing leaves after an opt-out.
    Silence,
    /// I4: no bot's message of an old generation leaves after a take-over.
    TakeOver,
    /// I5: nothing free-form leaves outside the customer-service window.
    Window,
    /// I6: one business a chain.
    Tenant,
    /// I7: what conversations and daily counters count is what the ledger holds.
    Counters,
    /// I8: stored events are the transitions.
    Events,
    /// What was accepted is in the ledger, once.
    Once,
    /// Mail is dealt with by one turn.
    Consumed,
    /// Replies of a conversation arrive in the order in which they were decided.
    Order,
    /// A delivery status never goes back.
    Forward,
    /// A session is what its trace says, byte for byte, and what it decided is in the ledger.
    Replay,
    /// Work ends.
    Progress,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) law: Law,
    pub(super) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.law, self.detail)
    }
}
