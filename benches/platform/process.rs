//! CPU seconds and memory of processes, from `/proc`, and how fast the machine was meanwhile.

use std::collections::BTreeMap;

use crate::Outcome;

/// Clock ticks of a second, as Linux counts CPU time for programs.
const TICKS: f64 = 100.0;
/// Steps of the calibration loop: a few dozen milliseconds.
const CALIBRATION_STEPS: u32 = 30_000_000;

/// A process whose CPU is counted, with every process below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) label: &'static str,
    pub(crate) pid: u32,
}

/// CPU seconds so far, counted in two ways.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    /// In hundredths, with the processes that have ended.
    ticks: f64,
    /// To the nanosecond, of the threads that live.
    fine: f64,
}

/// Where the two ways may differ without a thread having ended: two ticks and what came between.
const TICKS_APART_S: f64 = 0.03;

impl Spent {
    fn since(self, before: Self) -> f64 {
        let (ticks, fine) = (self.ticks - before.ticks, self.fine - before.fine);
        if (ticks - fine).abs() < TICKS_APART_S { fine } else { ticks }
    }

    fn add(&mut self, other: Self) {
        self.ticks += other.ticks;
        self.fine += other.fine;
    }
}

/// The CPU of several processes since a moment.
#[derive(Debug)]
pub(crate) struct Meter {
    before: Vec<(Watched, Spent)>,
    generator: Spent,
}

impl Meter {
    pub(crate) fn start(watched: &[Watched]) -> Outcome<Self> {
        let read = |one: &Watched| Ok((*one, spent_by_tree(one.pid)?));
        let before = watched.iter().map(read).collect::<Outcome<_>>()?;
        Ok(Self { before, generator: spent_here() })
    }

    /// CPU seconds by label; this process is [`GENERATOR`].
    pub(crate) fn stop(&self) -> Outcome<BTreeMap<&'static str, f64>> {
        let mut spent = BTreeMap::from([(GENERATOR, spent_here().since(self.generator))]);
        for (one, before) in &self.before {
            *spent.entry(one.label).or_default() += spent_by_tree(one.pid)?.since(*before);
        }
        Ok(spent)
    }

    /// The same for a workload inside this process, which is the system then: [`LIBRARY`].
    pub(crate) fn stop_inside(&self) -> Outcome<BTreeMap<&'static str, f64>> {
        let mut spent = self.stop()?;
        if let Some(own) = spent.remove(GENERATOR) {
            spent.insert(LIBRARY, own);
        }
        Ok(spent)
    }
}

/// The label of the load generator and the mock, which are not part of any system.
pub(crate) const GENERATOR: &str = "generator";

/// The label of this process where it is what is measured.
pub(crate) const LIBRARY: &str = "library";

/// This process, without its children.
fn spent_here() -> Spent {
    let pid = std::process::id();
    Spent { ticks: stat(pid).map_or(0.0, |(_, own, _)| own), fine: threads_cpu_s(pid) }
}

/// A process and those below it; the ticks of the ended ones are with their parents.
fn spent_by_tree(pid: u32) -> Outcome<Spent> {
    let mut sum = Spent::default();
    for one in tree(pid)? {
        if let Some((_, own, reaped)) = stat(one) {
            sum.add(Spent { ticks: own + reaped, fine: threads_cpu_s(one) });
        }
    }
    Ok(sum)
}

/// Resident memory in MiB of a process and those below it, by the name of a line of its status.
pub(crate) fn tree_rss_mib(pid: u32, line: &str) -> Outcome<f64> {
    let kib = |one: &u32| status(*one, line).unwrap_or(0.0);
    Ok(tree(pid)?.iter().map(kib).sum::<f64>() / 1024.0)
}

/// The load of the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// CPU milliseconds of a fixed piece of work: what the machine gave at the moment, whoever else
/// was using it.
pub(crate) fn calibration_ms() -> f64 {
    let thread = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let before = thread();
    let mut x = 1_u32;
    for _ in 0..CALIBRATION_STEPS {
        x = std::hint::black_box(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    }
    std::hint::black_box(x);
    (thread() - before) / 1e6
}

/// Parent, own and reaped CPU seconds.
fn stat(pid: u32) -> Option<(u32, f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in front may hold anything but ends with the last bracket.
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<f64>().ok();
    let own = (field(11)? + field(12)?) / TICKS;
    let reaped = (field(13)? + field(14)?) / TICKS;
    Some((fields.get(1)?.parse().ok()?, own, reaped))
}

/// What the scheduler gave to the threads of a process that live, in seconds.
fn threads_cpu_s(pid: u32) -> f64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let given = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    threads.flatten().filter_map(given).sum::<f64>() / 1e9
}

fn status(pid: u32, line: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rest = text.lines().find_map(|one| one.strip_prefix(line))?;
    rest.trim_start_matches(':').split_whitespace().next()?.parse().ok()
}

fn tree(top: u32) -> Outcome<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        if let Some((parent, ..)) = stat(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut open) = (Vec::new(), vec![top]);
    while let Some(pid) = open.pop() {
        found.push(pid);
        open.extend(children.get(&pid).into_iter().flatten());
    }
    Ok(found)
}
