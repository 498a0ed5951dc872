//! The report: every figure as JSON, and what they say as Markdown with plots.

mod goal;
mod markdown;
mod plot;

use std::path::Path;

use serde_json::{Value, json};

use crate::Outcome;
use crate::figure::Ledger;

/// What the figures were taken with.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) date: String,
    pub(crate) scale: &'static str,
    pub(crate) runs: usize,
    pub(crate) cpu: String,
    pub(crate) versions: Vec<(&'static str, String)>,
}

/// Writes `report.json`, `report.md` and the plots into a folder.
pub(crate) fn write(folder: &Path, setting: &Setting, ledger: &Ledger) -> Outcome<()> {
    std::fs::create_dir_all(folder)?;
    let figures: Vec<Value> = ledger.figures().iter().map(|figure| figure.json()).collect();
    let json = json!({
        "date": setting.date, "scale": setting.scale, "runs": setting.runs, "cpu": setting.cpu,
        "versions": setting.versions.iter().map(|(name, version)| json!([name, version]))
            .collect::<Vec<_>>(),
        "notes": ledger.notes(), "figures": figures,
    });
    std::fs::write(folder.join("report.json"), serde_json::to_string_pretty(&json)?)?;
    let groups = ledger.groups();
    for workload in plot::WORKLOADS {
        if let Some(svg) = plot::cpu(workload, &groups) {
            std::fs::write(folder.join(plot::file(workload)), svg)?;
        }
    }
    std::fs::write(folder.join("report.md"), markdown::page(setting, ledger))?;
    Ok(())
}
