//! How many turns of "lead-gen-5" one CPU-second decides: five messages in, seven texts out, the
//! state read from and written to text at every turn.
//!
//! `cargo bench --bench flow_engine` prints one JSON line a figure. With `-- --peers` it takes turns
//! with xstate and the Bot Framework's adaptive dialogs, which do the same in `benches/peers`, and
//! tells the ratios of each round's figures; it needs Node 20 and `npm`.

#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "a bench tells its figures")]

mod peers;

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
        groups: Default::default(),
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
            moved: None,
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
    let text = include_str!("../../justping-agents/fixtures/lead-gen-5.json");
    let document: Value = serde_json::from_str(text)?;
    let flows = Flows::new();
    let program = flows.compile(&document)?;
    let inputs = inputs();
    let texts = converse(&*program, &inputs);
    if texts != 7 {
        return Err(format!("the script gave {texts} texts instead of 7").into());
    }
    let peers = match std::env::args().any(|word| word == "--peers") {
        true => Some(peers::Peers::install()?),
        false => None,
    };
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let ours = measure(&*program, &inputs);
        let theirs = peers.as_ref().map(peers::Peers::measure).transpose()?;
        rounds.push((ours, theirs.unwrap_or_default()));
    }
    let figure = median(rounds.iter().map(|(ours, _)| *ours));
    println!("{}", json!({"figure": "lead-gen-5", "turns_per_cpu_second": figure}));
    for (at, engine) in peers::ENGINES.iter().enumerate().filter(|_| peers.is_some()) {
        let figure = median(rounds.iter().map(|(_, theirs)| theirs[at].turns_per_cpu_second));
        let ratio =
            median(rounds.iter().map(|(ours, theirs)| ours / theirs[at].turns_per_cpu_second));
        let last = rounds.last().map(|(_, theirs)| &theirs[at].line);
        println!(
            "{}",
            json!({
                "figure": "lead-gen-5", "engine": engine.name, "turns_per_cpu_second": figure,
                "ours_is_times": ratio, "last_round": last,
            })
        );
    }
    Ok(())
}

/// Turns a CPU-second.
fn measure(program: &dyn Program, inputs: &[StepInput]) -> f64 {
    let begun = cpu();
    for _ in 0..CONVERSATIONS {
        std::hint::black_box(converse(program, inputs));
    }
    (CONVERSATIONS * SCRIPT.len()) as f64 / (cpu() - begun)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
