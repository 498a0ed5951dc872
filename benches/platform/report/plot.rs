//! Plots, drawn as SVG: a bar a case and system, CPU by process.

use std::fmt::Write;

use crate::figure::Group;
use crate::process::GENERATOR;

/// Workloads whose CPU is drawn.
pub(super) const WORKLOADS: &[&str] =
    &["ingest", "ingest-open", "flow", "reply-e2e", "queue", "store-insert", "growth", "plan-trap"];

const LABELS_PX: f64 = 250.0;
const BARS_PX: f64 = 480.0;
const ROW_PX: f64 = 22.0;
const HEAD_PX: f64 = 56.0;
const VALUE_PX: f64 = 70.0;

/// The colours of the processes.
const COLOURS: &[(&str, &str)] = &[
    ("server", "#2f6fde"),
    ("library", "#2f6fde"),
    ("api", "#d9822b"),
    ("worker", "#f0b878"),
    ("floor", "#8a8f98"),
    ("postgres", "#4aa37a"),
    ("redis", "#c0453b"),
];

/// The name of the file with the plot of a workload.
pub(super) fn file(workload: &str) -> String {
    format!("{workload}.svg")
}

/// The plot of a workload, if it was measured.
pub(super) fn cpu(workload: &str, groups: &[Group<'_>]) -> Option<String> {
    let own: Vec<&Group<'_>> = groups.iter().filter(|one| one.workload == workload).collect();
    let most = own.iter().map(|one| one.cpu_ms()).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let (width, height) =
        (LABELS_PX + BARS_PX + VALUE_PX, HEAD_PX + ROW_PX * own.len() as f64 + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\
         <text x=\"8\" y=\"20\" font-size=\"15\">{workload}: CPU ms an item, medians</text>"
    );
    legend(&mut svg, &own);
    for (at, group) in own.iter().enumerate() {
        bar(&mut svg, HEAD_PX + ROW_PX * at as f64, group, most);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn legend(svg: &mut String, groups: &[&Group<'_>]) {
    let mut x = 8.0;
    for (label, colour) in COLOURS {
        if groups.iter().any(|group| group.labels().contains(label)) {
            let _ = write!(
                svg,
                "<rect x=\"{x}\" y=\"32\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"41\">{label}</text>",
                x + 14.0
            );
            x += 34.0 + 7.0 * label.len() as f64;
        }
    }
}

fn bar(svg: &mut String, y: f64, group: &Group<'_>, most: f64) {
    let text = y + ROW_PX * 0.7;
    let name = [group.case, group.system].map(str::to_owned).join("  ·  ");
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{name}</text>",
        LABELS_PX - 8.0
    );
    let mut x = LABELS_PX;
    for (label, colour) in COLOURS {
        let part = group.median(|one| Some(one.cpu_ms_of(label))).unwrap_or(0.0);
        if part > 0.0 && *label != GENERATOR {
            let length = part / most * BARS_PX;
            let _ = write!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" \
                 fill=\"{colour}\"/>",
                y + 3.0,
                ROW_PX - 6.0
            );
            x += length;
        }
    }
    let _ = write!(svg, "<text x=\"{:.1}\" y=\"{text}\">{:.3}</text>", x + 6.0, group.cpu_ms());
}
