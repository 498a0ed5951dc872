//! `idle`: the memory and CPU of a system that nobody asks anything, and its start on a database
//! that is up to date.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::process::{self, GENERATOR, Meter};
use crate::system::{Role, World};

/// How long a system may settle before it counts as idle.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for system in world.systems() {
        let mut figure = Figure::new("idle", "", system.name(), run);
        let ground = world.ground(system).await?;
        let running = world.start(system, &ground, Role::All).await?;
        tokio::time::sleep(SETTLE).await;
        let (meter, begun) = (Meter::start(&running.watched)?, Instant::now());
        tokio::time::sleep(Duration::from_secs(world.scale.idle_s)).await;
        let spent = meter.stop()?;
        let (own, mut resident) = (["postgres", "redis"], 0.0);
        for one in running.watched.iter().filter(|one| !own.contains(&one.label)) {
            resident += process::tree_rss_mib(one.pid, "VmRSS")?;
        }
        let busy: f64 =
            spent.iter().filter(|(label, _)| **label != GENERATOR).map(|(_, spent)| spent).sum();
        let share = busy / begun.elapsed().as_secs_f64().max(1e-3) * 100.0;
        figure.more.insert("rss_mib", resident);
        figure.more.insert("start_ms", running.started_ms);
        if world.scale.idle_s > 0 {
            figure.more.insert("cpu_percent", share);
        }
        ledger.put(figure);
    }
    Ok(())
}
