//! `justping plugin …`. One file a command.

mod bench;
mod build;
mod call;
mod carried;
mod check;
mod new;
mod pack;
mod place;
mod run;
mod sign;
mod stand;
mod test;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use crate::{Answer, Trouble};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a new plugin that builds, runs and has a test.
    New {
        /// Its name: a letter, then letters, digits and hyphens, all lowercase.
        name: String,
        /// The language it is written in.
        #[arg(long, value_enum, default_value_t = Language::Javascript)]
        lang: Language,
        /// What it is.
        #[arg(long, value_enum, default_value_t = Kind::Node)]
        kind: Kind,
        /// The folder it is written to; the name unless given.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Builds `plugin.wasm` with the tools that are there, and fetches those that are not.
    Build {
        /// The plugins' folders; this one unless given.
        folders: Vec<PathBuf>,
    },
    /// Plays the scenarios of built plugins in the sandbox: calls, and conversations with flows. Ends
    /// with 1 when one of them fails.
    Test {
        /// The plugins' folders; this one unless given.
        folders: Vec<PathBuf>,
    },
    /// Tries a plugin out: calls it line by line, or talks to a flow that uses it. Lines come from
    /// standard input.
    Run(run::Options),
    /// Looks plugins over as a server would. Ends with 1 when one of them would be refused.
    Check {
        /// Packages, or folders with plugin.toml and plugin.wasm.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
        /// Lets hosts be http://, as a server for development may.
        #[arg(long)]
        development: bool,
    },
    /// Shows what a plugin is, as JSON.
    Inspect {
        /// A package, or a folder with plugin.toml and plugin.wasm.
        file: PathBuf,
    },
    /// Makes a package of a folder with plugin.toml and plugin.wasm. The same files give the same
    /// package.
    Pack {
        /// The folder.
        folder: PathBuf,
        /// The package [default: name and version, such as echo-1.0.0.jpplugin].
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Signs it with the key in this file.
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Signs a package, in the place of who signed before.
    Sign {
        /// The package.
        file: PathBuf,
        /// The file with the key.
        #[arg(long)]
        key: PathBuf,
    },
    /// Makes a key to sign with, and prints the public key by which servers know it.
    Keygen {
        /// The file, which must not be there yet.
        file: PathBuf,
    },
}

/// The language of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    #[value(name = "js", alias = "javascript")]
    Javascript,
    Python,
    C,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Node,
    Tool,
    Hook,
    Subscriber,
    Channel,
    Filter,
}

pub(crate) fn run(command: &Command) -> Result<Answer, Trouble> {
    match command {
        Command::New { name, lang, kind, to } => new::run(name, *lang, *kind, to.as_deref()),
        Command::Build { folders } => build::run(folders),
        Command::Test { folders } => test::run(folders),
        Command::Run(options) => run::run(options),
        Command::Check { files, json, development } => check::run(files, *json, *development),
        Command::Inspect { file } => check::inspect(file),
        Command::Pack { folder, output, key } => {
            pack::run(folder, output.as_deref(), key.as_deref())
        }
        Command::Sign { file, key } => sign::run(file, key),
        Command::Keygen { file } => sign::keygen(file),
    }
}
