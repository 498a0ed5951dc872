use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Change, SubflowDiff, diff};
use crate::hash::{content_hash, strip_layout};
use crate::play::document;

fn ask() -> Value {
    let nodes = json!([
        ["ask", "input", {"prompt": "Name?", "variable": "name"}],
        ["bye", "text", {"text": "Bye {{ name }}"}]
    ]);
    let mut ask = document(nodes, json!([["start", "next", "ask"], ["ask", "reply", "bye"]]));
    ask["variables"] = json!([{"name": "name"}]);
    ask["settings"] = json!({"max_steps": 5});
    ask
}

#[test]
fn every_part_of_a_document_is_compared() {
    let before = ask();
    let mut after = ask();
    after["nodes"][1]["data"]["prompt"] = json!("Your name?");
    after["nodes"][1]["data"]["retries"] = json!(2);
    after["nodes"][2] = json!({"id": "more", "type": "end"});
    after["edges"][1]["target"] = json!("more");
    after["variables"] = json!([{"name": "name", "type": "text"}, {"name": "age"}]);
    after["settings"] = json!({"max_steps": 9});
    after["flows"] = json!({"sub": {"nodes": [], "edges": []}});
    let found = diff(&before, &after);
    let change = |path: &str, before: Option<Value>, after: Option<Value>| Change {
        path: path.to_owned(),
        before,
        after,
    };
    let nodes = &found.graph.nodes;
    assert_eq!(nodes.added, [json!({"id": "more", "type": "end"})]);
    assert_eq!(nodes.removed[0]["id"], "bye");
    assert_eq!(nodes.changed[0].name, "ask");
    assert_eq!(
        nodes.changed[0].changes,
        [
            change("/data/prompt", Some(json!("Name?")), Some(json!("Your name?"))),
            change("/data/retries", None, Some(json!(2)))
        ]
    );
    let edges = &found.graph.edges;
    assert_eq!(edges.changed[0].name, "ask reply");
    assert_eq!(edges.changed[0].changes[0].path, "/target");
    assert_eq!(found.graph.variables.added, [json!({"name": "age"})]);
    assert_eq!(found.graph.variables.changed[0].name, "name");
    let rest: Vec<&str> = found.graph.rest.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(rest, ["/flows", "/settings/max_steps"]);
    assert!(!found.is_empty());
}

#[test]
fn flows_that_are_called_are_compared_one_by_one() {
    let mut before = ask();
    let node = |text: &str| json!({"nodes": [{"id": "a", "type": "text", "data": {"text": text}}]});
    before["flows"] = json!({"same": node("x"), "other": node("x"), "old": node("x")});
    let mut after = before.clone();
    after["flows"] = json!({"same": node("x"), "other": node("y"), "new": node("x")});
    let found = diff(&before, &after);
    assert!(found.graph.is_empty());
    assert_eq!(found.flows.keys().collect::<Vec<_>>(), ["new", "old", "other"]);
    assert_eq!(found.flows["new"], SubflowDiff::Added);
    assert_eq!(found.flows["old"], SubflowDiff::Removed);
    let SubflowDiff::Changed { graph } = &found.flows["other"] else { panic!() };
    assert_eq!(graph.nodes.changed[0].changes[0].path, "/data/text");
    let text = serde_json::to_value(&found).unwrap();
    assert_eq!(text["flows"]["other"]["change"], "changed");
    assert_eq!(serde_json::from_value::<super::Diff>(text).unwrap(), found);
}

#[test]
fn the_drawing_does_not_count() {
    let mut before = ask();
    before["flows"] = json!({"sub": {"nodes": [{"id": "a", "type": "end"}]}});
    let mut after = before.clone();
    after["nodes"][0]["position"] = json!({"x": 1, "y": 2});
    after["edges"][0]["selected"] = json!(true);
    after["viewport"] = json!({"x": 1});
    after["flows"]["sub"]["nodes"][0]["position"] = json!({"x": 1, "y": 2});
    after["flows"]["sub"]["viewport"] = json!({"x": 1});
    assert!(diff(&before, &after).is_empty());
    after["nodes"].as_array_mut().unwrap().swap(1, 2);
    assert!(diff(&before, &after).graph.nodes.reordered);
}

#[test]
fn odd_documents_are_compared_too() {
    let odd = [
        json!(null),
        json!([]),
        json!({"nodes": {}, "edges": [1, 1, null]}),
        json!({"nodes": [{"id": "a"}, {"id": "a", "type": "x"}], "variables": ["v"]}),
        json!({"flows": []}),
        json!({"flows": {"a": 1}}),
    ];
    for before in &odd {
        for after in &odd {
            assert_eq!(diff(before, after).is_empty(), before == after, "{before} {after}");
        }
    }
    let names = diff(&json!({"a/b~": {"c": 1}}), &json!({"a/b~": {"c": 2}}));
    assert_eq!(names.graph.rest[0].path, "/a~1b~0/c");
}

fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(1)),
        Just(json!(1.0)),
        Just(json!(null)),
        Just(json!("a")),
        Just(json!(true))
    ];
    let id = prop_oneof![Just("a"), Just("b"), Just("c")];
    let node = (id.clone(), leaf.clone(), leaf.clone())
        .prop_map(|(id, data, x)| json!({"id": id, "type": "t", "data": data, "position": x}));
    let edge = (id.clone(), id, leaf.clone())
        .prop_map(|(source, target, x)| json!({"source": source, "target": target, "selected": x}));
    let graph = (
        proptest::collection::vec(node, 0..4),
        proptest::collection::vec(edge, 0..3),
        proptest::option::of(leaf),
    )
        .prop_map(|(nodes, edges, settings)| {
            let mut graph = json!({"nodes": nodes, "edges": edges});
            if let Some(settings) = settings {
                graph["settings"] = settings;
            }
            graph
        });
    (graph.clone(), proptest::option::of(graph)).prop_map(|(mut document, flow)| {
        if let Some(flow) = flow {
            document["flows"] = json!({"sub": flow});
        }
        document
    })
}

proptest! {
    #[test]
    fn no_difference_is_the_same_hash(before in any_document(), after in any_document()) {
        let hash = |document: &Value| {
            let mut document = document.clone();
            strip_layout(&mut document);
            content_hash(&document)
        };
        prop_assert_eq!(diff(&before, &after).is_empty(), hash(&before) == hash(&after));
        prop_assert!(diff(&before, &before).is_empty());
    }
}
