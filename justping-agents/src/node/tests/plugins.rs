//! Plugins that decide.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::sync::Arc;

use justping_core::memory::ScriptedPlugins;
use justping_core::model::{
    BusinessId, CallResult, ContactPatch, Content, SessionStatus, Timestamp,
};
use justping_core::port::{
    Effect, FlowRuntime, PluginAsk, PluginError, PluginEvent, PluginNext, PluginStep,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::play::{Play, START_MS, document};
use crate::{Flows, replay};

fn leave(exit: &str) -> PluginStep {
    PluginStep {
        messages: Vec::new(),
        output: None,
        contact: None,
        next: PluginNext::Leave { exit: exit.to_owned() },
    }
}

fn wait(memory: Value, minutes: Option<i64>) -> PluginStep {
    let until = minutes.map(|n| Timestamp::from_millisecond(START_MS + n * 60_000).unwrap());
    PluginStep { next: PluginNext::Wait { memory, until }, ..leave("") }
}

/// Finds orders; asks for the number when it has none.
fn lookup(ask: &PluginAsk) -> Result<PluginStep, PluginError> {
    match ask.config["order"].as_str().unwrap_or_default() {
        "4711" => Ok(PluginStep {
            messages: vec![Content::text("One moment.")],
            output: Some(json!({"status": "sent", "who": ask.contact.name})),
            contact: Some(ContactPatch {
                name: Some("Grace".to_owned()),
                ..ContactPatch::default()
            }),
            ..leave("found")
        }),
        "late" => Err(PluginError::new("cpu_limit", "took too long")),
        "odd" => Ok(leave("nowhere")),
        "own-error" => Ok(leave("error")),
        "huge" => Ok(PluginStep { output: Some(json!("x".repeat(100_000))), ..leave("found") }),
        "loud" => Ok(PluginStep { messages: vec![Content::text("x"); 21], ..leave("found") }),
        _ => Ok(leave("missing")),
    }
}

/// Collects words until `stop`, for ten minutes.
fn collect(ask: &PluginAsk) -> Result<PluginStep, PluginError> {
    let mut words = ask.memory.as_array().cloned().unwrap_or_default();
    match &ask.event {
        None => {}
        Some(PluginEvent::Timer) => return Ok(leave("silence")),
        Some(PluginEvent::Message { content }) if content.plain() == "stop" => {
            return Ok(PluginStep { output: Some(Value::from(words)), ..leave("done") });
        }
        Some(PluginEvent::Message { content }) => words.push(json!(content.plain())),
    }
    Ok(wait(Value::from(words), Some(10)))
}

fn plugins() -> Arc<ScriptedPlugins> {
    let business = BusinessId::from_uuid(Uuid::nil());
    let plugins = ScriptedPlugins::new()
        .with_node(business, "orders", "lookup", lookup)
        .with_node(business, "orders", "collect", collect);
    Arc::new(plugins)
}

fn play(plugins: &Arc<ScriptedPlugins>, data: Value) -> Play {
    let text = |text: &str| json!({"text": text});
    let nodes = json!([
        ["p", "plugin", data],
        ["found", "text", text("{{ order.status }} {{ contact.name }}")],
        ["missing", "text", text("none")],
        ["oops", "text", text("{{ plugin_error }}")],
        ["done", "text", text("{{ order|join(',') }}")],
        ["silence", "text", text("gone")]
    ]);
    let exits = data["exits"].as_array().unwrap().iter();
    let exits = exits.map(|exit| json!(["p", exit, exit]));
    let mut edges = vec![json!(["start", "next", "p"]), json!(["p", "error", "oops"])];
    edges.extend(exits);
    Play::with(&Flows::new().with_plugins(plugins.clone()), &document(nodes, Value::from(edges)))
}

fn looking(plugins: &Arc<ScriptedPlugins>, order: &str) -> Play {
    play(
        plugins,
        json!({
            "plugin": "orders", "node": "lookup", "config": {"order": order, "n": [1]},
            "exits": ["found", "missing"], "variable": "order"
        }),
    )
}

fn collecting(plugins: &Arc<ScriptedPlugins>) -> Play {
    play(
        plugins,
        json!({
            "plugin": "orders", "node": "collect", "exits": ["done", "silence"], "variable": "order"
        }),
    )
}

#[tokio::test]
async fn what_a_plugin_decides_is_done_by_the_next_step() {
    let plugins = plugins();
    let mut play = looking(&plugins, "{{ message.text }}");
    assert_eq!(play.say("4711"), ["call c1 of p"]);
    let asked: PluginAsk = serde_json::from_value(play.call().input).unwrap();
    assert_eq!((asked.config, asked.event), (json!({"order": "4711", "n": [1]}), None));
    assert_eq!(play.perform().await, ["One moment.", "update contact", "sent Grace"]);
    assert!(play.effects.iter().any(|effect| matches!(effect, Effect::UpdateContact { .. })));
    assert_eq!(play.variable("order"), json!({"status": "sent", "who": "Ada"}));
    // Nothing is asked again when the session is replayed.
    replay(&*play.program, play.trace.clone()).unwrap();
    assert_eq!(plugins.asks().len(), 1);
}

#[tokio::test]
async fn failures_leave_by_the_error_exit_and_save_their_code() {
    for (order, code) in [
        ("late", "cpu_limit"),
        ("odd", "unknown_exit"),
        ("own-error", "plugin_left"),
        ("huge", "answer_too_large"),
        ("loud", "too_many_messages"),
    ] {
        let mut play = looking(&plugins(), order);
        play.say("hi");
        assert_eq!(play.perform().await, [code], "{order}");
        assert_eq!(play.variable("order"), Value::Null, "{order}");
    }
    let mut play = looking(&plugins(), "4711");
    play.say("hi");
    assert_eq!(play.call_done("c1", CallResult::Ok(json!({"next": 7}))), ["malformed"]);
}

#[tokio::test]
async fn a_missing_plugin_and_a_missing_node_are_told() {
    for (plugin, node, code) in
        [("nobody", "x", PluginError::NOT_INSTALLED), ("orders", "x", PluginError::UNKNOWN_NODE)]
    {
        let data = json!({"plugin": plugin, "node": node, "exits": []});
        let mut play = play(&plugins(), data);
        play.say("hi");
        assert_eq!(play.perform().await, [code]);
    }
}

#[tokio::test]
async fn a_plugin_waits_and_is_told_what_it_remembered() {
    let plugins = plugins();
    let mut play = collecting(&plugins);
    play.say("begin");
    assert_eq!(play.perform().await, ["timer t2 in 600s"]);
    for word in ["a", "b"] {
        let words = play.say(word);
        assert!(words.iter().any(|word| word.starts_with("call")), "{words:?}");
        play.perform().await;
    }
    play.say("stop");
    assert_eq!(play.perform().await.last().unwrap(), "a,b");
    replay(&*play.program, play.trace.clone()).unwrap();
}

#[tokio::test]
async fn what_is_written_while_it_works_is_heard_in_order() {
    let mut play = collecting(&plugins());
    play.say("begin");
    for word in ["a", "b", "stop"] {
        assert_eq!(play.say(word), [""; 0], "the call stays out");
    }
    play.perform_again("c1").await;
    for _ in 0..2 {
        play.perform().await;
    }
    assert_eq!(play.perform().await.last().unwrap(), "a,b");
    assert!(play.is(SessionStatus::Completed));
    replay(&*play.program, play.trace.clone()).unwrap();
}

#[tokio::test]
async fn silence_is_told_when_its_moment_has_come() {
    let mut play = collecting(&plugins());
    play.say("begin");
    play.perform().await;
    play.later(600);
    play.timer("t2");
    assert_eq!(play.perform().await.last().unwrap(), "gone");
}

#[test]
fn documents_are_checked() {
    let checked = |data: Value| {
        let nodes = json!([["p", "plugin", data]]);
        let flows = Flows::new().with_plugins(plugins());
        let findings = flows.check(&document(nodes, json!([["start", "next", "p"]])));
        findings.into_iter().map(|finding| finding.path).collect::<Vec<_>>()
    };
    let data = |exits: Value| json!({"plugin": "orders", "node": "lookup", "exits": exits});
    // What went wrong may be told, as it is set by that exit too.
    let nodes =
        json!([["p", "plugin", data(json!([]))], ["oops", "text", {"text": "{{ plugin_error }}"}]]);
    let edges = json!([["start", "next", "p"], ["p", "error", "oops"]]);
    let told = Flows::new().with_plugins(plugins()).check(&document(nodes, edges));
    assert!(told.iter().all(|finding| finding.code != "unknown_variable"), "{told:?}");
    let exits = checked(data(json!(["error"])));
    assert!(exits.contains(&"/nodes/1/data/exits/0".to_owned()), "{exits:?}");
    assert!(!checked(data(json!(["a", "a"]))).is_empty());
    assert!(!checked(json!({"plugin": "Orders", "node": "lookup"})).is_empty());
    let without = Flows::new().check(&document(
        json!([["p", "plugin", data(json!([]))]]),
        json!([["start", "next", "p"]]),
    ));
    assert!(without.iter().any(|finding| finding.code == "missing_provider"), "{without:?}");
}
