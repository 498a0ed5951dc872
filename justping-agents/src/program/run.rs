//! One step: from an event to the next rest.

use std::sync::Arc;

use justping_core::model::{CallRequest, Content, SessionStatus, Timestamp};
use justping_core::port::{
    ContactView, Effect, NodeContext, Outcome, STATE_MAX_BYTES, Step, StepEvent, StepInput,
};
use serde_json::Value;

use super::label::{Label, label};
use super::state::{State, Timer, call_token};
use super::{
    ERROR_EXIT, FlowProgram, LAST_TEXT_MAX_BYTES, LOCAL_MAX_BYTES, Place, VARIABLES_MAX_BYTES,
    speaks,
};
use crate::node::LateReply;
use crate::size;

/// The state of a session whose state could not be read.
const EMPTY_STATE: &str = "{}";
/// Spreads the step's randomness over the nodes it visits.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A step on its way.
pub(super) struct Run<'a> {
    program: &'a FlowProgram,
    input: &'a StepInput,
    /// The state before the step.
    before: Option<&'a str>,
    state: State,
    /// The contact, with what the step changes of it.
    contact: Arc<ContactView>,
    /// The node the session is at.
    at: &'a Place,
    effects: Vec<Effect>,
    visits: u32,
}

/// What to do next.
enum Next {
    Go(Step),
    Rest(SessionStatus, Option<String>),
}

/// What an event means to the node that waits.
enum Heard<'a> {
    Nothing,
    Event,
    /// Another event in its place.
    Instead(StepEvent),
    /// An option of another node, which takes over.
    Elsewhere(&'a Place, StepEvent),
}

impl<'a> Run<'a> {
    /// Starts a session.
    pub(super) fn start(program: &'a FlowProgram, input: &'a StepInput) -> Outcome {
        let Some(at) = program.places.get(program.trigger) else {
            return broken("the flow has no trigger");
        };
        let state = State { variables: program.defaults.clone(), steps: 1, ..State::default() };
        let mut run = Self::new(program, input, None, state, at);
        run.note_text();
        let first = run.enter(at);
        run.walk(first)
    }

    /// Gives an event to the node that waits.
    pub(super) fn resume(
        program: &'a FlowProgram,
        before: &'a str,
        input: &'a StepInput,
    ) -> Outcome {
        let Some(state) = State::read(before) else {
            return broken("the state cannot be read");
        };
        let Some(node) = &state.node else {
            return broken("the session has ended");
        };
        let Some(at) = program.ids.get(node).and_then(|at| program.places.get(*at)) else {
            return broken("the session waits at a node that the flow does not have");
        };
        let mut run = Self::new(program, input, Some(before), state, at);
        let heard = run.hear();
        if matches!(heard, Heard::Nothing) {
            return run.unchanged(before);
        }
        run.state.steps = run.state.steps.saturating_add(1);
        if run.state.steps > program.max_steps {
            let next = run.limit("the session takes too many steps");
            return run.walk(next);
        }
        run.note_text();
        let next = match heard {
            Heard::Nothing => Step::Wait { until: None },
            Heard::Event => run.call(Some(&input.event)),
            Heard::Instead(event) => run.call(Some(&event)),
            Heard::Elsewhere(place, event) => {
                run.leave();
                run.at = place;
                run.visits = 1;
                run.call(Some(&event))
            }
        };
        run.walk(Next::Go(next))
    }

    fn new(
        program: &'a FlowProgram,
        input: &'a StepInput,
        before: Option<&'a str>,
        state: State,
        at: &'a Place,
    ) -> Self {
        let contact = Arc::clone(&input.contact);
        Self { program, input, before, state, contact, at, effects: Vec::new(), visits: 0 }
    }

