//! What goes first when a contact writes, what errors run, and reminders.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::sync::Arc;

use justping_core::memory::{AiReply, ScriptedAi};
use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use justping_core::port::FlowRuntime;
use serde_json::{Value, json};

use crate::code;
use crate::play::{Play, called, document};
use crate::{FRAMES_MAX, Flows};

/// A node that waits in a document with every kind of word, and more edges.
fn words(kind: &str, data: Value, edges: Value) -> Value {
    let nodes = json!([
        ["first", "buttons", {
            "text": "First", "late_reply": "jump",
            "options": [{"id": "go", "title": "Go"}, {"id": "menu", "title": "Menu"}]
        }],
        ["wait", kind, data],
        ["heard", "text", {"text": "heard {{ message.text }}"}],
        ["main", "text", {"text": "the menu {{ kept }}"}],
        ["cut", "text", {"text": "interrupted"}],
        ["chosen", "text", {"text": "menu chosen"}],
        ["keep", "set", {"assignments": [{"variable": "kept", "text": "kept"}]}],
        ["note", "set", {"assignments": [{"variable": "kept", "text": "noted"}]}]
    ]);
    let mut all = json!([
        ["start", "next", "first"],
        ["first", "option:go", "keep"],
        ["first", "option:menu", "chosen"],
        ["keep", "next", "wait"]
    ]);
    all.as_array_mut().unwrap().extend(edges.as_array().unwrap().iter().cloned());
    let mut document = document(nodes, all);
    document["variables"] = json!([{"name": "kept", "default": "new"}]);
    document["settings"] = json!({"session_words": {
        "restart": {"words": ["restart", "Start over!"]}, "menu": {"words": ["menu"], "node": "main"}
    }});
    document["flows"] = json!({"hours": called(
        json!([["open", "text", {"text": "9 to 5{{ kept }}"}]]), json!([])
    ), "help": called(
        json!([["ask", "input", {"prompt": "Help?", "variable": "x"}], ["ok", "text", {"text": "ok"}]]),
        json!([["ask", "reply", "ok"]])
    )});
    document["intents"] = json!([
        {"id": "hours", "keywords": ["hours"], "match": "contains", "flow": "hours"},
        {"id": "help", "keywords": ["help"], "flow": "help"},
        {"id": "note", "keywords": ["note"], "node": "note"},
        {"id": "leave", "keywords": ["leave"], "node": "cut", "resume": false}
    ]);
    document
}

fn waiting(kind: &str, data: Value, edges: Value) -> Play {
    let ai = Arc::new(ScriptedAi::new());
    ai.otherwise(AiReply::text("the model"));
    let mut play = Play::with(&Flows::new().with_ai(ai), &words(kind, data, edges));
    play.say("hi");
    play.press("first.1.go", "Go");
    assert!(play.is(Waiting));
    play
}

fn number(edges: Value) -> Play {
    waiting("input", json!({"prompt": "Age?", "variable": "age", "kind": "number"}), edges)
}

fn free() -> Play {
    let data = json!({"prompt": "Name?", "variable": "name"});
    waiting("input", data, json!([["wait", "reply", "heard"]]))
}

#[test]
fn words_are_off_unless_written() {
    let mut bare = words(
        "input",
        json!({"prompt": "Name?", "variable": "n"}),
        json!([["wait", "reply", "heard"]]),
    );
    bare["settings"] = json!({});
    bare["intents"] = json!([]);
    let mut play = Play::with(&Flows::new(), &bare);
    play.say("hi");
    play.say("Go");
    assert_eq!(play.say("menu"), ["heard menu"]);
}

#[test]
fn what_the_node_offers_goes_before_session_words() {
    let menu = json!({"text": "?", "options": [{"id": "m", "title": "Menu"}, {"id": "r", "title": "Else"}]});
    let edges = || json!([["wait", "option:m", "heard"]]);
    assert_eq!(waiting("buttons", menu.clone(), edges()).say("menu"), ["heard menu"]);
    assert_eq!(waiting("buttons", menu.clone(), edges()).press("wait.2.m", "Menu"), ["heard Menu"]);
    // Its other words do not.
    assert_eq!(
        waiting("buttons", menu, edges()).say("RESTART"),
        ["First [first.3.go=Go first.3.menu=Menu]"]
    );
    let mut numbers = words(
        "input",
        json!({"prompt": "Age?", "variable": "n", "kind": "number"}),
        json!([["wait", "reply", "heard"]]),
    );
    numbers["settings"]["session_words"]["menu"]["words"] = json!(["0"]);
    numbers["intents"][0]["keywords"] = json!(["0"]);
    let mut play = Play::with(&Flows::new(), &numbers);
    play.say("hi");
    play.say("Go");
    assert_eq!(play.say("0"), ["heard 0"]);
}

