//! Looks flows over.

use std::fmt::Write as _;
use std::path::PathBuf;

use justping::port::{Finding, FlowRuntime as _, Severity};
use serde_json::{Value, json};

use super::flows;
use crate::source::Source;
use crate::{Answer, Trouble};

pub(super) fn run(
    files: &[PathBuf],
    channels: &[String],
    as_json: bool,
) -> Result<Answer, Trouble> {
    let flows = flows();
    let mut all = Vec::new();
    for file in files {
        let source = Source::read(file)?;
        let mut findings = flows.check(&source.value);
        for kind in channels {
            findings.extend(flows.channel_notes(&source.value, kind));
        }
        all.push((source, findings));
    }
    let findings = || all.iter().flat_map(|(_, findings)| findings);
    let count = |severity| findings().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let text = if as_json {
        let files: Vec<Value> = all.iter().map(|(source, found)| in_json(source, found)).collect();
        format!("{:#}\n", Value::from(files))
    } else {
        let mut text = String::new();
        // Writing to a string does not fail.
        for (source, findings) in &all {
            for finding in findings {
                let _ = writeln!(text, "{}", described(source, finding));
            }
        }
        let _ = writeln!(text, "{} file(s): {errors} error(s), {warnings} warning(s)", all.len());
        text
    };
    Ok(Answer { text, found: errors > 0, ..Answer::default() })
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A finding with its place, in one line.
pub(crate) fn described(source: &Source, finding: &Finding) -> String {
    let Finding { severity, code, node, path, message, .. } = finding;
    let node = node.as_ref().map(|node| format!(" (node {node})")).unwrap_or_default();
    format!("{}: {}[{code}]: {message}{node}", source.at(path), name(*severity))
}

fn in_json(source: &Source, findings: &[Finding]) -> Value {
    let findings = findings.iter().map(|finding| {
        let place = source.place(&finding.path);
        json!({
            "severity": name(finding.severity),
            "code": finding.code,
            "node": finding.node,
            "path": finding.path,
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
            "message": finding.message,
            "fix": finding.fix,
        })
    });
    json!({"file": source.path, "findings": findings.collect::<Vec<_>>()})
}
