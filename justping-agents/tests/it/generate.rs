//! Random documents, events and damage.

use std::sync::Arc;

use justping_agents::document::SCHEMA;
use justping_core::model::{CallResult, ContactId, Content, Timestamp};
use justping_core::port::{AgentView, ContactView, StepEvent, StepInput};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Nodes of a random document.
const NODES: usize = 8;

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
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "\\PC{0,6}"]
}

/// Text a contact or an author may write.
fn phrase() -> impl Strategy<Value = String> {
    let known = ["yes", "no", "1", "2", "36", "abc", "a@b.co", "+4930123456", "", "\u{1}", "Yes!"];
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

/// The type and data of a node; nearly always right.
fn node() -> impl Strategy<Value = (&'static str, Value)> {
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
    let kinds = vec!["text", "number", "email", "phone"];
    let input = (template(), variable(), prop::sample::select(kinds), 0_u32..3).prop_map(
        |(prompt, v, kind, retries)| {
            let data =
                json!({"prompt": prompt, "variable": v, "kind": kind, "max_retries": retries});
            ("input", data)
        },
    );
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
        (0..NODES).prop_map(|at| ("jump", json!({"node": format!("n{at}")}))),
        template().prop_map(|note| ("handoff", json!({"note": note}))),
        Just(("close", json!({}))),
    ]
}

fn late() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ignore", "treat_as_text", "jump"])
}

/// A document of which many compile.
pub(crate) fn any_document() -> impl Strategy<Value = Value> {
    let exits = vec![
        "next",
        "next",
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
    let edges = prop::collection::vec((0..NODES, prop::sample::select(exits), 0..NODES), 0..24);
    (prop::collection::vec(node(), NODES), edges).prop_map(|(nodes, edges)| {
        let mut all = vec![json!({"id": "start", "type": "trigger"})];
        all.extend(
            nodes.iter().enumerate().map(
                |(at, (kind, data))| json!({"id": format!("n{at}"), "type": kind, "data": data}),
            ),
        );
        let fits = |kind: &str, exit: &str, data: &Value| match exit {
            "error" => true,
            "next" => ["text", "set", "ai_reply", "wait"].contains(&kind),
            "reply" => kind == "input",
            "option:y" | "option:n" | "default" => kind == "buttons",
            "invalid" => kind == "buttons" || kind == "input",
            "timeout" if kind == "http" => true,
            "success" => kind == "http",
            "timeout" => data.get("timeout_minutes").is_some(),
            "true" | "false" => kind == "condition",
            "interrupted" => kind == "wait",
            _ => kind == "ai_reply",
        };
        let mut arrows = vec![json!({"id": "e", "source": "start", "target": "n0"})];
        let mut taken = Vec::new();
        for (at, (from, exit, to)) in edges.into_iter().enumerate() {
            let (kind, data) = &nodes[from];
            if fits(kind, exit, data) && !taken.contains(&(from, exit)) {
                taken.push((from, exit));
                arrows.push(json!({
                    "id": format!("e{at}"), "source": format!("n{from}"),
                    "sourceHandle": exit, "target": format!("n{to}")
                }));
            }
        }
        let variables = json!([{"name": "a"}, {"name": "b", "default": "Bee"}]);
        json!({"schema": SCHEMA, "variables": variables, "nodes": all, "edges": arrows})
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

fn part<'v>(value: &'v mut Value, way: &[prop::sample::Index]) -> &'v mut Value {
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
        3 => (0..NODES, 0_u32..6, prop::sample::select(vec!["y", "n", "z"]), phrase()).prop_map(
            move |(node, prompt, option, title)| {
                let option = format!("n{node}.{prompt}.{option}");
                message(Content::Reply { option, title })
            }
        ),
        1 => Just(message(Content::Reaction { target: "m".to_owned(), emoji: "x".to_owned() })),
        2 => (0_u32..9).prop_map(|n| StepEvent::Timer { token: format!("t{n}") }),
        3 => (0_u32..9, result).prop_map(|(n, result)| {
            StepEvent::CallDone { token: format!("c{n}"), result }
        }),
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
            tags: Vec::new(),
            locale: None,
            time_zone: None,
        }),
        agent: Arc::new(AgentView::default()),
        link: None,
    }
}