#[test]
fn session_words_go_before_free_text_and_late_options() {
    assert_eq!(free().say(" Menu! "), ["the menu kept"]);
    assert_eq!(free().say("the menu"), ["heard the menu"]);
    let mut play = free();
    assert_eq!(play.say("start over"), ["First [first.2.go=Go first.2.menu=Menu]"]);
    assert_eq!(play.variable("kept"), "new");
    // An option of another node is that node's matter, whatever its title says.
    assert_eq!(free().press("first.1.menu", "Menu"), ["menu chosen"]);
    // Where it is treated as text, it is one.
    assert_eq!(free().press("gone.1.x", "Menu"), ["the menu kept"]);
}

#[test]
fn free_text_goes_before_intents() {
    assert_eq!(free().say("hours"), ["heard hours"]);
}

#[test]
fn late_options_go_before_intents() {
    let mut play = number(json!([]));
    assert_eq!(play.press("first.1.menu", "help"), ["menu chosen"]);
}

#[test]
fn intents_go_before_asking_again_and_the_node_goes_on() {
    let mut play = number(json!([["wait", "reply", "heard"]]));
    assert_eq!(play.say("your hours?"), ["9 to 5", "Age?"]);
    assert_eq!(play.variable("kept"), "kept");
    assert_eq!(play.say("help"), ["Help?"]);
    assert_eq!(play.say("36"), ["ok", "Age?"], "36 answers what the intent asks");
    assert_eq!(play.say("note"), ["Age?"]);
    assert_eq!(play.variable("kept"), "noted", "a node of the flow has its variables");
    assert_eq!(play.say("nonsense"), ["Age?"], "what fits nothing is asked again");
    assert_eq!(play.say("36"), ["heard 36"]);
    assert_eq!(crate::replay(&*play.program, play.trace), Ok(()));
}

#[test]
fn an_interrupted_exit_is_taken_instead_of_asking_again() {
    let mut play = number(json!([["wait", "interrupted", "cut"]]));
    assert_eq!(play.say("hours"), ["9 to 5", "interrupted"]);
    assert!(play.is(Completed));
}

#[test]
fn an_intent_can_end_the_session() {
    let mut play = number(json!([]));
    assert_eq!(play.say("leave"), ["interrupted"]);
    assert!(play.is(Completed));
}

#[test]
fn a_wait_keeps_its_moment_over_an_interruption() {
    let wait = json!({"amount": 2, "unit": "hours"});
    let mut play = waiting("wait", wait.clone(), json!([["wait", "next", "heard"]]));
    play.later(600);
    assert_eq!(play.say("hours"), ["clear timers", "9 to 5", "timer t2 in 6600s"]);
    assert_eq!(play.say("other"), Vec::<String>::new());
    assert_eq!(play.timer("t2"), ["heard other"]);
    // Whoever hears every message hears this one.
    let mut play = waiting("wait", wait, json!([["wait", "interrupted", "heard"]]));
    assert_eq!(play.say("hours"), ["clear timers", "heard hours"]);
}

#[tokio::test]
async fn a_model_is_asked_again_for_what_an_interruption_cut_off() {
    let mut play = waiting("ai_reply", json!({"exit_phrases": ["hours please"]}), json!([]));
    assert_eq!(play.say("hours"), ["cancel calls", "9 to 5", "call c2 of wait"]);
    assert_eq!(play.perform().await.last().map(String::as_str), Some("the model"));
    assert_eq!(play.say("hours"), ["9 to 5"]);
    assert_eq!(play.say("menu"), ["the menu kept"]);
}

