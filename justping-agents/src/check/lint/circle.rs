//! Circles that wait nowhere, not even in the flows they call.
//!
//! A node that calls a flow waits when every way through that flow does. Which flows have a way
//! without a wait is the least answer that fits: nothing is taken for one until it is found, so a
//! flow that calls itself has no way through but past that call.

use std::collections::HashMap;

use justping_core::port::Finding;

use crate::check::finding::code;
use crate::check::flow::{circle, successors};
use crate::check::graph::{Successors, cycles};
use crate::check::read::ERROR_EXIT;
use crate::check::{Draft, DraftEdge, DraftNode};

/// A type of node that walks an exit, its body, once an item and then goes on by another one.
const LOOP: &str = "foreach";
/// The exit that leads to the body, from whose end sessions come back to the node.
const BODY: &str = "each";
/// Types of nodes that end the flow they stand in.
const ENDS: [&str; 2] = ["end", "return"];

/// For each flow of a document, in the order of [`Draft::all`], the circles that are only seen by
/// looking into calls and loops.
pub(super) fn endless(draft: &Draft) -> Vec<Vec<Finding>> {
    // The document's own flow is the first, and nobody calls it.
    let keys = draft.flows.iter().map(|(key, _)| key.as_str()).zip(1..);
    let places: HashMap<&str, usize> = keys.collect();
    let flows: Vec<Flow<'_>> = draft.all().map(|(_, one)| Flow::of(one, &places)).collect();
    let passable = passable(&flows);
    flows.iter().map(|flow| flow.circles(&passable)).collect()
}

/// Says of each flow whether there is a way through it that waits nowhere. Each round but the last
/// finds one more, so there are no more rounds than flows, and one.
fn passable(flows: &[Flow<'_>]) -> Vec<bool> {
    let mut known = vec![false; flows.len()];
    loop {
        let found: Vec<bool> = flows.iter().map(|flow| flow.is_passable(&known)).collect();
        if found == known {
            return found;
        }
        known = found;
    }
}

/// A flow as far as it matters how one gets through it.
struct Flow<'a> {
    draft: &'a Draft,
    stops: Vec<Stop>,
    /// Where nodes lead; from loops, not to their bodies.
    next: Successors,
}

/// What a node means to a session that is not to wait.
struct Stop {
    kind: Kind,
    /// Whether the flow may end here, so that its caller goes on.
    ends: bool,
}

enum Kind {
    /// It goes on.
    Passed,
    /// It goes on behind the last item.
    Loop,
    /// It goes on when one of these flows has ended.
    Calls(Vec<usize>),
    /// It waits.
    Waits,
}

impl<'a> Flow<'a> {
    fn of(draft: &'a Draft, places: &HashMap<&str, usize>) -> Self {
        let mut taken: Vec<Vec<&str>> = vec![Vec::new(); draft.nodes.len()];
        for edge in &draft.edges {
            if let Some(exits) = taken.get_mut(edge.source) {
                exits.push(&edge.exit);
            }
        }
        let stops: Vec<Stop> = draft
            .nodes
            .iter()
            .zip(taken)
            .map(|(node, taken)| Stop { kind: Kind::of(node, places), ends: ends(node, &taken) })
            .collect();
        let is_loop = |at| stops.get(at).is_some_and(|stop: &Stop| matches!(stop.kind, Kind::Loop));
        let next = successors(draft, |edge: &DraftEdge| edge.exit != BODY || !is_loop(edge.source));
        Self { draft, stops, next }
    }

    /// Says whether there is a way from its start to an end of it, past calls of the flows that are
    /// known to have one.
    fn is_passable(&self, known: &[bool]) -> bool {
        let mut seen = vec![false; self.stops.len()];
        let mut open: Vec<usize> = self.draft.trigger.into_iter().collect();
        while let Some(at) = open.pop() {
            let Some((stop, seen)) = self.stops.get(at).zip(seen.get_mut(at)) else { continue };
            if std::mem::replace(seen, true) || !stop.kind.is_passed(known) {
                continue;
            }
            if stop.ends {
                return true;
            }
            open.extend(self.next.get(at).into_iter().flatten());
        }
        false
    }

    fn circles(&self, passable: &[bool]) -> Vec<Finding> {
        let within: Vec<bool> =
            self.stops.iter().map(|stop| stop.kind.is_passed(passable)).collect();
        let groups = cycles(&self.next, &within).into_iter();
        let hidden = groups
            .filter_map(|group| circle(self.draft, &group, code::HIDDEN_CYCLE, self.why(&group)?));
        hidden.collect()
    }

    /// What a circle lacks; `None` when it is seen without looking into calls and loops.
    fn why(&self, group: &[usize]) -> Option<&'static str> {
        let kinds = || group.iter().filter_map(|at| self.stops.get(*at)).map(|stop| &stop.kind);
        if kinds().any(|kind| matches!(kind, Kind::Calls(_))) {
            return Some("waits nowhere, nor need the flows it calls,");
        }
        kinds().any(|kind| matches!(kind, Kind::Loop)).then_some("never waits")
    }
}

impl Kind {
    fn of(node: &DraftNode, places: &HashMap<&str, usize>) -> Self {
        let Some(built) = &node.built else { return Self::Waits };
        let flows = built.flows();
        if !flows.is_empty() {
            let places = flows.iter().filter_map(|(key, _)| places.get(key.as_str()).copied());
            return Self::Calls(places.collect());
        }
        match built.suspends() {
            true if node.node.kind == LOOP => Self::Loop,
            true => Self::Waits,
            false => Self::Passed,
        }
    }

    fn is_passed(&self, known: &[bool]) -> bool {
        match self {
            Self::Passed | Self::Loop => true,
            Self::Calls(flows) => flows.iter().any(|at| known.get(*at) == Some(&true)),
            Self::Waits => false,
        }
    }
}

/// Says whether a flow may end at a node: it is one for that, or an exit leads nowhere. An error
/// that leads nowhere is one of the caller.
fn ends(node: &DraftNode, taken: &[&str]) -> bool {
    let loose = |exit: &String| exit != ERROR_EXIT && exit != BODY && !taken.contains(&&**exit);
    ENDS.contains(&&*node.node.kind) || node.exits.iter().any(loose)
}
