//! Called flows, loops and what is under way above what.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use justping_core::model::CallResult;
use justping_core::model::SessionStatus::{Completed, Failed, Waiting};
use justping_core::port::{FlowRuntime, Severity};
use serde_json::{Value, json};

use super::Fetch;
use crate::Flows;
use crate::code;
use crate::play::{Play, called, document};

fn with_flows(nodes: Value, edges: Value, flows: Value) -> Value {
    let mut document = document(nodes, edges);
    document["flows"] = flows;
    document
}

fn play(nodes: Value, edges: Value, flows: Value) -> Play {
    Play::with(&Flows::new().with_node(Fetch), &with_flows(nodes, edges, flows))
}

fn text(id: &str, text: &str) -> Value {
    json!([id, "text", {"text": text}])
}

fn call(id: &str, data: Value) -> Value {
    json!([id, "call_flow", data])
}

/// A flow that greets and asks, and a document that calls it.
fn greeting() -> Play {
    let ask = json!({"prompt": "{{ hello }} {{ who }}, {{ items[0] }}?", "variable": "answer"});
    let mut flow = called(
        json!([["ask", "input", ask], text("bye", "{{ who }}: {{ answer }}{{ mine }}")]),
        json!([["ask", "reply", "bye"]]),
    );
    flow["variables"] = json!([
        {"name": "who"}, {"name": "items"}, {"name": "answer"}, {"name": "hello", "default": "Hi"}
    ]);
    let data = json!({
        "flow": "greet", "inputs": {"who": "{{ contact.name }}", "items": "{{ mine }}"},
        "outputs": {"said": "answer", "gone": "nothing"}
    });
    let nodes = json!([
        ["set", "set", {"assignments": [{"variable": "mine", "json": ["tea", "milk"]}]}],
        call("c", data),
        text("end", "{{ said }} {{ mine[1] }}{{ answer }}{{ hello }}{{ gone }}")
    ]);
    let edges = json!([["start", "next", "set"], ["set", "next", "c"], ["c", "next", "end"]]);
    play(nodes, edges, json!({"greet": flow}))
}

#[test]
fn a_called_flow_has_variables_of_its_own() {
    let mut play = greeting();
    assert_eq!(play.say("hi"), ["Hi Ada, tea?"]);
    assert!(play.is(Waiting));
    let state: Value = serde_json::from_str(play.state.as_deref().unwrap()).unwrap();
    assert_eq!(state["n"], "greet/ask");
    assert_eq!(state["f"][0]["v"], json!({"mine": ["tea", "milk"]}));
    assert_eq!(play.say("yes"), ["Ada: yes", "yes milk"]);
    assert!(play.is(Completed));
    assert_eq!(crate::replay(&*play.program, play.trace), Ok(()));
}

#[test]
fn options_calls_and_jumps_of_a_called_flow_are_its_own() {
    let menu = json!({"text": "?", "options": [{"id": "y", "title": "Yes"}], "late_reply": "jump"});
    let flow = called(
        json!([["q", "buttons", menu], ["j", "jump", {"node": "f"}], ["f", "fetch", {}]]),
        json!([["q", "option:y", "j"]]),
    );
    let nodes =
        json!([call("q2", json!({"flow": "sub"})), ["q", "buttons", menu], text("f", "no")]);
    let edges = json!([["start", "next", "q2"], ["q2", "next", "q"], ["q", "option:y", "f"]]);
    let mut play = play(nodes, edges, json!({"sub": flow}));
    assert_eq!(play.say("hi"), ["? [sub/q.1.y=Yes]"]);
    assert_eq!(play.press("sub/q.1.y", "Yes"), ["call c1 of sub/f"]);
    assert_eq!(play.call_done("c1", CallResult::Ok(json!(1))), ["? [q.2.y=Yes]"]);
    // The called flow is over: its option is only a text here.
    assert_eq!(play.press("sub/q.1.y", "what"), ["? [q.3.y=Yes]"]);
    assert_eq!(play.press("q.2.y", "Yes"), ["no"]);
}

