//! How many turns of "lead-gen-5" one CPU-second decides: five messages in, seven texts out, the
//! state read from and written to text at every turn.
//!
//! `cargo bench --bench flow_engine` prints one JSON line a figure.

#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench tells its figures")]

use std::sync::Arc;

use justping::agents::Flows;
use justping::model::{ContactId, Content, Timestamp};
use justping::port::{AgentView, ContactView, Effect, FlowRuntime, Program, StepEvent, StepInput};
use serde_json::{Value, json};

const SCRIPT: [&str; 5] = ["hi", "Ada", "Pro", "abc", "36"];
const CONVERSATIONS: usize = 60_000;
const ROUNDS: usize = 5;

fn contact() -> ContactView {
    ContactView {
        id: ContactId::from_uuid(Default::default()),
        name: None,
        address: Some("15550000000".to_owned()),
        channel: None,
        fields: Default::default(),
        tags: Vec::new(),
        locale: None,
        time_zone: None,
    }
}

fn inputs() -> Vec<StepInput> {
    let (contact, agent) = (Arc::new(contact()), Arc::new(AgentView::default()));
    SCRIPT
        .iter()
        .map(|text| StepInput {
            event: StepEvent::Message { content: Content::text(*text) },
            now: Timestamp::UNIX_EPOCH,
            seed: 7,
            contact: Arc::clone(&contact),
            agent: Arc::clone(&agent),
            link: None,
        })
        .collect()
}

/// One conversation; returns the number of texts sent.
fn converse(program: &dyn Program, inputs: &[StepInput]) -> usize {
    let mut state: Option<String> = None;
    let mut texts = 0;
    for input in inputs {
        let outcome = program.step(state.as_deref(), input);
        texts += outcome.effects.iter().filter(|e| matches!(e, Effect::Send { .. })).count();
        state = Some(outcome.state);
    }
    texts
}

/// CPU seconds of this thread so far, in steps of a hundredth.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = include_str!("../justping-agents/fixtures/lead-gen-5.json");
    let document: Value = serde_json::from_str(text)?;
    let flows = Flows::new();
    let program = flows.compile(&document)?;
    let inputs = inputs();
    let texts = converse(&*program, &inputs);
    if texts != 7 {
        return Err(format!("the script gave {texts} texts instead of 7").into());
    }
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let begun = cpu();
        for _ in 0..CONVERSATIONS {
            std::hint::black_box(converse(&*program, &inputs));
        }
        figures.push((CONVERSATIONS * SCRIPT.len()) as f64 / (cpu() - begun));
    }
    figures.sort_by(f64::total_cmp);
    println!("{}", json!({"figure": "lead-gen-5", "turns_per_cpu_second": figures[ROUNDS / 2]}));
    Ok(())
}
