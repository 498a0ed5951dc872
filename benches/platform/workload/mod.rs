//! The workloads, one a file. Each measures every system once; the program repeats them all.

mod flow;
mod growth;
mod idle;
mod ingest;
mod insert;
mod moves;
mod open;
mod queue;
mod raw;
mod reply;
mod trap;

use crate::Outcome;
use crate::figure::Ledger;
use crate::process::{self, Watched};
use crate::system::World;

/// The workloads there are, in the order in which they run.
pub(crate) const NAMES: &[&str] = &[
    "idle",
    "ingest",
    "ingest-open",
    "flow",
    "reply-e2e",
    "queue",
    "store-insert",
    "growth",
    "plan-trap",
];

/// Runs a workload once. What fails is noted, and the others go on.
pub(crate) async fn run(name: &str, world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    match name {
        "idle" => idle::run(world, ledger, run).await,
        "ingest" => ingest::run(world, ledger, run).await,
        "ingest-open" => open::run(world, ledger, run).await,
        "flow" => flow::run(world, ledger, run).await,
        "reply-e2e" => reply::run(world, ledger, run).await,
        "queue" => queue::run(world, ledger, run).await,
        "store-insert" => insert::run(world, ledger, run).await,
        "growth" => growth::run(world, ledger, run).await,
        "plan-trap" => trap::run(world, ledger, run).await,
        _ => Err(format!("{name} is no workload; there are {}", NAMES.join(", ")).into()),
    }
}

/// The peak memory of the processes that belong to a system alone.
fn peak_mib(watched: &[Watched]) -> Outcome<f64> {
    let shared = ["postgres", "redis"];
    let own = watched.iter().filter(|one| !shared.contains(&one.label));
    own.map(|one| process::tree_rss_mib(one.pid, "VmHWM")).sum()
}
