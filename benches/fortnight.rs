//! A flow of fourteen days for 10,000 contacts, in memory, by a manual clock: every message
//! accepted, every turn committed with its trace, every reply dispatched.
//!
//! `cargo bench --bench fortnight [-- CONTACTS]` prints one JSON line.

#![allow(clippy::print_stdout, reason = "a bench tells its figures")]

use std::sync::Arc;
use std::time::Instant;

use jiff::SignedDuration;
use justping::agents::Flows;
use justping::model::Content;
use justping::stage::Stage;
use serde_json::{Value, json};

const CONTACTS: usize = 10_000;
/// Days after the start on which the flow writes.
const DAYS: [u64; 5] = [1, 2, 4, 7, 14];

fn flow() -> Value {
    let mut nodes = vec![
        json!({"id": "start", "type": "trigger"}),
        json!({"id": "day0", "type": "text", "data": {"text": "Welcome!"}}),
    ];
    let mut edges = vec![json!({"id": "e0", "source": "start", "target": "day0"})];
    let (mut from, mut before) = ("day0".to_owned(), 0);
    for day in DAYS {
        let (wait, text) = (format!("wait{day}"), format!("day{day}"));
        let duration = json!({"amount": day - before, "unit": "days"});
        nodes.push(json!({"id": wait, "type": "wait", "data": duration}));
        nodes.push(json!({"id": text, "type": "text", "data": {"text": format!("Day {day}.")}}));
        edges.push(json!({"id": format!("a{day}"), "source": from, "target": wait}));
        edges.push(json!({"id": format!("b{day}"), "source": wait, "sourceHandle": "next", "target": text}));
        (from, before) = (text, day);
    }
    json!({"schema": "justping.flow/1", "nodes": nodes, "edges": edges})
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let contacts = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(CONTACTS);
    let stage = Stage::builder(Arc::new(Flows::new())).open(&[flow()]).await?;
    let begun = Instant::now();
    for contact in 0..contacts {
        stage.drop_in(&contact.to_string(), Content::text("hi")).await?;
    }
    let accepted = begun.elapsed();
    let sent = stage.advance(SignedDuration::from_hours(14 * 24)).await?;
    let wall = begun.elapsed();
    let expected = (contacts * (1 + DAYS.len())) as u64;
    if sent != expected {
        return Err(format!("{sent} messages were sent instead of {expected}").into());
    }
    println!(
        "{}",
        json!({
            "figure": "fortnight", "contacts": contacts, "messages": sent,
            "accept_s": accepted.as_secs_f64(), "wall_s": wall.as_secs_f64(),
        })
    );
    Ok(())
}