#[test]
fn an_option_of_the_callers_flow_drops_what_it_called() {
    let menu = json!({"text": "?", "options": [{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}], "late_reply": "jump"});
    let mut flow =
        called(json!([["ask", "input", {"prompt": "name", "variable": "x"}]]), json!([]));
    flow["variables"] = json!([{"name": "x", "default": "inner"}]);
    let nodes = json!([
        ["set", "set", {"assignments": [{"variable": "x", "json": "outer"}]}],
        ["m", "buttons", menu],
        call("c", json!({"flow": "sub"})),
        text("no", "{{ x }}")
    ]);
    let edges = json!([
        ["start", "next", "set"],
        ["set", "next", "m"],
        ["m", "option:y", "c"],
        ["m", "option:n", "no"]
    ]);
    let mut play = play(nodes, edges, json!({"sub": flow}));
    play.say("hi");
    assert_eq!(play.press("m.1.y", "Yes"), ["name"]);
    assert_eq!(play.variable("x"), "inner");
    assert_eq!(play.press("m.1.n", "No"), ["outer"]);
    assert!(play.is(Completed));
}

#[test]
fn return_goes_back_and_end_too() {
    let sub = |last: Value| called(json!([text("a", "in"), last]), json!([["a", "next", "r"]]));
    for last in [json!(["r", "return", {}]), json!(["r", "end", {}])] {
        let nodes = json!([call("c", json!({"flow": "sub"})), text("b", "out")]);
        let edges = json!([["start", "next", "c"], ["c", "next", "b"]]);
        let mut play = play(nodes, edges, json!({"sub": sub(last)}));
        assert_eq!(play.say("hi"), ["in", "out"]);
        assert!(play.is(Completed));
    }
    let nodes = json!([["r", "return", {}]]);
    let mut play = play(nodes, json!([["start", "next", "r"]]), json!({}));
    assert!(play.say("hi").is_empty());
    assert!(play.is(Completed));
}

#[test]
fn handing_off_ends_everything() {
    let flow = called(json!([["h", "handoff", {}]]), json!([]));
    let nodes = json!([call("c", json!({"flow": "sub"})), text("b", "out")]);
    let edges = json!([["start", "next", "c"], ["c", "next", "b"]]);
    let mut play = play(nodes, edges, json!({"sub": flow}));
    assert_eq!(play.say("hi"), ["hand off: -"]);
    assert!(play.is(Completed));
}

#[test]
fn a_failure_leaves_by_the_error_exit_of_what_called() {
    let flow =
        called(json!([text("a", "in"), text("x", "{{ 1 // 0 }}")]), json!([["a", "next", "x"]]));
    let nodes = json!([call("c", json!({"flow": "sub"})), text("oops", "oops")]);
    let edges = json!([["start", "next", "c"], ["c", "error", "oops"]]);
    let mut play = play(nodes, edges, json!({"sub": flow}));
    assert_eq!(play.say("hi"), ["in", "oops"]);
    assert!(play.is(Completed));
}

#[test]
fn calls_go_so_deep() {
    let flow = called(json!([call("again", json!({"flow": "sub"}))]), json!([]));
    let nodes = json!([call("c", json!({"flow": "sub"}))]);
    let mut play = play(nodes, json!([["start", "next", "c"]]), json!({"sub": flow}));
    play.say("hi");
    assert_eq!(play.failure.as_deref(), Some("too many flows are under way"));
}

#[test]
fn variables_of_all_flows_share_the_room() {
    let filler = "x".repeat(9_000);
    let fill = |id: &str| {
        let list: Vec<Value> =
            (0..4).map(|n| json!({"variable": format!("v{n}"), "text": filler})).collect();
        json!([id, "set", {"assignments": list}])
    };
    let flow = called(json!([fill("f"), text("t", "fits")]), json!([["f", "next", "t"]]));
    let nodes = json!([fill("f"), call("c", json!({"flow": "sub"}))]);
    let edges = json!([["start", "next", "f"], ["f", "next", "c"]]);
    let mut play = play(nodes, edges, json!({"sub": flow}));
    assert!(play.say("hi").is_empty());
    assert_eq!(play.failure.as_deref(), Some("the variables take too much room"));
}

