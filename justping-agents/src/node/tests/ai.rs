//! Talking with a model.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::sync::Arc;

use justping_core::memory::{AiReply, ScriptedAi};
use justping_core::model::CallResult;
use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use justping_core::port::{AiError, ChatRole};
use serde_json::{Value, json};

use crate::play::{Play, quiet};

fn talk(ai: &Arc<ScriptedAi>, data: Value) -> Play {
    let nodes = json!([
        ["ai", "ai_reply", data],
        ["done", "text", {"text": "done {{ answer }}"}],
        ["human", "handoff", {"note": "{{ handoff_reason }}"}],
        ["late", "text", {"text": "too late"}],
        ["oops", "text", {"text": "oops"}]
    ]);
    let mut edges = vec![
        json!(["start", "next", "ai"]),
        json!(["ai", "next", "done"]),
        json!(["ai", "error", "oops"]),
    ];
    if data.get("hand_off").is_none() {
        edges.push(json!(["ai", "handoff", "human"]));
    }
    if data.get("timeout_minutes").is_some() {
        edges.push(json!(["ai", "timeout", "late"]));
    }
    Play::with_ai(ai, nodes, Value::from(edges))
}

fn said(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).filter(|word| !word.starts_with("emit ai.")).collect()
}

#[tokio::test]
async fn it_answers_turn_by_turn_with_what_was_said_before() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then("Hello Ada").then("42");
    let mut play = talk(&ai, json!({"prompt": "Help {{ contact.name }}.", "variable": "answer"}));
    assert_eq!(play.say("hi"), ["call c1 of ai"]);
    let words = play.perform().await;
    assert_eq!(said(&words), ["Hello Ada"]);
    assert!(words[0].contains("\"output_tokens\":2"), "{words:?}");
    assert_eq!(play.say("the answer?"), ["call c2 of ai"]);
    assert_eq!(said(&play.perform().await), ["42"]);
    assert_eq!(play.variable("answer"), json!("42"));
    let requests = ai.requests();
    let last: Vec<(ChatRole, &str)> =
        requests[1].messages.iter().map(|m| (m.role, m.text.as_str())).collect();
    let expected = [
        (ChatRole::System, "Be kind.\n\nHelp Ada."),
        (ChatRole::User, "hi"),
        (ChatRole::Assistant, "Hello Ada"),
        (ChatRole::User, "the answer?"),
    ];
    assert_eq!(last, expected);
    assert_eq!(requests[1].model.as_deref(), Some("small"));
    assert_eq!(requests[1].tools[0].name, "hand_off");
}

#[tokio::test]
async fn exit_phrases_and_the_last_turn_end_the_talk() {
    let ai = Arc::new(ScriptedAi::new());
    ai.otherwise("ok");
    let mut play =
        talk(&ai, json!({"exit_phrases": ["Good bye"], "variable": "answer", "max_turns": 2}));
    play.say("hi");
    play.perform().await;
    assert_eq!(play.say(" good  BYE! "), ["done ok"]);
    let mut play = talk(&ai, json!({"max_turns": 2}));
    play.say("hi");
    assert_eq!(said(&play.perform().await), ["ok"]);
    play.say("more");
    assert_eq!(said(&play.perform().await), ["ok", "done "]);
    assert!(play.is(Completed));
}

#[tokio::test]
async fn a_message_meanwhile_asks_again_with_both() {
    let ai = Arc::new(ScriptedAi::new());
    ai.otherwise("ok");
    let mut play = talk(&ai, json!({}));
    play.say("I want");
    let first = play.call();
    assert_eq!(play.say("a boat"), ["cancel calls", "call c2 of ai"]);
    let result = play.program.perform(&first, &quiet()).await;
    let state = play.state.clone();
    assert!(play.call_done("c1", result).is_empty());
    assert_eq!(play.state, state);
    let result = CallResult::Ok(json!({"text": "Which boat?"}));
    assert_eq!(said(&play.call_done("c2", result)), ["Which boat?"]);
    let state: Value = serde_json::from_str(play.state.as_deref().unwrap()).unwrap();
    let history = json!([{"u": "I want"}, {"u": "a boat"}, {"a": "Which boat?"}]);
    assert_eq!(state["l"]["h"]["l"], history);
}

