//! One step: from an event to the next rest.

use std::mem;
use std::sync::Arc;

use justping_core::model::{CallRequest, Content, SessionStatus, Timestamp};
use justping_core::port::{
    ContactView, Effect, NodeContext, Outcome, STATE_MAX_BYTES, Step, StepEvent, StepInput, Visit,
};
use serde_json::Value;

use super::burst::Given;
use super::hear::Heard;
use super::label::label;
use super::state::{State, Timer, call_token};
use super::{
    FlowProgram, LAST_TEXT_MAX_BYTES, LOCAL_MAX_BYTES, MAIN, Place, VARIABLES_MAX_BYTES, address,
};
use crate::size;

/// The state of a session whose state could not be read.
const EMPTY_STATE: &str = "{}";
/// Spreads the step's randomness over the nodes it visits.
const SEED_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// A step on its way.
pub(super) struct Run<'a> {
    pub(super) program: &'a FlowProgram,
    pub(super) input: &'a StepInput,
    /// The state before the step.
    before: Option<&'a str>,
    pub(super) state: State,
    /// The contact, with what the step changes of it.
    contact: Arc<ContactView>,
    /// The node the session is at.
    pub(super) at: &'a Place,
    pub(super) effects: Vec<Effect>,
    pub(super) visits: u32,
    /// The weight of the variables of flows that wait for another one.
    pub(super) below: usize,
    /// Whether the wait of this node for a link has been counted.
    pub(super) over: bool,
    /// Whether the session, which gathered its first messages, has yet to start.
    pub(super) starts: bool,
    /// Whether the step is counted among the session's.
    counted: bool,
    /// The nodes it visits, for whoever asks.
    way: Option<&'a mut Vec<Visit>>,
}

/// What to do next.
pub(super) enum Next {
    Go(Step),
    Rest(Rest),
}

/// How a walk ended.
pub(super) struct Rest(SessionStatus, Option<String>);

impl Next {
    pub(super) fn completed() -> Self {
        Self::Rest(Rest(SessionStatus::Completed, None))
    }

    pub(super) fn failed(reason: &str) -> Self {
        Self::Rest(Rest(SessionStatus::Failed, Some(reason.to_owned())))
    }
}

impl<'a> Run<'a> {
    /// Starts a session.
    pub(super) fn start(
        program: &'a FlowProgram,
        input: &'a StepInput,
        way: Option<&'a mut Vec<Visit>>,
    ) -> Outcome {
        let trigger = program.flows.first().and_then(|flow| program.places.get(flow.start));
        let Some(at) = trigger else { return broken("the flow has no trigger") };
        let state = State { variables: program.defaults(MAIN), ..State::default() };
        let mut run = Self { way, ..Self::new(program, input, None, state, at) };
        if let Some(settings) = program.burst
            && let StepEvent::Message { content } = &input.event
            && !matches!(content, Content::Reply { .. })
        {
            run.hold(settings, content, true);
            return run.rest(Rest(SessionStatus::Waiting, None));
        }
        run.starts = true;
        let rest = run.feed(&input.event);
        run.end(rest, Vec::new())
    }

    /// Gives an event to the node that waits.
    pub(super) fn resume(
        program: &'a FlowProgram,
        before: &'a str,
        input: &'a StepInput,
        way: Option<&'a mut Vec<Visit>>,
    ) -> Outcome {
        let Some(mut state) = State::read(before) else {
            return broken("the state cannot be read");
        };
        if let Some(moved) = &input.moved {
            state.arrive(moved, program);
        }
        let Some(node) = &state.node else {
            return broken("the session has ended");
        };
        let Some(at) = program.place(node) else {
            return broken("the session waits at a node that the flow does not have");
        };
        let mut run = Self { way, ..Self::new(program, input, Some(before), state, at) };
        if input.moved.as_ref().is_some_and(|moved| moved.again) {
            return run.enter_again();
        }
        let gathers = program.burst.is_some() || run.state.burst.is_some();
        let given = if gathers { run.gather() } else { Given::This };
        match given {
            Given::This => match run.feed(&input.event) {
                None if input.moved.is_none() => run.unchanged(before),
                rest => run.end(rest, Vec::new()),
            },
            Given::Held => run.rest(Rest(SessionStatus::Waiting, None)),
            Given::These(events) => run.feed_all(events),
        }
    }

    fn new(
        program: &'a FlowProgram,
        input: &'a StepInput,
        before: Option<&'a str>,
        state: State,
        at: &'a Place,
    ) -> Self {
        let below = state.weight_below();
        Self {
            program,
            input,
            before,
            state,
            contact: Arc::clone(&input.contact),
            at,
            effects: Vec::new(),
            visits: 0,
            below,
            over: false,
            starts: false,
            counted: false,
            way: None,
        }
    }

    /// Notes where it is.
    pub(super) fn visit(&mut self) {
        if let Some(way) = &mut self.way {
            way.push(Visit { node: self.at.id.to_string(), exit: None });
        }
    }

