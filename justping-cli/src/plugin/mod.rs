//! `justping plugin …`. One file a command.

mod bench;
mod check;
mod pack;
mod sign;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{Answer, Trouble};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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

pub(crate) fn run(command: &Command) -> Result<Answer, Trouble> {
    match command {
        Command::Check { files, json, development } => check::run(files, *json, *development),
        Command::Inspect { file } => check::inspect(file),
        Command::Pack { folder, output, key } => {
            pack::run(folder, output.as_deref(), key.as_deref())
        }
        Command::Sign { file, key } => sign::run(file, key),
        Command::Keygen { file } => sign::keygen(file),
    }
}
