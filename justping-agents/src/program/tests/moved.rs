//! Sessions that come from another version, and what programs tell about themselves.

use justping_core::model::SessionStatus::{Completed, Waiting};
use justping_core::model::{Content, FlowVersionId};
use justping_core::port::{Effect, FlowRuntime, Moved, StepEvent, StepInput};
use serde_json::{Value, json};

use super::menus;
use crate::Flows;
use crate::play::{Play, called, document, input};

fn moved(again: bool, nodes: &[(&str, &str)]) -> Moved {
    let version = |n| FlowVersionId::from_uuid(uuid::Uuid::from_u128(n));
    let nodes = nodes.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    Moved { from: version(1), to: version(2), nodes, again }
}

/// The second choice of `menus`, as another version has it.
fn other_version(name: &str) -> Value {
    let nodes = json!([
        [name, "buttons", {"text": "Two", "timeout_minutes": 5,
            "options": [{"id": "y", "title": "Why"}]}],
        ["end", "text", {"text": "{{ a }} {{ b }}"}]
    ]);
    let mut other = document(nodes, json!([["start", "next", name], [name, "option:y", "end"]]));
    other["variables"] = json!([{"name": "a", "default": 1}, {"name": "b", "default": 2}]);
    other
}

#[test]
fn a_session_goes_on_in_another_version() {
    let step = |again: bool, event: StepEvent| {
        let mut play = menus("jump");
        play.program = Flows::new().compile(&other_version("second")).unwrap();
        let input = play_input(&play, event, Some(moved(again, &[("two", "second")])));
        let outcome = play.program.step(play.state.as_deref(), &input);
        assert_eq!(outcome, play.program.step(play.state.as_deref(), &input));
        outcome
    };
    let says = |text: &str| StepEvent::Message { content: Content::text(text) };
    let goes_on = step(false, says("why"));
    assert_eq!(goes_on.status, Completed);
    assert_eq!(goes_on.effects, [Effect::Send { content: Content::text("1 2") }]);
    // Entered again: it asks, counts the prompt on, and sets its timer.
    let again = step(true, says("why"));
    assert_eq!((again.status, again.effects.len()), (Waiting, 2));
    let state: Value = serde_json::from_str(&again.state).unwrap();
    assert_eq!((&state["n"], &state["p"], &state["s"]), (&json!("second"), &json!(3), &json!(3)));
    assert_eq!(state["v"], json!({"a": 1, "b": 2}));
    // An event that concerns nobody moves it all the same.
    let stale = step(false, StepEvent::Timer { token: "t9".to_owned() });
    let state: Value = serde_json::from_str(&stale.state).unwrap();
    assert_eq!((stale.status, &state["n"], &state["s"]), (Waiting, &json!("second"), &json!(2)));
}

#[test]
fn a_program_says_where_a_session_stands_and_what_a_node_is() {
    let play = menus("ignore");
    assert_eq!(play.program.position(play.state.as_deref().unwrap()), ["two"]);
    assert_eq!(play.program.position("{"), [""; 0]);
    assert_eq!(play.program.position("{}"), [""; 0]);
    let mark = |node| play.program.mark(node);
    assert_eq!(mark("one").unwrap().kind, "buttons");
    assert_ne!(mark("one"), mark("two"));
    assert_eq!(mark("none"), None);
    let other = Flows::new().compile(&other_version("two")).unwrap();
    assert_ne!(other.mark("two"), mark("two"), "what is configured counts");
}

#[test]
fn the_way_of_a_step_can_be_asked_for() {
    let play = menus("ignore");
    let way = |event| {
        let input = play_input(&play, event, None);
        let way = play.program.path(play.state.as_deref(), &input);
        way.into_iter().map(|visit| (visit.node, visit.exit)).collect::<Vec<_>>()
    };
    let visit = |node: &str, exit: Option<&str>| (node.to_owned(), exit.map(str::to_owned));
    let says = |text: &str| StepEvent::Message { content: Content::text(text) };
    assert_eq!(way(says("why")), [visit("two", Some("option:y")), visit("y2", Some("next"))]);
    assert_eq!(way(says("neither")), [visit("two", None)]);
    assert_eq!(way(StepEvent::Timer { token: "t9".to_owned() }), []);
    let first = play.program.path(None, &play_input(&play, says("hi"), None));
    assert_eq!(first.last().unwrap().node, "one");
    assert_eq!(first[0].node, "start");
}

