//! `justping`: what people do with flows beside the platform.

mod flow;
mod place;
mod source;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Something that was looked for is there: an error in a flow, a scenario that fails, a difference.
const FOUND: u8 = 1;
/// The command could not do its work.
const BROKEN: u8 = 2;

/// Customer messaging: tools for flows.
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

fn main() -> ExitCode {
    let Cli { noun: Noun::Flow(command) } = Cli::parse();
    let (text, notes, code) = match flow::run(&command) {
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
