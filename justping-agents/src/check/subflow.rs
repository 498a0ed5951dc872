//! The flows a document's nodes call.

use std::collections::HashMap;

use justping_core::port::Finding;
use serde_json::Value;

use super::finding::{about, code, error, warning};
use super::graph::{Successors, cycles};
use super::{Draft, flow, read};
use crate::document::{FLOW_KEY_MAX_BYTES, FLOWS_MAX, is_flow_key};
use crate::program::address;
use crate::registry::Registry;

/// Reads and checks the flows, and what calls them.
pub(super) fn check(draft: &mut Draft, registry: &Registry, document: &Value) {
    match document.get("flows") {
        None | Some(Value::Null) => {}
        Some(Value::Object(flows)) => {
            if flows.len() > FLOWS_MAX {
                let message = format!("a flow calls at most {FLOWS_MAX} others");
                draft.findings.push(error(code::TOO_LARGE, "/flows", message));
            }
            for (key, flow) in flows.iter().take(FLOWS_MAX) {
                add(draft, registry, key, flow);
            }
        }
        Some(_) => {
            let message = "`flows` must be an object";
            draft.findings.push(error(code::SCHEMA_INVALID, "/flows", message));
        }
    }
    let mut findings = calls(draft);
    findings.extend(recursion(draft));
    draft.findings.append(&mut findings);
}

fn add(draft: &mut Draft, registry: &Registry, key: &str, value: &Value) {
    if !is_flow_key(key) {
        let message =
            format!("the key of a flow is 1 to {FLOW_KEY_MAX_BYTES} letters, digits, `_` or `-`");
        draft.findings.push(error(code::SCHEMA_INVALID, "/flows", message));
        return;
    }
    let base = format!("/flows/{key}");
    if !value.is_object() {
        draft.findings.push(error(code::SCHEMA_INVALID, base, "a flow is a JSON object"));
        return;
    }
    if value.get("flows").and_then(Value::as_object).is_some_and(|flows| !flows.is_empty()) {
        let message = "flows are looked for at the top of the document, not here";
        draft.findings.push(warning(code::IGNORED, format!("{base}/flows"), message));
    }
    let mut sub = Draft::default();
    read::variables(&mut sub, value);
    read::nodes(&mut sub, registry, value);
    read::edges(&mut sub, value);
    flow::check_called(&mut sub);
    let findings = std::mem::take(&mut sub.findings).into_iter();
    draft.findings.extend(findings.map(|finding| {
        let path = format!("{base}{}", finding.path);
        Finding { path, ..finding }
    }));
    for node in &sub.nodes {
        let id = address(Some(key), &node.node.id);
        if draft.ids.contains_key(&*id) {
            let message = format!("the document's own flow has a node called `{id}`");
            let finding =
                error(code::DUPLICATE_ID, format!("{base}/nodes/{}/id", node.at), message);
            draft.findings.push(about(&node.node.id, finding));
        }
    }
    draft.flows.push((key.to_owned(), sub));
}

/// Reports calls of flows that are not there, and what they are given in vain.
fn calls(draft: &Draft) -> Vec<Finding> {
    let known: HashMap<&str, &Draft> =
        draft.flows.iter().map(|(key, flow)| (key.as_str(), flow)).collect();
    let mut findings = Vec::new();
    for (base, flow) in draft.all() {
        for node in &flow.nodes {
            let path = format!("{base}/nodes/{}/data", node.at);
            for (key, given) in node.built.iter().flat_map(|built| built.flows()) {
                let Some(called) = known.get(key.as_str()) else {
                    let message = format!("there is no flow `{key}`");
                    let finding = error(code::UNKNOWN_FLOW, path.clone(), message);
                    findings.push(about(&node.node.id, finding));
                    continue;
                };
                let declared = |name: &String| called.variables.iter().any(|v| v.name == *name);
                for name in given.iter().filter(|name| !declared(name)) {
                    let message = format!("the flow `{key}` declares no variable `{name}`");
                    let finding = warning(code::UNKNOWN_VARIABLE, path.clone(), message);
                    findings.push(about(&node.node.id, finding));
                }
            }
        }
    }
    findings
}

/// Reports flows that call themselves, by themselves or through others.
fn recursion(draft: &Draft) -> Vec<Finding> {
    let places: HashMap<&str, usize> =
        draft.flows.iter().enumerate().map(|(at, (key, _))| (key.as_str(), at)).collect();
    let called = |flow: &Draft| -> Vec<usize> {
        let keys = flow.nodes.iter().flat_map(|node| node.built.iter()).flat_map(|b| b.flows());
        keys.filter_map(|(key, _)| places.get(key.as_str()).copied()).collect()
    };
    let successors: Successors = draft.flows.iter().map(|(_, flow)| called(flow)).collect();
    let all = vec![true; successors.len()];
    let groups = cycles(&successors, &all);
    let first = groups.iter().filter_map(|group| draft.flows.get(*group.first()?));
    first
        .map(|(key, _)| {
            let message = format!("the flow `{key}` calls itself, by itself or through others");
            warning(code::RECURSIVE_FLOW, format!("/flows/{key}"), message)
        })
        .collect()
}
