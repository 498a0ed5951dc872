//! What plugins are to the engine: ordinary nodes, tools, hooks, subscribers, channels and filters.
//!
//! Each file is one port of core over [`Plugins`](crate::Plugins). What a plugin returned is read
//! here: it is a stranger's word, so every shape, name and number is looked at before the engine hears
//! of it.

mod channel;
mod hook;
mod node;
mod subscriber;
#[cfg(test)]
mod tests;
mod tool;

use justping_core::port::PluginError;

pub use self::channel::{PLUGIN_PROVIDER, PluginChannels, check_channel};
pub use self::subscriber::{LOOK_EVERY, PluginSubscribers, plugin_feed};
use crate::CallError;
use crate::plugins::UseError;

/// Most characters of a code that a plugin chose.
const CODE_MAX_CHARS: usize = 64;

/// What the engine is told of a call without an answer: the code that a plugin chose is its own, if it
/// is one.
fn told(error: &UseError) -> PluginError {
    let detail = error.to_string();
    match error {
        UseError::NotInstalled(name) | UseError::Disabled(name) => PluginError::not_installed(name),
        UseError::Call(CallError::Failed(failure)) if is_code(&failure.code) => {
            PluginError::new(failure.code.clone(), failure.message.clone())
        }
        other => PluginError::new(other.code(), detail),
    }
}

fn is_code(text: &str) -> bool {
    text.len() <= CODE_MAX_CHARS
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
