use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Correspondence, StepEvent};
use crate::model::{
    AgentId, AgentSettings, BusinessId, Call, CallId, CallRequest, CallResult, ChannelKind,
    ContactId, ContactPatch, Content, ConversationId, GroupId, SessionId, Timestamp,
};

/// A way out of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitDescriptor {
    /// Its name, as edges carry it in `sourceHandle`; `option:*` stands for one exit an option, `*` for
    /// those that the node's `data` names.
    pub name: String,
    /// What people see.
    pub title: String,
}

/// Everything an editor needs to draw a node and its form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeDescriptor {
    /// The `type` in documents.
    pub kind: String,
    /// What people see.
    pub title: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// JSON Schema of its `data`.
    pub schema: Value,
    /// The ways out.
    pub exits: Vec<ExitDescriptor>,
    /// Whether it can wait for the contact, a timer or a call.
    pub suspends: bool,
    /// Whether it asks for work outside the step.
    pub calls: bool,
}

/// A node's `data` is wrong in a way its schema does not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct NodeConfigError {
    /// A stable code, the one of the finding that reports it.
    pub code: Cow<'static, str>,
    /// JSON pointer within `data`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl NodeConfigError {
    /// The code of errors that have no closer one.
    pub const CODE: &'static str = "invalid_config";

    /// An error with the code [`CODE`](Self::CODE).
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(Self::CODE), path: path.into(), message: message.into() }
    }

    /// The same error under another code.
    #[must_use]
    pub fn with_code(self, code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), ..self }
    }
}

/// The contact, as flows see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactView {
    /// Its id.
    pub id: ContactId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address on the conversation's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The kind of channel of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelKind>,
    /// Custom fields.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// Labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The groups it is in, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupId>,
    /// Its language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Its time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl ContactView {
    /// Shows a change that the step asks for, so that the nodes after it read what will be.
    pub fn apply(&mut self, patch: &ContactPatch) {
        let take = |slot: &mut Option<String>, new: &Option<String>| {
            if let Some(new) = new {
                *slot = Some(new.clone());
            }
        };
        take(&mut self.name, &patch.name);
        take(&mut self.locale, &patch.locale);
        take(&mut self.time_zone, &patch.time_zone);
        for (name, value) in &patch.fields {
            if value.is_null() {
                self.fields.remove(name);
            } else {
                self.fields.insert(name.clone(), value.clone());
            }
        }
        self.tags.retain(|tag| !patch.remove_tags.contains(tag));
        for tag in patch.add_tags.difference(&patch.remove_tags) {
            if !self.tags.contains(tag) {
                self.tags.push(tag.clone());
            }
        }
        self.tags.sort_unstable();
        self.groups.extend(&patch.join_groups);
        self.groups.retain(|group| !patch.leave_groups.contains(group));
    }
}

/// The agent, as flows see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<AgentId>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What AI nodes are told first.
    #[serde(default)]
    pub instructions: String,
    /// The prompt that the instructions are, where several are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The model AI nodes use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How it answers; its prompts are left out, as one of them is the instructions.
    #[serde(default, skip_serializing_if = "AgentSettings::are_default")]
    pub settings: AgentSettings,
}

/// Something a step wants to happen. Committed with the state, all or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Send a message.
    Send {
        /// What it says.
        content: Content,
    },
    /// Wake the session at a moment; replaces earlier timers of the session.
    SetTimer {
        /// Comes back with the event.
        token: String,
        /// When.
        due_at: Timestamp,
    },
    /// Forget the session's timers.
    ClearTimers,
    /// Do work outside; the result comes back as an event.
    Call {
        /// What to do.
        request: CallRequest,
    },
    /// Forget the session's calls: nobody waits for them any more.
    CancelCalls,
    /// Change the contact.
    UpdateContact {
        /// How.
        patch: ContactPatch,
    },
    /// Show the contact that an answer is being written.
    Typing {
        /// Until when.
        until: Timestamp,
    },
    /// Give the conversation to people.
    HandOff {
        /// What they should know.
        note: Option<String>,
    },
    /// Close the conversation.
    CloseConversation,
    /// Tell the world.
    Emit {
        /// The name of the event.
        name: String,
        /// Its data.
        data: Value,
    },
}

