//! A session that comes from another version of its flow.

use justping_core::model::Content;
use justping_core::port::{Effect, Moved, Outcome, StepEvent};
use serde_json::{Map, Value};

use super::FlowProgram;
use super::run::{Next, Run};
use super::state::State;

impl State {
    /// The nodes it stands at: the one that waits comes last, before it those that come back.
    pub(super) fn position(self) -> Vec<String> {
        let Some(node) = self.node else { return Vec::new() };
        self.frames.into_iter().map(|frame| frame.node).chain([node]).collect()
    }

    /// Takes the names that nodes have in `program`, and the variables that are new there. What the
    /// session knows stays.
    pub(super) fn arrive(&mut self, moved: &Moved, program: &FlowProgram) {
        let frames = self.frames.iter_mut();
        let places = frames.map(|frame| (&mut frame.node, frame.variables.as_mut()));
        let waiting = self.node.as_mut().map(|node| (node, Some(&mut self.variables)));
        for (node, variables) in places.chain(waiting) {
            if let Some(name) = moved.nodes.get(node) {
                node.clone_from(name);
            }
            if let (Some(place), Some(variables)) = (program.place(node), variables) {
                complete(variables, program.defaults(place.flow));
            }
        }
    }
}

/// Adds what is missing.
fn complete(variables: &mut Map<String, Value>, defaults: Map<String, Value>) {
    for (name, value) in defaults {
        variables.entry(name).or_insert(value);
    }
}

impl Run<'_> {
    /// Enters the node that waits once more: it is not the one the session was at. What the contact
    /// said meanwhile is kept as its newest text, and answered by being asked.
    pub(super) fn enter_again(mut self) -> Outcome {
        if let Some(burst) = self.state.burst.take() {
            self.effects.push(Effect::ClearTimers);
            if let Some(content) = burst.contents.last() {
                self.note_content(content);
            }
        }
        let input = self.input;
        if let StepEvent::Message { content } = &input.event {
            self.note_content(content);
        }
        self.depart();
        let first = match self.count() {
            Some(limit) => limit,
            None => {
                let at = self.at;
                Next::Go(self.enter(at))
            }
        };
        let rest = self.walk(first);
        self.end(Some(rest), Vec::<Content>::new())
    }
}
