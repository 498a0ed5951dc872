//! The page that people read.

use std::fmt::Write;

use super::goal::{self, GROWTH_MAX, Verdict};
use super::{Setting, plot};
use crate::figure::{Group, Ledger};
use crate::process::GENERATOR;
use crate::workload::NAMES;

/// Workloads whose cases are steps at growing sizes.
const CURVES: [&str; 2] = ["growth", "plan-trap"];

/// The whole page.
pub(super) fn page(setting: &Setting, ledger: &Ledger) -> String {
    let groups = ledger.groups();
    let mut page = head(setting, ledger);
    page.push_str(&goals(&goal::verdicts(&groups)));
    for name in NAMES {
        let own: Vec<&Group<'_>> = groups.iter().filter(|one| one.workload == *name).collect();
        if own.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## {name}\n\n");
        if CURVES.contains(name) {
            page.push_str(&curve(&own));
        } else {
            page.push_str(&table(&own));
        }
        if plot::WORKLOADS.contains(name) {
            let _ = write!(page, "\n![CPU of {name} by process]({})\n", plot::file(name));
        }
    }
    page
}

fn head(setting: &Setting, ledger: &Ledger) -> String {
    let [load, calibration] = ledger.machine();
    let versions: Vec<String> =
        setting.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut head = format!(
        "# Platform benchmark\n\n{}, {} size, {} run(s), systems taking turns in each run. {}. \
         Load average {:.1} to {:.1} and calibration loop {:.1} to {:.1} CPU ms while it ran. \
         {}.\n\n\
         CPU ms an item is CPU seconds of a thousand, of every process of the system, medians of \
         the runs; the load generator and the mock are not part of it. On a busy machine only \
         CPU and ratios hold. Closed-loop delays tell of saturation, not of what a user waits.\n",
        setting.date,
        setting.scale,
        setting.runs,
        setting.cpu,
        load.0,
        load.1,
        calibration.0,
        calibration.1,
        versions.join(", "),
    );
    for note in ledger.notes() {
        let _ = write!(head, "\n**Note:** {note}\n");
    }
    head
}

fn goals(verdicts: &[Verdict]) -> String {
    let mut text = "\n## Goals\n\n| workload | case | system | what | measured | goal | |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for one in verdicts {
        let verdict = if one.met { "met" } else { "**missed**" };
        let (measured, goal) = (number(one.measured), number(one.goal));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {measured} | {goal} | {verdict} |",
            one.workload, one.case, one.system, one.what
        );
    }
    text
}

fn table(groups: &[&Group<'_>]) -> String {
    let mut text =
        "| case | system | CPU ms an item (lowest–highest) | by process | a second | other | \
                    peer ÷ this | this ÷ floor |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for group in groups {
        let same =
            |system: &str| groups.iter().find(|one| one.case == group.case && one.system == system);
        let peer = same("peer").filter(|_| group.system.starts_with("ours"));
        let engine = group.system.split_once(", ").map(|(_, engine)| engine).unwrap_or_default();
        let floor = same(&format!("floor, {engine}")).filter(|_| group.system.starts_with("ours"));
        let times = |ratio: Option<f64>| ratio.map(|x| format!("{x:.1}×")).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            group.case,
            group.system,
            cpu(group),
            processes(group),
            group
                .median(|one| Some(one.per_second()))
                .filter(|x| *x > 0.0)
                .map(number)
                .unwrap_or_default(),
            others(group),
            times(peer.and_then(|peer| group.times_cheaper_than(peer))),
            times(floor.and_then(|floor| floor.times_cheaper_than(group))),
        );
    }
    text
}

fn cpu(group: &Group<'_>) -> String {
    let (low, high) = group.range();
    match group.count() {
        _ if high == 0.0 => String::new(),
        1 => number(group.cpu_ms()),
        _ => format!("{} ({}–{})", number(group.cpu_ms()), number(low), number(high)),
    }
}

fn processes(group: &Group<'_>) -> String {
    let part = |label: &&'static str| {
        let cpu = group.median(|one| Some(one.cpu_ms_of(label))).unwrap_or(0.0);
        let outside = if **label == *GENERATOR { " (not counted)" } else { "" };
        format!("{label} {}{outside}", number(cpu))
    };
    group.labels().iter().map(part).collect::<Vec<_>>().join(", ")
}

fn others(group: &Group<'_>) -> String {
    let names = [
        "p50_ms",
        "p99_ms",
        "p99.9_ms",
        "max_ms",
        "ack_p50_ms",
        "ack_p99_ms",
        "over_1s_percent",
        "missing",
        "sent_twice",
        "rss_mib",
        "peak_rss_mib",
        "start_ms",
        "cpu_percent",
    ];
    let told =
        |name: &&str| Some(format!("{} {}", name.replace('_', " "), number(group.more(name)?)));
    names.iter().filter_map(told).collect::<Vec<_>>().join(", ")
}

/// A row a step and system, a column a size.
fn curve(groups: &[&Group<'_>]) -> String {
    let mut sizes: Vec<usize> = groups.iter().filter_map(|one| Some(step(one)?.1)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut rows: Vec<(&str, &str)> =
        groups.iter().filter_map(|one| Some((step(one)?.0, one.system))).collect();
    rows.sort_by_key(|(step, system)| (*system, *step));
    rows.dedup();
    let heads: String = sizes.iter().map(|size| format!(" at {size} |")).collect();
    let rule = "---|".repeat(sizes.len());
    let mut text = format!(
        "CPU ms an item; the last may be at most {GROWTH_MAX}× the first.\n\n\
         | step | system |{heads} last ÷ first | |\n|---|---|{rule}---|---|\n"
    );
    for (name, system) in rows {
        let cost = |size: &usize| {
            let own =
                groups.iter().find(|one| one.system == system && step(one) == Some((name, *size)));
            own.map(|one| one.cpu_ms())
        };
        let costs: Vec<f64> = sizes.iter().filter_map(cost).collect();
        let (first, last) = (costs.first().copied(), costs.last().copied());
        let grown = last.unwrap_or(0.0) / first.unwrap_or(0.0).max(f64::MIN_POSITIVE);
        let cells: String = costs.iter().map(|cost| format!(" {} |", number(*cost))).collect();
        let verdict = if grown <= GROWTH_MAX { "flat" } else { "**grows**" };
        let _ = writeln!(text, "| {name} | {system} |{cells} {grown:.2}× | {verdict} |");
    }
    text
}

/// Step and size of a case such as `turn at 1000`.
fn step<'a>(group: &Group<'a>) -> Option<(&'a str, usize)> {
    let (step, size) = group.case.split_once(" at ")?;
    Some((step, size.parse().ok()?))
}

/// A number with as many digits as it deserves.
fn number(value: f64) -> String {
    match value {
        v if v >= 100.0 => {
            let digits = format!("{v:.0}");
            let mut text = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        0.0 => "0".to_owned(),
        v => format!("{v:.3}"),
    }
}
