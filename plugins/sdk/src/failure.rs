//! Why a plugin could not do its work.

use std::fmt;

use crate::bindings::capabilities::justping::plugin::types;

/// Why a plugin could not do its work. Flows take the node's `error` exit, models are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code in `snake_case`, such as `order_not_found`.
    pub code: String,
    /// What went wrong, for people.
    pub message: String,
    /// Set when the same call may do better after this many milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure that the same call meets again.
    pub fn new(code: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { code: code.into(), message: message.to_string(), retry_after_ms: None }
    }

    /// Says that the same call may do better after this many milliseconds.
    #[must_use]
    pub fn retry_after_ms(self, delay: u64) -> Self {
        Self { retry_after_ms: Some(delay), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new("invalid_json", error)
    }
}

/// A failure as the contract has it.
pub(crate) type Wire = types::Failure;

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, retry_after_ms } = failure;
        Self { code, message, retry_after_ms }
    }
}
