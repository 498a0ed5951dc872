//! Called flows, bodies and interruptions: what runs above what.

use std::mem;

use justping_core::port::{Returned, Step};
use serde_json::{Map, Value};

use super::run::{Next, Run};
use super::state::{Frame, Why};
use super::words::{Intent, SessionWord, Target};
use super::{ERROR_EXIT, MAIN};

/// Most things under way above one another: called flows, bodies and interruptions.
pub const FRAMES_MAX: usize = 8;

/// The exit of a node that was interrupted and is not to be asked again.
const INTERRUPTED_EXIT: &str = "interrupted";

impl<'a> Run<'a> {
    /// Calls a flow for the node.
    pub(super) fn run_flow(&mut self, key: &str, given: Map<String, Value>) -> Next {
        self.leave();
        let Some(flow) = self.program.flow(key) else {
            return self.fail("the document does not have the flow to call");
        };
        if !self.push(Why::Call, Some(flow)) {
            return self.limit("too many flows are under way");
        }
        self.state.variables.extend(given);
        self.start_of(flow)
    }

    /// Walks what an exit of the node leads to.
    pub(super) fn run_body(&mut self, exit: &str) -> Next {
        self.leave();
        let target = self.at.edge(exit);
        if !self.push(Why::Body, None) {
            return self.limit("too many flows are under way");
        }
        match target {
            Some(target) => self.go(target),
            None => self.come_back(None),
        }
    }

    /// Says whether going to a node means going back to it: its body leads to itself.
    pub(super) fn closes_body(&self, target: usize) -> bool {
        let place = self.program.places.get(target);
        self.state
            .frames
            .last()
            .zip(place)
            .is_some_and(|(frame, place)| frame.why == Why::Body && *frame.node == *place.id)
    }

    /// Ends what runs above the innermost frame and goes on beneath; without one, the session ends.
    pub(super) fn come_back(&mut self, exit: Option<String>) -> Next {
        self.depart();
        let Some((why, variables)) = self.pop() else { return Next::completed() };
        if self.visits >= self.program.max_visits {
            return self.limit("the step visits too many nodes");
        }
        self.visits += 1;
        self.visit();
        match why {
            Why::Call | Why::Body => {
                let back = Returned { exit, variables };
                let place = self.at;
                Next::Go(self.with_node(|cx| place.built.returned(cx, &back)))
            }
            Why::Interruption => match self.at.edge(INTERRUPTED_EXIT) {
                Some(target) => {
                    self.depart();
                    self.go(target)
                }
                None => {
                    let place = self.at;
                    Next::Go(self.with_node(|cx| place.built.again(cx)))
                }
            },
        }
    }

    /// Ends the flow the node stands in, with the bodies in it.
    pub(super) fn finish(&mut self) -> Next {
        self.depart();
        while self.state.frames.last().is_some_and(|frame| frame.why == Why::Body) {
            self.pop();
        }
        self.come_back(None)
    }

    /// Goes where a session word says.
    pub(super) fn follow_word(&mut self, word: &SessionWord) -> Next {
        self.go_home();
        if word.anew {
            self.state.variables = self.program.defaults(MAIN);
        }
        self.go(word.place)
    }

    /// Lets an intent go first.
    pub(super) fn interrupt(&mut self, intent: &Intent) -> Next {
        if intent.resume {
            self.leave();
            let flow = match intent.target {
                Target::Flow(flow) => Some(flow),
                Target::Node(_) => (self.at.flow != MAIN).then_some(MAIN),
            };
            // There is room: otherwise the intent was not heard.
            self.push(Why::Interruption, flow);
        } else {
            self.go_home();
        }
        self.go_to(intent.target)
    }

    /// Goes to a target with the variables that are there, or those of another flow at its start.
    pub(super) fn go_to(&mut self, target: Target) -> Next {
        match target {
            Target::Node(place) => self.go(place),
            Target::Flow(flow) => {
                if !self.runs_above() {
                    self.state.variables = self.program.defaults(flow);
                }
                self.start_of(flow)
            }
        }
    }

    /// Whether the innermost frame is an interruption, whose flow has its variables already.
    fn runs_above(&self) -> bool {
        self.state.frames.last().is_some_and(|frame| frame.why == Why::Interruption)
    }