    /// Decides what the event means, and takes note of a timer or call that is over with it.
    fn hear(&mut self) -> Heard<'a> {
        match &self.input.event {
            StepEvent::Timer { token } => {
                let ours = self.state.timer.take_if(|timer| timer.token() == *token);
                if ours.is_some() { Heard::Event } else { Heard::Nothing }
            }
            StepEvent::CallDone { token, .. } => {
                let ours = self.state.call.take_if(|number| call_token(*number) == *token);
                if ours.is_some() { Heard::Event } else { Heard::Nothing }
            }
            StepEvent::Message { content } if !speaks(content) => Heard::Nothing,
            StepEvent::Message { content: Content::Reply { option, title } } => {
                self.hear_option(option, title)
            }
            StepEvent::Message { .. } => Heard::Event,
        }
    }

    /// A pressed option may belong to the node that waits, to another one, or to an older session.
    fn hear_option(&self, option: &str, title: &str) -> Heard<'a> {
        let Some(found) = Label::read(option) else { return Heard::Event };
        let pressed = |option: &str, title: &str| StepEvent::Message {
            content: Content::Reply { option: option.to_owned(), title: title.to_owned() },
        };
        if found.prompt <= self.state.prompts {
            if *found.node == *self.at.id {
                return Heard::Instead(pressed(found.option, title));
            }
            let place =
                self.program.ids.get(found.node).and_then(|at| self.program.places.get(*at));
            match place.map(|place| (place, place.late)) {
                Some((_, LateReply::Ignore)) => return Heard::Nothing,
                Some((place, LateReply::Jump)) => {
                    return Heard::Elsewhere(place, pressed(found.option, title));
                }
                Some((_, LateReply::TreatAsText)) | None => {}
            }
        }
        Heard::Instead(StepEvent::Message { content: Content::text(title) })
    }

    /// Keeps the contact's newest text.
    fn note_text(&mut self) {
        if let StepEvent::Message { content } = &self.input.event {
            let text = content.plain();
            let end = text.floor_char_boundary(LAST_TEXT_MAX_BYTES);
            text.get(..end).unwrap_or_default().clone_into(&mut self.state.last_text);
        }
    }

    /// Walks until the session rests.
    fn walk(mut self, first: impl Into<Next>) -> Outcome {
        let mut next = first.into();
        loop {
            next = match next {
                Next::Go(step) => self.follow(step),
                Next::Rest(SessionStatus::Waiting, _) if self.remembers_too_much() => {
                    self.state.local = Value::Null;
                    self.leave();
                    self.limit("the node remembers too much")
                }
                Next::Rest(status, failure) => return self.rest(status, failure),
            }
        }
    }

    fn remembers_too_much(&self) -> bool {
        size::weigh(&self.state.local) > LOCAL_MAX_BYTES
    }

    /// Does what a node decided.
    fn follow(&mut self, step: Step) -> Next {
        if size::weight(&self.state.variables) > VARIABLES_MAX_BYTES {
            self.restore_variables();
            self.leave();
            return self.limit("the variables take too much room");
        }
        match step {
            Step::Exit(exit) => {
                self.leave();
                match self.at.edge(&exit) {
                    Some(target) => self.go(target),
                    None => Next::Rest(SessionStatus::Completed, None),
                }
            }
            Step::Jump { node } => {
                self.leave();
                match self.program.ids.get(&node) {
                    Some(target) => self.go(*target),
                    None => self.fail("the flow does not have the node to jump to"),
                }
            }
            Step::Wait { until } => {
                self.wait(until);
                Next::Rest(SessionStatus::Waiting, None)
            }
            Step::Call { input } => {
                self.ask(input);
                Next::Rest(SessionStatus::Waiting, None)
            }
            Step::End => {
                self.leave();
                Next::Rest(SessionStatus::Completed, None)
            }
            Step::Fail { reason } => {
                self.leave();
                self.fail(&reason)
            }
        }
    }

    /// Enters a node, if the step may visit another one.
    fn go(&mut self, target: usize) -> Next {
        if self.visits >= self.program.max_visits {
            return self.limit("the step visits too many nodes");
        }
        match self.program.places.get(target) {
            Some(place) => Next::Go(self.enter(place)),
            None => self.fail("the flow does not have the node"),
        }
    }

    fn enter(&mut self, place: &'a Place) -> Step {
        self.visits += 1;
        self.at = place;
        self.state.local = Value::Null;
        self.call(None)
    }

    /// Lets the node decide, and labels the options it sends.
    fn call(&mut self, event: Option<&StepEvent>) -> Step {
        let sent = self.effects.len();
        let stride = SEED_STRIDE.wrapping_mul(u64::from(self.visits));
        let mut cx = NodeContext {
            node: &self.at.id,
            now: self.input.now,
            seed: self.input.seed.wrapping_add(stride),
            contact: &self.contact,
            agent: &self.input.agent,
            variables: &mut self.state.variables,
            last_text: &self.state.last_text,
            local: &mut self.state.local,
            effects: &mut self.effects,
        };
        let step = match event {
            None => self.at.built.enter(&mut cx),
            Some(event) => self.at.built.resume(&mut cx, event),
        };
        let wanted = self.effects.get_mut(sent..).unwrap_or_default();
        label(wanted, &self.at.id, &mut self.state.prompts);
        for effect in wanted {
            if let Effect::UpdateContact { patch } = effect {
                Arc::make_mut(&mut self.contact).apply(patch);
            }
        }
        step
    }

    /// Waits for a moment, or for none; the moment it waits for already keeps its timer.
    fn wait(&mut self, until: Option<Timestamp>) {
        match (until, self.state.timer) {
            (None, None) => {}
            (Some(moment), Some(timer)) if timer.is_due_at(moment) => {}
            (None, Some(_)) => self.clear_timer(),
            (Some(due_at), _) => {
                let timer = Timer::new(self.state.next_token(), due_at);
                self.state.timer = Some(timer);
                self.effects.push(Effect::SetTimer { token: timer.token(), due_at });
            }
        }
    }

    /// Asks for work, in place of what was asked before.
    fn ask(&mut self, input: Value) {
        self.leave();
        let number = self.state.next_token();
        self.state.call = Some(number);
        let (node, token) = (self.at.id.to_string(), call_token(number));
        self.effects.push(Effect::Call { request: CallRequest { node, token, input } });
    }

    /// Stops waiting for anything.
    fn leave(&mut self) {
        self.clear_timer();
        if self.state.call.take().is_some() {
            self.effects.push(Effect::CancelCalls);
        }
    }

    fn clear_timer(&mut self) {
        if self.state.timer.take().is_some() {
            self.effects.push(Effect::ClearTimers);
        }
    }

    /// Takes the `error` exit, or ends the session.
    fn fail(&mut self, reason: &str) -> Next {
        match self.at.edge(ERROR_EXIT) {
            Some(target) => self.go(target),
            None => Next::Rest(SessionStatus::Failed, Some(reason.to_owned())),
        }
    }

    /// A limit is met: once in a session the `error` exit may still put things right.
    fn limit(&mut self, reason: &str) -> Next {
        self.leave();
        if self.state.spared {
            return Next::Rest(SessionStatus::Failed, Some(reason.to_owned()));
        }
        self.state.spared = true;
        self.visits = 0;
        self.fail(reason)
    }

    /// Takes the variables back to where they were before the step.
    fn restore_variables(&mut self) {
        self.state.variables = match self.before {
            None => self.program.defaults.clone(),
            Some(before) => State::read(before).unwrap_or_default().variables,
        };
        if size::weight(&self.state.variables) > VARIABLES_MAX_BYTES {
            self.state.variables.clear();
        }
    }

    fn rest(mut self, status: SessionStatus, failure: Option<String>) -> Outcome {
        let waits = status == SessionStatus::Waiting;
        self.state.node = waits.then(|| self.at.id.to_string());
        if !waits {
            self.state.local = Value::Null;
        } else if self.visits == 0 && self.effects.is_empty() {
            // A node that only waits on must not run out of steps.
            self.state.steps -= 1;
        }
        match self.state.write() {
            Some(state) if state.len() <= STATE_MAX_BYTES => {
                Outcome { state, status, failure, effects: self.effects }
            }
            _ => {
                self.leave();
                Outcome { effects: self.effects, ..broken("the state takes too much room") }
            }
        }
    }

    /// The outcome of an event that concerns nobody.
    fn unchanged(self, before: &str) -> Outcome {
        Outcome {
            state: before.to_owned(),
            status: SessionStatus::Waiting,
            failure: None,
            effects: Vec::new(),
        }
    }
}

impl From<Step> for Next {
    fn from(step: Step) -> Self {
        Self::Go(step)
    }
}

/// The outcome of a step that cannot be taken.
fn broken(reason: &str) -> Outcome {
    Outcome {
        state: EMPTY_STATE.to_owned(),
        status: SessionStatus::Failed,
        failure: Some(reason.to_owned()),
        effects: Vec::new(),
    }
}
