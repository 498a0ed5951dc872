//! Runs a recorded session again.

use std::path::Path;

use justping::agents::{ReplayError, replay_record};
use justping::engine::SessionRecord;

use super::flows;
use crate::source::Source;
use crate::{Answer, Trouble};

/// Bytes shown before and after the first difference.
const CONTEXT_BYTES: usize = 40;

pub(super) fn run(file: &Path) -> Result<Answer, Trouble> {
    let source = Source::read(file)?;
    let record: SessionRecord = source.parse()?;
    let (id, steps) = (record.session.id, record.steps.len());
    let difference = replay_record(&flows(), record).err();
    let text = match &difference {
        None => format!("{id}: {steps} step(s), the same\n"),
        Some(error) => format!("{id}: {}", tell(error)),
    };
    Ok(Answer { text, found: difference.is_some(), ..Answer::default() })
}

fn tell(error: &ReplayError) -> String {
    match error {
        ReplayError::Effects { recorded, replayed, .. }
        | ReplayError::State { recorded, replayed, .. } => {
            let equal = recorded.bytes().zip(replayed.bytes()).take_while(|(a, b)| a == b).count();
            let (recorded, replayed) = (around(recorded, equal), around(replayed, equal));
            format!(
                "{error}, from byte {equal} on\n  recorded: {recorded}\n  replayed: {replayed}\n"
            )
        }
        other => format!("{other}\n"),
    }
}

/// What stands around a byte.
fn around(text: &str, byte: usize) -> &str {
    let start = text.floor_char_boundary(byte.saturating_sub(CONTEXT_BYTES));
    let end = text.ceil_char_boundary(byte.saturating_add(CONTEXT_BYTES).min(text.len()));
    text.get(start..end).unwrap_or_default()
}
