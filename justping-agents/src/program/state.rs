//! What a session remembers between steps, as compact JSON.

use justping_core::model::{Content, Signal, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::size;

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
    /// What is under way beneath the node, the outermost first.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) frames: Vec<Frame>,
    /// Told apart from other sessions of the contact by this, in ids of options.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<u32>,
    /// Why the session fails, while what the document has for errors runs.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(super) failing: Option<String>,
    /// Messages that are gathered.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(super) burst: Option<Burst>,
    /// Waits for the session's link that have ended.
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub(super) links: u32,
    /// Outside events that came before a node waited for them.
    #[serde(rename = "y", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) early: Vec<Early>,
}

/// Something under way that comes back to the node that began it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Frame {
    /// The node to come back to, by address.
    #[serde(rename = "n")]
    pub(super) node: String,
    /// What it remembers.
    #[serde(rename = "l", default, skip_serializing_if = "Value::is_null")]
    pub(super) local: Value,
    /// Its flow's variables; `None` when what runs above has the same.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub(super) variables: Option<Map<String, Value>>,
    /// What runs above it.
    #[serde(rename = "w")]
    pub(super) why: Why,
}

/// What runs above a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Why {
    /// A flow that the node called.
    #[serde(rename = "c")]
    Call,
    /// What one of the node's exits leads to.
    #[serde(rename = "b")]
    Body,
    /// What a contact asked for while the node waited.
    #[serde(rename = "i")]
    Interruption,
}

/// Messages that are gathered until the contact pauses.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Burst {
    /// What they say, in order.
    #[serde(rename = "c")]
    pub(super) contents: Vec<Content>,
    /// When the first came, in milliseconds since 1970.
    #[serde(rename = "a")]
    pub(super) since_ms: i64,
    /// When it ends.
    #[serde(rename = "t")]
    pub(super) timer: Timer,
    /// Whether the session starts with it.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) starts: bool,
}

/// An outside event that is kept for the node that will wait for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Early(pub(super) Signal, pub(super) Value);

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

    /// The variables of the document's own flow, when another flow runs above it.
    pub(super) fn main_variables(&mut self) -> Option<&mut Map<String, Value>> {
        self.frames.iter_mut().find_map(|frame| frame.variables.as_mut())
    }

    /// The weight of the variables of flows that wait for another one.
    pub(super) fn weight_below(&self) -> usize {
        self.frames.iter().filter_map(|frame| frame.variables.as_ref()).map(size::weight).sum()
    }

    /// A number for a token that was never used in this session.
    pub(super) fn next_token(&mut self) -> u32 {
        self.tokens = self.tokens.saturating_add(1);
        self.tokens
    }
}
