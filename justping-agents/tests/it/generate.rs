//! Random documents, events and damage.

use std::sync::Arc;

use justping_agents::document::SCHEMA;
use justping_core::model::{CallResult, ContactId, Content, Signal, Timestamp};
use justping_core::port::{AgentView, ContactView, StepEvent, StepInput};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Nodes of the own flow of a random document.
const NODES: usize = 8;
/// Nodes of each flow it calls.
const CALLED_NODES: usize = 4;
/// The flows it calls.
const FLOWS: [&str; 2] = ["f0", "f1"];

/// Any JSON, not too big.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Words that mean something in documents, and others.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "schema",
        SCHEMA,
        "nodes",
        "edges",
        "id",
        "type",
        "data",
        "source",
        "target",
        "sourceHandle",
        "trigger",
        "text",
        "buttons",
        "input",
        "set",
        "n0",
        "n1",
        "next",
        "variables",
        "settings",
        "name",
        "default",
        "options",
        "title",
        "{{ v }}",
        "{% if v %}",
        "condition",
        "all",
        "flows",
        "f0",
        "intents",
        "call_flow",
        "foreach",
        "burst",
        "session_words",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "\\PC{0,6}"]
}

/// Text a contact or an author may write.
fn phrase() -> impl Strategy<Value = String> {
    let known = [
        "yes",
        "no",
        "1",
        "2",
        "36",
        "abc",
        "a@b.co",
        "+4930123456",
        "",
        "\u{1}",
        "Yes!",
        "help",
        "menu",
        "restart",
        "leave",
        "36 hours",
        "31.12.2026",
        "5pm",
        "1.5,2",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ]
}

fn template() -> impl Strategy<Value = String> {
    let known = [
        "Hello",
        "{{ a }}",
        "{{ contact.name }} {{ b }}",
        "{{ message.text }}",
        " ",
        "{% for x in a %}{{ x }}{% endfor %}",
        "{{ 1 // 0 }}",
        "{{ a }}{{ a }}{{ b }}",
    ];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

fn variable() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = Value> {
    (variable(), prop::sample::select(vec!["eq", "gte", "contains", "is_set"]), phrase()).prop_map(
        |(field, op, value)| match op {
            "is_set" => json!({"field": field, "op": op}),
            _ => json!({"field": field, "op": op, "value": value}),
        },
    )
}

/// A question of any kind.
fn input_node() -> impl Strategy<Value = (&'static str, Value)> {
    let kinds = vec![
        "text", "number", "email", "phone", "url", "date", "time", "rating", "file", "location",
        "payment",
    ];
    (template(), variable(), prop::sample::select(kinds), 0_u32..3, any::<bool>()).prop_map(
        |(prompt, v, kind, retries, reminds)| {
            let mut data =
                json!({"prompt": prompt, "variable": v, "kind": kind, "max_retries": retries});
            if reminds {
                data["timeout_minutes"] = json!(4);
                data["follow_ups"] = json!([
                    {"after_minutes": 1, "text": prompt}, {"after_minutes": 3, "text": "{{ a }}?"}
                ]);
            }
            ("input", data)
        },
    )
}

fn call_node() -> impl Strategy<Value = (&'static str, Value)> {
    (prop::sample::select(FLOWS.to_vec()), template(), variable()).prop_map(
        |(flow, input, output)| {
            ("call_flow", json!({"flow": flow, "inputs": {"a": input}, "outputs": {output: "b"}}))
        },
    )
}

fn each_node() -> impl Strategy<Value = (&'static str, Value)> {
    let list = prop::sample::select(vec!["a", "list", "contact.tags", "list.0"]);
    (list, variable())
        .prop_map(|(list, item)| ("foreach", json!({"list": list, "item": item, "index": "c"})))
}

fn outside_node() -> impl Strategy<Value = (&'static str, Value)> {
    (prop::sample::select(vec!["paid", "payment.*"]), variable(), any::<bool>()).prop_map(
        |(event, v, times_out)| {
            let mut data = json!({"event": event, "variable": v});
            if times_out {
                data["timeout_minutes"] = json!(2);
            }
            ("wait_event", data)
        },
    )
}

/// The type and data of a node; nearly always right.
fn node(count: usize) -> impl Strategy<Value = (&'static str, Value)> {
    let timeout = prop::option::of(1_u32..9);
    let choice =
        (template(), variable(), timeout.clone(), late()).prop_map(|(text, v, t, late)| {
            let options = json!([{"id": "y", "title": "Yes"}, {"id": "n", "title": "{{ b }} No"}]);
            let mut data =
                json!({"text": text, "variable": v, "options": options, "late_reply": late});
            if let Some(minutes) = t {
                data["timeout_minutes"] = json!(minutes);
            }
            ("buttons", data)
        });
    let input = input_node();
    let (call, each, outside) = (call_node(), each_node(), outside_node());
    let set = (variable(), template()).prop_map(|(v, text)| {
        (
            "set",
            json!({"assignments": [{"variable": v, "text": text}, {"variable": "c", "add": 1}]}),
        )
    });
    let ai = (template(), timeout).prop_map(|(prompt, timeout)| {
        let mut data = json!({"prompt": prompt, "variable": "a", "max_turns": 3});
        if let Some(minutes) = timeout {
            data["timeout_minutes"] = json!(minutes);
        }
        ("ai_reply", data)
    });
    let http =
        (template(), prop::sample::select(vec!["POST", "PUT"])).prop_map(|(text, method)| {
            let data = json!({
                "method": method, "url": "https://api.example/{{ a }}", "body": {"json": [text]},
                "save": [{"variable": "b", "pointer": "/b"}], "status_variable": "c"
            });
            ("http", data)
        });
    prop_oneof![
        template().prop_map(|text| ("text", json!({"text": text}))),
        choice,
        input,
        set,
        ai,
        http,
        condition().prop_map(|condition| ("condition", json!({"condition": condition}))),
        (1_u32..9).prop_map(|amount| ("wait", json!({"amount": amount, "unit": "minutes"}))),
        (0..count).prop_map(|at| ("jump", json!({"node": format!("n{at}")}))),
        template().prop_map(|note| ("handoff", json!({"note": note}))),
        Just(("close", json!({}))),
        Just(("end", json!({}))),
        call,
        each,
        outside,
        prop::option::of(Just("break")).prop_map(|exit| match exit {
            Some(exit) => ("return", json!({"exit": exit})),
            None => ("return", json!({})),
        }),
    ]
}

fn late() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ignore", "treat_as_text", "jump"])
}

