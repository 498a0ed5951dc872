//! Events of others, by name or by the session's link.
//!
//! A link has a number and is good for one wait: when that ends, in whatever way, the number moves
//! on. An event that comes before its node waits is kept, so that who is quick is not lost.

use justping_core::model::Signal;
use justping_core::port::{Awaited, Expectation, StepEvent};
use serde_json::Value;

use super::run::Run;
use super::state::{Early, State};
use super::{FlowProgram, Place};
use crate::size;

/// Most outside events kept for nodes that do not wait yet.
pub const EARLY_MAX: usize = 8;
/// Most bytes of such events together, counted as the texts and names they hold.
pub const EARLY_BYTES_MAX: usize = 32 * 1024;

/// What an event would be to a session with this state.
pub(super) fn expects(program: &FlowProgram, state: &str, signal: &Signal) -> Expectation {
    let Some(state) = State::read(state) else { return Expectation::Over };
    let at = state.node.as_deref().and_then(|node| program.place(node));
    match at {
        Some(_) => expectation(program, &state, at, signal),
        None => Expectation::Over,
    }
}

/// What an event is to a session at a node.
pub(super) fn expectation(
    program: &FlowProgram,
    state: &State,
    at: Option<&Place>,
    signal: &Signal,
) -> Expectation {
    if let Signal::Link(number) = signal
        && (*number != state.links || state.early.iter().any(|early| early.0 == *signal))
    {
        return Expectation::Over;
    }
    let awaits = |place: &Place| place.built.awaits().is_some_and(|awaited| takes(awaited, signal));
    // What was sent before is answered first, so nothing that is gathered may be overtaken.
    if state.burst.is_none() && at.is_some_and(awaits) {
        Expectation::Awaited
    } else if program.places.iter().any(awaits) {
        Expectation::Early
    } else {
        Expectation::Over
    }
}

fn takes(awaited: Awaited<'_>, signal: &Signal) -> bool {
    match signal {
        Signal::Name(name) => awaited.takes(name),
        Signal::Link(_) => awaited.link,
    }
}

impl Run<'_> {
    /// Keeps an event for the node that will wait for it; `false` when there is no room.
    pub(super) fn keep(&mut self, signal: &Signal, data: &Value) -> bool {
        let kept: usize = self.state.early.iter().map(|early| size::weigh(&early.1)).sum();
        let fits = self.state.early.len() < EARLY_MAX
            && kept.saturating_add(size::weigh(data)) <= EARLY_BYTES_MAX;
        if fits {
            self.state.early.push(Early(signal.clone(), data.clone()));
        }
        fits
    }

    /// Takes the first kept event that the node, which is about to wait, waits for.
    pub(super) fn kept(&mut self) -> Option<StepEvent> {
        let links = self.state.links;
        self.state.early.retain(|early| !matches!(early.0, Signal::Link(number) if number < links));
        let awaited = self.at.built.awaits()?;
        let at = self.state.early.iter().position(|early| takes(awaited, &early.0))?;
        let Early(signal, data) = self.state.early.remove(at);
        Some(StepEvent::Outside { signal, data })
    }
}
