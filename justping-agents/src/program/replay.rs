//! Running a recorded session again.

use justping_core::model::TraceStep;
use justping_core::port::{Program, StepInput};

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
/// [`ReplayError`], at the first step that differs.
pub fn replay(
    program: &dyn Program,
    steps: impl IntoIterator<Item = TraceStep>,
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
