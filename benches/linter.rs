//! How long the linter looks at a flow of 1,000 nodes, and at it on every channel.
//!
//! `cargo bench --bench linter` prints one JSON line a figure.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::time::Instant;

use justping::agents::{Flows, known_channels};
use justping::port::FlowRuntime;
use serde_json::{Value, json};

const NODES: usize = 1_000;
const ROUNDS: usize = 20;

/// Questions, decisions and texts, each group leading to the next, with ways back.
fn document() -> Value {
    let mut nodes = vec![json!({"id": "start", "type": "trigger"})];
    let mut edges = vec![json!({"id": "e", "source": "start", "target": "n0"})];
    let mut edge = |from: usize, exit: &str, to: usize| {
        edges.push(json!({
            "id": format!("e{from}{exit}"), "source": format!("n{from}"), "sourceHandle": exit,
            "target": format!("n{}", to % (NODES - 1))
        }));
    };
    for at in 0..NODES - 1 {
        let (kind, data) = match at % 4 {
            0 => (
                "input",
                json!({
                    "prompt": format!("Question {at}, {{{{ contact.name }}}}?"),
                    "variable": format!("v{at}"), "timeout_minutes": 60
                }),
            ),
            1 => (
                "buttons",
                json!({"text": "Which?", "options": [
                    {"id": "a", "title": "One"}, {"id": "b", "title": "Two"},
                    {"id": "c", "title": "A title that is too long for a button"}
                ]}),
            ),
            2 => (
                "condition",
                json!({"condition": {"all": [
                    {"field": format!("v{}", at - 2), "op": "is_set"},
                    {"field": "contact.fields.plan", "op": "eq", "value": "Pro"}
                ]}}),
            ),
            _ => ("text", json!({"text": format!("You said {{{{ v{} }}}}.", at - 3)})),
        };
        nodes.push(json!({"id": format!("n{at}"), "type": kind, "data": data}));
        match at % 4 {
            0 => {
                ["reply", "timeout"].iter().zip(1..).for_each(|(exit, by)| edge(at, exit, at + by));
            }
            1 => {
                ["option:a", "option:b"].iter().zip(1..).for_each(|(e, by)| edge(at, e, at + by));
                edge(at, "option:c", at.saturating_sub(5));
            }
            2 => ["true", "false"].iter().zip(1..).for_each(|(exit, by)| edge(at, exit, at + by)),
            _ => edge(at, "next", at + 1),
        }
    }
    json!({"schema": "justping.flow/1", "nodes": nodes, "edges": edges})
}

/// The shortest and the middle of some runs, in milliseconds.
fn measured(mut run: impl FnMut() -> usize) -> (f64, f64, usize) {
    let mut times = Vec::with_capacity(ROUNDS);
    let mut found = 0;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        found = run();
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    (at(0), at(ROUNDS / 2), found)
}

fn main() {
    let flows = Flows::new();
    let document = document();
    let print = |what: &str, (least, middle, found): (f64, f64, usize)| {
        println!(
            "{}",
            json!({"bench": "linter", "what": what, "nodes": NODES, "findings": found,
                "least_ms": least, "median_ms": middle})
        );
    };
    print("check", measured(|| flows.check(&document).len()));
    print(
        "channel notes",
        measured(|| known_channels().map(|kind| flows.channel_notes(&document, kind).len()).sum()),
    );
}
