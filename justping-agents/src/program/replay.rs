//! Running a recorded session again.

use std::collections::HashMap;
use std::sync::Arc;

use justping_core::engine::SessionRecord;
use justping_core::model::{FlowVersionId, TraceStep};
use justping_core::port::{FlowRuntime, Program, StepInput};

/// How a session differs from its record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A step is missing or repeated.
    #[error("expected step {expected}, found step {found}")]
    Order {
        /// The number that should come.
        expected: u32,
        /// The number that came.
        found: u32,
    },
    /// The recorded input is not one.
    #[error("the input of step {number} cannot be read: {reason}")]
    Input {
        /// The step.
        number: u32,
        /// Why.
        reason: String,
    },
    /// The version that took the step is not at hand.
    #[error("the version {version} of step {number} is missing")]
    Version {
        /// The step.
        number: u32,
        /// The version.
        version: FlowVersionId,
    },
    /// The step decides other effects than recorded.
    #[error("the effects of step {number} differ")]
    Effects {
        /// The step.
        number: u32,
        /// As recorded.
        recorded: String,
        /// As decided now.
        replayed: String,
    },
    /// The step ends in another state than recorded.
    #[error("the state after step {number} differs")]
    State {
        /// The step.
        number: u32,
        /// As recorded.
        recorded: String,
        /// As it is now.
        replayed: String,
    },
}

/// Runs a session's steps again, from the first, and compares effects and states byte for byte.
///
/// # Errors
/// [`ReplayError`], at the first step that differs. A step of another version is
/// [`ReplayError::Version`]: see [`replay_moved`].
pub fn replay(
    program: &dyn Program,
    steps: impl IntoIterator<Item = TraceStep>,
) -> Result<(), ReplayError> {
    run(steps, |input| match &input.moved {
        Some(moved) => Err(moved.to),
        None => Ok(program),
    })
}

/// As [`replay`], for a session that may have moved between versions. It stands on `version` now.
///
/// # Errors
/// [`ReplayError`], at the first step that differs.
pub fn replay_moved(
    version: FlowVersionId,
    programs: &HashMap<FlowVersionId, Arc<dyn Program>>,
    steps: Vec<TraceStep>,
) -> Result<(), ReplayError> {
    let moved = |step: &TraceStep| serde_json::from_str::<StepInput>(&step.input).ok()?.moved;
    let mut at = steps.iter().find_map(moved).map_or(version, |first| first.from);
    run(steps, |input| {
        if let Some(moved) = &input.moved {
            at = moved.to;
        }
        programs.get(&at).map(|program| &**program).ok_or(at)
    })
}

/// Compiles the documents of a record and runs its session again.
///
/// # Errors
/// [`ReplayError`], at the first step that differs; a document that does not compile here counts as
/// missing.
pub fn replay_record(flows: &dyn FlowRuntime, record: SessionRecord) -> Result<(), ReplayError> {
    let compile = |(id, document): (&FlowVersionId, _)| Some((*id, flows.compile(document).ok()?));
    let programs = record.versions.iter().filter_map(compile).collect();
    replay_moved(record.session.flow_version_id, &programs, record.steps)
}

fn run<'p>(
    steps: impl IntoIterator<Item = TraceStep>,
    mut program: impl FnMut(&StepInput) -> Result<&'p dyn Program, FlowVersionId>,
) -> Result<(), ReplayError> {
    let mut state: Option<String> = None;
    for (step, expected) in steps.into_iter().zip(1_u32..) {
        let number = step.number;
        if number != expected {
            return Err(ReplayError::Order { expected, found: number });
        }
        let unreadable =
            |e: serde_json::Error| ReplayError::Input { number, reason: e.to_string() };
        let input: StepInput = serde_json::from_str(&step.input).map_err(unreadable)?;
        let program =
            program(&input).map_err(|version| ReplayError::Version { number, version })?;
        let outcome = program.step(state.as_deref(), &input);
        let replayed = serde_json::to_string(&outcome.effects).map_err(unreadable)?;
        if replayed != step.effects {
            return Err(ReplayError::Effects { number, recorded: step.effects, replayed });
        }
        if outcome.state != step.state {
            let (recorded, replayed) = (step.state, outcome.state);
            return Err(ReplayError::State { number, recorded, replayed });
        }
        state = Some(outcome.state);
    }
    Ok(())
}