/// What a node decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Leave by an exit. An exit without an edge ends the session.
    Exit(Cow<'static, str>),
    /// Stay until the contact writes or, if given, a moment comes. A call whose result has not come
    /// yet stays out, so a node that cannot use a message meanwhile waits on with this.
    Wait {
        /// When the node is resumed with [`StepEvent::Timer`]. The moment it already waits for
        /// keeps the timer as it is.
        until: Option<Timestamp>,
    },
    /// Stay until work done outside comes back as [`StepEvent::CallDone`].
    Call {
        /// The work; given to [`BuiltNode::perform`].
        input: Value,
    },
    /// Go on at another node.
    Jump {
        /// Its id.
        node: String,
    },
    /// Run another flow of the document from its start, with these variables besides its own
    /// defaults. When it ends, the node goes on with [`BuiltNode::returned`].
    Run {
        /// Its key in the document's `flows`.
        flow: String,
        /// What its variables hold at first.
        variables: Map<String, Value>,
    },
    /// Walk what an exit leads to. When that ends, the node goes on with [`BuiltNode::returned`].
    Body {
        /// The exit; without an edge the body is empty.
        exit: Cow<'static, str>,
    },
    /// End the innermost body, flow or interruption under way; without one, the session.
    Return {
        /// What [`BuiltNode::returned`] is told.
        exit: Option<String>,
    },
    /// End the flow the node stands in, whatever bodies are under way; the session, when no other
    /// flow called it.
    Finish,
    /// End the session.
    End,
    /// Fail the session, unless the node's `error` exit has an edge.
    Fail {
        /// Why, for people.
        reason: String,
    },
}

/// How well a message fits what a node waits for: it decides whether the words of the whole flow
/// (session words, then global intents) go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is not what the node asked for: session words and global intents go first.
    Other,
    /// The node takes any words, and these are some: session words go first.
    Free,
    /// It is exactly an answer the node offers or asks for: nothing goes first.
    Exact,
}

/// How what a node began with [`Step::Run`] or [`Step::Body`] ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Returned {
    /// The exit named by [`Step::Return`].
    pub exit: Option<String>,
    /// The variables of the flow that was called; empty after a body, which shares them.
    pub variables: Map<String, Value>,
}

/// An outside event a node waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited<'a> {
    /// The name of the event; one `*` at its end stands for any rest.
    pub name: &'a str,
    /// Whether the session's link ends the wait too.
    pub link: bool,
}

impl Awaited<'_> {
    /// Says whether an event of this name ends the wait.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.name == name,
        }
    }
}

/// What a node sees and may touch during a step. Everything here is part of the step's input or
/// output, so a node that only uses this is deterministic.
#[derive(Debug)]
pub struct NodeContext<'a> {
    /// The id of the node.
    pub node: &'a str,
    /// The moment of the step.
    pub now: Timestamp,
    /// Differs for each step, the same on replay.
    pub seed: u64,
    /// The contact.
    pub contact: &'a ContactView,
    /// The agent.
    pub agent: &'a AgentView,
    /// The session's variables.
    pub variables: &'a mut Map<String, Value>,
    /// The contact's newest text.
    pub last_text: &'a str,
    /// The address that ends the session's next wait for a link, if the engine gives one.
    pub resume_url: Option<&'a str>,
    /// The node's own memory while it waits; `null` when it is entered.
    pub local: &'a mut Value,
    /// What the step wants to happen.
    pub effects: &'a mut Vec<Effect>,
}

impl NodeContext<'_> {
    /// Sends a message.
    pub fn send(&mut self, content: Content) {
        self.effects.push(Effect::Send { content });
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.variables.get_mut(name) {
            Some(slot) => *slot = value,
            None => drop(self.variables.insert(name.to_owned(), value)),
        }
    }
}

/// For whom work outside a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallScope {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation that waits.
    pub conversation_id: ConversationId,
    /// The session that waits.
    pub session_id: SessionId,
    /// The call, also the idempotency key of the work.
    pub call_id: CallId,
}

impl From<&Call> for CallScope {
    fn from(call: &Call) -> Self {
        Self {
            business_id: call.business_id,
            conversation_id: call.conversation_id,
            session_id: call.session_id,
            call_id: call.id,
        }
    }
}