    /// Counts the step, once; a session that takes too many meets its limit.
    pub(super) fn count(&mut self) -> Option<Next> {
        if mem::replace(&mut self.counted, true) {
            return None;
        }
        self.state.steps = self.state.steps.saturating_add(1);
        let too_many = self.state.steps > self.program.max_steps;
        too_many.then(|| self.limit("the session takes too many steps"))
    }

    /// Hears one event after another until the session ends; what is left then is not lost.
    fn feed_all(mut self, events: Vec<StepEvent>) -> Outcome {
        let mut last = None;
        let mut events = events.into_iter();
        for event in events.by_ref() {
            last = self.feed(&event).or(last);
            if last.as_ref().is_some_and(|rest| rest.0 != SessionStatus::Waiting) {
                break;
            }
        }
        let unheard = events.filter_map(|event| match event {
            StepEvent::Message { content } => Some(content),
            _ => None,
        });
        let unheard = unheard.collect();
        self.end(last, unheard)
    }

    /// Hears an event and walks until the session rests; `None` when it concerns nobody.
    fn feed(&mut self, event: &StepEvent) -> Option<Rest> {
        let heard = if self.starts { Heard::Event } else { self.hear(event) };
        match heard {
            Heard::Nothing => return None,
            Heard::Kept => return Some(Rest(SessionStatus::Waiting, None)),
            _ => {}
        }
        if let Some(limit) = self.count() {
            return Some(self.walk(limit));
        }
        self.note_text(event);
        let next = self.react(heard, event);
        Some(self.walk(next))
    }

    /// Does what an event means.
    fn react(&mut self, heard: Heard<'a>, event: &StepEvent) -> Next {
        if mem::take(&mut self.starts) {
            let at = self.at;
            return Next::Go(self.enter(at));
        }
        if !matches!(heard, Heard::Elsewhere(..) | Heard::Word(_)) {
            self.visit();
        }
        match heard {
            Heard::Nothing | Heard::Kept | Heard::Event => Next::Go(self.call(Some(event))),
            Heard::Instead(event) => Next::Go(self.call(Some(&event))),
            Heard::Elsewhere(place, event) => self.take_over(place, &event),
            Heard::Word(word) => self.follow_word(word),
            Heard::Intent(intent) => self.interrupt(intent),
        }
    }

    /// An option of another node, whose flow is under way, takes over.
    fn take_over(&mut self, place: &'a Place, event: &StepEvent) -> Next {
        self.depart();
        self.drop_to(place.flow);
        (self.at, self.over) = (place, false);
        self.visits = 1;
        self.visit();
        Next::Go(self.call(Some(event)))
    }

    /// Keeps the contact's newest text.
    fn note_text(&mut self, event: &StepEvent) {
        if let StepEvent::Message { content } = event {
            self.note_content(content);
        }
    }

    pub(super) fn note_content(&mut self, content: &Content) {
        let text = content.plain();
        let end = text.floor_char_boundary(LAST_TEXT_MAX_BYTES);
        text.get(..end).unwrap_or_default().clone_into(&mut self.state.last_text);
    }

    /// Walks until the session rests.
    pub(super) fn walk(&mut self, first: Next) -> Rest {
        let mut next = first;
        loop {
            next = match next {
                Next::Go(step) => self.follow(step),
                Next::Rest(Rest(SessionStatus::Waiting, _)) if self.remembers_too_much() => {
                    self.state.local = Value::Null;
                    self.depart();
                    self.limit("the node remembers too much")
                }
                Next::Rest(rest) => return rest,
            }
        }
    }

    fn remembers_too_much(&self) -> bool {
        size::weigh(&self.state.local) > LOCAL_MAX_BYTES
    }

    /// Does what a node decided.
    fn follow(&mut self, step: Step) -> Next {
        if size::weight(&self.state.variables) + self.below > VARIABLES_MAX_BYTES {
            self.restore_variables();
            self.depart();
            return self.limit("the variables take too much room");
        }
        match step {
            Step::Exit(exit) => {
                if let Some(last) = self.way.as_mut().and_then(|way| way.last_mut()) {
                    last.exit = Some(exit.to_string());
                }
                self.leave_by(&exit)
            }
            Step::Jump { node } => {
                self.depart();
                let flow = self.program.flows.get(self.at.flow);
                let id = address(flow.and_then(|flow| flow.key.as_deref()), &node);
                match self.program.ids.get(&*id) {
                    Some(target) => self.go(*target),
                    None => self.fail("the flow does not have the node to jump to"),
                }
            }
            Step::Wait { until } => match self.kept() {
                Some(event) => Next::Go(self.call(Some(&event))),
                None => {
                    self.wait(until);
                    Next::Rest(Rest(SessionStatus::Waiting, None))
                }
            },
            Step::Call { input } => {
                self.ask(input);
                Next::Rest(Rest(SessionStatus::Waiting, None))
            }
            Step::Run { .. } | Step::Body { .. } | Step::Return { .. } | Step::Finish => {
                self.nest(step)
            }
            Step::End => {
                self.depart();
                Next::completed()
            }
            Step::Fail { reason } => {
                self.depart();
                self.fail(&reason)
            }
        }
    }

