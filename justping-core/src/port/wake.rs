use std::fmt::Debug;

use async_trait::async_trait;

/// Loops of the engine for which there may be something to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loops(u8);

impl Loops {
    /// None.
    pub const NONE: Self = Self(0);
    /// Conversations have mail.
    pub const TURNS: Self = Self(1);
    /// Messages wait to be sent.
    pub const SENDS: Self = Self(2);
    /// Calls wait to be made.
    pub const CALLS: Self = Self(4);
    /// Something becomes due earlier than what was known.
    pub const SCHEDULE: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    /// These and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of `others` are among them.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set as a number.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of a number; bits without a meaning do not count.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

/// Tells the engine of one process what other processes left in the store.
///
/// # Contract
/// A hint and no more: what is told may be stale or told twice, and what is not told is found by the
/// next poll. A source that may have missed something says [`Loops::ALL`].
///
/// # Cancellation
/// Safe to cancel; what is lost by it is found by the next poll.
///
/// # Errors
/// None: a source that cannot be reached waits until it can, patiently.
#[async_trait]
pub trait WakeSource: Send + Sync + Debug + 'static {
    /// Waits until there is something to tell. One caller at a time.
    async fn next(&self) -> Loops;
}
