//! `ingest`: signed webhooks over 64 and 256 connections, each answered 200 once it is durable and
//! handed to whoever runs flows; 10,000 contacts, one webhook in twenty a redelivery.

use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::load;
use crate::payload;
use crate::process::Meter;
use crate::system::{Role, System, World};

/// A tenth of the requests warms caches and compilers before.
const WARM: usize = 10;

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for system in world.systems().into_iter().chain(world.floors()) {
        one(world, ledger, run, system).await?;
    }
    Ok(())
}

async fn one(world: &World, ledger: &mut Ledger, run: usize, system: System) -> Outcome<()> {
    let (count, mut first) = (world.scale.ingest, 0);
    let ground = world.ground(system).await?;
    let running = world.start(system, &ground, Role::Intake).await?;
    for connections in world.scale.connections.iter().copied() {
        let case = format!("{connections} connections");
        let mut figure = Figure::new("ingest", case, system.name(), run);
        let make =
            |first, count| payload::requests(&running.address, &running.routes, first, count);
        let warm = make(first, count / WARM)?;
        load::closed(&running.address, warm, connections).await?.complete()?;
        let requests = make(first + count / WARM, count)?;
        let meter = Meter::start(&running.watched)?;
        let answers = load::closed(&running.address, requests, connections).await?.complete()?;
        figure.cpu_s = meter.stop()?;
        (figure.items, figure.wall_s) = (answers.good, answers.wall_s);
        figure.delays(answers.delays_ms);
        figure.more.insert("peak_rss_mib", super::peak_mib(&running.watched)?);
        ledger.put(figure);
        first += count + count / WARM;
    }
    Ok(())
}
