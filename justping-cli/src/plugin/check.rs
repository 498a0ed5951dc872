//! Looks plugins over.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use justping::plugins::OperatorPolicy;
use justping::plugins::blob::BLOB_MAX_BYTES;
use justping::plugins::package::{Dialect, PackageFinding, PackageRules, VerifyError};
use serde_json::{Value, json};

use super::bench::verify_all;
use super::pack;
use crate::{Answer, Trouble};

pub(super) fn run(files: &[PathBuf], as_json: bool, development: bool) -> Result<Answer, Trouble> {
    let packages: Vec<_> = files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for (file, verified) in files.iter().zip(verify_all(&packages, &policy(development))?) {
        let findings = match verified {
            Ok(verified) => verified.inspection.findings,
            Err(VerifyError::Refused(findings)) => findings,
            Err(error @ VerifyError::Busy(_)) => return Err(Trouble::Other(error.to_string())),
        };
        all.push((file.display().to_string(), findings));
    }
    let findings = || all.iter().flat_map(|(_, findings)| findings);
    let errors = findings().filter(|finding| finding.is_error()).count();
    let text = if as_json {
        let file = |(file, findings): &(String, Vec<PackageFinding>)| json!({"file": file, "findings": findings});
        format!("{:#}\n", Value::from(all.iter().map(file).collect::<Vec<_>>()))
    } else {
        let mut text = String::new();
        for (file, findings) in &all {
            for finding in findings {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{file}: {finding}");
            }
        }
        let warnings = findings().count() - errors;
        let _ = writeln!(text, "{} plugin(s): {errors} error(s), {warnings} warning(s)", all.len());
        text
    };
    Ok(Answer { text, found: errors > 0, ..Answer::default() })
}

/// Shows one plugin, or why it is none.
pub(super) fn inspect(file: &Path) -> Result<Answer, Trouble> {
    let package = read(file)?;
    // What a developer's server takes is shown as well.
    let verified = verify_all(&[package], &policy(true))?.into_iter().next();
    match verified {
        Some(Ok(verified)) => {
            let package = &verified.package;
            let shown = json!({
                "digest": package.digest,
                "bytes": package.bytes,
                "signer": package.signer.map(|key| key.to_string()),
                "manifest": package.manifest.written,
                "requested": package.manifest.requested(),
                "inspection": verified.inspection,
            });
            Ok(Answer { text: format!("{shown:#}\n"), ..Answer::default() })
        }
        Some(Err(VerifyError::Refused(findings))) => {
            let mut notes = String::new();
            for finding in findings {
                let _ = writeln!(notes, "{}: {finding}", file.display());
            }
            Ok(Answer { notes, found: true, ..Answer::default() })
        }
        Some(Err(error @ VerifyError::Busy(_))) => Err(Trouble::Other(error.to_string())),
        None => Ok(Answer::default()),
    }
}

pub(super) fn policy(development: bool) -> OperatorPolicy {
    let dialect = if development { Dialect::Development } else { Dialect::Strict };
    let rules = PackageRules { max_bytes: BLOB_MAX_BYTES, dialect };
    OperatorPolicy { rules, ..OperatorPolicy::default() }
}

/// The package in a file, or the one that a folder would make.
fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    if path.is_dir() { pack::pack(path) } else { pack::read(path, BLOB_MAX_BYTES) }
}
