//! `ingest-open`: webhooks at a fixed rate, whatever the system does. 3,300 a second is what Meta
//! sends at 1,000 messages a second: three statuses a message and 30 % replies. Here all of them
//! are messages. Delays count from the moment a webhook was due.

use std::time::Instant;

use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::load;
use crate::payload;
use crate::process::Meter;
use crate::system::{Role, System, World};

/// The delay that Meta asks nearly every webhook to stay below.
const LATE_MS: f64 = 1_000.0;

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for system in world.systems() {
        one(world, ledger, run, system).await?;
    }
    Ok(())
}

async fn one(world: &World, ledger: &mut Ledger, run: usize, system: System) -> Outcome<()> {
    let ground = world.ground(system).await?;
    let running = world.start(system, &ground, Role::Intake).await?;
    let mut first = 0;
    for rate in world.scale.open_rates.iter().copied() {
        let mut figure = Figure::new("ingest-open", format!("{rate} a second"), system.name(), run);
        let make =
            |first, count| payload::requests(&running.address, &running.routes, first, count);
        let (warm, requests) = (make(first, rate)?, make(first + rate, rate * world.scale.open_s)?);
        first += rate * (1 + world.scale.open_s);
        load::open(&running.address, warm, rate, Instant::now()).await?.complete()?;
        let meter = Meter::start(&running.watched)?;
        let answers = load::open(&running.address, requests, rate, Instant::now()).await?;
        let answers = answers.complete()?;
        figure.cpu_s = meter.stop()?;
        (figure.items, figure.wall_s) = (answers.good, answers.wall_s);
        let late = answers.delays_ms.iter().filter(|delay| **delay > LATE_MS).count();
        figure.more.insert("over_1s_percent", late as f64 * 100.0 / answers.all as f64);
        figure.delays(answers.delays_ms);
        ledger.put(figure);
    }
    Ok(())
}
