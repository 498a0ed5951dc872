use justping_core::port::{Finding, FlowRuntime, Severity};
use serde_json::{Value, json};

use super::fix::apply_fix;
use crate::Flows;
use crate::play::document;

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
