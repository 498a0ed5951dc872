//! The same input gives the same bytes.

use std::sync::Arc;

use justping_agents::fetch::ScriptedFetcher;
use justping_agents::{Flows, replay};
use justping_core::memory::ScriptedAi;
use justping_core::model::{Content, SessionStatus, TraceStep};
use justping_core::port::{Effect, FlowRuntime, Program, StepEvent};
use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn two_runs_are_identical_and_replay(
        document in any_document(),
        events in prop::collection::vec(event(), 1..20),
    ) {
        let flows = || Flows::new().with_ai(Arc::new(ScriptedAi::new())).with_http(Arc::new(ScriptedFetcher::new()));
        let Ok(program) = flows().compile(&document) else { return Ok(()) };
        let once = run(&*program, &events);
        let again = run(&*flows().compile(&document).unwrap(), &events);
        prop_assert_eq!(&once, &again);
        prop_assert_eq!(replay(&*program, once), Ok(()));
    }
}

#[test]
fn many_random_documents_run() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let flows = Flows::new()
        .with_ai(Arc::new(ScriptedAi::new()))
        .with_http(Arc::new(ScriptedFetcher::new()));
    let (mut compiled, mut effects) = (0, 0);
    for _ in 0..200 {
        let document = any_document().new_tree(&mut runner).unwrap().current();
        let events = prop::collection::vec(event(), 20).new_tree(&mut runner).unwrap().current();
        if let Ok(program) = flows.compile(&document) {
            compiled += 1;
            let trace = run(&*program, &events);
            effects += trace.iter().filter(|step| step.effects != "[]").count();
        }
    }
    println!("{compiled} of 200 random documents run; {effects} steps had effects");
    assert!(compiled >= 60 && effects >= 60, "{compiled} {effects}");
}
