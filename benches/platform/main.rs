//! The platform benchmark: the real server on SQLite and Postgres, the Node peer, and the floor of
//! what the machine can do, under the same load in one run, taking turns.
//!
//! `cargo bench -p justping-server --bench platform [-- OPTIONS]` writes `report.json`, `report.md`
//! and plots into `target/bench-platform/`:
//!
//! - `--quick`: small counts, to see that all works; `--smoke`: smaller still, SQLite alone.
//! - `--only ingest,flow`: these workloads. `--runs 5`: more runs. `--million`: a larger history.
//!
//! It needs Debian's `postgresql-15`; for the peer also Node 20, `npm` and `redis-server`. The peer
//! is where `JUSTPING_PEER_DIR` says; without it, ours and the floors are measured.
//!
//! `cargo test` runs the same program as a smoke test.

mod figure;
mod floor;
mod graph;
mod load;
mod ours;
mod payload;
mod peer;
mod process;
mod report;
mod scale;
mod service;
mod system;
mod workload;

use std::path::{Path, PathBuf};

use crate::figure::{Ledger, Progress};
use crate::report::Setting;
use crate::scale::Scale;
use crate::system::{Company, World};

/// Whatever goes wrong ends the program with what went wrong.
type Failed = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failed>;

/// The argument that makes this program the floor of `ingest` instead.
const FLOOR: &str = "floor";
/// The name of the smoke test, for the filters of `cargo test`.
const SMOKE: &str = "platform_smoke";

/// What was asked for.
#[derive(Debug)]
struct Plan {
    scale: Scale,
    company: Company,
    workloads: Vec<String>,
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let named: Vec<&str> = words.iter().map(String::as_str).collect();
    if let [FLOOR, listen, database] = named.as_slice() {
        return floor::serve(listen, database).await;
    }
    // `cargo bench` says so; `cargo test` passes on what filters its tests.
    let bench = named.contains(&"--bench") || named.contains(&"--smoke");
    if !bench && !wanted_as_test(&named) {
        return Ok(());
    }
    let plan = if bench { plan(&named)? } else { plan(&["--smoke"])? };
    measure(plan).await
}

#[expect(clippy::print_stdout, reason = "`cargo test -- --list` reads it")]
fn wanted_as_test(named: &[&str]) -> bool {
    if named.contains(&"--list") {
        println!("{SMOKE}: test");
        return false;
    }
    let mut filters = named.iter().filter(|word| !word.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| SMOKE.contains(filter))
}

fn plan(named: &[&str]) -> Outcome<Plan> {
    let (mut scale, mut company) = (Scale::full(), Company::Full);
    let (mut workloads, mut runs, mut million) = (Vec::new(), None, None);
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-platform");
    let mut words = named.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match *word {
            "--bench" => {}
            "--quick" => scale = Scale::quick(),
            "--smoke" => {
                (scale, company) = (Scale::smoke(), Company::Alone);
                folder =
                    std::env::temp_dir().join(format!("platform-smoke-{}", std::process::id()));
            }
            "--only" => workloads = value()?.split(',').map(str::to_owned).collect(),
            "--runs" => runs = Some(value()?.parse()?),
            "--million" => million = Some(1_000_000),
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    if workloads.is_empty() {
        workloads = workload::NAMES.iter().map(|name| (*name).to_owned()).collect();
    }
    if let Some(stranger) = workloads.iter().find(|name| !workload::NAMES.contains(&name.as_str()))
    {
        let known = workload::NAMES.join(", ");
        return Err(format!("{stranger} is no workload; there are {known}").into());
    }
    scale.runs = runs.unwrap_or(scale.runs);
    scale.growth.extend(million);
    Ok(Plan { scale, company, workloads, folder })
}

#[expect(clippy::print_stdout, reason = "it tells where the report is")]
async fn measure(plan: Plan) -> Outcome<()> {
    let world = World::make(plan.scale, plan.company).await?;
    let alone = plan.company == Company::Alone;
    let mut ledger = Ledger::new(if alone { Progress::Silent } else { Progress::Told });
    if !alone && peer::find().is_none() {
        ledger.note(
            "The peer is not here (JUSTPING_PEER_DIR), so nothing is compared with it.".into(),
        );
    }
    let mut failed = Vec::new();
    for run in 1..=world.scale.runs {
        for name in &plan.workloads {
            if let Err(error) = workload::run(name, &world, &mut ledger, run).await {
                ledger.note(format!("{name} failed in run {run}: {error}"));
                failed.push(name);
            }
        }
    }
    let setting = Setting {
        date: justping::model::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        scale: world.scale.name,
        runs: world.scale.runs,
        cpu: machine(),
        versions: world.versions().await?,
    };
    report::write(&plan.folder, &setting, &ledger)?;
    if !failed.is_empty() {
        return Err(format!("these failed: {}", ledger.notes().join("; ")).into());
    }
    if alone {
        return prove(&plan.folder, &plan.workloads);
    }
    println!("{}", plan.folder.join("report.md").display());
    Ok(())
}

/// The processors, as the kernel calls them.
fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim()))
        .collect();
    let model = models.first().copied().unwrap_or("unknown processor");
    format!("{} × {model}", models.len())
}

/// Proves of a smoke run that every workload left figures in the report, then clears it away.
#[expect(clippy::print_stdout, reason = "it tells how the test ended")]
fn prove(folder: &Path, workloads: &[String]) -> Outcome<()> {
    let page = std::fs::read_to_string(folder.join("report.md"))?;
    // The trap is one of Postgres, which a smoke test does without.
    for name in workloads.iter().filter(|name| *name != "plan-trap") {
        if !page.contains(&format!("\n## {name}\n")) {
            return Err(format!("{name} is missing in the report").into());
        }
    }
    std::fs::remove_dir_all(folder)?;
    println!("{SMOKE} ... ok");
    Ok(())
}