#[tokio::test]
async fn the_model_hands_off_with_a_reason() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then(AiReply::call("hand_off", r#"{"reason":"wants a refund"}"#));
    ai.then(AiReply::call("hand_off", "not json"));
    for note in ["wants a refund", "-"] {
        let mut play = talk(&ai, json!({}));
        play.say("refund");
        assert_eq!(said(&play.perform().await), [format!("hand off: {note}")]);
        assert!(play.is(Completed));
    }
}

#[tokio::test]
async fn silence_is_an_error() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then("");
    let mut play = talk(&ai, json!({}));
    play.say("hi");
    assert_eq!(said(&play.perform().await), ["oops"]);
    let nodes = json!([["ai", "ai_reply", {"hand_off": "never"}]]);
    let mut play = Play::with_ai(&ai, nodes, json!([["start", "next", "ai"]]));
    play.say("hi");
    let code = "unauthorized".to_owned();
    play.call_done("c1", CallResult::Error { code, detail: String::new() });
    assert!(play.is(Failed));
    assert_eq!(play.failure.as_deref(), Some("the model did not answer: unauthorized"));
    assert!(play.call_is_without_tools(&ai));
}

impl Play {
    fn call_is_without_tools(&self, ai: &Arc<ScriptedAi>) -> bool {
        let nodes = json!([["ai", "ai_reply", {"hand_off": "never"}]]);
        let mut play = Self::with_ai(ai, nodes, json!([["start", "next", "ai"]]));
        play.say("hi");
        play.call().input["ask"]["request"]["tools"] == json!([])
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_that_passes_is_tried_again() {
    let ai = Arc::new(ScriptedAi::new());
    let down = || AiError::Unavailable { after: None, detail: "down".to_owned() };
    ai.then_fail(down()).then_fail(AiError::RateLimited { after: None }).then("back");
    let mut play = talk(&ai, json!({}));
    play.say("hi");
    assert_eq!(said(&play.perform().await), ["back"]);
    ai.then_fail(down()).then_fail(down()).then_fail(down());
    play.say("again");
    assert_eq!(said(&play.perform().await), ["oops"]);
    assert_eq!(ai.requests().len(), 6);
    ai.then_fail(AiError::Unauthorized);
    let mut play = talk(&ai, json!({}));
    play.say("hi");
    assert_eq!(said(&play.perform().await), ["oops"]);
    assert_eq!(ai.requests().len(), 7);
}

#[tokio::test]
async fn it_can_wait_first_and_not_for_ever() {
    let ai = Arc::new(ScriptedAi::new());
    ai.otherwise("ok");
    let mut play = talk(&ai, json!({"begin": "wait", "timeout_minutes": 1}));
    assert_eq!(play.say("hi"), ["timer t1 in 60s"]);
    assert_eq!(play.say("question"), ["clear timers", "call c2 of ai"]);
    assert_eq!(said(&play.perform().await), ["ok", "timer t3 in 60s"]);
    assert!(play.say("  ").is_empty() && play.is(Waiting));
    assert_eq!(play.timer("t3"), ["too late"]);
}

#[tokio::test]
async fn a_state_from_elsewhere_fails_the_node_not_the_process() {
    let ai = Arc::new(ScriptedAi::new());
    let mut play = talk(&ai, json!({}));
    play.state = Some(r#"{"n":"ai","l":[1],"s":1,"c":1}"#.to_owned());
    assert_eq!(play.call_done("c1", CallResult::Ok(json!({}))), ["oops"]);
    let request = justping_core::model::CallRequest {
        node: "nobody".to_owned(),
        token: "c1".to_owned(),
        input: json!(1),
    };
    let result = play.program.perform(&request, &quiet()).await;
    assert!(matches!(result, CallResult::Error { code, .. } if code == "unknown_node"));
    let request = justping_core::model::CallRequest { node: "ai".to_owned(), ..request };
    let result = play.program.perform(&request, &quiet()).await;
    assert!(matches!(result, CallResult::Error { code, .. } if code == "unsupported"));
}
