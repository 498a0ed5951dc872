use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentView, ContactView, Effect, PerformContext};
use crate::model::{
    CallRequest, CallResult, Content, FlowVersionId, SessionStatus, Signal, Timestamp,
};

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
    /// Something happened outside that the session may wait for.
    Outside {
        /// How it is told apart from others.
        signal: Signal,
        /// Its data.
        data: Value,
    },
}

/// How the links of one session are made, so that a step can make them without knowing more than
/// its own session: a link is `<start><number>.<signature>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkKey {
    /// What each address starts with.
    pub start: String,
    /// Signs numbers, for this session only; lowercase hexadecimal.
    pub key: String,
}

impl LinkKey {
    /// The link with this number.
    #[must_use]
    pub fn url(&self, number: u32) -> String {
        format!("{}{number}.{}", self.start, self.signature(number))
    }

    /// What proves that the link with this number was made with the key.
    #[must_use]
    pub fn signature(&self, number: u32) -> String {
        crate::policy::sign(self.key.as_bytes(), &[&number.to_be_bytes()])
    }
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
    /// How links to this session are made; only for programs that [need it](Program::needs_link).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Arc<LinkKey>>,
    /// Set when the session comes from another version with this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
}

/// How a session comes from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The version whose state it brings.
    pub from: FlowVersionId,
    /// The version that takes the step.
    pub to: FlowVersionId,
    /// The names that nodes have there, where they have others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, String>,
    /// Whether the node that waits is another one now: it forgets what it knew and is entered
    /// again, in place of hearing the event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// What a node is, to compare it with one of another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMark {
    /// Its type.
    pub kind: String,
    /// A digest of its configuration.
    pub digest: [u8; 32],
}

/// A node that a step visited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The node.
    pub node: String,
    /// The exit it was left by; `None` when the session rests or ends there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<String>,
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
    /// Messages the session was given and ended without hearing: they belong to whatever comes
    /// next, as if they came now.
    pub unheard: Vec<Content>,
}

/// What an outside event is to a session at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The session waits for it.
    Awaited,
    /// The session does not wait for it yet; it is kept until then.
    Early,
    /// It is over: the link's wait has ended, or nothing in the flow waits for such an event.
    Over,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know, such as how a channel will show it.
    Note,
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
    /// What would put it right, if one thing does: changes to the document, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<Patch>,
}

/// One change of a document: an operation of a JSON patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Patch {
    /// Puts a value there; `-` as the last step is the end of a list.
    Add {
        /// JSON pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// Takes away what is there.
    Remove {
        /// JSON pointer.
        path: String,
    },
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
    /// Looks a document over. Of the flows it calls it sees those it holds: what it calls by id has to
    /// be put in before ([`FlowRuntime::with_flows`]), and is missing otherwise.
    fn check(&self, document: &Value) -> Vec<Finding>;

    /// Makes a program of a document.
    ///
    /// # Errors
    /// [`FlowRuntimeError`] with at least one finding of severity error.
    fn compile(&self, document: &Value) -> Result<Arc<dyn Program>, FlowRuntimeError>;

    /// Keys of flows that a document calls and does not hold, each once. Those that are the id of a
    /// flow of the business are looked up when the document is published.
    fn missing_flows(&self, document: &Value) -> Vec<String> {
        let _ = document;
        Vec::new()
    }

    /// The document with other published documents put in under keys, so that it is closed under its
    /// calls.
    ///
    /// # Errors
    /// [`FlowRuntimeError`] when they cannot stand in one document.
    fn with_flows(
        &self,
        document: &Value,
        flows: &BTreeMap<String, Value>,
    ) -> Result<Value, FlowRuntimeError> {
        let _ = flows;
        Ok(document.clone())
    }

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

    /// Whether its steps make links to their session.
    fn needs_link(&self) -> bool {
        false
    }

    /// What an outside event would be to a session with this state.
    fn expects(&self, state: &str, signal: &Signal) -> Expectation {
        let _ = (state, signal);
        Expectation::Over
    }

    /// The nodes a session in this state stands at: the one that waits comes last, before it those
    /// whose called flows it is inside of. Empty when the session has ended or the state is not
    /// readable.
    fn position(&self, _state: &str) -> Vec<String> {
        Vec::new()
    }

    /// What the node of this name is; `None` when there is none.
    fn mark(&self, _node: &str) -> Option<NodeMark> {
        None
    }

    /// The way that [`step`](Self::step) takes with the same state and input.
    fn path(&self, _state: Option<&str>, _input: &StepInput) -> Vec<Visit> {
        Vec::new()
    }

    /// Does the work of a call.
    async fn perform(&self, request: &CallRequest, cx: &PerformContext<'_>) -> CallResult;
}
