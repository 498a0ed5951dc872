//! Lines for the plugin's log.

use justping_core::model::{PluginLevel, PluginLineKind};

use super::CallState;
use crate::contract::bindings::justping::plugin::log::{Host, Level};
use crate::limits::LOG_LINE_MAX_BYTES;

impl Host for CallState {
    async fn write(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        if self.diary.logged >= self.caller.limits.log_lines {
            self.diary.lost = self.diary.lost.saturating_add(1);
            return Ok(());
        }
        self.diary.logged += 1;
        let level = match level {
            Level::Debug => PluginLevel::Debug,
            Level::Info => PluginLevel::Info,
            Level::Warn => PluginLevel::Warn,
            Level::Error => PluginLevel::Error,
        };
        let text = clean(&text, LOG_LINE_MAX_BYTES);
        tracing::debug!(?level, %text, "a plugin says");
        self.note(PluginLineKind::Log, level, &text);
        Ok(())
    }
}

/// A text in one line of at most `max` bytes, its control characters written out. Doing it again
/// changes nothing.
pub(super) fn clean(text: &str, max: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let start = clean.len();
        if is_plain(c) {
            clean.push(c);
        } else {
            clean.extend(c.escape_default());
        }
        if clean.len() > max {
            clean.truncate(start);
            break;
        }
    }
    clean
}

/// What may stand in a log: no control characters, and none that turn the direction of writing or
/// cannot be seen.
fn is_plain(c: char) -> bool {
    let hides = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !hides
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(clean("a\nb\u{1b}[31m\0", 100), "a\\nb\\u{1b}[31m\\u{0}");
        assert_eq!(clean("grün 👍", 100), "grün 👍");
        assert_eq!(clean("\u{202e}txt", 100), "\\u{202e}txt");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(clean("äöü", 5), "äö");
        assert_eq!(clean("a\n\n", 4), "a\\n");
    }

    proptest! {
        #[test]
        fn whatever_is_said_becomes_one_bounded_line(text in any::<String>(), max in 0_usize..80) {
            let line = clean(&text, max);
            prop_assert!(line.len() <= max);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(clean(&line, max), line);
        }
    }
}