/// A loop over `items` with a body.
fn each(items: Value, body: Value, mut edges: Vec<Value>) -> Play {
    let mut nodes = vec![
        json!(["set", "set", {"assignments": [{"variable": "items", "json": items}]}]),
        json!(["each", "foreach", {"list": "items", "item": "item", "index": "i"}]),
        text("done", "done {{ item }}"),
        text("bad", "no list"),
    ];
    nodes.extend(body.as_array().unwrap().iter().cloned());
    edges.extend([
        json!(["start", "next", "set"]),
        json!(["set", "next", "each"]),
        json!(["each", "next", "done"]),
        json!(["each", "error", "bad"]),
    ]);
    play(Value::from(nodes), Value::from(edges), json!({}))
}

#[test]
fn each_item_has_its_turn() {
    let body = json!([text("say", "{{ i }} {{ item }}")]);
    let to_body = json!(["each", "each", "say"]);
    let mut play = each(json!(["a", "b"]), body.clone(), vec![to_body.clone()]);
    assert_eq!(play.say("hi"), ["0 a", "1 b", "done b"]);
    // A way back to the loop ends a turn as well.
    let back = json!(["say", "next", "each"]);
    let mut play = each(json!(["a", "b"]), body.clone(), vec![to_body, back]);
    assert_eq!(play.say("hi"), ["0 a", "1 b", "done b"]);
    assert_eq!(each(json!([]), body.clone(), vec![]).say("hi"), ["done "]);
    assert_eq!(each(json!(null), body.clone(), vec![]).say("hi"), ["done "]);
    assert_eq!(each(json!("a"), body.clone(), vec![]).say("hi"), ["no list"]);
    assert_eq!(each(json!(["a", "b"]), body, vec![]).say("hi"), ["done b"]);
}

#[test]
fn a_turn_can_wait_and_a_loop_can_stop() {
    let body = json!([
        ["q", "input", {"prompt": "{{ item }}?", "variable": "a"}],
        ["no", "condition", {"condition": {"field": "a", "op": "eq", "value": "stop"}}],
        ["out", "return", {"exit": "break"}]
    ]);
    let edges = || {
        vec![
            json!(["each", "each", "q"]),
            json!(["q", "reply", "no"]),
            json!(["no", "true", "out"]),
        ]
    };
    let mut play = each(json!([1, 2, 3]), body, edges());
    assert_eq!(play.say("hi"), ["1?"]);
    assert_eq!(play.say("go on"), ["2?"]);
    assert_eq!(play.say("stop"), ["done 2"]);
    assert!(play.is(Completed));
    assert_eq!(crate::replay(&*play.program, play.trace), Ok(()));
}

#[test]
fn loops_nest_and_end_with_their_flow() {
    let body = json!([
        ["inner", "foreach", {"list": "item", "item": "x"}],
        text("say", "{{ i }}{{ x }}")
    ]);
    let edges = || vec![json!(["each", "each", "inner"]), json!(["inner", "each", "say"])];
    let mut play = each(json!([["a", "b"], [], ["c"]]), body.clone(), edges());
    assert_eq!(play.say("hi"), ["0a", "0b", "2c", "done ['c']"]);
    let mut body = body;
    body.as_array_mut().unwrap().push(json!(["over", "end", {}]));
    let mut ending = edges();
    ending.push(json!(["say", "next", "over"]));
    let mut play = each(json!([["a", "b"]]), body, ending);
    assert_eq!(play.say("hi"), ["0a"]);
    assert!(play.is(Completed));
}

#[test]
fn a_long_loop_meets_the_limit_of_a_step() {
    let items: Vec<u32> = (0..super::VISITS_MAX).collect();
    let mut play =
        each(json!(items), json!([text("say", "x")]), vec![json!(["each", "each", "say"])]);
    let said = play.say("hi");
    assert_eq!(said.last().map(String::as_str), Some("no list"), "the error exit, once");
    assert!(said.len() <= super::VISITS_MAX as usize);
}