/// The nodes of a flow and edges among them, in number.
fn graph(count: usize) -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let exits = vec![
        "next",
        "next",
        "each",
        "reply",
        "option:y",
        "option:n",
        "true",
        "false",
        "default",
        "invalid",
        "timeout",
        "error",
        "interrupted",
        "handoff",
        "success",
    ];
    let edges = prop::collection::vec((0..count, prop::sample::select(exits), 0..count), 0..24);
    (prop::collection::vec(node(count), count), edges).prop_map(|(nodes, edges)| {
        let list = nodes.iter().enumerate();
        let list = list
            .map(|(at, (kind, data))| json!({"id": format!("n{at}"), "type": kind, "data": data}));
        let mut arrows = Vec::new();
        let mut taken = Vec::new();
        for (at, (from, exit, to)) in edges.into_iter().enumerate() {
            let (kind, data) = &nodes[from];
            if has_exit(kind, exit, data) && !taken.contains(&(from, exit)) {
                taken.push((from, exit));
                arrows.push(json!({
                    "id": format!("e{at}"), "source": format!("n{from}"),
                    "sourceHandle": exit, "target": format!("n{to}")
                }));
            }
        }
        (list.collect(), arrows)
    })
}

fn has_exit(kind: &str, exit: &str, data: &Value) -> bool {
    let goes_on = ["text", "set", "ai_reply", "wait", "call_flow", "foreach", "wait_event"];
    match exit {
        "error" => true,
        "next" => goes_on.contains(&kind),
        "each" => kind == "foreach",
        "reply" => kind == "input",
        "option:y" | "option:n" | "default" => kind == "buttons",
        "invalid" => kind == "buttons" || kind == "input",
        "timeout" if kind == "http" => true,
        "success" => kind == "http",
        "timeout" => data.get("timeout_minutes").is_some(),
        "true" | "false" => kind == "condition",
        "interrupted" => ["wait", "buttons", "input", "wait_event", "ai_reply"].contains(&kind),
        _ => kind == "ai_reply",
    }
}

/// What a document says besides its graph.
fn rules() -> impl Strategy<Value = (Value, Value)> {
    let words = prop::option::of((0..NODES).prop_map(|at| {
        json!({
            "restart": {"words": ["restart"]}, "menu": {"words": ["menu"], "node": format!("n{at}")}
        })
    }));
    let target = prop_oneof![
        (0..NODES).prop_map(|at| format!("n{at}")),
        prop::sample::select(FLOWS.to_vec()).prop_map(str::to_owned),
    ];
    let burst = prop::option::of(Just(json!({"quiet_ms": 20_000, "max_ms": 60_000})));
    let intents = prop::collection::vec((target.clone(), any::<bool>()), 0..3);
    (words, prop::option::of(target), burst, intents).prop_map(
        |(words, on_error, burst, intents)| {
            let settings = json!({"session_words": words, "on_error": on_error, "burst": burst});
            let keywords = ["help", "hours", "leave"];
            let intents = intents.iter().zip(keywords).map(|((target, resume), keyword)| {
                let kind = if target.starts_with('f') { "flow" } else { "node" };
                json!({
                    "id": keyword, "keywords": [keyword], "match": "contains", (kind): target,
                    "resume": resume
                })
            });
            (settings, intents.collect())
        },
    )
}

