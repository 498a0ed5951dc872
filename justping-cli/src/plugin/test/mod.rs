//! Plays scenarios of plugins in the real sandbox: calls of a plugin, and what should come of each; or a
//! conversation with a flow that uses it. Servers answer from the scenario, and nothing leaves.
//!
//! `script` what a scenario of calls says · `play` plays it · `flow` plays a conversation.

mod flow;
mod play;
mod script;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use justping::plugins::package::{Manifest, Templates, config_problems};
use justping::plugins::plugins::ManageError;
use serde_json::{Map, Value};

use self::play::Report;
use self::script::Script;
use super::stand::reasons;
use super::{build, pack};
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
        build::component(folder)?;
        let files = scenarios(folder)?;
        let package = Bytes::from(pack::pack(folder)?);
        for file in &files {
            let play = play(&manifest, package.clone(), file, &mut text);
            played += 1;
            failed += usize::from(!runtime.block_on(play)?);
        }
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{played} scenario(s): {failed} failed");
    Ok(Answer { text, found: failed > 0, ..Answer::default() })
}

/// Plays one and tells what came of it; says whether all came true.
async fn play(
    manifest: &Manifest,
    package: Bytes,
    file: &Path,
    text: &mut String,
) -> Result<bool, Trouble> {
    let source = Source::read(file)?;
    if flow::is_conversation(&source) {
        let (scenario, besides) = flow::read(&source)?;
        fits(manifest, &besides.config, &source)?;
        let played = flow::play(package, (scenario, besides), &source, file).await?;
        played.tell(text, &source);
        return Ok(played.passed());
    }
    let script: Script = source.parse()?;
    fits(manifest, &script.config, &source)?;
    let report = play::play(package, &script, &source).await?;
    tell(text, &source.path, &report);
    Ok(report.failures.is_empty())
}

/// Refuses a configuration that does not match the manifest's schema.
fn fits(manifest: &Manifest, config: &Map<String, Value>, source: &Source) -> Result<(), Trouble> {
    let problems = config_problems(manifest.config_schema.as_ref(), config, Templates::Literal);
    match problems.into_iter().next() {
        Some(problem) => Err(bad(source, &format!("/config{}", problem.path), &problem.message)),
        None => Ok(()),
    }
}

/// Why a plugin is not installed as a scenario says, with the place.
fn refused(source: &Source, error: &ManageError) -> Trouble {
    match reasons(error).as_slice() {
        [(pointer, reason)] if !pointer.is_empty() => bad(source, pointer, reason),
        several => {
            let lines = several.iter().map(|(pointer, reason)| match pointer.as_str() {
                "" => reason.clone(),
                pointer => bad(source, pointer, reason).to_string(),
            });
            Trouble::Other(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn bad(source: &Source, pointer: &str, reason: &str) -> Trouble {
    Trouble::File { path: source.at(pointer), reason: format!("{pointer}: {reason}") }
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