    fn start_of(&mut self, flow: usize) -> Next {
        match self.program.flows.get(flow) {
            Some(graph) => self.go(graph.start),
            None => self.fail("the document does not have the flow"),
        }
    }

    /// Takes the `error` exit, of the node or of what called its flow, or gives the session up.
    pub(super) fn fail(&mut self, reason: &str) -> Next {
        let mut interrupted = false;
        loop {
            if !interrupted && let Some(target) = self.at.edge(ERROR_EXIT) {
                return self.go(target);
            }
            match self.pop() {
                // The failure is not the one of the node that was interrupted.
                Some((why, _)) => {
                    interrupted = why == Why::Interruption;
                    self.depart();
                }
                None => return self.give_up(reason),
            }
        }
    }

    /// Runs what the document has for errors, once; then the session fails.
    pub(super) fn give_up(&mut self, reason: &str) -> Next {
        self.go_home();
        match self.program.on_error {
            Some(target) if self.state.failing.is_none() => {
                self.state.failing = Some(reason.to_owned());
                self.visits = 0;
                self.go_to(target)
            }
            _ => Next::failed(reason),
        }
    }

    /// Drops whatever is under way, down to the document's own flow and its variables.
    fn go_home(&mut self) {
        self.depart();
        while self.pop().is_some() {
            self.depart();
        }
        if self.at.flow != MAIN {
            self.state.variables = self.program.defaults(MAIN);
        }
    }

    /// Whether a flow is the innermost one or waits for another.
    pub(super) fn is_under_way(&self, flow: usize) -> bool {
        let runs = |frame: &Frame| self.program.place(&frame.node).map(|place| place.flow);
        self.at.flow == flow || self.state.frames.iter().any(|frame| runs(frame) == Some(flow))
    }

    /// Drops what is under way above a flow.
    pub(super) fn drop_to(&mut self, flow: usize) {
        while self.at.flow != flow && self.pop().is_some() {
            self.depart();
        }
    }

    /// Puts a frame above the node; with a flow, that flow's variables become the current ones.
    fn push(&mut self, why: Why, flow: Option<usize>) -> bool {
        if self.state.frames.len() >= FRAMES_MAX {
            return false;
        }
        let variables = flow.map(|flow| {
            // The document's own flow goes on with the variables it has.
            let lent = (flow == MAIN).then(|| self.state.main_variables().map(mem::take)).flatten();
            let inner = lent.unwrap_or_else(|| self.program.defaults(flow));
            mem::replace(&mut self.state.variables, inner)
        });
        let local = mem::take(&mut self.state.local);
        let node = self.at.id.to_string();
        self.state.frames.push(Frame { node, local, variables, why });
        self.below = self.state.weight_below();
        true
    }

    /// Takes the innermost frame off and stands at its node again; gives the variables of the flow
    /// that ran above. A frame whose node is gone is passed by.
    fn pop(&mut self) -> Option<(Why, Map<String, Value>)> {
        loop {
            let frame = self.state.frames.pop()?;
            let mut inner = Map::new();
            if let Some(outer) = frame.variables {
                inner = mem::replace(&mut self.state.variables, outer);
                if self.at.flow == MAIN
                    && let Some(main) = self.state.main_variables()
                {
                    *main = mem::take(&mut inner);
                }
            }
            self.state.local = frame.local;
            self.below = self.state.weight_below();
            if let Some(place) = self.program.place(&frame.node) {
                (self.at, self.over) = (place, false);
                return Some((frame.why, inner));
            }
        }
    }

    /// Stops waiting and goes on from the node for good: the wait for a link is over.
    pub(super) fn depart(&mut self) {
        self.leave();
        if self.at.built.awaits().is_some_and(|awaited| awaited.link) && !self.over {
            self.state.links = self.state.links.saturating_add(1);
            self.over = true;
        }
    }

    /// Does what a node decided about flows.
    pub(super) fn nest(&mut self, step: Step) -> Next {
        match step {
            Step::Run { flow, variables } => self.run_flow(&flow, variables),
            Step::Body { exit } => self.run_body(&exit),
            Step::Return { exit } => self.come_back(exit),
            _ => self.finish(),
        }
    }
}
