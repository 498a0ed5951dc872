//! Several messages become one.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::sync::Arc;

use justping_core::memory::{AiReply, ScriptedAi};
use justping_core::model::SessionStatus::{Completed, Waiting};
use justping_core::model::{CallResult, Content, Signal};
use serde_json::{Value, json};

use super::Fetch;
use crate::play::{Play, document};
use crate::{BURST_MESSAGES_MAX, Flows};

fn bursting(nodes: Value, edges: Value) -> Play {
    let mut document = document(nodes, edges);
    document["settings"] = json!({"burst": {"quiet_ms": 2000, "max_ms": 5000}});
    let ai = Arc::new(ScriptedAi::new());
    ai.otherwise(AiReply::text("the model"));
    Play::with(&Flows::new().with_ai(ai).with_node(Fetch), &document)
}

fn asking(more: Value) -> Play {
    let mut data = json!({"prompt": "Tell me.", "variable": "a"});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let nodes = json!([
        ["ask", "input", data],
        ["heard", "text", {"text": "<{{ a }}>"}],
        ["late", "text", {"text": "too late"}]
    ]);
    let mut edges = json!([["start", "next", "ask"], ["ask", "reply", "heard"]]);
    if data.get("timeout_minutes").is_some() {
        edges.as_array_mut().unwrap().push(json!(["ask", "timeout", "late"]));
    }
    bursting(nodes, edges)
}

#[test]
fn what_is_written_quickly_is_heard_as_one() {
    let mut play = asking(json!({}));
    assert_eq!(play.say("hi"), ["timer t1 in 2s"]);
    assert_eq!(play.later(1).say("there"), ["timer t2 in 2s"]);
    assert!(play.timer("t1").is_empty(), "the first pause was not one");
    assert_eq!(play.later(2).timer("t2"), ["Tell me."]);
    assert_eq!(play.say("a"), ["timer t3 in 2s"]);
    assert_eq!(play.later(2).say("b"), ["timer t4 in 2s"]);
    assert_eq!(play.later(2).say("c"), ["timer t5 in 1s"], "it ends though more come");
    assert_eq!(play.later(1).timer("t5"), ["<a\nb\nc>"]);
    assert!(play.is(Completed));
    assert_eq!(crate::replay(&*play.program, play.trace), Ok(()));
}

#[test]
fn a_session_starts_with_all_of_its_first_burst() {
    let mut play = bursting(
        json!([["t", "text", {"text": "[{{ message.text }}]"}]]),
        json!([["start", "next", "t"]]),
    );
    play.say("hi");
    play.say("it's me");
    assert!(play.is(Waiting));
    assert_eq!(play.timer("t2"), ["[hi\nit's me]"]);
}

#[test]
fn the_nodes_own_timer_comes_back_with_the_answer() {
    let mut play = asking(json!({"timeout_minutes": 1, "kind": "number"}));
    play.say("hi");
    assert_eq!(play.later(2).timer("t1"), ["Tell me.", "timer t2 in 60s"]);
    // The burst has the session's timer; the node's own comes too late for it and is nothing now.
    assert_eq!(play.later(59).say("thirty"), ["timer t3 in 2s"]);
    assert!(play.later(1).timer("t2").is_empty());
    assert_eq!(play.later(1).timer("t3"), ["Tell me.", "timer t4 in 60s"]);
    assert_eq!(play.later(60).timer("t4"), ["too late"]);
}

#[test]
fn a_wait_goes_on_for_its_moment() {
    let mut play = bursting(
        json!([["w", "wait", {"amount": 1, "unit": "minutes"}], ["t", "text", {"text": "over"}]]),
        json!([["start", "next", "w"], ["w", "next", "t"]]),
    );
    play.say("hi");
    assert_eq!(play.later(2).timer("t1"), ["timer t2 in 60s"]);
    play.later(10).say("hello?");
    assert_eq!(play.later(2).timer("t3"), ["timer t4 in 48s"]);
    assert_eq!(play.later(48).timer("t4"), ["over"]);
}