    /// Goes where an exit leads; without a way on, back to what runs beneath.
    fn leave_by(&mut self, exit: &str) -> Next {
        match self.at.edge(exit) {
            Some(target) => {
                self.depart();
                self.go(target)
            }
            None => self.come_back(None),
        }
    }

    /// Enters a node, if the step may visit another one.
    pub(super) fn go(&mut self, target: usize) -> Next {
        if self.closes_body(target) {
            return self.come_back(None);
        }
        if self.visits >= self.program.max_visits {
            return self.limit("the step visits too many nodes");
        }
        match self.program.places.get(target) {
            Some(place) => Next::Go(self.enter(place)),
            None => self.fail("the flow does not have the node"),
        }
    }

    pub(super) fn enter(&mut self, place: &'a Place) -> Step {
        self.visits += 1;
        (self.at, self.over) = (place, false);
        self.visit();
        self.state.local = Value::Null;
        self.call(None)
    }

    /// Lets the node decide.
    fn call(&mut self, event: Option<&StepEvent>) -> Step {
        let place = self.at;
        self.with_node(|cx| match event {
            None => place.built.enter(cx),
            Some(event) => place.built.resume(cx, event),
        })
    }

    /// Lets the node do something, and labels the options it sends.
    pub(super) fn with_node<T>(&mut self, work: impl FnOnce(&mut NodeContext<'_>) -> T) -> T {
        let sent = self.effects.len();
        let stride = SEED_STRIDE.wrapping_mul(u64::from(self.visits));
        let seed = self.input.seed.wrapping_add(stride);
        let link = self.input.link.as_ref().filter(|_| self.program.needs_link);
        let link = link.map(|link| link.url(self.state.links));
        let mut cx = NodeContext {
            node: &self.at.id,
            now: self.input.now,
            seed,
            contact: &self.contact,
            agent: &self.input.agent,
            variables: &mut self.state.variables,
            last_text: &self.state.last_text,
            resume_url: link.as_deref(),
            local: &mut self.state.local,
            effects: &mut self.effects,
        };
        let done = work(&mut cx);
        let wanted = self.effects.get_mut(sent..).unwrap_or_default();
        label(wanted, &self.at.id, &mut self.state.prompts, &mut self.state.tag, self.input.seed);
        for effect in wanted {
            if let Effect::UpdateContact { patch } = effect {
                Arc::make_mut(&mut self.contact).apply(patch);
            }
        }
        done
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
    pub(super) fn leave(&mut self) {
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

    /// A limit is met: once in a session the `error` exit may still put things right.
    pub(super) fn limit(&mut self, reason: &str) -> Next {
        self.depart();
        if self.state.spared {
            return self.give_up(reason);
        }
        self.state.spared = true;
        self.visits = 0;
        self.fail(reason)
    }

    /// Takes the variables back to where they were before the step, or, in a flow that began since,
    /// to where they began.
    fn restore_variables(&mut self) {
        let before = self.before.and_then(State::read).filter(|before| {
            before.frames.len() == self.state.frames.len() && before.node.is_some()
        });
        self.state.variables = match before {
            Some(before) => before.variables,
            None => self.program.defaults(self.at.flow),
        };
        if size::weight(&self.state.variables) + self.below > VARIABLES_MAX_BYTES {
            self.state.variables.clear();
        }
    }

    /// Ends a step that was heard, or that only ended a burst.
    pub(super) fn end(mut self, rest: Option<Rest>, unheard: Vec<Content>) -> Outcome {
        let mut rest = rest.unwrap_or(Rest(SessionStatus::Waiting, None));
        if rest.0 != SessionStatus::Waiting
            && let Some(reason) = self.state.failing.take()
        {
            rest = Rest(SessionStatus::Failed, Some(reason));
        }
        Outcome { unheard, ..self.rest(rest) }
    }

    fn rest(mut self, Rest(status, failure): Rest) -> Outcome {
        let waits = status == SessionStatus::Waiting;
        self.state.node = waits.then(|| self.at.id.to_string());
        if !waits {
            self.state.local = Value::Null;
            self.state.frames.clear();
            self.state.early.clear();
        } else if self.counted && self.visits == 0 && self.effects.is_empty() {
            // A node that only waits on must not run out of steps.
            self.state.steps -= 1;
        }
        match self.state.write() {
            Some(state) if state.len() <= STATE_MAX_BYTES => {
                Outcome { state, status, failure, effects: self.effects, unheard: Vec::new() }
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
            unheard: Vec::new(),
        }
    }
}

/// The outcome of a step that cannot be taken.
fn broken(reason: &str) -> Outcome {
    Outcome {
        state: EMPTY_STATE.to_owned(),
        status: SessionStatus::Failed,
        failure: Some(reason.to_owned()),
        effects: Vec::new(),
        unheard: Vec::new(),
    }
}
