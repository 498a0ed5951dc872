//! What was imported does what the source does.

use justping_agents::import::{Format, Import, ImportError, Problem, detect, import, import_text};
use justping_core::model::{CallResult, Content};
use justping_core::port::{Effect, FlowRuntime, Outcome, StepEvent};
use serde_json::{Value, json};

use super::count::{assert_nothing_lost, flows, is_broken};
use super::fixture;
use crate::generate::input;

fn read(source: &Value, format: Format) -> Import {
    let import = import(None, source).unwrap();
    assert_eq!(import.format, format);
    assert_nothing_lost("fixture", source, &import);
    let findings = flows().check(&import.document);
    let broken = findings.iter().find(|finding| is_broken(finding));
    assert!(broken.is_none(), "{broken:?}");
    import
}

/// What is sent while a contact writes; waits and calls are over at once.
fn play(document: &Value, says: &[&str]) -> Vec<String> {
    let program = flows().compile(document).unwrap_or_else(|e| panic!("{:#?}", e.findings));
    let mut state: Option<String> = None;
    let mut sent = Vec::new();
    let mut number = 0;
    for text in says {
        let mut event = Some(StepEvent::Message { content: Content::text(*text) });
        while let Some(happens) = event.take() {
            number += 1;
            let Outcome { state: next, effects, failure, .. } =
                program.step(state.as_deref(), &input(number, happens));
            assert_eq!(failure, None);
            state = Some(next);
            for effect in effects {
                match effect {
                    Effect::Send { content } => sent.push(content.plain().to_owned()),
                    Effect::SetTimer { token, due_at } => {
                        let wait = due_at.as_millisecond() - 1_760_000_000_000;
                        if wait < 3_600_000 && text.is_empty() {
                            event = Some(StepEvent::Timer { token });
                        }
                    }
                    Effect::Call { request } => {
                        let answer =
                            json!({"status": 200, "values": {"look_answer": {"name": "Bo"}}});
                        let result = CallResult::Ok(answer);
                        event = Some(StepEvent::CallDone { token: request.token, result });
                    }
                    Effect::HandOff { note } => sent.push(format!("hand off: {note:?}")),
                    _ => {}
                }
            }
        }
    }
    sent
}

