//! Nodes that do not ask.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use serde_json::{Value, json};

use crate::play::Play;

fn one(kind: &str, data: Value) -> Play {
    Play::of(json!([["n", kind, data]]), json!([["start", "next", "n"]]))
}

#[test]
fn text_reads_variables_contact_agent_message_and_now() {
    let text = "{{ contact.name }} {{ contact.fields.plan }} {{ agent.name }} {{ message.text }} {{ now }}{{ x }}";
    let said = one("text", json!({"text": text})).say("hey");
    assert_eq!(said, ["Ada Pro Bo hey 2025-10-09T08:53:20Z"]);
    assert_eq!(one("text", json!({"text": "{{ agent.instructions }}!"})).say("hey"), ["!"]);
}

#[test]
fn a_blank_text_is_not_sent() {
    let mut play = one("text", json!({"text": "{{ nothing }} "}));
    assert!(play.say("hi").is_empty());
    assert!(play.is(Completed));
}

#[test]
fn a_text_that_fails_takes_the_error_exit() {
    let bad = json!({"text": "{{ 1 // 0 }}"});
    let mut play = one("text", bad.clone());
    assert!(play.say("hi").is_empty());
    assert!(play.is(Failed) && play.failure.is_some());
    let nodes = json!([["n", "text", bad], ["oops", "text", {"text": "Oops"}]]);
    let mut play = Play::of(nodes, json!([["start", "next", "n"], ["n", "error", "oops"]]));
    assert_eq!(play.say("hi"), ["Oops"]);
    assert!(play.is(Completed));
}

