use justping_core::port::{Finding, FlowRuntime, Severity};
use serde_json::{Value, json};

use super::code;
use crate::Flows;
use crate::document::SCHEMA;
use crate::play::document;

/// Findings as `code path`, those of severity error with a `!`.
fn check(document: &Value) -> Vec<String> {
    let words = |finding: &Finding| {
        let mark = if finding.severity == Severity::Error { "!" } else { "" };
        format!("{mark}{} {}", finding.code, finding.path)
    };
    Flows::new().check(document).iter().map(words).collect()
}

fn flow(nodes: Value, edges: Value) -> Vec<String> {
    check(&document(nodes, edges))
}

fn text(id: &str) -> Value {
    json!([id, "text", {"text": "x"}])
}

#[test]
fn a_sound_flow_has_no_findings() {
    let found = flow(json!([text("a")]), json!([["start", "next", "a"]]));
    assert_eq!(found, Vec::<String>::new());
    let lead: Value = serde_json::from_str(include_str!("../../fixtures/lead-gen-5.json")).unwrap();
    let all_warn = Flows::new().check(&lead).iter().all(|f| f.severity == Severity::Warning);
    assert!(all_warn);
}

#[test]
fn forms_are_checked() {
    for other in [json!(null), json!(1), json!("x"), json!([])] {
        assert_eq!(check(&other)[0], "!schema_invalid ", "{other}");
    }
    let found = check(&json!({}));
    assert_eq!(
        found,
        ["!schema_invalid /schema", "!schema_invalid /nodes", "!missing_trigger /nodes"]
    );
    let found = check(&json!({
        "schema": SCHEMA, "name": 1, "settings": {"max_steps": 501}, "triggers": [{}],
        "variables": [1, {"name": "1a"}, {"name": "a"}, {"name": "a"},
            {"name": "b", "type": "number", "default": "x"}],
        "nodes": [1, {"id": "", "type": "trigger"}], "edges": {}
    }));
    let expected = [
        "!schema_invalid /name",
        "ignored /triggers",
        "!schema_invalid /settings/max_steps",
        "!schema_invalid /variables/0",
        "!schema_invalid /variables/1/name",
        "!duplicate_id /variables/3/name",
        "!schema_invalid /variables/4/default",
        "!schema_invalid /nodes/0",
        "!schema_invalid /nodes/1/id",
        "!schema_invalid /edges",
    ];
    assert_eq!(found, expected);
}

#[test]
fn ids_are_unique() {
    let found = flow(json!([text("a"), text("a")]), json!([["start", "next", "a"]]));
    assert_eq!(found, ["!duplicate_id /nodes/2/id"]);
    let options = json!([{"id": "o", "title": "A"}, {"id": "o", "title": "B"}]);
    let nodes = json!([["a", "buttons", {"text": "?", "options": options}]]);
    assert_eq!(
        flow(nodes, json!([["start", "next", "a"]])),
        ["!duplicate_id /nodes/1/data/options/1/id"]
    );
    let mut twice = document(
        json!([text("a"), text("b")]),
        json!([["start", "next", "a"], ["a", "next", "b"]]),
    );
    twice["edges"][1]["id"] = json!("0");
    assert_eq!(check(&twice), ["!duplicate_id /edges/1/id"]);
}

#[test]
fn triggers_are_one() {
    let nodes = json!([["t", "trigger", {}], text("a")]);
    let edges = json!([["start", "next", "a"]]);
    assert_eq!(flow(nodes, edges), ["!multiple_triggers /nodes/1"]);
    let none = json!({"schema": SCHEMA, "nodes": []});
    assert_eq!(check(&none), ["!missing_trigger /nodes"]);
    let nodes = json!({"schema": SCHEMA, "nodes": [
        {"id": "t", "type": "trigger", "data": {"on": "keywords", "keywords": ["a", " "]}}
    ]});
    assert_eq!(check(&nodes), ["!invalid_config /nodes/0/data/keywords/1"]);
}

#[test]
fn edges_lead_from_exits_to_nodes() {
    let edges = json!([
        ["start", "next", "a"],
        ["a", "next", "gone"],
        ["gone", "next", "a"],
        ["a", "sideways", "a"],
        ["start", "next", "a"],
        ["a", "error", "a"]
    ]);
    let expected = [
        "!dangling_edge /edges/1/target",
        "!dangling_edge /edges/2/source",
        "!unknown_exit /edges/3/sourceHandle",
        "!duplicate_exit /edges/4/sourceHandle",
        "!endless_cycle /nodes/1",
    ];
    assert_eq!(flow(json!([text("a")]), edges), expected);
}