#[test]
fn a_newer_message_cancels_the_models_answer() {
    let mut play = bursting(json!([["ai", "ai_reply", {}]]), json!([["start", "next", "ai"]]));
    play.say("hi");
    assert_eq!(play.timer("t1"), ["call c2 of ai"]);
    assert_eq!(play.say("wait"), ["cancel calls", "timer t3 in 2s"]);
    assert!(play.call_done("c2", CallResult::Ok(json!({"text": "stale"}))).is_empty());
    assert_eq!(play.timer("t3"), ["call c4 of ai"]);
    let messages = play.call().input["ask"]["request"]["messages"].clone();
    let said: Vec<&str> =
        messages.as_array().unwrap().iter().filter_map(|m| m["content"].as_str()).collect();
    let both = messages.to_string();
    assert!(both.contains("hi") && both.contains("wait"), "{said:?} {both}");
}

#[test]
fn other_work_goes_on_and_its_result_ends_the_burst() {
    let mut play = bursting(
        json!([["f", "fetch", {}], ["t", "text", {"text": "got {{ got }}, {{ message.text }}"}]]),
        json!([["start", "next", "f"], ["f", "next", "t"]]),
    );
    play.say("hi");
    assert_eq!(play.timer("t1"), ["call c2 of f"]);
    assert_eq!(play.say("quick"), ["timer t3 in 2s"]);
    assert_eq!(play.call_done("c2", CallResult::Ok(json!(7))), ["clear timers", "got 7, quick"]);
}

#[test]
fn a_press_ends_the_burst_and_comes_after_it() {
    let menu = json!({"text": "?", "options": [{"id": "y", "title": "Yes"}]});
    let nodes = json!([
        ["ask", "input", {"prompt": "Name?", "variable": "n"}],
        ["menu", "buttons", menu],
        ["t", "text", {"text": "{{ n }}!"}]
    ]);
    let edges =
        json!([["start", "next", "ask"], ["ask", "reply", "menu"], ["menu", "option:y", "t"]]);
    let mut play = bursting(nodes, edges);
    play.say("hi");
    play.timer("t1");
    play.say("Ada");
    play.say("Lovelace");
    let said = play.press("menu.1.y", "Yes");
    assert_eq!(said, ["clear timers", "? [menu.1.y=Yes]", "Ada\nLovelace!"]);
}

#[test]
fn nothing_is_lost_when_the_session_ends_with_the_first() {
    let mut play = asking(json!({}));
    play.say("hi");
    play.timer("t1");
    play.say("Ada");
    let said = play.press("gone.1.y", "More");
    assert_eq!(said, ["clear timers", "<Ada>"]);
    assert!(play.is(Completed));
    let more = Content::Reply { option: "gone.1.y".to_owned(), title: "More".to_owned() };
    assert_eq!(play.unheard, [more]);
}

#[test]
fn a_burst_has_room_for_so_many() {
    let mut play = asking(json!({}));
    play.say("hi");
    play.timer("t1");
    for _ in 1..BURST_MESSAGES_MAX {
        assert!(play.say("x")[0].starts_with("timer"));
    }
    let said = play.say("x");
    assert!(said.last().unwrap().starts_with("<x\nx"), "{said:?}");
    let mut play = asking(json!({"max": 4000}));
    play.say("hi");
    play.timer("t1");
    let said = play.say(&"long ".repeat(5_000));
    assert_eq!(said.last().map(String::as_str), Some("Tell me."), "too long, and heard at once");
}

#[test]
fn gathering_takes_no_steps_of_the_session() {
    let mut play = asking(json!({}));
    for _ in 0..5 {
        play.say("hi");
    }
    let state: Value = serde_json::from_str(play.state.as_deref().unwrap()).unwrap();
    assert_eq!(state["s"], 0);
}

#[test]
fn an_outside_event_waits_for_the_burst() {
    let nodes = json!([
        ["e", "wait_event", {"event": "paid"}],
        ["t", "text", {"text": "paid, {{ message.text }}"}]
    ]);
    let mut play = bursting(nodes, json!([["start", "next", "e"], ["e", "next", "t"]]));
    play.say("hi");
    play.timer("t1");
    play.say("paying");
    assert!(play.outside(Signal::Name("paid".to_owned()), json!({})).is_empty());
    assert_eq!(play.timer("t2"), ["paid, paying"]);
}
