//! Hand-offs that nobody is there for.

use justping_core::port::Finding;

use crate::check::Draft;
use crate::check::finding::{about, code, warning};

const HOURS: &str = "business_hours";
const HANDOFF: &str = "handoff";

/// Where a flow knows hours, hand-offs that can be reached without having found them open.
pub(super) fn out_of_hours(draft: &Draft) -> Vec<Finding> {
    let knows = draft.nodes.iter().any(|node| node.node.kind == HOURS);
    let Some(start) = draft.trigger.filter(|_| knows) else { return Vec::new() };
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); draft.nodes.len()];
    for edge in &draft.edges {
        let source = draft.nodes.get(edge.source);
        let is_open = edge.exit == "open" && source.is_some_and(|node| node.node.kind == HOURS);
        if let Some(list) = next.get_mut(edge.source).filter(|_| !is_open) {
            list.push(edge.target);
        }
    }
    for (node, list) in draft.nodes.iter().zip(&mut next) {
        let jumps = node.built.iter().flat_map(|built| built.jumps());
        list.extend(jumps.filter_map(|jump| draft.ids.get(&jump).copied()));
    }
    let seen = super::super::graph::reachable(&next, start);
    let late = draft
        .nodes
        .iter()
        .zip(seen)
        .filter(|(node, seen)| *seen && node.node.kind == HANDOFF && node.built.is_some());
    late.map(|(node, _)| {
        let message = "people may be handed the conversation while they are away";
        let path = format!("/nodes/{}", node.at);
        about(&node.node.id, warning(code::HANDOFF_OUT_OF_HOURS, path, message))
    })
    .collect()
}
