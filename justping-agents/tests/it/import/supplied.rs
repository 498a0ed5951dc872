//! Flows that others wrote, where the conformance folder is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use justping_agents::import::{Counts, ElementKind, Format, ImportError, import_text};
use justping_core::port::FlowRuntime;
use serde_json::Value;

use super::count::{assert_nothing_lost, flows, is_broken};

/// A folder of flows of others.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let folder = std::env::var_os("JUSTPING_CONFORMANCE_DIR").map_or(own, PathBuf::from);
    let folder = folder.join("flows").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("no flows of others: {} is not there", folder.display());
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    files_of(folder, "json")
}

/// Files below a folder whose names end like this, in order.
pub(crate) fn files_of(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| path.extension().is_some_and(|end| end == extension));
    found.sort();
    found
}

/// Types of documents' nodes, and errors that are the source's own.
fn lint(name: &str, document: &Value) -> usize {
    let findings = flows().check(document);
    let broken = findings.iter().find(|finding| is_broken(finding));
    assert!(broken.is_none(), "{name}: {broken:?}");
    findings.len()
}

/// Imports every file of a folder and prints what became of what it holds.
fn all(format: Format, folder: &Path) -> Vec<(PathBuf, ImportError)> {
    let mut refused = Vec::new();
    let mut sum: BTreeMap<ElementKind, Counts> = BTreeMap::new();
    let (mut files_read, mut findings) = (0, 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for path in files(folder) {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        match import_text(None, &text) {
            Ok(import) => {
                assert_eq!(import.format, format, "{name}");
                let source: Value = serde_json::from_str(&text).unwrap();
                assert_nothing_lost(&name, &source, &import);
                findings += lint(&name, &import.document);
                files_read += 1;
                for (kind, counts) in import.report.counts() {
                    let all = sum.entry(kind).or_default();
                    all.imported += counts.imported;
                    all.degraded += counts.degraded;
                    all.unsupported += counts.unsupported;
                }
                for element in &import.report.unsupported {
                    let reason = element.reason.clone().unwrap();
                    *reasons.entry(format!("{:?}: {reason}", element.kind)).or_default() += 1;
                }
            }
            Err(error) => refused.push((path, error)),
        }
    }
    println!("{format:?}: {files_read} files read, {} refused, {findings} findings", refused.len());
    for (kind, counts) in &sum {
        let Counts { imported, degraded, unsupported } = counts;
        println!("  {kind:?}: {imported} imported, {degraded} degraded, {unsupported} unsupported");
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons {
        println!("    {count} × {reason}");
    }
    refused
}

#[test]
fn every_typebot_export_is_read() {
    let Some(folder) = folder("typebot") else { return };
    assert_eq!(all(Format::Typebot, &folder), []);
}

#[test]
fn every_twilio_flow_is_read() {
    let Some(folder) = folder("twilio-studio") else { return };
    assert_eq!(all(Format::Twilio, &folder), []);
}

#[test]
fn every_floip_flow_is_read_or_refused_where_it_is_wrong() {
    let Some(folder) = folder("floip") else { return };
    let mut wrong = 0;
    for (path, error) in all(Format::Floip, &folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match error {
            ImportError::Invalid { problems } => {
                assert!(name.contains("-invalid-"), "{name}: {problems:?}");
                let known = ["/uuid", "/flows/0/uuid", "/name", "/prompt"];
                for problem in &problems {
                    let placed = known.iter().any(|known| problem.path.ends_with(known));
                    assert!(placed, "{name}: {problem:?}");
                }
                wrong += 1;
            }
            ImportError::NotJson { line, column, .. } => {
                // Written for a reader that forgives a comma.
                assert_eq!(
                    (name.as_str(), line, column),
                    ("2019-10-10-shortcut-flow.json", 96, 13)
                );
            }
            ImportError::UnknownFormat => assert!(name.contains("Schema"), "{name}"),
            ImportError::TooLarge { .. } => panic!("{name}: {error}"),
        }
    }
    println!("Floip: {wrong} flows that break the rules are refused");
    assert!(wrong > 0);
}
