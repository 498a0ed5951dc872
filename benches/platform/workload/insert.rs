//! `store-insert`: batches of messages into our stores by `accept`, which de-duplicates and finds
//! contact and conversation, beside bare rows by one statement a batch.

use std::time::{Duration, Instant};

use justping::model::Owner;

use super::moves::{self, Bench};
use super::raw::{self, Raw};
use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::ours::{Engine, analyze};
use crate::process::Meter;
use crate::system::World;

/// Contacts that write, known beforehand unless a batch is larger.
const CONTACTS: usize = 5_000;
/// Rows of one commit while the contacts are made.
const FILL: usize = 500;

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for engine in world.engines() {
        let bench = Bench::in_database(world, engine).await?;
        let contacts = CONTACTS.min(world.scale.contacts);
        for first in (0..contacts).step_by(FILL) {
            bench.accept(0, first..contacts.min(first + FILL), Owner::Queue).await?;
        }
        if let Some(postgres) = world.postgres.as_ref().filter(|_| engine == Engine::Postgres) {
            analyze(postgres).await?;
        }
        let mut raw = Raw::open(world, engine).await?;
        let (mut wave, mut last) = (1, 0);
        for batch in world.scale.insert.iter().copied() {
            let mut figure =
                Figure::new("store-insert", format!("batch {batch}"), moves::name(engine), run);
            let measure = Measure::start(world, engine)?;
            while measure.goes_on() {
                let begin = wave * batch;
                let writers = (begin..begin + batch).map(|number| number % contacts);
                figure.items += bench.accept(wave, writers, Owner::Queue).await?.len();
                wave += 1;
            }
            measure.stop(ledger, figure)?;

            let mut figure =
                Figure::new("store-insert", format!("batch {batch}"), raw::name(engine), run);
            let measure = Measure::start(world, engine)?;
            while measure.goes_on() {
                raw.insert((last..last + i64::try_from(batch)?).collect()).await?;
                last += i64::try_from(batch)?;
                figure.items += batch;
            }
            measure.stop(ledger, figure)?;
        }
        bench.close().await?;
    }
    Ok(())
}

/// A window of a fixed length.
#[derive(Debug)]
struct Measure {
    meter: Meter,
    begun: Instant,
    length: Duration,
}

impl Measure {
    fn start(world: &World, engine: Engine) -> Outcome<Self> {
        let length = Duration::from_secs_f64(world.scale.insert_s);
        let meter = Meter::start(&moves::watched(world, engine))?;
        Ok(Self { meter, begun: Instant::now(), length })
    }

    fn goes_on(&self) -> bool {
        self.begun.elapsed() < self.length
    }

    fn stop(&self, ledger: &mut Ledger, mut figure: Figure) -> Outcome<()> {
        figure.wall_s = self.begun.elapsed().as_secs_f64();
        figure.cpu_s = self.meter.stop_inside()?;
        ledger.put(figure);
        Ok(())
    }
}
