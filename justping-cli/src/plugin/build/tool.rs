//! The folder of tools, and running them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Trouble;
use crate::plugin::place::tools;

/// Says that a tool is all there.
const DONE: &str = ".done";
/// Most characters of a tool's output that are repeated.
const TAIL_MAX_CHARS: usize = 4_000;

/// The folder of tools. One process changes it at a time.
#[derive(Debug)]
pub(super) struct Tools {
    folder: PathBuf,
    #[expect(dead_code, reason = "held for its lock, which ends with it")]
    lock: File,
}

impl Tools {
    /// Opens the folder, and waits while another process builds.
    pub(super) fn open() -> Result<Self, Trouble> {
        let folder = tools()?;
        let trouble = |error: std::io::Error| Trouble::of(&folder, &error);
        std::fs::create_dir_all(&folder).map_err(trouble)?;
        let folder = folder.canonicalize().map_err(trouble)?;
        let lock = File::create(folder.join(".lock")).map_err(trouble)?;
        lock.lock().map_err(trouble)?;
        Ok(Self { folder, lock })
    }

    /// A place within it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A tool that is fetched once: `fetch` puts it into an empty folder. What broke off is begun anew.
    pub(super) fn fetched(
        &self,
        name: &str,
        fetch: impl FnOnce(&Path) -> Result<(), Trouble>,
    ) -> Result<PathBuf, Trouble> {
        let folder = self.folder.join(name);
        if folder.join(DONE).exists() {
            return Ok(folder);
        }
        let trouble = |error: std::io::Error| Trouble::of(&folder, &error);
        say(&format!("fetching {name} into {}", self.folder.display()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(trouble)?;
        }
        std::fs::create_dir_all(&folder).map_err(trouble)?;
        fetch(&folder)?;
        std::fs::write(folder.join(DONE), "").map_err(trouble)?;
        Ok(folder)
    }
}

/// Tells how far it is.
pub(super) fn say(line: &str) {
    // Nobody is left to hear that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A program that is about to run.
pub(super) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

/// Runs a program to its end and returns what it printed.
pub(super) fn run(command: &mut Command) -> Result<String, Trouble> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Trouble::Other(format!("{name} is not installed")),
        _ => Trouble::Other(format!("{name} does not run: {error}")),
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let start = said.char_indices().rev().nth(TAIL_MAX_CHARS).map_or(0, |(at, _)| at);
    let tail = said.get(start..).unwrap_or_default().trim_end();
    Err(Trouble::Other(format!("{name} failed ({}):\n{tail}", output.status)))
}
