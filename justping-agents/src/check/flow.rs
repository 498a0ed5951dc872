//! What can only be seen in the whole graph.

use std::collections::HashSet;

use justping_core::port::Finding;

use super::finding::{about, code, error, warning};
use super::graph::{Successors, cycles, reachable};
use super::{Draft, DraftEdge, DraftNode, TRIGGER};

/// Node ids a message lists at most.
const LISTED_MAX: usize = 5;

/// Checks the graph of a document's own flow.
pub(super) fn check(draft: &mut Draft) {
    trigger(draft);
    graph(draft);
}

/// Checks the graph of a flow that others call, which starts at its first node when it has no
/// trigger.
pub(super) fn check_called(draft: &mut Draft) {
    if draft.nodes.iter().any(|node| node.node.kind == TRIGGER) || draft.nodes.is_empty() {
        trigger(draft);
    } else {
        draft.trigger = Some(0);
    }
    graph(draft);
}

fn graph(draft: &mut Draft) {
    let successors = successors(draft, |_| true);
    lost_jumps(draft);
    endless(draft, &successors);
    unreachable(draft, &successors);
    loose_exits(draft);
}

fn trigger(draft: &mut Draft) {
    let is_trigger = |(_, node): &(usize, &DraftNode)| node.node.kind == TRIGGER;
    let found: Vec<usize> =
        draft.nodes.iter().enumerate().filter(is_trigger).map(|(at, _)| at).collect();
    draft.trigger = found.first().copied();
    if found.is_empty() {
        let message = "a flow needs a trigger to start with";
        draft.findings.push(error(code::MISSING_TRIGGER, "/nodes", message));
    }
    for node in found.iter().skip(1).filter_map(|at| draft.nodes.get(*at)) {
        let message = "a flow has only one trigger";
        let finding = error(code::MULTIPLE_TRIGGERS, format!("/nodes/{}", node.at), message);
        draft.findings.push(about(&node.node.id, finding));
    }
}

/// Where each node leads, by jumps and by the edges that `by` admits.
pub(super) fn successors(draft: &Draft, by: impl Fn(&DraftEdge) -> bool) -> Successors {
    let mut successors: Successors = vec![Vec::new(); draft.nodes.len()];
    for edge in draft.edges.iter().filter(|edge| by(edge)) {
        if let Some(next) = successors.get_mut(edge.source) {
            next.push(edge.target);
        }
    }
    for (node, next) in draft.nodes.iter().zip(&mut successors) {
        let jumps = node.built.iter().flat_map(|built| built.jumps());
        next.extend(jumps.filter_map(|jump| draft.ids.get(&jump).copied()));
    }
    successors
}

/// Reports jumps to nowhere.
fn lost_jumps(draft: &mut Draft) {
    let mut findings = Vec::new();
    for node in &draft.nodes {
        let jumps = node.built.iter().flat_map(|built| built.jumps());
        for jump in jumps.filter(|jump| !draft.ids.contains_key(jump)) {
            let message = format!("there is no node `{jump}` to jump to");
            let finding = error(code::UNKNOWN_JUMP, format!("/nodes/{}/data", node.at), message);
            findings.push(about(&node.node.id, finding));
        }
    }
    draft.findings.append(&mut findings);
}

fn endless(draft: &mut Draft, successors: &Successors) {
    let never_waits = |node: &DraftNode| node.built.as_ref().is_some_and(|built| !built.suspends());
    let within: Vec<bool> = draft.nodes.iter().map(never_waits).collect();
    let groups = cycles(successors, &within);
    let circle = |group: &Vec<usize>| circle(draft, group, code::ENDLESS_CYCLE, "never waits");
    let findings: Vec<Finding> = groups.iter().filter_map(circle).collect();
    draft.findings.extend(findings);
}

/// The finding about nodes that lead to one another, which says why that never ends.
pub(super) fn circle(draft: &Draft, group: &[usize], code: &str, why: &str) -> Option<Finding> {
    let nodes: Vec<&DraftNode> = group.iter().filter_map(|at| draft.nodes.get(*at)).collect();
    let first = nodes.first()?;
    let ids: Vec<&str> = nodes.iter().take(LISTED_MAX).map(|node| node.node.id.as_str()).collect();
    let more = if nodes.len() > LISTED_MAX { ", …" } else { "" };
    let message = format!("{why} and leads back to itself: {}{more}", ids.join(", "));
    let finding = error(code, format!("/nodes/{}", first.at), message);
    Some(about(&first.node.id, finding))
}

fn unreachable(draft: &mut Draft, successors: &Successors) {
    let Some(start) = draft.trigger else { return };
    let mut seen = reachable(successors, start);
    for root in &draft.roots {
        let more = reachable(successors, *root);
        seen.iter_mut().zip(more).for_each(|(seen, more)| *seen |= more);
    }
    for (node, seen) in draft.nodes.iter().zip(seen) {
        if !seen && node.node.kind != TRIGGER {
            let message = "no way leads here";
            let finding = warning(code::UNREACHABLE_NODE, format!("/nodes/{}", node.at), message);
            draft.findings.push(about(&node.node.id, finding));
        }
    }
}

/// Reports ways out that contacts are bound to take and that lead nowhere.
fn loose_exits(draft: &mut Draft) {
    let connected: HashSet<(usize, &str)> =
        draft.edges.iter().map(|edge| (edge.source, edge.exit.as_str())).collect();
    let mut findings = Vec::new();
    for (at, node) in draft.nodes.iter().enumerate() {
        let loose = |exit: &str| {
            node.exits.iter().any(|known| known == exit) && !connected.contains(&(at, exit))
        };
        let other = loose("default") && !connected.contains(&(at, "invalid"))
            || loose("invalid") && !connected.contains(&(at, "default"));
        let timeout = loose("timeout");
        let what = match (other, timeout) {
            (false, false) => continue,
            (true, false) => "an answer that fits nothing ends the session",
            (false, true) => "the timeout ends the session",
            (true, true) => "the timeout and an answer that fits nothing end the session",
        };
        let finding = warning(code::MISSING_DEFAULT, format!("/nodes/{}", node.at), what);
        findings.push(about(&node.node.id, finding));
    }
    draft.findings.append(&mut findings);
}
