mod burst;
mod flows;
mod moved;
mod outside;
mod words;

use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use justping_core::model::{CallResult, Content};
use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, STATE_MAX_BYTES,
    Step, StepEvent,
};
use serde_json::{Value, json};

use super::{STEPS_MAX, VISITS_MAX, replay};
use crate::Flows;
use crate::play::{Play, document};
use crate::program::ReplayError;

/// Two choices one after the other; the first has a policy for late replies.
fn menus(policy: &str) -> Play {
    let menu = |text: &str| json!({"text": text, "options": [{"id": "x", "title": "Ex"}, {"id": "y", "title": "Why"}]});
    let mut first = menu("One");
    first["late_reply"] = json!(policy);
    let nodes = json!([
        ["one", "buttons", first],
        ["two", "buttons", menu("Two")],
        ["y1", "text", {"text": "one-y"}],
        ["y2", "text", {"text": "two-y"}]
    ]);
    let edges = json!([
        ["start", "next", "one"],
        ["one", "option:x", "two"],
        ["one", "option:y", "y1"],
        ["two", "option:y", "y2"]
    ]);
    let mut play = Play::of(nodes, edges);
    assert_eq!(play.say("hi"), ["One [one.1.x=Ex one.1.y=Why]"]);
    assert_eq!(play.press("one.1.x", "Ex"), ["Two [two.2.x=Ex two.2.y=Why]"]);
    play
}

#[test]
fn a_late_reply_follows_the_policy_of_its_node() {
    let mut play = menus("ignore");
    let before = play.state.clone();
    assert!(play.press("one.1.y", "Why").is_empty());
    assert_eq!((play.state.clone(), play.status), (before, Waiting));
    assert_eq!(menus("treat_as_text").press("one.1.y", "Why"), ["two-y"]);
    assert_eq!(menus("jump").press("one.1.y", "Why"), ["one-y"]);
}

#[test]
fn options_of_nobody_are_heard_as_text() {
    for option in ["gone.1.y", "one.99.y", "y", "", "a.b.c.d"] {
        assert_eq!(menus("jump").press(option, "Why"), ["two-y"], "{option}");
    }
}

#[test]
fn an_older_prompt_of_the_same_node_still_counts() {
    let mut play = menus("ignore");
    assert_eq!(play.say("neither"), ["Two [two.3.x=Ex two.3.y=Why]"]);
    assert_eq!(play.press("two.2.y", "Why"), ["two-y"]);
}

#[test]
fn option_ids_fit_every_channel() {
    let id = "n".repeat(80);
    let option = "o".repeat(64);
    let data = json!({"text": "?", "options": [{"id": option, "title": "T"}]});
    let mut play = Play::of(json!([[id, "buttons", data]]), json!([["start", "next", id]]));
    play.say("hi");
    let Effect::Send { content: Content::Buttons { options, .. } } = &play.effects[0] else {
        panic!()
    };
    assert!(options[0].id.len() <= 200 && options[0].id.starts_with(&id));
}

#[test]
fn reactions_are_no_messages() {
    let mut play = menus("jump");
    let before = play.state.clone();
    let reaction = Content::Reaction { target: "m".to_owned(), emoji: "👍".to_owned() };
    assert!(play.hear(reaction.clone()).is_empty());
    assert_eq!(play.state, before);
    assert!(!play.program.starts_on(&StepEvent::Message { content: reaction }));
    assert!(play.program.starts_on(&StepEvent::Message { content: Content::text("x") }));
    assert!(!play.program.starts_on(&StepEvent::Timer { token: "t1".to_owned() }));
}

#[test]
fn a_session_starts_whatever_starts_it() {
    let mut play =
        Play::of(json!([["t", "text", {"text": "yes"}]]), json!([["start", "next", "t"]]));
    assert_eq!(play.timer("none"), ["yes"]);
    assert!(play.is(Completed));
}