#[test]
fn media_needs_a_web_address() {
    let data = json!({"kind": "image", "url": "https://x/{{ contact.name }}.png", "caption": " "});
    let said = one("media", data).say("hi");
    assert_eq!(said, [r#"{"type":"media","kind":"image","url":"https://x/Ada.png"}"#]);
    let mut play = one("media", json!({"kind": "image", "url": "file:///etc/passwd"}));
    assert!(play.say("hi").is_empty());
    assert!(play.is(Failed));
}

#[test]
fn set_renders_keeps_and_adds_in_order() {
    let mut play = one(
        "set",
        json!({"assignments": [
            {"variable": "a", "text": "{{ contact.name }}!"},
            {"variable": "b", "json": [1, null]},
            {"variable": "n", "add": 2},
            {"variable": "n", "add": 0.5},
            {"variable": "c", "text": "{{ a }}{{ n }}"},
            {"variable": "gone", "json": null}
        ]}),
    );
    play.say("hi");
    assert!(play.is(Completed));
    let value = |name| play.variable(name);
    assert_eq!((value("a"), value("b")), (json!("Ada!"), json!([1, null])));
    assert_eq!((value("n"), value("c")), (json!(2.5), json!("Ada!2.5")));
    let list = json!({"assignments": [
        {"variable": "b", "json": []}, {"variable": "b", "add": 1}
    ]});
    let mut play = one("set", list);
    play.say("hi");
    assert_eq!(play.failure.as_deref(), Some("`b` cannot be added to"));
}

#[test]
fn condition_goes_one_of_two_ways() {
    let way = |field: &str| {
        let data = json!({"condition": {"field": field, "op": "eq", "value": "Pro"}});
        let nodes = json!([
            ["if", "condition", data],
            ["yes", "text", {"text": "yes"}],
            ["no", "text", {"text": "no"}]
        ]);
        let edges = json!([["start", "next", "if"], ["if", "true", "yes"], ["if", "false", "no"]]);
        Play::of(nodes, edges).say("hi").join("")
    };
    assert_eq!(way("contact.fields.plan"), "yes");
    assert_eq!(way("contact.fields.none"), "no");
}

#[test]
fn switch_takes_the_first_case_that_holds() {
    let data = json!({"cases": [
        {"id": "bye", "condition": {"field": "message.text", "op": "eq", "value": "bye"}},
        {"id": "vip", "condition": {"field": "contact.tags", "op": "contains", "value": "vip"}},
        {"id": "all", "condition": {"all": []}}
    ]});
    let nodes = json!([
        ["s", "switch", data], ["b", "text", {"text": "bye"}], ["v", "text", {"text": "vip"}]
    ]);
    let edges = json!([["start", "next", "s"], ["s", "option:bye", "b"], ["s", "option:vip", "v"]]);
    assert_eq!(Play::of(nodes.clone(), edges.clone()).say("bye"), ["bye"]);
    assert_eq!(Play::of(nodes, edges).say("hi"), ["vip"]);
    let none = json!({"cases": [{"id": "no", "condition": {"any": []}}]});
    let nodes = json!([["s", "switch", none], ["d", "text", {"text": "else"}]]);
    let edges = json!([["start", "next", "s"], ["s", "default", "d"]]);
    assert_eq!(Play::of(nodes, edges).say("hi"), ["else"]);
}

#[test]
fn jump_goes_on_elsewhere() {
    let nodes = json!([["j", "jump", {"node": "t"}], ["t", "text", {"text": "there"}]]);
    assert_eq!(Play::of(nodes, json!([["start", "next", "j"]])).say("hi"), ["there"]);
}

#[test]
fn endings_end() {
    let mut play = one("handoff", json!({"note": "{{ contact.name }} said {{ message.text }}"}));
    assert_eq!(play.say("help"), ["hand off: Ada said help"]);
    assert!(play.is(Completed));
    assert_eq!(one("handoff", json!({})).say("help"), ["hand off: -"]);
    assert_eq!(one("handoff", json!({"note": "{{ 1 // 0 }}"})).say("help"), ["hand off: -"]);
    assert_eq!(one("close", json!({})).say("hi"), ["close"]);
    let mut play = one("end", json!({}));
    assert!(play.say("hi").is_empty() && play.is(Completed));
}

#[test]
fn wait_lets_time_pass_and_messages_go_unheard() {
    let nodes =
        json!([["w", "wait", {"amount": 2, "unit": "minutes"}], ["t", "text", {"text": "done"}]]);
    let edges = json!([["start", "next", "w"], ["w", "next", "t"]]);
    let mut play = Play::of(nodes, edges);
    assert_eq!(play.say("hi"), ["timer t1 in 120s"]);
    for _ in 0..600 {
        assert!(play.later(1).say("still there?").is_empty());
    }
    assert!(play.is(Waiting));
    assert!(play.timer("t0").is_empty() && play.is(Waiting));
    assert_eq!(play.timer("t1"), ["done"]);
    assert!(play.is(Completed));
}

#[test]
fn wait_is_interrupted_where_that_leads_somewhere() {
    let nodes =
        json!([["w", "wait", {"amount": 1, "unit": "days"}], ["t", "text", {"text": "yes?"}]]);
    let edges = json!([["start", "next", "w"], ["w", "interrupted", "t"]]);
    let mut play = Play::of(nodes, edges);
    assert_eq!(play.say("hi"), ["timer t1 in 86400s"]);
    assert_eq!(play.say("hello?"), ["clear timers", "yes?"]);
}

#[test]
fn typing_shows_a_sign_and_goes_on_after_it() {
    let nodes = json!([
        ["n", "typing", {"seconds": 3}], ["t", "text", {"text": "done"}], ["i", "text", {"text": "yes?"}]
    ]);
    let edges = json!([["start", "next", "n"], ["n", "next", "t"], ["n", "interrupted", "i"]]);
    let mut play = Play::of(nodes.clone(), edges.clone());
    assert_eq!(play.say("hi"), ["typing for 3000 ms", "timer t1 in 3s"]);
    assert_eq!(play.later(3).timer("t1"), ["done"]);
    let mut play = Play::of(nodes, edges);
    play.say("hi");
    assert!(play.say("hello?").contains(&"yes?".to_owned()));
}

#[test]
fn lists_grow_and_shrink() {
    let set = |assignments: Value| json!(["s", "set", {"assignments": assignments}]);
    let run = |assignments: Value| {
        let mut play = Play::of(json!([set(assignments)]), json!([["start", "next", "s"]]));
        play.say("hi");
        (play.status, play.state.as_ref().map(|_| play.variable("l")))
    };
    let append = |text: &str| json!({"variable": "l", "append": text});
    let (status, list) = run(json!([
        append("a"), append("{{ contact.name }}"), append("c"), append("d"),
        {"variable": "l", "remove": "c"}, {"variable": "l", "remove": "nothing"},
        {"variable": "l", "drop": "last"}
    ]));
    assert_eq!((status, list), (Completed, Some(json!(["a", "Ada"]))));
    let (_, list) = run(
        json!([append("a"), {"variable": "l", "drop": "first"}, {"variable": "l", "drop": "first"}]),
    );
    assert_eq!(list, Some(json!([])));
    let (status, _) = run(json!([{"variable": "l", "json": 1}, append("a")]));
    assert_eq!(status, Failed);
}