#[test]
fn a_typebot_survey_asks_branches_and_adds() {
    let import = read(&fixture::typebot(), Format::Typebot);
    let sent = play(&import.document, &["hi", "Ada", "old", "36", "pro"]);
    let asked = ["Welcome! {curly} ", "", "Who are you?", "How old are you, Ada?"];
    assert_eq!(sent[..4], asked);
    assert_eq!(sent[4..7], ["A number, please", "Which plan?", "10 points for Pro"]);
    let names: Vec<&str> = import.document["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["First_name", "First_name_2", "Nobody", "Score", "age", "pick"]);
    assert!(import.report.notes.iter().any(|note| note.contains("`First name`")));
}

#[test]
fn a_typebot_choice_without_edge_leaves_by_its_block() {
    let import = read(&fixture::typebot(), Format::Typebot);
    let node = |id: &str| {
        let nodes = import.document["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["id"] == id).unwrap().clone()
    };
    let leads = |from: &str, exit: &str| {
        let edges = import.document["edges"].as_array().unwrap();
        let edge = edges.iter().find(|e| e["source"] == from && e["sourceHandle"] == exit);
        edge.map(|edge| edge["target"].as_str().unwrap().to_owned())
    };
    assert_eq!(leads("b-pick", "option:o-free").as_deref(), Some("b-bye"));
    assert_eq!(leads("b-ab", "option:b"), None);
    assert_eq!(
        node("b-ab")["data"]["arms"],
        json!([
            {"id": "a", "weight": 70}, {"id": "b", "weight": 30}
        ])
    );
    assert_eq!(node("b-sheet")["type"], "note");
    assert_eq!(leads("b-sheet", "next").as_deref(), Some("b-ab"));
    assert_eq!(
        node("b-hook")["data"]["save"],
        json!([
            {"variable": "Score", "pointer": "/points/0"}
        ])
    );
    assert_eq!(node("b-hook")["data"]["body"], json!({"json": {"age": "{{ age }}"}}));
    assert_eq!(node("b-hi")["position"], json!({"x": 0.0, "y": 0.0}));
}

#[test]
fn an_old_typebot_export_goes_round() {
    let import = read(&fixture::old_typebot(), Format::Typebot);
    assert_eq!(play(&import.document, &["hi", "go"]), ["Hi {% x %}", "Hi {% x %}"]);
}

#[test]
fn a_twilio_desk_asks_looks_up_and_hands_over() {
    let import = read(&fixture::twilio(), Format::Twilio);
    let sent = play(&import.document, &["hello", "YEP"]);
    let expected =
        ["You said HELLO. Go on?", "Hi Bo!", "hand off: Some(\"{\\\"n\\\": \\\"\\\"}\")"];
    assert_eq!(sent, expected);
    assert_eq!(play(&import.document, &["hello", "never"])[1..], ["Bye"]);
    let lost: Vec<&str> = import.report.unsupported.iter().map(|one| one.path.as_str()).collect();
    let expected = [
        "/states/0/transitions/1",
        "/states/2/transitions/2",
        "/states/8",
        "/states/8/properties/say",
    ];
    assert_eq!(lost, expected);
}

#[test]
fn a_floip_question_decides_by_its_formulas() {
    let import = read(&fixture::floip(), Format::Floip);
    assert_eq!(import.document["flows"]["f0492216-65f3-4dc7-a1d8-8f79d1d30c12"]["name"], "Other");
    let sent = play(&import.document, &["hi", "cat"]);
    assert_eq!(sent, ["Dog or cat, Ada?", "Bye Cat {{x}} a@b"]);
    let sent = play(&import.document, &["hi", "dog", "50", "12"]);
    let expected = ["Dog or cat, Ada?", "How old?", "How old?", "An old dog!", "Bye Dog {{x}} a@b"];
    assert_eq!(sent, expected);
    let tagged = import.document["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["id"] == "b6")
        .unwrap();
    assert_eq!(tagged["data"]["add_tags"], json!(["Old {pets}"]));
}

#[test]
fn what_is_no_flow_is_refused_with_its_place() {
    let not_json = import_text(None, "{\"groups\": [\n  {,}]}");
    assert!(matches!(not_json, Err(ImportError::NotJson { line: 2, column: 4, .. })));
    assert_eq!(import(None, &json!({"a": 1})), Err(ImportError::UnknownFormat));
    let problem =
        |path: &str, message: &str| Problem { path: path.to_owned(), message: message.to_owned() };
    let bad = json!({"groups": [{"id": "g", "blocks": [1, {"id": "b"}]}], "edges": [{}],
                     "version": "2"});
    let problems = vec![
        problem("/version", "exports of the versions 3 to 6 are read"),
        problem("/groups/0/blocks/0", "expected an object"),
        problem("/groups/0/blocks/1", "a block has a type"),
        problem("/edges/0", "an edge has an id"),
    ];
    assert_eq!(import(None, &bad), Err(ImportError::Invalid { problems }));
    let bad = json!({"states": [{"name": "a", "type": "t"}], "initial_state": "b"});
    let problems = vec![problem("/initial_state", "there is no such state")];
    assert_eq!(import(None, &bad), Err(ImportError::Invalid { problems }));
    assert_eq!(detect(&bad), Some(Format::Twilio));
}

#[test]
fn a_source_that_is_too_large_is_refused() {
    let block = |at: usize| json!({"id": format!("b{at}"), "type": "Code", "options": {}});
    let blocks: Vec<Value> = (0..2_100).map(block).collect();
    let source = json!({"groups": [{"id": "g", "blocks": blocks}], "edges": []});
    let refused = import(None, &source);
    assert_eq!(refused, Err(ImportError::TooLarge { what: "nodes", max: 2_000 }));
}
