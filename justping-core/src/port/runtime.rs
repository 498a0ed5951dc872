use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentView, ContactView, Effect, PerformContext};
use crate::model::{CallRequest, CallResult, Content, SessionStatus, Timestamp};

/// Most bytes of a session's state.
pub const STATE_MAX_BYTES: usize = 256 * 1024;

/// What happened to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum StepEvent {
    /// The contact wrote. The first message of a session also starts it.
    Message {
        /// What it says.
        content: Content,
    },
    /// A timer came due.
    Timer {
        /// The token it was set with.
        token: String,
    },
    /// A call came back.
    CallDone {
        /// The token of its request.
        token: String,
        /// Its outcome.
        result: CallResult,
    },
}

/// Everything a step depends on besides the document and the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepInput {
    /// What happened.
    pub event: StepEvent,
    /// When.
    pub now: Timestamp,
    /// The step's randomness.
    pub seed: u64,
    /// The contact.
    pub contact: Arc<ContactView>,
    /// The agent.
    pub agent: Arc<AgentView>,
}

/// Everything a step decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The new state, at most [`STATE_MAX_BYTES`].
    pub state: String,
    /// Where the session stands.
    pub status: SessionStatus,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What should happen, in order.
    pub effects: Vec<Effect>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look; the flow can be published.
    Warning,
    /// The flow cannot be published.
    Error,
}

/// Something about a document that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code such as `dangling_edge`.
    pub code: String,
    /// The node it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// JSON pointer into the document.
    pub path: String,
    /// A sentence for people.
    pub message: String,
}

/// A document cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the flow has {} problem(s)", findings.len())]
pub struct FlowRuntimeError {
    /// What is wrong; at least one error.
    pub findings: Vec<Finding>,
}

/// Turns documents into programs.
///
/// # Contract
/// Compiling is pure and total: any JSON gives a program or findings, never a panic.
pub trait FlowRuntime: Send + Sync + Debug + 'static {
    /// Looks a document over.
    fn check(&self, document: &Value) -> Vec<Finding>;

    /// Makes a program of a document.
    ///
    /// # Errors
    /// [`FlowRuntimeError`] with at least one finding of severity error.
    fn compile(&self, document: &Value) -> Result<Arc<dyn Program>, FlowRuntimeError>;

    /// The identity of a document's meaning: layout does not change it.
    fn content_hash(&self, document: &Value) -> String;
}

/// A compiled document.
///
/// # Contract
/// [`step`](Self::step) is pure: the same state and input give the same bytes, here and on replay.
#[async_trait]
pub trait Program: Send + Sync + Debug + 'static {
    /// Says whether an event may start a session.
    fn starts_on(&self, event: &StepEvent) -> bool;

    /// Takes one step; without a state it starts the session.
    fn step(&self, state: Option<&str>, input: &StepInput) -> Outcome;

    /// Does the work of a call.
    async fn perform(&self, request: &CallRequest, cx: &PerformContext<'_>) -> CallResult;
}
