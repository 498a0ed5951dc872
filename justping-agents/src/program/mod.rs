//! The interpreter: a compiled document and its pure step.
//!
//! A step reads the state, gives the event to the node that waits, and walks on until a node waits,
//! asks for work, ends, or a limit is met. What may go wrong with a state or an event ends the
//! session with a reason; nothing panics, and the same input gives the same bytes.
//!
//! | room | job |
//! |---|---|
//! | `run` | one step: from an event to the next rest |
//! | `hear` | what an event means to the node that waits, and what goes before it |
//! | `frame` | called flows, bodies and interruptions: what runs above what |
//! | `burst` | several messages become one |
//! | `outside` | events of others, and links |
//! | `label` | ids of options on their way out and back |
//! | `moved` | sessions that come from another version |
//! | `state` | what is remembered between steps |

mod burst;
mod frame;
mod hear;
mod label;
mod moved;
mod outside;
mod replay;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;
use std::collections::HashMap;

use async_trait::async_trait;
use justping_core::model::{CallRequest, CallResult, Content, Signal};
use justping_core::port::{
    BuiltNode, Expectation, Finding, NodeMark, Outcome, PerformContext, Program, StepEvent,
    StepInput, Visit,
};
use serde_json::{Map, Value};

pub use self::burst::{BURST_BYTES_MAX, BURST_MESSAGES_MAX};
pub use self::frame::FRAMES_MAX;
pub(crate) use self::label::label;
pub use self::outside::{EARLY_BYTES_MAX, EARLY_MAX};
pub use self::replay::{ReplayError, replay, replay_moved, replay_record};
use self::run::Run;
use self::state::State;
use self::words::{Target, Words};
use crate::check::{Draft, DraftNode};
use crate::document;
use crate::hash::content_hash;
use crate::node::{LateReply, Matcher, RESUME_URL};

/// Most nodes visited in one step.
pub const VISITS_MAX: u32 = 100;
/// Most steps of a session.
pub const STEPS_MAX: u32 = 500;
/// Most bytes of a session's variables, counted as the texts and names they hold, in all flows under
/// way together.
pub const VARIABLES_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of what the waiting node remembers, counted likewise.
pub const LOCAL_MAX_BYTES: usize = 64 * 1024;
/// Most bytes that are kept of the contact's newest text.
pub const LAST_TEXT_MAX_BYTES: usize = 8 * 1024;

/// The exit that failures take.
const ERROR_EXIT: &str = "error";
/// The place of the document's own flow among [`FlowProgram::flows`].
const MAIN: usize = 0;

/// What a node is called in states, calls and ids of options: its id, after the key of its flow when
/// that is not the document's own. Keys have no `/`, so it reads one way only.
pub(crate) fn address<'i>(flow: Option<&str>, id: &'i str) -> Cow<'i, str> {
    match flow {
        None => Cow::Borrowed(id),
        Some(key) => Cow::Owned(format!("{key}/{id}")),
    }
}

/// A compiled document.
#[derive(Debug)]
pub(crate) struct FlowProgram {
    places: Vec<Place>,
    /// Addresses to places.
    ids: HashMap<String, usize>,
    /// The document's own flow, then those that nodes call.
    flows: Vec<Graph>,
    matcher: Matcher,
    words: Words,
    on_error: Option<Target>,
    burst: Option<document::Burst>,
    needs_link: bool,
    max_visits: u32,
    max_steps: u32,
}

/// A flow of a document.
#[derive(Debug)]
struct Graph {
    /// `None` for the document's own.
    key: Option<Box<str>>,
    /// Where it starts.
    start: usize,
    defaults: Map<String, Value>,
}

/// A node in its place.
#[derive(Debug)]
struct Place {
    /// Its address.
    id: Box<str>,
    /// The place of its flow.
    flow: usize,
    built: Box<dyn BuiltNode>,
    mark: NodeMark,
    edges: Vec<(Box<str>, usize)>,
    late: LateReply,
}

impl Place {
    /// Where an exit leads.
    fn edge(&self, exit: &str) -> Option<usize> {
        self.edges.iter().find(|(name, _)| **name == *exit).map(|(_, target)| *target)
    }
}

