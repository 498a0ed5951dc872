//! `queue`: messages taken from the outbox and completed, one worker, batches of 1 and of 100: by
//! the moves of our stores, and by `FOR UPDATE SKIP LOCKED` and its like on a bare table.

use std::time::Instant;

use justping::memory::MemoryStore;
use justping::model::Owner;

use super::moves::{self, Bench};
use super::raw::{self, Raw};
use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::ours::{Engine, Opened};
use crate::process::{Meter, Watched};
use crate::system::World;

/// Rows of one commit while the queue is filled.
const FILL: usize = 500;

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for (batch, items) in world.scale.queue.iter().copied() {
        let memory = Bench::over(Opened::Memory(Box::new(MemoryStore::new()))).await?;
        ours(ledger, (run, batch, items), "ours, memory", memory, &[]).await?;
        for engine in world.engines() {
            let bench = Bench::in_database(world, engine).await?;
            let watched = moves::watched(world, engine);
            ours(ledger, (run, batch, items), moves::name(engine), bench, &watched).await?;
            limit(world, ledger, (run, batch, items), engine).await?;
        }
    }
    Ok(())
}

async fn ours(
    ledger: &mut Ledger,
    (run, batch, items): (usize, usize, usize),
    name: &'static str,
    bench: Bench,
    watched: &[Watched],
) -> Outcome<()> {
    for first in (0..items).step_by(FILL) {
        let contacts = first..items.min(first + FILL);
        bench.post(&bench.accept(0, contacts, Owner::Queue).await?).await?;
    }
    let mut figure = Figure::new("queue", format!("batch {batch}"), name, run);
    let (meter, begun) = (Meter::start(watched)?, Instant::now());
    while figure.items < items {
        match bench.send(u32::try_from(batch)?).await? {
            0 => return Err("the queue is empty too soon".into()),
            sent => figure.items += sent,
        }
    }
    figure.wall_s = begun.elapsed().as_secs_f64();
    figure.cpu_s = meter.stop_inside()?;
    ledger.put(figure);
    bench.close().await
}

async fn limit(
    world: &World,
    ledger: &mut Ledger,
    (run, batch, items): (usize, usize, usize),
    engine: Engine,
) -> Outcome<()> {
    let mut raw = Raw::open(world, engine).await?;
    raw.fill((1..=i64::try_from(items)?).collect()).await?;
    let mut figure = Figure::new("queue", format!("batch {batch}"), raw::name(engine), run);
    let (meter, begun) = (Meter::start(&moves::watched(world, engine))?, Instant::now());
    while figure.items < items {
        match raw.take_and_complete(u32::try_from(batch)?).await? {
            0 => return Err("the queue is empty too soon".into()),
            done => figure.items += done,
        }
    }
    figure.wall_s = begun.elapsed().as_secs_f64();
    figure.cpu_s = meter.stop_inside()?;
    ledger.put(figure);
    Ok(())
}