#[test]
fn states_of_before_run_on() {
    let mut play = super::menus("jump");
    play.state = Some(r#"{"n":"two","v":{},"m":"Ex","s":2,"p":2}"#.to_owned());
    assert_eq!(play.press("two.2.y", "Why"), ["two-y"]);
    assert!(play.is(Completed));
}

#[test]
fn options_of_another_session_are_told_apart() {
    // Same node and number, another session: not what this one offered.
    let late = |policy: &str, option: &str| {
        let mut play = super::menus(policy);
        (play.press(option, "Why"), play.status)
    };
    assert_eq!(late("ignore", "one.1-77.y"), (vec![], Waiting));
    assert_eq!(late("treat_as_text", "one.9-77.y").0, ["two-y"]);
    assert_eq!(late("jump", "one.9-77.y").0, ["one-y"]);
    assert_eq!(late("ignore", "two.9-77.y").0, ["two-y"], "the same question is open");
    assert_eq!(late("jump", "gone.1-77.y").0, ["two-y"]);
}

/// The codes and paths of what is found.
fn found(document: &Value) -> Vec<(Severity, String, String)> {
    let found = Flows::new().check(document).into_iter();
    found.map(|finding| (finding.severity, finding.code, finding.path)).collect()
}

#[test]
fn called_flows_are_looked_over() {
    let looked = |flows: Value| {
        let nodes = json!([call("c", json!({"flow": "sub", "inputs": {"v": "x"}}))]);
        found(&with_flows(nodes, json!([["start", "next", "c"]]), flows))
    };
    let error = |code: &str, path: &str| (Severity::Error, code.to_owned(), path.to_owned());
    let warning = |code: &str, path: &str| (Severity::Warning, code.to_owned(), path.to_owned());
    let hi = json!([text("a", "hi {{ w }}")]);
    assert_eq!(looked(json!({})), [error(code::UNKNOWN_FLOW, "/nodes/1/data")]);
    assert_eq!(
        looked(json!({"sub": called(hi, json!([["a", "next", "b"]]))})),
        [
            error(code::DANGLING_EDGE, "/flows/sub/edges/0/target"),
            warning(code::UNKNOWN_VARIABLE, "/nodes/1/data"),
            error(code::UNKNOWN_VARIABLE, "/flows/sub/nodes/0/data")
        ]
    );
    let mut again = called(json!([call("again", json!({"flow": "sub"}))]), json!([]));
    again["variables"] = json!([{"name": "v"}]);
    assert_eq!(looked(json!({"sub": again})), [warning(code::RECURSIVE_FLOW, "/flows/sub")]);
    for odd in [json!([1]), json!("x"), json!({"sub": 1}), json!({"": {}}), json!({"a/b": {}})] {
        assert!(looked(odd.clone()).iter().any(|one| one.1 == code::SCHEMA_INVALID), "{odd}");
    }
    let mut clash = with_flows(
        json!([text("sub/a", "x")]),
        json!([["start", "next", "sub/a"]]),
        json!({"sub": called(json!([text("a", "y")]), json!([]))}),
    );
    assert_eq!(found(&clash), [error(code::DUPLICATE_ID, "/flows/sub/nodes/0/id")]);
    clash["flows"] = Value::Null;
    assert!(found(&clash).is_empty());
}

#[test]
fn a_session_at_a_flow_that_is_gone_fails() {
    let mut play = greeting();
    play.state = Some(r#"{"n":"gone/ask","s":1}"#.to_owned());
    play.say("x");
    assert!(play.is(Failed));
    // What ran beneath is gone: what is there ends the session.
    play.state = Some(r#"{"n":"greet/ask","s":1,"f":[{"n":"gone/x","w":"c"}]}"#.to_owned());
    assert_eq!(play.say("x"), [": x"]);
    assert!(play.is(Completed));
}
