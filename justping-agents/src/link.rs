//! Putting flows that are called by their id into the document that calls them.
//!
//! A version is closed under its calls: what it runs does not change when a flow it calls is
//! published anew. So what is called is put in when the caller is published.

use std::collections::BTreeMap;

use justping_core::port::Finding;
use serde_json::{Map, Value};

use crate::check::flow_conflict;
use crate::document::FLOWS_MAX;
use crate::hash::strip_layout;

/// Keys of flows that nodes call and the document does not hold, each once; one more than a document
/// may hold at most.
pub(crate) fn missing(document: &Value) -> Vec<String> {
    let held = document.get("flows").and_then(Value::as_object);
    let inner = held.into_iter().flat_map(Map::values);
    let mut missing: Vec<String> = Vec::new();
    for key in std::iter::once(document).chain(inner).flat_map(called) {
        let is_held = held.is_some_and(|held| held.contains_key(key));
        if !is_held && missing.len() <= FLOWS_MAX && !missing.iter().any(|known| known == key) {
            missing.push(key.to_owned());
        }
    }
    missing
}

/// What the nodes of one flow call.
fn called(flow: &Value) -> impl Iterator<Item = &str> {
    let nodes = flow.get("nodes").and_then(Value::as_array).into_iter().flatten();
    nodes.filter_map(|node| node.get("data")?.get("flow")?.as_str())
}

/// The document with `found` under their keys, and with what those hold themselves.
///
/// # Errors
/// Findings, when two different flows would stand under one key.
pub(crate) fn link(
    document: &Value,
    found: &BTreeMap<String, Value>,
) -> Result<Value, Vec<Finding>> {
    let mut linked = document.clone();
    let Some(root) = linked.as_object_mut() else { return Ok(linked) };
    let flows = root.entry("flows").or_insert_with(|| Value::Object(Map::new()));
    if flows.is_null() {
        *flows = Value::Object(Map::new());
    }
    let Some(flows) = flows.as_object_mut() else { return Ok(linked) };
    let mut findings = Vec::new();
    for (key, called) in found {
        let mut own = called.clone();
        let held = own.as_object_mut().and_then(|own| own.remove("flows"));
        let held = held.as_ref().and_then(Value::as_object).into_iter().flatten();
        let all = held.map(|(key, flow)| (key, flow.clone())).chain([(key, own)]);
        for (inner, flow) in all {
            match flows.get(inner) {
                Some(known) if !means_the_same(known, &flow) => {
                    findings.push(flow_conflict(key, inner));
                }
                Some(_) => {}
                None => drop(flows.insert(inner.clone(), flow)),
            }
        }
    }
    if findings.is_empty() { Ok(linked) } else { Err(findings) }
}

fn means_the_same(one: &Value, other: &Value) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    strip_layout(&mut one);
    strip_layout(&mut other);
    one == other
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Flows;
    use crate::play::{called as flow, document};
    use justping_core::port::{FlowRuntime, Severity};

    fn caller(key: &str) -> Value {
        document(json!([["c", "call_flow", {"flow": key}]]), json!([["start", "next", "c"]]))
    }

    fn saying(text: &str) -> Value {
        document(json!([["t", "text", {"text": text}]]), json!([["start", "next", "t"]]))
    }

    #[test]
    fn what_is_called_is_put_in_with_what_it_calls() {
        let outer = caller("flw_a");
        assert_eq!(missing(&outer), ["flw_a"]);
        let mut middle = caller("flw_b");
        middle["flows"] = json!({"flw_b": saying("inner")});
        assert!(missing(&middle).is_empty());
        let linked = link(&outer, &[("flw_a".to_owned(), middle)].into()).unwrap();
        assert!(missing(&linked).is_empty());
        assert!(linked["flows"]["flw_a"].get("flows").is_none());
        let findings = Flows::new().check(&linked);
        let is_sound = |finding: &Finding| finding.severity != Severity::Error;
        assert!(findings.iter().all(is_sound), "{findings:?}");
        assert!(Flows::new().compile(&linked).is_ok());
    }

    #[test]
    fn two_flows_do_not_share_a_key_unless_they_mean_the_same() {
        let mut outer = caller("flw_a");
        outer["flows"] = json!({"help": flow(json!([["t", "text", {"text": "a"}]]), json!([]))});
        let with = |text: &str| {
            let mut called = caller("help");
            let node = json!([["t", "text", {"text": text}]]);
            called["flows"] = json!({"help": flow(node, json!([]))});
            called["flows"]["help"]["nodes"][0]["position"] = json!({"x": 1, "y": 2});
            link(&outer, &[("flw_a".to_owned(), called)].into())
        };
        assert!(with("a").is_ok());
        let findings = with("b").unwrap_err();
        assert_eq!(findings[0].code, "duplicate_id");
    }

    proptest! {
        #[test]
        fn any_document_is_linked_or_refused(text in "[\\[\\]{}\":a-f,]{0,60}") {
            let shapes = [json!({"flows": 1}), json!([]), json!({"nodes": [{"data": {"flow": 3}}]})];
            let read = serde_json::from_str(&text).unwrap_or(Value::Null);
            for document in shapes.into_iter().chain([read.clone(), json!({"flows": read})]) {
                let _ = missing(&document);
                let _ = link(&document, &[("flw_a".to_owned(), document.clone())].into());
            }
        }
    }
}
