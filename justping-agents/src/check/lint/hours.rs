//! Hand-offs that nobody is there for.

use justping_core::port::Finding;

use crate::check::Draft;
use crate::check::finding::{about, code, warning};
use crate::check::flow::successors;
use crate::check::graph::reachable;

const HOURS: &str = "business_hours";
const HANDOFF: &str = "handoff";

/// Where a flow knows hours, hand-offs that can be reached without having found them open.
pub(super) fn out_of_hours(draft: &Draft) -> Vec<Finding> {
    let knows = draft.nodes.iter().any(|node| node.node.kind == HOURS);
    let Some(start) = draft.trigger.filter(|_| knows) else { return Vec::new() };
    let is_hours = |at: usize| draft.nodes.get(at).is_some_and(|node| node.node.kind == HOURS);
    let next = successors(draft, |edge| edge.exit != "open" || !is_hours(edge.source));
    let seen = reachable(&next, start);
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
