//! Words that start flows.

use justping_core::model::Content;
use justping_core::policy::consent_word;
use justping_core::port::{Finding, Patch};
use serde_json::Value;

use crate::check::finding::{about, code, error};
use crate::check::{Draft, TRIGGER};
use crate::node::Matcher;

/// Keywords of a trigger, with their places.
fn keywords(data: &Value) -> impl Iterator<Item = (usize, &str)> {
    let heard = data.get("on").and_then(Value::as_str) == Some("keywords");
    let words = data.get("keywords").and_then(Value::as_array).filter(|_| heard);
    let words = words.into_iter().flatten().enumerate();
    words.filter_map(|(at, word)| Some((at, word.as_str()?)))
}

/// Keywords that no flow ever hears: the contact asks for silence, or for speech.
pub(super) fn opt_out(draft: &Draft) -> Vec<Finding> {
    let mut findings = Vec::new();
    let triggers = draft.nodes.iter().filter(|node| node.node.kind == TRIGGER);
    for node in triggers.filter(|node| node.built.is_some()) {
        let all = keywords(&node.node.data).count();
        for (at, word) in keywords(&node.node.data) {
            if consent_word(word).is_none() {
                continue;
            }
            let path = format!("/nodes/{}/data/keywords/{at}", node.at);
            let message = format!("`{word}` always says whether to write at all; no flow hears it");
            let mut finding =
                about(&node.node.id, error(code::OPT_OUT_TRIGGER, path.clone(), message));
            if all > 1 {
                finding.fix = vec![Patch::Remove { path }];
            }
            findings.push(finding);
        }
    }
    findings
}

/// Triggers of flows that are asked in this order, of which an earlier one takes the words of a
/// later one; each finding with the place of the later flow.
pub(in crate::check) fn competing(flows: &[(&str, &Value)]) -> Vec<(usize, Finding)> {
    let triggers: Vec<Option<(usize, &str, &Value)>> =
        flows.iter().map(|(_, document)| trigger(document)).collect();
    let mut findings = Vec::new();
    for (at, later) in triggers.iter().enumerate() {
        let Some((place, id, data)) = later else { continue };
        let earlier = || {
            let pairs = flows.iter().zip(&triggers).take(at);
            pairs.filter_map(|((name, _), found)| Some((*name, Matcher::of(found.as_ref()?.2))))
        };
        let base = format!("/nodes/{place}/data");
        let mut words = keywords(data).peekable();
        if words.peek().is_none() {
            let other = earlier().find(|(_, matcher)| matcher.hears_all());
            findings.extend(other.map(|(name, _)| {
                let message = format!("the flow `{name}` starts on every message before this one");
                (at, about(id, error(code::COMPETING_TRIGGERS, base.clone(), message)))
            }));
        }
        for (index, word) in words {
            let content = Content::text(word);
            let Some((name, _)) = earlier().find(|(_, matcher)| matcher.matches(&content)) else {
                continue;
            };
            let path = format!("{base}/keywords/{index}");
            let message = format!("the flow `{name}` hears `{word}` before this one");
            findings.push((at, about(id, error(code::COMPETING_TRIGGERS, path, message))));
        }
    }
    findings
}

/// The trigger of a document: its place, its id and its configuration.
fn trigger(document: &Value) -> Option<(usize, &str, &Value)> {
    let mut nodes = document.get("nodes")?.as_array()?.iter().enumerate();
    let (at, node) =
        nodes.find(|(_, node)| node.get("type").and_then(Value::as_str) == Some(TRIGGER))?;
    let id = node.get("id").and_then(Value::as_str).unwrap_or_default();
    Some((at, id, node.get("data").unwrap_or(&Value::Null)))
}
