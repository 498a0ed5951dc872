use justping_core::port::{Finding, FlowRuntime, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fix::apply_fix;
use crate::Flows;
use crate::play::{Play, called, document};

/// Findings of a code as `node message`.
fn found(flows: &[Finding], code: &str) -> Vec<String> {
    let of = flows.iter().filter(|finding| finding.code == code);
    of.map(|f| format!("{} {}", f.node.as_deref().unwrap_or("-"), f.path)).collect()
}

fn check(document: &Value) -> Vec<Finding> {
    Flows::new().check(document)
}

/// Applies the fix of each finding that has one; the finding is gone then.
fn assert_fixed(document: &Value, code: &str) {
    let before = check(document);
    let findings: Vec<&Finding> = before.iter().filter(|finding| finding.code == code).collect();
    assert!(!findings.is_empty(), "{code}");
    for finding in &findings {
        assert!(!finding.fix.is_empty(), "{finding:?}");
        let fixed = apply_fix(document, &finding.fix).unwrap();
        let left = check(&fixed).iter().filter(|finding| finding.code == code).count();
        assert!(left < findings.len(), "{finding:?}");
    }
}

fn text(id: &str, text: &str) -> Value {
    json!([id, "text", {"text": text}])
}

fn ask(id: &str, variable: &str) -> Value {
    json!([id, "input", {"prompt": "?", "variable": variable, "timeout_minutes": 5}])
}

#[test]
fn words_of_silence_start_no_flow() {
    let mut flow = document(json!([text("a", "x")]), json!([["start", "next", "a"]]));
    flow["nodes"][0]["data"] = json!({"on": "keywords", "keywords": ["hi", "STOP!", "unstop"]});
    let findings = check(&flow);
    let expected = ["start /nodes/0/data/keywords/1", "start /nodes/0/data/keywords/2"];
    assert_eq!(found(&findings, "opt_out_trigger"), expected);
    assert_fixed(&flow, "opt_out_trigger");
    flow["nodes"][0]["data"] = json!({"on": "keywords", "keywords": ["stop"]});
    let alone = check(&flow);
    assert!(alone[0].fix.is_empty(), "a trigger without words would hear everything");
}

#[test]
fn a_variable_is_set_on_every_way_to_where_it_is_read() {
    let condition = json!({"condition": {"field": "contact.name", "op": "is_set"}});
    let nodes = json!([
        ["if", "condition", condition],
        ask("q", "name"),
        text("late", "{{ name }}"),
        text("ok", "{{ name }}"),
        text("both", "{{ name }}"),
        text("never", "{{ after }} {{ nowhere }}"),
        ask("then", "after")
    ]);
    let edges = json!([
        ["start", "next", "if"],
        ["if", "true", "q"],
        ["if", "false", "both"],
        ["q", "reply", "ok"],
        ["q", "timeout", "late"],
        ["ok", "next", "both"],
        ["late", "next", "both"],
        ["both", "next", "never"],
        ["never", "next", "then"]
    ]);
    let mut flow = document(nodes, edges);
    let findings = check(&flow);
    let unknown = ["late /nodes/3/data", "never /nodes/6/data", "never /nodes/6/data"];
    assert_eq!(found(&findings, "unknown_variable"), unknown);
    assert_eq!(found(&findings, "maybe_unset"), ["both /nodes/5/data"]);
    assert_fixed(&flow, "unknown_variable");
    assert!(Flows::new().compile(&flow).is_ok(), "what is published stays");
    flow["variables"] = json!([{"name": "name", "default": "you"}, {"name": "nowhere"}]);
    let findings = check(&flow);
    assert_eq!(found(&findings, "unknown_variable"), ["never /nodes/6/data"]);
    assert_eq!(found(&findings, "maybe_unset"), Vec::<String>::new());
}

#[test]
fn a_way_back_does_not_unset() {
    let nodes = json!([ask("q", "a"), text("b", "{{ a }}"), ask("again", "c")]);
    let edges = json!([
        ["start", "next", "q"],
        ["q", "reply", "b"],
        ["b", "next", "again"],
        ["again", "reply", "b"],
        ["again", "timeout", "b"],
        ["again", "invalid", "q"]
    ]);
    let findings = check(&document(nodes, edges));
    assert_eq!(found(&findings, "unknown_variable"), Vec::<String>::new());
    assert_eq!(found(&findings, "maybe_unset"), Vec::<String>::new());
}

#[test]
fn comparisons_fit_what_is_declared() {
    let leaf =
        |field: &str, op: &str, value: Value| json!({"field": field, "op": op, "value": value});
    let cases = [
        ("age", "gt", json!("old"), true),
        ("age", "gt", json!("18"), false),
        ("age", "eq", json!(18), false),
        ("age", "contains", json!("1"), false),
        ("done", "eq", json!("True"), false),
        ("done", "eq", json!("yes"), true),
        ("done", "lt", json!(1), true),
        ("tags", "contains", json!("a"), false),
        ("tags", "starts_with", json!("a"), true),
        ("tags", "eq", json!("a"), true),
        ("name", "gt", json!("m"), false),
        ("free", "eq", json!("x"), false),
    ];
    for (field, op, value, wrong) in cases {
        let condition = json!({"all": [{"not": leaf(field, op, value.clone())}]});
        let nodes = json!([["s", "switch", {"cases": [{"id": "a", "condition": condition}]}]]);
        let mut flow = document(nodes, json!([["start", "next", "s"]]));
        flow["variables"] = json!([
            {"name": "age", "type": "number"}, {"name": "done", "type": "boolean"},
            {"name": "tags", "type": "list"}, {"name": "name", "type": "text"}, {"name": "free"}
        ]);
        let path = ["s /nodes/1/data/cases/0/condition/all/0/not".to_owned()];
        let expected: &[String] = if wrong { &path } else { &[] };
        assert_eq!(found(&check(&flow), "type_mismatch"), expected, "{field} {op} {value}");
    }
}

#[test]
fn bad_habits_are_seen_and_cured() {
    let nodes = json!([
        ["q", "input", {"prompt": "?", "variable": "v"}],
        ["n", "note", {"text": "pay here", "unfinished": true}],
        ["m", "note", {"text": "fine"}]
    ]);
    let edges = json!([["start", "next", "q"], ["q", "reply", "n"], ["n", "next", "m"]]);
    let flow = document(nodes, edges);
    let findings = check(&flow);
    assert_eq!(found(&findings, "waits_forever"), ["q /nodes/1/data"]);
    assert_eq!(found(&findings, "unfinished"), ["n /nodes/2"]);
    assert_fixed(&flow, "waits_forever");
    let ai = std::sync::Arc::new(justping_core::memory::ScriptedAi::new());
    let nodes = json!([["ai", "ai_reply", {}], ["bye", "handoff", {}]]);
    let loose = document(nodes.clone(), json!([["start", "next", "ai"]]));
    let flows = Flows::new().with_ai(ai);
    assert_eq!(found(&flows.check(&loose), "no_fallback"), ["ai /nodes/1"]);
    let edges = json!([["start", "next", "ai"], ["ai", "error", "bye"], ["ai", "budget", "bye"]]);
    let caught = flows.check(&document(nodes, edges));
    assert_eq!(found(&caught, "no_fallback"), Vec::<String>::new());
}

#[test]
fn people_are_there_when_the_flow_knows_its_hours() {
    let hours = json!({"hours": [{"days": ["mon"], "from": "09:00", "to": "17:00"}]});
    let nodes =
        json!([["h", "business_hours", hours], ["desk", "handoff", {}], ["late", "handoff", {}]]);
    let edges = json!([["start", "next", "h"], ["h", "open", "desk"], ["h", "closed", "late"]]);
    let findings = check(&document(nodes, edges));
    assert_eq!(found(&findings, "handoff_out_of_hours"), ["late /nodes/3"]);
}

#[test]
fn flows_that_are_called_are_looked_at_too() {
    let mut flow = document(json!([text("a", "x")]), json!([["start", "next", "a"]]));
    let ask = json!({"id": "q", "type": "input", "data": {"prompt": "{{ who }}", "variable": "v"}});
    flow["flows"] = json!({"sub": {"nodes": [ask]}});
    let findings = check(&flow);
    assert_eq!(found(&findings, "waits_forever"), ["q /flows/sub/nodes/0/data"]);
    assert_eq!(found(&findings, "unknown_variable"), ["q /flows/sub/nodes/0/data"]);
    assert_fixed(&flow, "waits_forever");
    assert_fixed(&flow, "unknown_variable");
}

/// A document that calls the flow `a` in a circle; other flows as `[nodes, edges]` by key.
fn circling(flows: &[(&str, Value)]) -> Value {
    let nodes = json!([["c", "call_flow", {"flow": "a"}], text("t", "x")]);
    let edges = json!([["start", "next", "c"], ["c", "next", "t"], ["t", "next", "c"]]);
    let mut flow = document(nodes, edges);
    let flows = flows
        .iter()
        .map(|(key, flow)| ((*key).to_owned(), called(flow[0].clone(), flow[1].clone())));
    flow["flows"] = flows.collect::<serde_json::Map<_, _>>().into();
    flow
}

fn circles(document: &Value) -> Vec<String> {
    found(&check(document), "hidden_cycle")
}

fn call(id: &str, flow: &str) -> Value {
    json!([id, "call_flow", {"flow": flow}])
}

const NONE: [&str; 0] = [];
const CALLER: [&str; 1] = ["c /nodes/1"];

#[test]
fn a_circle_waits_if_the_flow_it_calls_does() {
    let says = json!([[text("x", "x")], []]);
    let flow = circling(&[("a", says)]);
    assert_eq!(circles(&flow), CALLER);
    assert!(Flows::new().compile(&flow).is_ok(), "what is published stays");
    let asks = json!([[text("x", "x"), ask("q", "v")], [["x", "next", "q"]]]);
    assert_eq!(circles(&circling(&[("a", asks)])), NONE);
    // What is asked elsewhere in it does not matter.
    let aside = json!([[text("x", "x"), ask("q", "v")], [["q", "reply", "x"]]]);
    assert_eq!(circles(&circling(&[("a", aside)])), CALLER);
}

#[test]
fn one_way_around_the_wait_is_enough() {
    let known = json!({"condition": {"field": "contact.name", "op": "is_set"}});
    let nodes = json!([["if", "condition", known], ask("q", "v"), ["bye", "close", {}]]);
    let flow = |edges: Value| circles(&circling(&[("a", json!([nodes, edges]))]));
    assert_eq!(flow(json!([["if", "false", "q"]])), CALLER);
    assert_eq!(flow(json!([["if", "true", "q"], ["if", "false", "q"]])), NONE);
    // The session ends there and does not come back.
    assert_eq!(flow(json!([["if", "true", "bye"], ["if", "false", "q"]])), NONE);
    for kind in ["end", "return"] {
        let nodes = json!([["if", "condition", known], ask("q", "v"), ["out", kind, {}]]);
        let edges = json!([["if", "true", "out"], ["if", "false", "q"]]);
        assert_eq!(circles(&circling(&[("a", json!([nodes, edges]))])), CALLER);
    }
    let nodes = json!([["j", "jump", {"node": "q"}], ask("q", "v")]);
    assert_eq!(circles(&circling(&[("a", json!([nodes, []]))])), NONE);
}

#[test]
fn waits_are_seen_however_deep() {
    // Against the order of the keys, so that each round finds one more.
    let deep = |last: Value| {
        let via = |next: &str| json!([[call("n", next)], []]);
        let flows = [("a", via("b")), ("b", via("c")), ("c", via("d")), ("d", json!([[last], []]))];
        circles(&circling(&flows))
    };
    assert_eq!(deep(text("x", "x")), CALLER);
    assert_eq!(deep(ask("q", "v")), NONE);
    assert_eq!(deep(call("n", "nowhere")), NONE);
}

#[test]
fn flows_that_call_themselves_are_no_way_through() {
    let alone = json!([[call("n", "a")], []]);
    assert_eq!(circles(&circling(&[("a", alone)])), NONE);
    let each = [("a", json!([[call("n", "b")], []])), ("b", json!([[call("n", "a")], []]))];
    assert_eq!(circles(&circling(&each)), NONE);
    let past = json!({"condition": {"field": "contact.name", "op": "is_set"}});
    let nodes = json!([["if", "condition", past], call("n", "a")]);
    let sometimes = json!([nodes, [["if", "true", "n"]]]);
    assert_eq!(circles(&circling(&[("a", sometimes)])), CALLER);
}

#[test]
fn circles_within_called_flows_are_seen() {
    let loops = json!([[call("n", "b"), text("x", "x")], [["n", "next", "x"], ["x", "next", "n"]]]);
    let says = json!([[text("x", "x")], []]);
    let flow = circling(&[("a", loops), ("b", says)]);
    // The flow it circles in is no way through, so its caller is not to blame.
    assert_eq!(circles(&flow), ["n /flows/a/nodes/0"]);
}

#[test]
fn loops_are_passed_and_their_bodies_lead_back() {
    let each = json!(["l", "foreach", {"list": "items", "item": "item"}]);
    let body = json!([["l", "each", "x"], ["x", "next", "l"]]);
    let flow = circling(&[("a", json!([[each, text("x", "x")], body]))]);
    assert_eq!(circles(&flow), CALLER);
    let then = json!([["l", "each", "x"], ["x", "next", "l"], ["l", "next", "q"]]);
    let flow = circling(&[("a", json!([[each, text("x", "x"), ask("q", "v")], then]))]);
    assert_eq!(circles(&flow), NONE);
    let nodes = json!([each, text("x", "x")]);
    let round = json!([["start", "next", "l"], ["l", "each", "x"], ["l", "next", "l"]]);
    assert_eq!(circles(&document(nodes, round)), ["l /nodes/1"]);
}

#[test]
fn circles_that_are_reported_never_end() {
    let mut play = Play::with(&Flows::new(), &circling(&[("a", json!([[text("x", "x")], []]))]));
    play.say("hi");
    assert_eq!(play.failure.as_deref(), Some("the step visits too many nodes"));
    let mut play = Play::with(&Flows::new(), &circling(&[("a", json!([[ask("q", "v")], []]))]));
    play.say("hi");
    assert_eq!(play.failure, None);
}

proptest! {
    /// Whatever calls what: there is an answer, and it is that of the flows written into each other.
    #[test]
    fn a_way_through_is_found_where_there_is_one(
        calls in prop::collection::vec((any::<bool>(), prop::option::of(0_usize..6)), 6),
    ) {
        let name = |at: usize| char::from(b'a' + at as u8).to_string();
        let flows: Vec<(String, Value)> = calls.iter().enumerate().map(|(at, (waits, next))| {
            let first = if *waits { ask("q", "v") } else { text("q", "x") };
            let second = next.map_or_else(|| text("n", "x"), |next| call("n", &name(next)));
            let leaves = if *waits { "reply" } else { "next" };
            let mut edges = vec![json!(["q", leaves, "n"])];
            if *waits {
                edges.extend(["timeout", "invalid"].map(|exit| json!(["q", exit, "n"])));
            }
            (name(at), json!([[first, second], edges]))
        }).collect();
        let flows: Vec<(&str, Value)> =
            flows.iter().map(|(key, flow)| (key.as_str(), flow.clone())).collect();
        // A chain has one way: it comes to its end, without a wait and without meeting itself.
        let (mut at, mut met) = (Some(0), Vec::new());
        while let Some(flow) = at.filter(|at| !met.contains(at) && !calls[*at].0) {
            met.push(flow);
            at = calls[flow].1;
        }
        prop_assert_eq!(circles(&circling(&flows)) == CALLER, at.is_none());
    }
}

#[test]
fn edges_that_cannot_be_are_taken_away() {
    let nodes = json!([text("a", "x")]);
    let edges = json!([
        ["start", "next", "a"],
        ["start", "next", "a"],
        ["a", "maybe", "a"],
        ["a", "next", "gone"]
    ]);
    let flow = document(nodes, edges);
    for code in ["dangling_edge", "unknown_exit", "duplicate_exit"] {
        assert_fixed(&flow, code);
    }
}

#[test]
fn an_earlier_flow_takes_the_words_of_a_later_one() {
    let flow = |data: Value| {
        let mut flow = document(json!([text("a", "x")]), json!([["start", "next", "a"]]));
        flow["nodes"][0]["data"] = data;
        flow
    };
    let words = |how: &str, words: &[&str]| {
        flow(json!({"on": "keywords", "keywords": words, "match": how}))
    };
    let (book, greet, any) =
        (words("starts_with", &["book"]), words("exact", &["hi", "Book a table"]), flow(json!({})));
    let flows = Flows::new();
    let compete = |order: &[(&str, &Value)]| {
        let found = flows.check_together(order);
        found.into_iter().map(|(at, f)| format!("{at} {} {}", f.code, f.path)).collect::<Vec<_>>()
    };
    let both = compete(&[("book", &book), ("greet", &greet), ("any", &any)]);
    assert_eq!(both, ["1 competing_triggers /nodes/0/data/keywords/1"]);
    let first = compete(&[("any", &any), ("greet", &greet), ("all", &any)]);
    assert_eq!(first.len(), 3, "{first:?}");
    assert_eq!(compete(&[("x", &json!(1)), ("any", &any)]), Vec::<String>::new());
}

#[test]
fn channels_say_how_they_show_it() {
    let options = |count: usize, title: &str| -> Value {
        (0..count).map(|n| json!({"id": format!("o{n}"), "title": format!("{title}{n}")})).collect()
    };
    let ask = |id: &str, count: usize, title: &str| json!([id, "buttons", {"text": "Which?", "options": options(count, title)}]);
    let nodes = json!([
        ask("few", 3, "o"),
        ask("some", 10, "o"),
        ask("many", 25, "o"),
        ask("long", 2, "a title that is really far too long "),
        text("text", &"я".repeat(100)),
        text("huge", &"x ".repeat(3000))
    ]);
    let flow = document(nodes, json!([["start", "next", "few"]]));
    let notes = |kind: &str| {
        let notes = Flows::new().channel_notes(&flow, kind);
        assert!(notes.iter().all(|note| note.severity == Severity::Note));
        let words = |note: Finding| format!("{} {}", note.node.unwrap_or_default(), note.message);
        notes.into_iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(
        notes("whatsapp"),
        [
            "some WhatsApp: the buttons come as a list that opens",
            "many WhatsApp: the options come as a list, page by page",
            "long WhatsApp: the options come as numbered text",
            "huge WhatsApp: the text comes in 2 messages",
        ]
    );
    let sms = notes("sms");
    assert_eq!(sms[0], "few SMS: the options come as numbered text");
    assert_eq!(sms[4], "text SMS: the text is long, 2 segments in UCS-2");
    assert!(sms[5].starts_with("huge SMS: the text comes in 4 messages, "), "{}", sms[5]);
    assert_eq!(notes("pigeon"), Vec::<String>::new());
    assert_eq!(notes("email").len(), 4);
}