#[test]
fn states_that_cannot_be_read_fail_the_session() {
    for state in ["", "{", "[]", "null", "{}", r#"{"n":"gone"}"#, r#"{"n":"one","s":-1}"#, "😀"] {
        let mut play = menus("jump");
        play.state = Some(state.to_owned());
        assert!(play.say("x").is_empty(), "{state}");
        assert!(play.is(Failed) && play.failure.is_some(), "{state}");
    }
    let mut play = menus("jump");
    play.state = Some(format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)));
    play.say("x");
    assert!(play.is(Failed));
}

#[test]
fn a_state_can_wait_at_a_node_that_does_not_wait() {
    let mut play = menus("jump");
    play.state = Some(r#"{"n":"y1","s":4294967295,"k":4294967295,"p":4294967295}"#.to_owned());
    play.say("x");
    assert_eq!(play.failure.as_deref(), Some("the session takes too many steps"));
    play.state = Some(r#"{"n":"y1"}"#.to_owned());
    play.say("x");
    assert_eq!(play.failure.as_deref(), Some("the node does not wait"));
}

#[test]
fn the_ended_session_hears_nothing() {
    let mut play = menus("jump");
    play.say("why");
    assert!(play.is(Completed));
    play.say("hello?");
    assert_eq!(play.failure.as_deref(), Some("the session has ended"));
}

#[test]
fn a_step_visits_so_many_nodes() {
    // A wait makes the circle lawful; the jump back is taken without waiting in the chain itself.
    let mut nodes = Vec::new();
    let mut edges = vec![json!(["start", "next", "n0"])];
    for at in 0..VISITS_MAX + 10 {
        nodes
            .push(json!([format!("n{at}"), "set", {"assignments": [{"variable": "n", "add": 1}]}]));
        edges.push(json!([format!("n{at}"), "next", format!("n{}", at + 1)]));
    }
    nodes.push(json!([format!("n{}", VISITS_MAX + 10), "end", {}]));
    nodes.push(json!(["oops", "text", {"text": "oops"}]));
    let mut play = Play::of(Value::from(nodes.clone()), Value::from(edges.clone()));
    play.say("hi");
    assert_eq!(play.failure.as_deref(), Some("the step visits too many nodes"));
    assert_eq!(play.variable("n"), json!(VISITS_MAX - 1));
    edges.push(json!([format!("n{}", VISITS_MAX - 2), "error", "oops"]));
    let mut play = Play::of(Value::from(nodes), Value::from(edges));
    assert_eq!(play.say("hi"), ["oops"]);
    assert!(play.is(Completed));
}

#[test]
fn a_session_takes_so_many_steps_and_is_spared_once() {
    let again = json!({"text": "again?", "options": [{"id": "y", "title": "Yes"}]});
    let nodes = json!([
        ["q", "buttons", again],
        ["e", "buttons", {"text": "enough", "options": [{"id": "y", "title": "Yes"}]}]
    ]);
    let edges = json!([
        ["start", "next", "q"],
        ["q", "option:y", "q"],
        ["q", "error", "e"],
        ["e", "option:y", "q"]
    ]);
    let mut play = Play::of(nodes, edges);
    for _ in 0..STEPS_MAX {
        assert!(play.say("yes")[0].starts_with("again?"));
    }
    assert!(play.say("yes")[0].starts_with("enough"));
    assert!(play.is(Waiting));
    assert!(play.say("yes").is_empty());
    assert_eq!(play.failure.as_deref(), Some("the session takes too many steps"));
}

#[test]
fn a_flow_can_tighten_the_limits() {
    let mut tight = document(
        json!([["a", "text", {"text": "a"}], ["b", "text", {"text": "b"}]]),
        json!([["start", "next", "a"], ["a", "next", "b"]]),
    );
    tight["settings"] = json!({"max_visits": 2});
    let mut play = Play::with(&Flows::new(), &tight);
    assert_eq!(play.say("hi"), ["a"]);
    assert!(play.is(Failed));
}

#[test]
fn variables_take_so_much_room_and_are_put_back() {
    let filler = "x".repeat(9_000);
    let grow = json!({"assignments": (0..32).map(|n| {
        json!({"variable": format!("v{n}"), "text": filler})
    }).collect::<Vec<_>>()});
    let nodes = json!([
        ["q", "input", {"prompt": "?", "variable": "name"}],
        ["grow", "set", grow],
        ["oops", "text", {"text": "oops {{ name }}{{ v0 }}"}]
    ]);
    let edges = json!([["start", "next", "q"], ["q", "reply", "grow"], ["grow", "error", "oops"]]);
    let mut play = Play::of(nodes.clone(), edges);
    play.say("hi");
    assert_eq!(play.say("Ada"), ["oops "]);
    assert!(play.is(Completed));
    let mut play = Play::of(nodes, json!([["start", "next", "q"], ["q", "reply", "grow"]]));
    play.say("hi");
    play.say("Ada");
    assert_eq!(play.failure.as_deref(), Some("the variables take too much room"));
}

#[test]
fn a_state_that_grows_by_escaping_is_still_bounded() {
    let mut document = document(
        json!([["q", "input", {"prompt": "?", "variable": "a", "timeout_minutes": 1}]]),
        json!([["start", "next", "q"]]),
    );
    let control = "\u{1}".repeat(60_000);
    document["variables"] = json!([{"name": "b", "default": control}]);
    let mut play = Play::with(&Flows::new(), &document);
    let said = play.say("hi");
    assert_eq!(said.last().map(String::as_str), Some("clear timers"));
    assert_eq!(play.failure.as_deref(), Some("the state takes too much room"));
    assert!(play.state.unwrap().len() <= STATE_MAX_BYTES);
}

#[test]
fn a_recorded_session_replays_and_a_changed_one_does_not() {
    let mut play = menus("jump");
    play.say("nothing");
    play.say("why");
    let program = play.program.clone();
    assert_eq!(replay(&*program, play.trace.clone()), Ok(()));
    let changed = |change: fn(&mut justping_core::model::TraceStep)| {
        let mut trace = play.trace.clone();
        change(&mut trace[1]);
        replay(&*program, trace)
    };
    assert!(matches!(changed(|s| s.number = 7), Err(ReplayError::Order { found: 7, .. })));
    assert!(matches!(changed(|s| s.input.clear()), Err(ReplayError::Input { number: 2, .. })));
    assert!(matches!(changed(|s| s.effects.push(' ')), Err(ReplayError::Effects { .. })));
    assert!(matches!(changed(|s| s.state.push(' ')), Err(ReplayError::State { .. })));
}

/// A node that asks for work and hears nothing else.
#[derive(Debug)]
struct Fetch;

impl FlowNode for Fetch {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "fetch".to_owned(),
            title: "Fetch".to_owned(),
            summary: "Fetches.".to_owned(),
            schema: json!({"type": "object"}),
            exits: Vec::new(),
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, _: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        Ok(Box::new(Self))
    }
}

impl BuiltNode for Fetch {
    fn enter(&self, _: &mut NodeContext<'_>) -> Step {
        Step::Call { input: json!({"url": "x"}) }
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::CallDone { result: CallResult::Ok(value), .. } => {
                cx.set("got", value.clone());
                Step::Exit("next".into())
            }
            StepEvent::CallDone { .. } => Step::Fail { reason: "no".to_owned() },
            _ => Step::Wait { until: None },
        }
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }

    fn suspends(&self) -> bool {
        true
    }
}

#[test]
fn a_node_that_only_wants_its_call_waits_on_when_a_message_comes() {
    let nodes = json!([["f", "fetch", {}], ["t", "text", {"text": "got {{ got }}"}]]);
    let edges = json!([["start", "next", "f"], ["f", "next", "t"]]);
    let document = document(nodes, edges);
    let mut play = Play::with(&Flows::new().with_node(Fetch), &document);
    assert_eq!(play.say("hi"), ["call c1 of f"]);
    assert!(play.say("hurry").is_empty());
    assert!(play.call_done("c9", CallResult::Ok(json!(1))).is_empty());
    assert_eq!(play.call_done("c1", CallResult::Ok(json!(42))), ["got 42"]);
    assert!(play.is(Completed));
}
