//! Figures: what one run of a workload on one system gave, and what all runs say together.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::process::{self, GENERATOR};

/// What one run of a workload gave.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) workload: &'static str,
    pub(crate) case: String,
    pub(crate) system: &'static str,
    pub(crate) run: usize,
    pub(crate) items: usize,
    pub(crate) wall_s: f64,
    /// CPU seconds by process.
    pub(crate) cpu_s: BTreeMap<&'static str, f64>,
    /// What else was measured, by a name that ends in its unit.
    pub(crate) more: BTreeMap<&'static str, f64>,
    load: f64,
    calibration_ms: f64,
}

impl Figure {
    pub(crate) fn new(
        workload: &'static str,
        case: impl Into<String>,
        system: &'static str,
        run: usize,
    ) -> Self {
        Self {
            workload,
            case: case.into(),
            system,
            run,
            items: 0,
            wall_s: 0.0,
            cpu_s: BTreeMap::new(),
            more: BTreeMap::new(),
            load: process::load(),
            calibration_ms: process::calibration_ms(),
        }
    }

    /// CPU milliseconds of an item, which is CPU seconds of a thousand, over the whole system; the
    /// load generator is not part of it.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let parts = self.cpu_s.iter().filter(|(label, _)| **label != GENERATOR);
        self.of_item(parts.map(|(_, spent)| spent).sum())
    }

    /// The same of one process.
    pub(crate) fn cpu_ms_of(&self, label: &str) -> f64 {
        self.of_item(self.cpu_s.get(label).copied().unwrap_or(0.0))
    }

    fn of_item(&self, seconds: f64) -> f64 {
        seconds * 1e3 / self.items.max(1) as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        if self.wall_s > 0.0 { self.items as f64 / self.wall_s } else { 0.0 }
    }

    /// Adds the usual places of a distribution.
    pub(crate) fn delays(&mut self, mut delays_ms: Vec<f64>) {
        delays_ms.sort_by(f64::total_cmp);
        let places = [("p50_ms", 0.5), ("p99_ms", 0.99), ("p99.9_ms", 0.999), ("max_ms", 1.0)];
        for (name, share) in places {
            if let Some(delay) = place(&delays_ms, share) {
                self.more.insert(name, delay);
            }
        }
    }

    pub(crate) fn json(&self) -> Value {
        let each = |of: &BTreeMap<&'static str, f64>| -> Map<String, Value> {
            of.iter().map(|(name, value)| ((*name).to_owned(), rounded(*value))).collect()
        };
        let cpu_ms: BTreeMap<&'static str, f64> =
            self.cpu_s.keys().map(|label| (*label, self.cpu_ms_of(label))).collect();
        json!({
            "workload": self.workload, "case": self.case, "system": self.system,
            "run": self.run, "items": self.items, "wall_s": rounded(self.wall_s),
            "per_second": rounded(self.per_second()),
            "cpu_s_per_1k": rounded(self.cpu_ms()), "cpu_s_per_1k_by_process": each(&cpu_ms),
            "more": each(&self.more),
            "load1": self.load, "calibration_ms": rounded(self.calibration_ms),
        })
    }
}

fn rounded(value: f64) -> Value {
    // A sum of nothing is negative zero, which looks like a figure.
    json!((value * 1e5).round() / 1e5 + 0.0)
}

/// The value below which a share of sorted values lies.
pub(crate) fn place(sorted: &[f64], share: f64) -> Option<f64> {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().checked_sub(1)?)).copied()
}

/// All runs of a workload's case on one system.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) workload: &'static str,
    pub(crate) case: &'a str,
    pub(crate) system: &'static str,
    runs: Vec<&'a Figure>,
}

impl Group<'_> {
    /// The median of what a reading gives over the runs that have it.
    pub(crate) fn median(&self, read: impl Fn(&Figure) -> Option<f64>) -> Option<f64> {
        median(self.runs.iter().filter_map(|figure| read(figure)).collect())
    }

    pub(crate) fn cpu_ms(&self) -> f64 {
        self.median(|figure| Some(figure.cpu_ms())).unwrap_or(0.0)
    }

    pub(crate) fn more(&self, name: &str) -> Option<f64> {
        self.median(|figure| figure.more.get(name).copied())
    }

    pub(crate) fn labels(&self) -> Vec<&'static str> {
        let mut labels: Vec<_> =
            self.runs.iter().flat_map(|figure| figure.cpu_s.keys()).copied().collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    pub(crate) fn count(&self) -> usize {
        self.runs.len()
    }

    /// The lowest and the highest CPU of the runs.
    pub(crate) fn range(&self) -> (f64, f64) {
        let values = || self.runs.iter().map(|figure| figure.cpu_ms());
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    }

    /// The median of the ratios, run by run, of another group's CPU to this one's.
    pub(crate) fn times_cheaper_than(&self, other: &Group<'_>) -> Option<f64> {
        let ratio = |own: &&Figure| {
            let peer = other.runs.iter().find(|figure| figure.run == own.run)?;
            (own.cpu_ms() > 0.0).then(|| peer.cpu_ms() / own.cpu_ms())
        };
        median(self.runs.iter().filter_map(ratio).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Every figure of a run of this program.
#[derive(Debug)]
pub(crate) struct Ledger {
    figures: Vec<Figure>,
    notes: Vec<String>,
    progress: Progress,
}

/// Whether figures are told as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Told,
    Silent,
}

impl Ledger {
    pub(crate) fn new(progress: Progress) -> Self {
        Self { figures: Vec::new(), notes: Vec::new(), progress }
    }

    pub(crate) fn put(&mut self, figure: Figure) {
        self.tell(&figure.json().to_string());
        self.figures.push(figure);
    }

    /// Remembers something a reader must know.
    pub(crate) fn note(&mut self, note: String) {
        self.tell(&note);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    #[expect(clippy::print_stderr, reason = "progress of a program that runs for minutes")]
    fn tell(&self, line: &str) {
        if self.progress == Progress::Told {
            eprintln!("{line}");
        }
    }

    pub(crate) fn figures(&self) -> &[Figure] {
        &self.figures
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The figures by workload, case and system, in the order in which they first came.
    pub(crate) fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for figure in &self.figures {
            let same = |group: &&mut Group<'_>| {
                (group.workload, group.case, group.system)
                    == (figure.workload, figure.case.as_str(), figure.system)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.runs.push(figure),
                None => groups.push(Group {
                    workload: figure.workload,
                    case: &figure.case,
                    system: figure.system,
                    runs: vec![figure],
                }),
            }
        }
        groups
    }

    /// The lowest and the highest of a reading of the machine.
    pub(crate) fn machine(&self) -> [(f64, f64); 2] {
        let range = |read: fn(&Figure) -> f64| {
            let values = || self.figures.iter().map(read);
            (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
        };
        [range(|figure| figure.load), range(|figure| figure.calibration_ms)]
    }
}
