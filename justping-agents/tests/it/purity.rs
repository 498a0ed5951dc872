//! The same input gives the same bytes.

use std::sync::Arc;

use justping_agents::fetch::ScriptedFetcher;
use justping_agents::{Flows, replay};
use justping_core::memory::ScriptedAi;
use justping_core::model::{Content, SessionStatus, TraceStep};
use justping_core::port::{Effect, FlowRuntime, Program, StepEvent};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::generate::{any_document, event, input};

/// The most bytes of an option id, by the strictest channel.
const OPTION_ID_MAX_BYTES: usize = 200;

/// Runs a session until it ends or nothing more happens.
fn run(program: &dyn Program, events: &[StepEvent]) -> Vec<TraceStep> {
    let mut trace: Vec<TraceStep> = Vec::new();
    for (event, number) in events.iter().zip(1_u32..) {
        let input = input(number.into(), event.clone());
        let outcome = program.step(trace.last().map(|step| step.state.as_str()), &input);
        for effect in &outcome.effects {
            if let Effect::Send { content: Content::Buttons { options, .. } } = effect {
                assert!(options.iter().all(|option| option.id.len() <= OPTION_ID_MAX_BYTES));
            }
        }
        trace.push(TraceStep {
            number,
            input: serde_json::to_string(&input).unwrap(),
            effects: serde_json::to_string(&outcome.effects).unwrap(),
            state: outcome.state,
        });
        assert_eq!(outcome.failure.is_some(), outcome.status == SessionStatus::Failed);
        if outcome.status != SessionStatus::Waiting {
            break;
        }
    }
    trace
}

/// How many random documents are run twice unless [`DOCUMENTS_VARIABLE`] says otherwise.
const DOCUMENTS: usize = 1_000;
/// The environment variable with another number: 10000 takes a few minutes.
const DOCUMENTS_VARIABLE: &str = "JUSTPING_RANDOM_FLOWS";

fn flows() -> Flows {
    Flows::new().with_ai(Arc::new(ScriptedAi::new())).with_http(Arc::new(ScriptedFetcher::new()))
}

/// Every document runs in two runtimes, made one after the other, and is replayed in the first.
#[test]
fn random_flows_give_the_same_bytes_twice() {
    let mut runner = TestRunner::deterministic();
    let (ours, theirs) = (flows(), flows());
    let (mut compiled, mut steps, mut ended) = (0, 0, 0);
    let (mut frames, mut bursts) = (0, 0);
    let script = prop::collection::vec(event(), 1..20);
    let number = std::env::var(DOCUMENTS_VARIABLE).ok().and_then(|number| number.parse().ok());
    let number = number.unwrap_or(DOCUMENTS);
    for _ in 0..number {
        let document = any_document().new_tree(&mut runner).unwrap().current();
        let events = script.new_tree(&mut runner).unwrap().current();
        let Ok(program) = ours.compile(&document) else { continue };
        compiled += 1;
        let once = run(&*program, &events);
        assert_eq!(once, run(&*theirs.compile(&document).unwrap(), &events), "{document}");
        steps += once.len();
        ended += usize::from(once.last().is_some_and(|step| !step.state.contains("\"n\":")));
        frames += once.iter().filter(|step| step.state.contains("\"f\":[")).count();
        bursts += once.iter().filter(|step| step.state.contains("\"b\":{\"c\"")).count();
        assert_eq!(replay(&*program, once), Ok(()), "{document}");
    }
    println!(
        "{compiled} of {number} random documents ran {steps} steps twice: {ended} came to an \
         end, {frames} states had frames, {bursts} a burst"
    );
    assert!(compiled > number / 4, "{compiled}");
    assert!(
        ended > number / 100 && frames > number / 100 && bursts > number / 100,
        "{ended} {frames} {bursts}"
    );
}
