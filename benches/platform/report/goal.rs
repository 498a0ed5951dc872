//! The goals, and whether they are met.

use crate::figure::Group;

/// What a goal is about.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// CPU milliseconds of an item, at most.
    CpuMs,
    /// Items a second, at least.
    PerSecond,
    /// Something else that was measured, at most.
    More(&'static str),
}

/// A goal: workload, the start of the case, the start of the system, what, how much.
type Goal = (&'static str, &'static str, &'static str, Reading, f64);

const GOALS: &[Goal] = &[
    ("idle", "", "ours, SQLite", Reading::More("rss_mib"), 25.0),
    ("idle", "", "ours, SQLite", Reading::More("start_ms"), 150.0),
    ("ingest", "", "ours, SQLite", Reading::CpuMs, 0.05),
    ("ingest", "", "ours, Postgres", Reading::CpuMs, 0.13),
    ("ingest-open", "3300", "ours", Reading::More("p50_ms"), 25.0),
    ("ingest-open", "3300", "ours", Reading::More("p99_ms"), 250.0),
    ("ingest-open", "3300", "ours", Reading::More("over_1s_percent"), 0.0),
    ("flow", "", "ours", Reading::CpuMs, 0.15),
    ("reply-e2e", "200 ", "ours", Reading::CpuMs, 1.2),
    ("reply-e2e", "500 ", "ours", Reading::CpuMs, 0.7),
    ("reply-e2e", "1000 ", "ours", Reading::CpuMs, 0.45),
    ("reply-e2e", "200 ", "ours", Reading::More("p99_ms"), 20.0),
    ("reply-e2e", "500 ", "ours", Reading::More("p99_ms"), 30.0),
    ("reply-e2e", "1000 ", "ours", Reading::More("p99_ms"), 40.0),
    ("queue", "batch 100", "ours, memory", Reading::PerSecond, 1_000_000.0),
    ("queue", "batch 100", "ours, Postgres", Reading::PerSecond, 25_000.0),
    ("store-insert", "batch 1000", "ours, SQLite", Reading::PerSecond, 50_000.0),
];

/// The most that an item may cost in the largest history, by what it costs in the smallest.
pub(super) const GROWTH_MAX: f64 = 1.3;

/// How a goal fared.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) workload: &'static str,
    pub(super) case: String,
    pub(super) system: &'static str,
    pub(super) what: String,
    pub(super) measured: f64,
    pub(super) goal: f64,
    pub(super) met: bool,
}

/// How every goal fared that was measured.
pub(super) fn verdicts(groups: &[Group<'_>]) -> Vec<Verdict> {
    let of = |goal: &Goal| {
        let (workload, case, system, reading, bound) = *goal;
        let meant = move |group: &&Group<'_>| {
            group.workload == workload
                && group.case.starts_with(case)
                && group.system.starts_with(system)
        };
        groups.iter().filter(meant).filter_map(move |group| verdict(group, reading, bound))
    };
    GOALS.iter().flat_map(of).collect()
}

fn verdict(group: &Group<'_>, reading: Reading, goal: f64) -> Option<Verdict> {
    let (what, measured, met) = match reading {
        Reading::CpuMs => {
            let measured = group.cpu_ms();
            ("CPU ms an item".to_owned(), measured, measured <= goal)
        }
        Reading::PerSecond => {
            let measured = group.median(|figure| Some(figure.per_second()))?;
            ("a second, at least".to_owned(), measured, measured >= goal)
        }
        Reading::More(name) => {
            let measured = group.more(name)?;
            (name.replace('_', " "), measured, measured <= goal)
        }
    };
    let (workload, case, system) = (group.workload, group.case.to_owned(), group.system);
    Some(Verdict { workload, case, system, what, measured, goal, met })
}
