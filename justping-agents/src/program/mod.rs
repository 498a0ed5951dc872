//! The interpreter: a compiled document and its pure step.
//!
//! A step reads the state, gives the event to the node that waits, and walks on until a node waits,
//! asks for work, ends, or a limit is met. What may go wrong with a state or an event ends the
//! session with a reason; nothing panics, and the same input gives the same bytes.

mod label;
mod replay;
mod run;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use async_trait::async_trait;
use justping_core::model::{CallRequest, CallResult, Content};
use justping_core::port::{
    BuiltNode, Finding, Outcome, PerformContext, Program, StepEvent, StepInput,
};
use serde_json::{Map, Value};

pub use self::replay::{ReplayError, replay};
use self::run::Run;
use crate::check::{Draft, DraftNode};
use crate::node::{LateReply, Matcher};

/// Most nodes visited in one step.
pub const VISITS_MAX: u32 = 100;
/// Most steps of a session.
pub const STEPS_MAX: u32 = 500;
/// Most bytes of a session's variables, counted as the texts and names they hold.
pub const VARIABLES_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of what the waiting node remembers, counted likewise.
pub const LOCAL_MAX_BYTES: usize = 64 * 1024;
/// Most bytes that are kept of the contact's newest text.
pub const LAST_TEXT_MAX_BYTES: usize = 8 * 1024;

/// The exit that failures take.
const ERROR_EXIT: &str = "error";

/// A compiled document.
#[derive(Debug)]
pub(crate) struct FlowProgram {
    places: Vec<Place>,
    ids: HashMap<String, usize>,
    trigger: usize,
    matcher: Matcher,
    defaults: Map<String, Value>,
    max_visits: u32,
    max_steps: u32,
}

/// A node in its place.
#[derive(Debug)]
struct Place {
    id: Box<str>,
    built: Box<dyn BuiltNode>,
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
    pub(crate) fn of(draft: Draft) -> Result<Self, Vec<Finding>> {
        let (false, Some(trigger)) = (draft.has_errors(), draft.trigger) else {
            return Err(draft.findings);
        };
        let matcher = draft.nodes.get(trigger).map(|node| Matcher::of(&node.node.data));
        let mut places: Vec<Place> = draft.nodes.into_iter().filter_map(place).collect();
        for edge in draft.edges {
            if let Some(source) = places.get_mut(edge.source) {
                source.edges.push((edge.exit.into(), edge.target));
            }
        }
        let defaults = draft.variables.into_iter();
        let defaults = defaults.filter_map(|variable| Some((variable.name, variable.default?)));
        Ok(Self {
            places,
            ids: draft.ids,
            trigger,
            matcher: matcher.unwrap_or_default(),
            defaults: defaults.collect(),
            max_visits: draft.settings.max_visits.unwrap_or(VISITS_MAX),
            max_steps: draft.settings.max_steps.unwrap_or(STEPS_MAX),
        })
    }
}

/// Every node of a draft without errors is built, so none is left out and places keep their index.
fn place(node: DraftNode) -> Option<Place> {
    let late = LateReply::of(&node.node.data);
    Some(Place { id: node.node.id.into(), built: node.built?, edges: Vec::new(), late })
}

#[async_trait]
impl Program for FlowProgram {
    fn starts_on(&self, event: &StepEvent) -> bool {
        match event {
            StepEvent::Message { content } => speaks(content) && self.matcher.matches(content),
            StepEvent::Timer { .. } | StepEvent::CallDone { .. } => false,
        }
    }

    fn step(&self, state: Option<&str>, input: &StepInput) -> Outcome {
        match state {
            None => Run::start(self, input),
            Some(state) => Run::resume(self, state, input),
        }
    }

    async fn perform(&self, request: &CallRequest, cx: &PerformContext<'_>) -> CallResult {
        let place = self.ids.get(&request.node).and_then(|at| self.places.get(*at));
        match place {
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