#[test]
fn configurations_are_checked_by_schema_and_by_type() {
    let nodes = json!([
        ["a", "teleport", {}],
        ["b", "text", {"text": 1, "more": 2}],
        ["c", "text", {"text": "{{ x"}],
        ["d", "condition", {"condition": {"field": "x", "op": "is"}}],
        ["e", "input", {"prompt": "?", "variable": "contact"}],
        ["f", "input", {"prompt": "?", "variable": "v", "min": 2, "max": 1}],
        ["g", "input", {"prompt": "?", "variable": "v", "kind": "phone", "default_region": "QQ"}],
        ["h", "wait", {"amount": 366, "unit": "days"}],
        ["i", "ai_reply", {}],
        ["j", "set", {"assignments": [{"variable": "x", "text": "a", "add": 1}]}]
    ]);
    let errors: Vec<String> = flow(nodes, json!([["start", "next", "a"]]))
        .into_iter()
        .filter(|finding| finding.starts_with('!'))
        .collect();
    let expected = [
        "!unknown_node_type /nodes/1/type",
        "!invalid_config /nodes/2/data",
        "!invalid_config /nodes/2/data/text",
        "!invalid_template /nodes/3/data/text",
        "!invalid_condition /nodes/4/data/condition",
        "!invalid_config /nodes/5/data/variable",
        "!invalid_config /nodes/6/data/max",
        "!invalid_config /nodes/7/data/default_region",
        "!invalid_config /nodes/8/data/amount",
        "!missing_provider /nodes/9/data",
        "!invalid_config /nodes/10/data/assignments/0",
    ];
    let mut sorted = errors;
    sorted.sort();
    let mut wanted = expected.map(str::to_owned);
    wanted.sort();
    assert_eq!(sorted, wanted);
}

#[test]
fn circles_must_wait() {
    let edges = json!([["start", "next", "a"], ["a", "next", "b"], ["b", "next", "a"]]);
    assert_eq!(flow(json!([text("a"), text("b")]), edges.clone()), ["!endless_cycle /nodes/1"]);
    let nodes = json!([text("a"), ["b", "wait", {"amount": 1, "unit": "hours"}]]);
    assert_eq!(flow(nodes, edges), Vec::<String>::new());
    let nodes = json!([text("a"), ["j", "jump", {"node": "a"}]]);
    let edges = json!([["start", "next", "a"], ["a", "next", "j"]]);
    assert_eq!(flow(nodes, edges), ["!endless_cycle /nodes/1"]);
    let nodes = json!([["j", "jump", {"node": "gone"}]]);
    assert_eq!(flow(nodes, json!([["start", "next", "j"]])), ["!unknown_jump /nodes/1/data"]);
}

#[test]
fn limits_are_checked_first() {
    let nodes: Vec<Value> = (0..2_000).map(|at| text(&at.to_string())).collect();
    let found = flow(Value::from(nodes), json!([]));
    assert_eq!(found, ["!too_large /nodes"]);
    let big = json!({"schema": SCHEMA, "nodes": [], "note": "x".repeat(1024 * 1024)});
    assert_eq!(check(&big), ["!too_large "]);
}

#[test]
fn warnings_do_not_keep_a_flow_from_running() {
    let nodes = json!([
        ["a", "text", {"text": "{{ who }} {{ contact.name }} {{ who }}"}],
        ["b", "text", {"text": "x"}],
        ["c", "buttons", {"text": "?", "options": [{"id": "o", "title": "O"}], "timeout_minutes": 1}]
    ]);
    let document = document(nodes, json!([["start", "next", "a"], ["a", "next", "c"]]));
    let expected = [
        "unreachable_node /nodes/2",
        "missing_default /nodes/3",
        // An error for who publishes; what is published stays.
        "!unknown_variable /nodes/1/data",
    ];
    assert_eq!(check(&document), expected);
    assert!(Flows::new().compile(&document).is_ok());
    let broken = Flows::new().compile(&json!({})).unwrap_err();
    assert!(broken.findings.iter().any(|finding| finding.code == code::MISSING_TRIGGER));
}

#[test]
fn findings_name_their_node() {
    let found = Flows::new()
        .check(&document(json!([text("a"), text("b")]), json!([["start", "next", "a"]])));
    assert_eq!(found[0].node.as_deref(), Some("b"));
}

#[test]
fn moving_a_box_is_not_a_change() {
    let one = document(json!([text("a")]), json!([["start", "next", "a"]]));
    let mut moved = one.clone();
    moved["nodes"][1]["position"] = json!({"x": 7, "y": 7});
    let flows = Flows::new();
    assert_eq!(flows.content_hash(&one), flows.content_hash(&moved));
    moved["nodes"][1]["data"]["text"] = json!("y");
    assert_ne!(flows.content_hash(&one), flows.content_hash(&moved));
}

#[test]
fn descriptors_are_complete_and_their_schemas_are_schemas() {
    let descriptors = Flows::new().descriptors();
    assert!(descriptors.is_sorted_by(|one, next| one.kind < next.kind), "each kind is there once");
    for descriptor in descriptors {
        assert!(jsonschema::draft202012::meta::is_valid(&descriptor.schema), "{}", descriptor.kind);
        assert!(!descriptor.title.is_empty() && !descriptor.summary.is_empty());
    }
}