/// What work outside a step may use.
#[derive(Debug)]
pub struct PerformContext<'a> {
    /// For whom it is done.
    pub scope: CallScope,
    /// Hears parts of an answer while it is written.
    pub on_delta: &'a (dyn DeltaSink + 'a),
    /// Takes mails.
    pub correspondence: &'a (dyn Correspondence + 'a),
}

/// Hears parts of an answer while it is written.
pub trait DeltaSink: Send + Sync + Debug {
    /// Takes one part.
    fn delta(&self, text: &str);
}

/// A type of node. Built once for each place in a published document.
///
/// # Contract
/// [`BuiltNode::enter`] and [`BuiltNode::resume`] are pure: no clock, no randomness, no I/O, no
/// memory outside the context. I/O belongs to [`BuiltNode::perform`], whose result is journaled.
pub trait FlowNode: Send + Sync + Debug + 'static {
    /// What an editor shows and a document may say.
    fn descriptor(&self) -> NodeDescriptor;

    /// Reads the `data` of one node; it already matches the descriptor's schema.
    ///
    /// # Errors
    /// [`NodeConfigError`] for what a schema cannot tell, such as a template that does not compile.
    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError>;
}

/// A node with its configuration.
#[async_trait]
pub trait BuiltNode: Send + Sync + Debug + 'static {
    /// Tells the node, once and before anything else, which of its exits have an edge.
    fn connect(&mut self, exits: &[String]) {
        let _ = exits;
    }

    /// The session arrives.
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step;

    /// Something happened while the node waited. Only called after `Wait` or `Call`.
    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        let _ = (cx, event);
        Step::Fail { reason: "the node does not wait".to_owned() }
    }

    /// How well a message fits while the node waits. Pure as [`resume`](Self::resume) is.
    fn fits(&self, cx: &NodeContext<'_>, content: &Content) -> Fit {
        let _ = (cx, content);
        Fit::Free
    }

    /// The session comes back from an interruption to the node, which waited before. The node's
    /// memory is as it left it; its timer and its call are over.
    fn again(&self, cx: &mut NodeContext<'_>) -> Step {
        *cx.local = Value::Null;
        self.enter(cx)
    }

    /// What the node began with [`Step::Run`] or [`Step::Body`] has ended.
    fn returned(&self, cx: &mut NodeContext<'_>, back: &Returned) -> Step {
        let _ = (cx, back);
        Step::Exit(Cow::Borrowed("next"))
    }

    /// The outside event it waits for.
    fn awaits(&self) -> Option<Awaited<'_>> {
        None
    }

    /// Whether a message of the contact makes its call worthless, so that the call is cancelled as
    /// soon as one comes.
    fn drops_call(&self) -> bool {
        false
    }

    /// Does the work a [`Step::Call`] asked for. May be done again after a crash.
    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        let _ = (input, cx);
        CallResult::Error { code: "unsupported".to_owned(), detail: "no such work".to_owned() }
    }

    /// The exits this very node has, options included.
    fn exits(&self) -> Vec<String>;

    /// Whether the node can wait; a cycle without such a node never ends.
    fn suspends(&self) -> bool {
        false
    }

    /// Variables it reads, for the linter.
    fn reads(&self) -> Vec<String> {
        Vec::new()
    }

    /// Variables it sets, for the linter.
    fn writes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The groups the node names, for whoever knows which ones a business has.
    fn groups(&self) -> Vec<GroupId> {
        Vec::new()
    }

    /// The tools the node names, for whoever knows which ones a business has.
    fn tools(&self) -> Vec<String> {
        Vec::new()
    }

    /// What speaks against publishing it, though it can be built and run: what this process does not
    /// allow. What is published already stays, and leaves by its `error` exit.
    fn objections(&self) -> Vec<NodeConfigError> {
        Vec::new()
    }

    /// Ids of nodes it jumps to.
    fn jumps(&self) -> Vec<String> {
        Vec::new()
    }

    /// Flows of the document it runs, by key, each with the variables it gives them. A node that runs
    /// flows is taken to wait where every way through them does, and nowhere else.
    fn flows(&self) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }
}
