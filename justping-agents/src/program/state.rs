//! What a session remembers between steps, as compact JSON.

use justping_core::model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a session remembers. Nodes are named by id, so that a state says what it means.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The node that waits; `None` once the session has ended.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
    /// What the node remembers.
    #[serde(rename = "l", default, skip_serializing_if = "Value::is_null")]
    pub(super) local: Value,
    /// The variables.
    #[serde(rename = "v", default, skip_serializing_if = "Map::is_empty")]
    pub(super) variables: Map<String, Value>,
    /// The contact's newest text.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub(super) last_text: String,
    /// Steps taken.
    #[serde(rename = "s", default)]
    pub(super) steps: u32,
    /// Prompts with options sent.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
    pub(super) prompts: u32,
    /// Tokens given away.
    #[serde(rename = "k", default, skip_serializing_if = "is_zero")]
    pub(super) tokens: u32,
    /// The timer the node waits for.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) timer: Option<Timer>,
    /// The call the node waits for.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<u32>,
    /// Set once a limit was met and the `error` exit taken: there is no second time.
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) spared: bool,
}

/// A timer: the number of its token and when it is due, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer(pub(super) u32, pub(super) i64);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Timer {
    pub(super) fn new(number: u32, due_at: Timestamp) -> Self {
        Self(number, due_at.as_millisecond())
    }

    /// The token that goes out with it.
    pub(super) fn token(self) -> String {
        format!("t{}", self.0)
    }

    pub(super) fn is_due_at(self, moment: Timestamp) -> bool {
        self.1 == moment.as_millisecond()
    }
}

/// The token of a call.
pub(super) fn call_token(number: u32) -> String {
    format!("c{number}")
}

impl State {
    /// Reads what [`write`](Self::write) wrote.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Writes it; only what cannot be JSON fails, and nothing in here can.
    pub(super) fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// A number for a token that was never used in this session.
    pub(super) fn next_token(&mut self) -> u32 {
        self.tokens = self.tokens.saturating_add(1);
        self.tokens
    }
}
