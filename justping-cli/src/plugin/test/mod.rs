//! Plays scenarios of plugins: calls of a plugin in the real sandbox, and what should come of each.
//! Servers answer from the scenario, and nothing leaves.
//!
//! `script` what a scenario says · `stand` the sandbox and the platform around it · `wire` the shapes of
//! calls · `play` plays a scenario.

mod play;
mod script;
mod servers;
mod stand;
mod wire;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use self::play::Report;
use self::script::Script;
use self::stand::Stand;
use super::build;
use super::place::cache;
use crate::source::Source;
use crate::{Answer, Trouble};

/// How the files of scenarios begin.
const PREFIX: &str = "scenario";
/// Most scenarios of a plugin.
const SCENARIOS_MAX: usize = 100;

pub(super) fn run(folders: &[PathBuf]) -> Result<Answer, Trouble> {
    let here = [PathBuf::from(".")];
    let folders = if folders.is_empty() { &here } else { folders };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Trouble::Other(error.to_string()))?;
    let (mut text, mut played, mut failed) = (String::new(), 0_usize, 0_usize);
    for folder in folders {
        let manifest = build::manifest(folder)?;
        let component = build::component(folder)?;
        let files = scenarios(folder)?;
        for file in &files {
            let source = Source::read(file)?;
            let script: Script = source.parse()?;
            let report = runtime.block_on(async {
                let stand = Stand::open(&manifest, component.clone(), &script, cache()?).await?;
                stand.play(&script, &source).await
            })?;
            played += 1;
            failed += usize::from(!report.failures.is_empty());
            tell(&mut text, &source.path, &report);
        }
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{played} scenario(s): {failed} failed");
    Ok(Answer { text, found: failed > 0, ..Answer::default() })
}

/// The scenarios of a folder, by name.
fn scenarios(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let trouble = |error: std::io::Error| Trouble::of(folder, &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(trouble)? {
        let path = entry.map_err(trouble)?.path();
        let is_named = |name: &str| {
            name.starts_with(PREFIX)
                && [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
        };
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_named) {
            found.push(path);
        }
    }
    found.sort();
    match found.len() {
        1..=SCENARIOS_MAX => Ok(found),
        count => Err(Trouble::File {
            path: folder.display().to_string(),
            reason: format!("has {count} files {PREFIX}*.yaml; 1 to {SCENARIOS_MAX} are played"),
        }),
    }
}

fn tell(text: &mut String, path: &str, report: &Report) {
    let Report { checked, failures, cpu, peak_bytes } = report;
    let took = format!("{} ms of processor and {} KiB at most", cpu.as_millis(), peak_bytes / 1024);
    if failures.is_empty() {
        let _ = writeln!(text, "ok      {path} ({checked} checked; a call took {took})");
        return;
    }
    let _ = writeln!(text, "FAILED  {path} ({} of {checked} failed)", failures.len());
    for failure in failures {
        let _ = writeln!(text, "  {failure}");
    }
}
