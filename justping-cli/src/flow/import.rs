//! Reads flows of other systems.

use std::fmt::Write as _;
use std::path::Path;

use justping::agents::import::{Element, Format, Import, import};
use serde_json::json;

use crate::source::Source;
use crate::{Answer, Trouble};

/// Prints the document, and what became of the source beside it.
pub(super) fn run(file: &Path, from: Option<Format>, as_json: bool) -> Result<Answer, Trouble> {
    let source = Source::read(file)?;
    let Import { format, document, report } = import(from, &source.value)
        .map_err(|error| Trouble::File { path: source.path.clone(), reason: error.to_string() })?;
    if as_json {
        let whole = json!({"format": format, "document": document, "report": report});
        return Ok(Answer { text: format!("{whole:#}\n"), ..Answer::default() });
    }
    let mut notes = String::new();
    for (fate, elements) in [("degraded", &report.degraded), ("unsupported", &report.unsupported)] {
        for Element { path, reason, .. } in elements {
            let reason = reason.as_deref().unwrap_or("no reason is known");
            // Writing to a string does not fail.
            let _ = writeln!(notes, "{}: {fate}: {reason}", source.at(path));
        }
    }
    for note in &report.notes {
        let _ = writeln!(notes, "{}: {note}", source.path);
    }
    let (kept, degraded) = (report.imported.len(), report.degraded.len());
    let lost = report.unsupported.len();
    let _ = writeln!(notes, "{kept} imported, {degraded} degraded, {lost} unsupported");
    Ok(Answer { text: format!("{document:#}\n"), notes, found: false })
}