/// A document of which many compile.
pub(crate) fn any_document() -> impl Strategy<Value = Value> {
    let called = || graph(CALLED_NODES);
    (graph(NODES), called(), called(), rules()).prop_map(|(own, f0, f1, (settings, intents))| {
        let (nodes, mut edges) = own;
        let mut all = vec![json!({"id": "start", "type": "trigger"})];
        all.extend(nodes);
        edges.push(json!({"id": "e", "source": "start", "target": "n0"}));
        let list = json!(["x", 2, ["y"]]);
        let variables =
            json!([{"name": "a"}, {"name": "b", "default": "Bee"}, {"name": "list", "default": list}]);
        let flow = |(nodes, edges): (Vec<Value>, Vec<Value>)| {
            json!({"variables": variables, "nodes": nodes, "edges": edges})
        };
        json!({
            "schema": SCHEMA, "variables": variables, "nodes": all, "edges": edges,
            "flows": {"f0": flow(f0), "f1": flow(f1)}, "settings": settings, "intents": intents
        })
    })
}

/// A document with one part replaced by anything.
pub(crate) fn damaged_document() -> impl Strategy<Value = Value> {
    (any_document(), prop::collection::vec(any::<prop::sample::Index>(), 1..6), any_json())
        .prop_map(|(mut document, way, other)| {
            *part(&mut document, &way) = other;
            document
        })
}

pub(crate) fn part<'v>(value: &'v mut Value, way: &[prop::sample::Index]) -> &'v mut Value {
    let length = value.as_array().map(Vec::len).or_else(|| Some(value.as_object()?.len()));
    let (Some((index, rest)), Some(length @ 1..)) = (way.split_first(), length) else {
        return value;
    };
    let at = index.index(length);
    match value {
        Value::Array(items) => part(&mut items[at], rest),
        Value::Object(members) => part(members.values_mut().nth(at).unwrap(), rest),
        leaf => leaf,
    }
}

/// Something that happens to a session.
pub(crate) fn event() -> impl Strategy<Value = StepEvent> {
    let message = |content| StepEvent::Message { content };
    let result = prop_oneof![
        phrase().prop_map(|text| CallResult::Ok(json!({"text": text}))),
        Just(CallResult::Ok(json!({"text": "", "hand_off": "please"}))),
        (200_u16..600, phrase()).prop_map(|(status, text)| {
            CallResult::Ok(json!({"status": status, "values": {"b": text, "c": status}}))
        }),
        any_json().prop_map(CallResult::Ok),
        Just(CallResult::Error { code: "unavailable".to_owned(), detail: String::new() }),
    ];
    prop_oneof![
        4 => phrase().prop_map(move |text| message(Content::text(text))),
        3 => (place(), prompt(), prop::sample::select(vec!["y", "n", "z"]), phrase()).prop_map(
            move |(node, prompt, option, title)| {
                let option = format!("{node}.{prompt}.{option}");
                message(Content::Reply { option, title })
            }
        ),
        1 => (-90_f64..99.0).prop_map(move |latitude| {
            message(Content::Location { latitude, longitude: 1.0, name: None, address: None })
        }),
        2 => (signal(), any_json()).prop_map(|(signal, data)| StepEvent::Outside { signal, data }),
        1 => Just(message(Content::Reaction { target: "m".to_owned(), emoji: "x".to_owned() })),
        4 => (0_u32..12).prop_map(|n| StepEvent::Timer { token: format!("t{n}") }),
        3 => (0_u32..9, result).prop_map(|(n, result)| {
            StepEvent::CallDone { token: format!("c{n}"), result }
        }),
    ]
}

/// The number of a prompt, of a session without a mark or of another one.
fn prompt() -> impl Strategy<Value = String> {
    (0_u32..6, any::<bool>()).prop_map(|(number, marked)| match marked {
        true => format!("{number}-77"),
        false => number.to_string(),
    })
}

/// A node as options name it.
fn place() -> impl Strategy<Value = String> {
    let flow = prop::sample::select(vec!["", "", "f0/", "f1/", "gone/"]);
    (flow, 0..NODES).prop_map(|(flow, node)| format!("{flow}n{node}"))
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![
        prop::sample::select(vec!["paid", "payment.succeeded", "payment.failed", "other"])
            .prop_map(|name| Signal::Name(name.to_owned())),
        (0_u32..3).prop_map(Signal::Link),
    ]
}

/// The input of the step with this number.
pub(crate) fn input(number: i64, event: StepEvent) -> StepInput {
    StepInput {
        event,
        now: Timestamp::from_millisecond(1_760_000_000_000 + number * 30_000).unwrap(),
        seed: number.unsigned_abs(),
        contact: Arc::new(ContactView {
            id: ContactId::from_uuid(Uuid::nil()),
            name: Some("Ada".to_owned()),
            address: None,
            channel: None,
            fields: Map::new(),
            tags: vec!["vip".to_owned()],
            groups: Default::default(),
            locale: None,
            time_zone: None,
        }),
        agent: Arc::new(AgentView::default()),
        link: None,
        moved: None,
    }
}