fn play_input(play: &Play, event: StepEvent, moved: Option<Moved>) -> StepInput {
    StepInput { event, moved, ..input(play.now_ms, 7) }
}

/// A document that calls a flow, which asks; `renamed` is what the asking node is called there.
fn calling(asks: &str, greeting: &str) -> Value {
    let flow = called(
        json!([[asks, "input", {"prompt": "{{ hello }}?", "variable": "answer"}]]),
        json!([]),
    );
    let mut flow = flow;
    flow["variables"] =
        json!([{"name": "answer"}, {"name": "hello", "default": greeting}, {"name": asks}]);
    let data = json!({"flow": "sub", "outputs": {"said": "answer"}});
    let mut document = document(
        json!([["call", "call_flow", data], ["end", "text", {"text": "{{ said }}"}]]),
        json!([["start", "next", "call"], ["call", "next", "end"]]),
    );
    document["flows"] = json!({"sub": flow});
    document
}

#[test]
fn a_session_inside_of_a_called_flow_goes_on_there() {
    let mut play = Play::with(&Flows::new(), &calling("ask", "Hi"));
    assert_eq!(play.say("hi"), ["Hi?"]);
    let position = play.program.position(play.state.as_deref().unwrap());
    assert_eq!(position, ["call", "sub/ask"]);
    play.program = Flows::new().compile(&calling("question", "Hello")).unwrap();
    let names = [("sub/ask", "sub/question")];
    let says = |text: &str| StepEvent::Message { content: Content::text(text) };
    let input = play_input(&play, says("tea"), Some(moved(false, &names)));
    let outcome = play.program.step(play.state.as_deref(), &input);
    assert_eq!(outcome.effects, [Effect::Send { content: Content::text("tea") }]);
    assert_eq!(outcome.status, Completed);
    // Entered again it asks with what it knew, and comes back to the caller all the same.
    let input = play_input(&play, says("tea"), Some(moved(true, &names)));
    let outcome = play.program.step(play.state.as_deref(), &input);
    assert_eq!(outcome.effects, [Effect::Send { content: Content::text("Hi?") }]);
    let input = play_input(&play, says("milk"), None);
    let outcome = play.program.step(Some(&outcome.state), &input);
    assert_eq!(outcome.effects, [Effect::Send { content: Content::text("milk") }]);
}

#[test]
fn a_burst_that_is_gathered_ends_when_its_node_is_entered_again() {
    let burst = |prompt: &str| {
        let ask = json!({"prompt": prompt, "variable": "a"});
        let mut document =
            document(json!([["ask", "input", ask]]), json!([["start", "next", "ask"]]));
        document["settings"] = json!({"burst": {"quiet_ms": 2000, "max_ms": 5000}});
        document
    };
    let mut play = Play::with(&Flows::new(), &burst("One?"));
    play.say("hi");
    assert_eq!(play.later(3).timer("t1"), ["One?"]);
    assert_eq!(play.say("first"), ["timer t2 in 2s"]);
    play.program = Flows::new().compile(&burst("Two?")).unwrap();
    let event = StepEvent::Message { content: Content::text("second") };
    let outcome =
        play.program.step(play.state.as_deref(), &play_input(&play, event, Some(moved(true, &[]))));
    assert_eq!(
        outcome.effects,
        [Effect::ClearTimers, Effect::Send { content: Content::text("Two?") }]
    );
    let state: Value = serde_json::from_str(&outcome.state).unwrap();
    assert_eq!((&state["b"], &state["m"]), (&Value::Null, &json!("second")));
}
