//! Builds plugins. What a language needs is taken as it is found on the machine, or fetched from its
//! package registry into a folder of tools; nothing else of the machine changes.
//!
//! `world` the contract as one plugin uses it · `tool` the folder of tools, and running them · `rust`,
//! `javascript`, `python`, `c` one language each.

mod c;
mod javascript;
mod python;
mod rust;
mod tool;
mod world;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use justping::plugins::package::{COMPONENT_FILE, Dialect, MANIFEST_FILE, Manifest};

use self::tool::Tools;
use super::Language;
use crate::{Answer, Trouble};

/// Largest file of a plugin's source that is read.
const MANIFEST_LIMIT: u64 = 1024 * 1024;

pub(super) fn run(folders: &[PathBuf]) -> Result<Answer, Trouble> {
    let here = [PathBuf::from(".")];
    let folders = if folders.is_empty() { &here } else { folders };
    let tools = Tools::open()?;
    let mut text = String::new();
    for folder in folders {
        let built = build(folder, &tools)?;
        let Built { component, bytes, with } = built;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}: {bytes} bytes, by {with}", component.display());
    }
    Ok(Answer { text, ..Answer::default() })
}

/// What was built.
#[derive(Debug)]
pub(super) struct Built {
    component: PathBuf,
    bytes: u64,
    /// The tools that built it.
    with: String,
}

/// A plugin's source.
#[derive(Debug)]
struct Project<'p> {
    folder: &'p Path,
    manifest: Manifest,
    /// Where what is made on the way is put.
    scratch: PathBuf,
    /// Where the component is put.
    component: PathBuf,
}

/// Builds the plugin of a folder.
fn build(folder: &Path, tools: &Tools) -> Result<Built, Trouble> {
    let manifest = manifest(folder)?;
    let language = language(folder)?;
    let project = Project {
        folder,
        scratch: folder.join("target").join("plugin"),
        component: folder.join(COMPONENT_FILE),
        manifest,
    };
    let with = match language {
        Language::Rust => rust::build(&project, tools)?,
        Language::Javascript => javascript::build(&project, tools)?,
        Language::Python => python::build(&project, tools)?,
        Language::C => c::build(&project, tools)?,
    };
    let component = project.component;
    let bytes = std::fs::metadata(&component).map_err(|error| Trouble::of(&component, &error))?;
    Ok(Built { bytes: bytes.len(), component, with })
}

/// Builds the plugin of a folder, where there is a source.
pub(super) fn build_source(folder: &Path) -> Result<(), Trouble> {
    if languages(folder).is_empty() {
        return Ok(());
    }
    build(folder, &Tools::open()?).map(drop)
}

/// Reads the manifest of a folder.
pub(super) fn manifest(folder: &Path) -> Result<Manifest, Trouble> {
    let path = folder.join(MANIFEST_FILE);
    let trouble = |error: std::io::Error| Trouble::of(&path, &error);
    if std::fs::metadata(&path).map_err(trouble)?.len() > MANIFEST_LIMIT {
        let reason = format!("is larger than {MANIFEST_LIMIT} bytes");
        return Err(Trouble::File { path: path.display().to_string(), reason });
    }
    let bytes = std::fs::read(&path).map_err(trouble)?;
    Manifest::read(&bytes, Dialect::Development).map_err(|findings| {
        let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Trouble::File { path: path.display().to_string(), reason: all.join("; ") }
    })
}

/// Reads the component of a folder, which was built before.
pub(super) fn component(folder: &Path) -> Result<Bytes, Trouble> {
    let path = folder.join(COMPONENT_FILE);
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Trouble::File {
            path: path.display().to_string(),
            reason: "is not there; `justping plugin build` makes it".to_owned(),
        },
        _ => Trouble::of(&path, &error),
    })?;
    Ok(bytes.into())
}

/// The language of a folder, by the file that its source begins with.
fn language(folder: &Path) -> Result<Language, Trouble> {
    let bad = |reason: String| Err(Trouble::File { path: folder.display().to_string(), reason });
    match languages(folder).as_slice() {
        [language] => Ok(*language),
        [] => bad("there is no Cargo.toml, plugin.js, plugin.py or plugin.c".to_owned()),
        several => bad(format!("there are {} languages; one is built", several.len())),
    }
}

/// The languages of which a folder has a source.
fn languages(folder: &Path) -> Vec<Language> {
    let starts = [
        ("Cargo.toml", Language::Rust),
        (javascript::SOURCE, Language::Javascript),
        (python::SOURCE, Language::Python),
        (c::SOURCE, Language::C),
    ];
    let found = starts.into_iter().filter(|(file, _)| folder.join(file).is_file());
    found.map(|(_, language)| language).collect()
}
