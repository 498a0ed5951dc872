//! `justping`: what people do with flows and plugins beside the platform.

mod flow;
mod place;
mod plugin;
mod source;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Something that was looked for is there: an error in a flow, a scenario that fails, a difference.
const FOUND: u8 = 1;
/// The command could not do its work.
const BROKEN: u8 = 2;

/// Customer messaging: tools for flows and plugins.
#[derive(Debug, Parser)]
#[command(name = "justping", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Looks flows over, shows them, plays scenarios, replays sessions.
    #[command(subcommand)]
    Flow(flow::Command),
    /// Writes, builds, tests, checks, packs and signs plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
}

/// What a command has to say, and whether it found what should not be.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    /// What is said beside it, on standard error.
    notes: String,
    found: bool,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// A file cannot be read.
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    /// A file or folder that the system does not give.
    fn of(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), reason: error.to_string() }
    }
}

fn main() -> ExitCode {
    let answer = match Cli::parse().noun {
        Noun::Flow(command) => flow::run(&command),
        Noun::Plugin(command) => plugin::run(&command),
    };
    let (text, notes, code) = match answer {
        Ok(Answer { text, notes, found: false }) => (text, notes, ExitCode::SUCCESS),
        Ok(Answer { text, notes, found: true }) => (text, notes, ExitCode::from(FOUND)),
        Err(trouble) => {
            // Nobody is left to hear that standard error is closed.
            let _ = writeln!(std::io::stderr(), "justping: {trouble}");
            return ExitCode::from(BROKEN);
        }
    };
    let _ = std::io::stderr().write_all(notes.as_bytes());
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::from(BROKEN),
    }
}