#[test]
fn interruptions_go_so_deep_and_no_deeper() {
    let ask = json!({"prompt": "Age?", "variable": "age", "kind": "number"});
    let mut deep = words("input", ask, json!([]));
    let number =
        json!([["ask", "input", {"prompt": "Number?", "variable": "x", "kind": "number"}]]);
    deep["flows"]["help"] = called(number, json!([]));
    let mut play = Play::with(&Flows::new(), &deep);
    play.say("hi");
    play.say("Go");
    for _ in 0..FRAMES_MAX + 3 {
        assert_eq!(play.say("help"), ["Number?"]);
    }
    for _ in 1..FRAMES_MAX {
        assert_eq!(play.say("1"), ["Number?"]);
    }
    assert_eq!(play.say("1"), ["Age?"]);
}

#[test]
fn a_node_of_the_flow_sees_its_variables_from_within_another() {
    let mut within =
        words("call_flow", json!({"flow": "inner"}), json!([["wait", "next", "main"]]));
    let mut inner = called(
        json!([["q", "input", {"prompt": "Q", "variable": "n", "kind": "number"}], ["t", "text", {"text": "{{ kept }}"}]]),
        json!([["q", "reply", "t"]]),
    );
    inner["variables"] = json!([{"name": "kept", "default": "inner"}, {"name": "n"}]);
    within["flows"]["inner"] = inner;
    let mut play = Play::with(&Flows::new(), &within);
    play.say("hi");
    assert_eq!(play.say("Go"), ["Q"]);
    assert_eq!(play.say("note"), ["Q"]);
    assert_eq!(play.say("1"), ["inner", "the menu noted"]);
}

#[test]
fn words_are_looked_over() {
    let check = |change: fn(&mut Value)| -> Vec<(String, String)> {
        let mut document = words("input", json!({"prompt": "?", "variable": "v"}), json!([]));
        change(&mut document);
        let found = Flows::new().check(&document).into_iter();
        let found = found.filter(|one| one.severity == justping_core::port::Severity::Error);
        // A called flow has variables of its own, and this one reads another's on purpose.
        let found = found.filter(|one| one.code != code::UNKNOWN_VARIABLE);
        found.map(|one| (one.code, one.path)).collect()
    };
    let one = |code: &str, path: &str| vec![(code.to_owned(), path.to_owned())];
    assert_eq!(check(|_| {}), []);
    assert_eq!(
        check(|d| d["settings"]["session_words"]["menu"]["node"] = json!("gone")),
        one(code::UNKNOWN_JUMP, "/settings/session_words/menu/node")
    );
    assert_eq!(
        check(|d| d["settings"]["session_words"]["restart"]["words"] = json!([])),
        one(code::SCHEMA_INVALID, "/settings/session_words/restart/words")
    );
    assert_eq!(
        check(|d| d["intents"][1]["flow"] = json!("gone")),
        one(code::UNKNOWN_FLOW, "/intents/1/flow")
    );
    assert_eq!(
        check(|d| d["intents"][1]["node"] = json!("main")),
        one(code::SCHEMA_INVALID, "/intents/1")
    );
    assert_eq!(
        check(|d| d["intents"][0]["keywords"] = json!([" "])),
        one(code::SCHEMA_INVALID, "/intents/0/keywords/0")
    );
    assert_eq!(
        check(|d| d["intents"][0]["id"] = json!("help")),
        one(code::DUPLICATE_ID, "/intents/1/id")
    );
    assert_eq!(
        check(|d| d["settings"]["on_error"] = json!("gone")),
        one(code::UNKNOWN_JUMP, "/settings/on_error")
    );
    assert_eq!(
        check(|d| d["settings"]["burst"] = json!({"quiet_ms": 9, "max_ms": 8})),
        one(code::SCHEMA_INVALID, "/settings/burst")
    );
}

/// A flow whose second node fails.
fn failing(on_error: Value, flows: Value) -> Play {
    let nodes = json!([
        ["ask", "input", {"prompt": "?", "variable": "v"}],
        ["bad", "text", {"text": "{{ 1 // 0 }}"}],
        ["sorry", "text", {"text": "sorry, {{ v }}"}],
        ["more", "input", {"prompt": "what happened?", "variable": "w"}],
        ["worse", "jump", {"node": "bad"}]
    ]);
    let edges =
        json!([["start", "next", "ask"], ["ask", "reply", "bad"], ["more", "reply", "bad"]]);
    let mut document = document(nodes, edges);
    document["settings"] = json!({"on_error": on_error});
    document["flows"] = flows;
    let mut play = Play::with(&Flows::new(), &document);
    play.say("hi");
    play
}

