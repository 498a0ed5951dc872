//! `flow`: a queue full of messages, one a contact; a flow of three nodes (condition, variable,
//! reply) answers each, and the replies go to a mock of the Graph API on this machine. Over when
//! every reply is stored as sent.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::load;
use crate::payload;
use crate::process::Meter;
use crate::system::{Ground, Role, System, World};

/// Connections that fill the queue.
const FILLERS: usize = 64;
/// How often it is asked whether all is done.
const LOOK: Duration = Duration::from_millis(20);
/// How long the whole may take.
const WORK_MAX: Duration = Duration::from_secs(120);

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for system in world.systems() {
        one(world, ledger, run, system).await?;
    }
    Ok(())
}

async fn one(world: &World, ledger: &mut Ledger, run: usize, system: System) -> Outcome<()> {
    let count = world.scale.flow;
    let ground = world.ground(system).await?;
    fill(world, system, &ground, count).await?;
    world.graph.forget();
    let mut figure = Figure::new("flow", "a full queue", system.name(), run);
    let running = world.start(system, &ground, Role::Work).await?;
    // What was answered before the meter ran does not count.
    let early = world.graph.sends();
    let (meter, begun) = (Meter::start(&running.watched)?, Instant::now());
    while world.graph.sends() < count || world.waiting(system, &ground, count).await? > 0 {
        if begun.elapsed() > WORK_MAX {
            let sent = world.graph.sends();
            return Err(format!("{}: {sent} of {count} replies were sent", system.name()).into());
        }
        tokio::time::sleep(LOOK).await;
    }
    figure.wall_s = begun.elapsed().as_secs_f64();
    figure.cpu_s = meter.stop()?;
    figure.items = count - early;
    figure.more.insert("peak_rss_mib", super::peak_mib(&running.watched)?);
    figure.more.insert("sent_twice", world.graph.sends().saturating_sub(count) as f64);
    ledger.put(figure);
    Ok(())
}

async fn fill(world: &World, system: System, ground: &Ground, count: usize) -> Outcome<()> {
    let intake = world.start(system, ground, Role::Intake).await?;
    let request = |number| payload::request(&intake.address, &intake.routes, number);
    let requests = (0..count).map(request).collect::<Outcome<_>>()?;
    load::closed(&intake.address, requests, FILLERS).await?.complete()?;
    Ok(())
}
