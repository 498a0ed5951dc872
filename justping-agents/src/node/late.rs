//! What happens when a contact presses an option of a node that no longer waits.

use serde_json::{Value, json};

/// A choice node's policy for late replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LateReply {
    /// The press is not heard.
    Ignore,
    /// The node that waits gets the option's title as text.
    #[default]
    TreatAsText,
    /// The session goes back to the node and leaves it by the option.
    Jump,
}

impl LateReply {
    /// Reads the policy from a node's `data`.
    pub(crate) fn of(data: &Value) -> Self {
        match data.get("late_reply").and_then(Value::as_str) {
            Some("ignore") => Self::Ignore,
            Some("jump") => Self::Jump,
            _ => Self::TreatAsText,
        }
    }

    /// Its schema.
    pub(super) fn schema() -> Value {
        json!({"title": "When pressed late", "enum": ["ignore", "treat_as_text", "jump"]})
    }
}