impl FlowProgram {
    /// Makes a program of a draft without errors; gives the findings back otherwise.
    pub(crate) fn of(mut draft: Draft) -> Result<Self, Vec<Finding>> {
        let (false, Some(trigger)) = (draft.has_errors(), draft.trigger) else {
            return Err(draft.findings);
        };
        let matcher = draft.nodes.get(trigger).map(|node| Matcher::of(&node.node.data));
        let (settings, intents) = (draft.settings.clone(), std::mem::take(&mut draft.intents));
        let flows = std::mem::take(&mut draft.flows);
        let mut program = Self {
            places: Vec::new(),
            ids: HashMap::new(),
            flows: Vec::new(),
            matcher: matcher.unwrap_or_default(),
            words: Words::default(),
            on_error: None,
            burst: settings.burst,
            needs_link: false,
            max_visits: settings.max_visits.unwrap_or(VISITS_MAX),
            max_steps: settings.max_steps.unwrap_or(STEPS_MAX),
        };
        program.add(None, draft);
        for (key, flow) in flows {
            program.add(Some(key.into()), flow);
        }
        program.words = Words::of(&program, settings.session_words.as_ref(), &intents);
        program.on_error = settings.on_error.and_then(|target| program.target(&target));
        program.needs_link = program.places.iter().any(|place| {
            place.built.reads().iter().any(|path| path.split('.').next() == Some(RESUME_URL))
        });
        Ok(program)
    }

    /// Adds a flow with its nodes and edges.
    fn add(&mut self, key: Option<Box<str>>, draft: Draft) {
        let (first, flow) = (self.places.len(), self.flows.len());
        self.places.extend(draft.nodes.into_iter().filter_map(|node| place(node, &key, flow)));
        for (at, place) in self.places.iter().enumerate().skip(first) {
            self.ids.insert(place.id.to_string(), at);
        }
        for edge in draft.edges {
            if let Some(source) = self.places.get_mut(first + edge.source) {
                source.edges.push((edge.exit.into(), first + edge.target));
            }
        }
        let defaults = draft.variables.into_iter();
        let defaults = defaults.filter_map(|variable| Some((variable.name, variable.default?)));
        let start = first + draft.trigger.unwrap_or(0);
        self.flows.push(Graph { key, start, defaults: defaults.collect() });
    }

    /// The place with an address.
    fn place(&self, address: &str) -> Option<&Place> {
        self.places.get(*self.ids.get(address)?)
    }

    /// The place of the flow with a key.
    fn flow(&self, key: &str) -> Option<usize> {
        self.flows.iter().position(|flow| flow.key.as_deref() == Some(key))
    }

    /// A node of the document's own flow, or a flow.
    fn target(&self, name: &str) -> Option<Target> {
        let node = self.ids.get(name).copied().map(Target::Node);
        node.or_else(|| self.flow(name).map(Target::Flow))
    }

    /// A flow's variables at its start.
    fn defaults(&self, flow: usize) -> Map<String, Value> {
        self.flows.get(flow).map(|flow| flow.defaults.clone()).unwrap_or_default()
    }
}

/// Every node of a draft without errors is built, so none is left out and places keep their index.
fn place(node: DraftNode, key: &Option<Box<str>>, flow: usize) -> Option<Place> {
    let late = LateReply::of(&node.node.data);
    let id = address(key.as_deref(), &node.node.id).into();
    let mark = NodeMark { digest: content_hash(&node.node.data), kind: node.node.kind };
    Some(Place { id, flow, built: node.built?, mark, edges: Vec::new(), late })
}

#[async_trait]
impl Program for FlowProgram {
    fn starts_on(&self, event: &StepEvent) -> bool {
        match event {
            StepEvent::Message { content } => speaks(content) && self.matcher.matches(content),
            StepEvent::Timer { .. } | StepEvent::CallDone { .. } | StepEvent::Outside { .. } => {
                false
            }
        }
    }

    fn step(&self, state: Option<&str>, input: &StepInput) -> Outcome {
        match state {
            None => Run::start(self, input, None),
            Some(state) => Run::resume(self, state, input, None),
        }
    }

    fn position(&self, state: &str) -> Vec<String> {
        State::read(state).map(State::position).unwrap_or_default()
    }

    fn mark(&self, node: &str) -> Option<NodeMark> {
        Some(self.place(node)?.mark.clone())
    }

    fn path(&self, state: Option<&str>, input: &StepInput) -> Vec<Visit> {
        let mut way = Vec::new();
        match state {
            None => Run::start(self, input, Some(&mut way)),
            Some(state) => Run::resume(self, state, input, Some(&mut way)),
        };
        way
    }

    fn needs_link(&self) -> bool {
        self.needs_link
    }

    fn expects(&self, state: &str, signal: &Signal) -> Expectation {
        outside::expects(self, state, signal)
    }

    async fn perform(&self, request: &CallRequest, cx: &PerformContext<'_>) -> CallResult {
        match self.place(&request.node) {
            Some(place) => place.built.perform(&request.input, cx).await,
            None => CallResult::Error {
                code: "unknown_node".to_owned(),
                detail: "the flow has no such node".to_owned(),
            },
        }
    }
}

/// Says whether a message is something the contact says; an emoji on an earlier message is not.
fn speaks(content: &Content) -> bool {
    !matches!(content, Content::Reaction { .. } | Content::System { .. })
}
