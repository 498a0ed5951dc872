//! Ways of writing flows that go wrong sooner or later.

use std::collections::HashSet;

use justping_core::port::{Finding, Patch};
use serde_json::{Value, json};

use crate::check::finding::{about, code, warning};
use crate::check::{Draft, DraftNode, NOTE};

/// Types of nodes that ask and may be told how long to wait.
const QUESTIONS: [&str; 4] = ["buttons", "list", "input", "csat"];
/// How long to wait for an answer when nobody says: a day.
const TIMEOUT_MINUTES: u64 = 24 * 60;
/// The beginning of the types of nodes that ask a model.
const MODEL: &str = "ai_";
/// Exits that a model's node takes when there is no answer.
const FAILURES: [&str; 2] = ["error", "budget"];

/// Every bad habit of a document.
pub(super) fn all(draft: &Draft) -> Vec<Finding> {
    let connected: HashSet<(usize, &str)> =
        draft.edges.iter().map(|edge| (edge.source, edge.exit.as_str())).collect();
    let mut findings = Vec::new();
    for (at, node) in draft.nodes.iter().enumerate().filter(|(_, node)| node.built.is_some()) {
        let leads = |exit: &str| connected.contains(&(at, exit));
        findings.extend(unfinished(node));
        findings.extend(waits_forever(node));
        findings.extend(no_fallback(node, &leads));
    }
    findings
}

fn unfinished(node: &DraftNode) -> Option<Finding> {
    let is_unfinished = node.node.data.get("unfinished") == Some(&Value::Bool(true));
    (node.node.kind == NOTE && is_unfinished).then(|| {
        let text = node.node.data.get("text").and_then(Value::as_str).unwrap_or_default();
        let message = format!("something is yet to be built here: {text}");
        about(&node.node.id, warning(code::UNFINISHED, format!("/nodes/{}", node.at), message))
    })
}

fn waits_forever(node: &DraftNode) -> Option<Finding> {
    let data = node.node.data.as_object()?;
    let asks = QUESTIONS.contains(&node.node.kind.as_str());
    if !asks || data.contains_key("timeout_minutes") {
        return None;
    }
    let path = format!("/nodes/{}/data", node.at);
    let message = "a contact who never answers keeps the session waiting for ever";
    let mut finding = about(&node.node.id, warning(code::WAITS_FOREVER, path.clone(), message));
    let (path, value) = (format!("{path}/timeout_minutes"), json!(TIMEOUT_MINUTES));
    finding.fix = vec![Patch::Add { path, value }];
    Some(finding)
}

fn no_fallback(node: &DraftNode, leads: &dyn Fn(&str) -> bool) -> Option<Finding> {
    if !node.node.kind.starts_with(MODEL) {
        return None;
    }
    let loose = |exit: &&str| {
        let has = *exit == "error" || node.exits.iter().any(|known| known == exit);
        has && !leads(exit)
    };
    let loose: Vec<&str> = FAILURES.iter().copied().filter(|exit| loose(exit)).collect();
    (!loose.is_empty()).then(|| {
        let message = format!("leads nowhere when there is no answer: {}", loose.join(", "));
        about(&node.node.id, warning(code::NO_FALLBACK, format!("/nodes/{}", node.at), message))
    })
}