#[test]
fn what_the_document_has_for_errors_runs_once() {
    let mut play = failing(json!("sorry"), json!({}));
    assert_eq!(play.say("Ada"), ["sorry, Ada"]);
    assert!(play.is(Failed));
    let reason = play.failure.clone();
    assert!(reason.as_deref().is_some_and(|reason| !reason.is_empty()));
    let sorry = called(json!([["s", "text", {"text": "so sorry{{ v }}"}]]), json!([]));
    let mut play = failing(json!("away"), json!({"away": sorry}));
    assert_eq!(play.say("Ada"), ["so sorry"]);
    assert!(play.is(Failed));
    // It may ask, and may fail itself: the first reason stays.
    let mut play = failing(json!("more"), json!({}));
    assert_eq!(play.say("Ada"), ["what happened?"]);
    assert!(play.is(Waiting));
    assert!(play.say("it broke").is_empty());
    assert!(play.is(Failed));
    assert_eq!(play.failure, reason);
    let mut play = failing(json!("worse"), json!({}));
    assert!(play.say("Ada").is_empty());
    assert!(play.is(Failed));
}

#[test]
fn limits_run_it_too() {
    let mut endless = document(
        json!([["each", "foreach", {"list": "items", "item": "x"}], ["sorry", "text", {"text": "sorry"}]]),
        json!([["start", "next", "each"]]),
    );
    endless["variables"] = json!([{"name": "items", "default": (0..200).collect::<Vec<_>>()}]);
    endless["settings"] = json!({"on_error": "sorry"});
    let mut play = Play::with(&Flows::new(), &endless);
    assert_eq!(play.say("hi"), ["sorry"]);
    assert_eq!(play.failure.as_deref(), Some("the step visits too many nodes"));
}

fn ladder(timeout: Value) -> Play {
    let mut data = json!({
        "prompt": "Name?", "variable": "name",
        "follow_ups": [{"after_minutes": 10, "text": "Still there?"}, {"after_minutes": 60, "text": "{{ contact.name }}?"}]
    });
    if !timeout.is_null() {
        data["timeout_minutes"] = timeout;
    }
    let nodes = json!([["ask", "input", data], ["late", "text", {"text": "too late"}]]);
    let mut edges = json!([["start", "next", "ask"]]);
    if data.get("timeout_minutes").is_some() {
        edges.as_array_mut().unwrap().push(json!(["ask", "timeout", "late"]));
    }
    Play::of(nodes, edges)
}

#[test]
fn reminders_go_out_one_after_the_other_and_then_the_time_is_over() {
    let mut play = ladder(json!(90));
    assert_eq!(play.say("hi"), ["Name?", "timer t1 in 600s"]);
    assert_eq!(play.later(600).timer("t1"), ["Still there?", "timer t2 in 3000s"]);
    assert_eq!(play.later(3000).timer("t2"), ["Ada?", "timer t3 in 1800s"]);
    assert_eq!(play.later(1800).timer("t3"), ["too late"]);
    assert!(play.is(Completed));
}

#[test]
fn a_bad_answer_begins_the_reminders_anew_and_a_good_one_ends_them() {
    let mut play = ladder(json!(90));
    play.say("hi");
    assert_eq!(play.later(600).timer("t1"), ["Still there?", "timer t2 in 3000s"]);
    assert_eq!(play.later(60).say(" "), ["Name?", "timer t3 in 600s"]);
    assert_eq!(play.later(600).timer("t3"), ["Still there?", "timer t4 in 3000s"]);
    assert_eq!(play.say("Ada"), ["clear timers"]);
    assert!(play.is(Completed));
}

#[test]
fn reminders_that_a_night_of_silence_held_up_do_not_pile_up() {
    let mut play = ladder(json!(90));
    play.say("hi");
    assert_eq!(play.later(3700).timer("t1"), ["Ada?", "timer t2 in 1700s"], "only the newest");
    let mut play = ladder(json!(90));
    play.say("hi");
    assert_eq!(play.later(100_000).timer("t1"), ["too late"]);
    let mut play = ladder(Value::Null);
    play.say("hi");
    assert_eq!(play.later(600).timer("t1"), ["Still there?", "timer t2 in 3000s"]);
    assert_eq!(play.later(3000).timer("t2"), ["Ada?"], "and then it waits for ever");
    assert!(play.is(Waiting));
}
