//! `growth`: what a message costs the store when it holds 1,000 rows, 10,000, 100,000: recorded,
//! from contacts it knows and from new ones, answered by a turn, sent. Flat means that no statement
//! reads what grows.

use std::time::Instant;

use justping::model::Owner;

use super::moves::{self, Bench};
use crate::Outcome;
use crate::figure::{Figure, Ledger};
use crate::ours::{Engine, analyze};
use crate::process::Meter;
use crate::system::World;

/// Messages that a contact of the growing history wrote.
const MESSAGES_OF_CONTACT: usize = 3;
/// Rows of one commit while the history grows.
const FILL: usize = 500;
/// Rows of one accept while it is measured.
const ACCEPT: usize = 32;
/// Rows of one claim while it is measured.
const CLAIM: u32 = 64;
/// Contacts of the history write in another order than they came; a prime, so that each does.
const STRIDE: usize = 7_919;
/// Waves of references that the history leaves free.
const KNOWN_WAVES: usize = 50_000_000;
/// The first contact that is new during a measurement.
const WINDOW_CONTACTS: usize = 10_000_000;

pub(super) async fn run(world: &World, ledger: &mut Ledger, run: usize) -> Outcome<()> {
    for engine in world.engines() {
        let bench = Bench::in_database(world, engine).await?;
        let sizes = &world.scale.growth;
        curve(world, ledger, (History::Analyzed, run), (engine, &bench), sizes).await?;
        bench.close().await?;
    }
    Ok(())
}

/// Whether the database is told how large its tables have become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    Analyzed,
    Unnoticed,
}

impl History {
    fn workload(self) -> &'static str {
        match self {
            Self::Analyzed => "growth",
            Self::Unnoticed => "plan-trap",
        }
    }
}

/// Measures at each of `sizes` rows, on the way there.
pub(super) async fn curve(
    world: &World,
    ledger: &mut Ledger,
    (history, run): (History, usize),
    (engine, bench): (Engine, &Bench),
    sizes: &[usize],
) -> Outcome<()> {
    let postgres = world.postgres.as_ref().filter(|_| engine == Engine::Postgres);
    let mut held = 0;
    for size in sizes.iter().copied() {
        fill(bench, held, size).await?;
        held = size;
        if let (History::Analyzed, Some(postgres)) = (history, postgres) {
            analyze(postgres).await?;
        }
        let workload = history.workload();
        let window = Window { workload, run, engine, size, count: world.scale.growth_window };
        window.measure(world, ledger, bench).await?;
    }
    Ok(())
}

/// Lets the history grow from `held` messages to `size`.
async fn fill(bench: &Bench, held: usize, size: usize) -> Outcome<()> {
    for first in (held..size).step_by(FILL) {
        let contacts = (first..size.min(first + FILL)).map(|number| number / MESSAGES_OF_CONTACT);
        // Messages of one contact in one batch need references of their own.
        let contacts: Vec<usize> = contacts.collect();
        for wave in 0..MESSAGES_OF_CONTACT {
            let own = contacts.iter().copied().skip(wave).step_by(MESSAGES_OF_CONTACT);
            bench.accept(first * MESSAGES_OF_CONTACT + wave, own, Owner::Queue).await?;
        }
    }
    Ok(())
}

struct Window {
    workload: &'static str,
    run: usize,
    engine: Engine,
    size: usize,
    count: usize,
}

impl Window {
    async fn measure(&self, world: &World, ledger: &mut Ledger, bench: &Bench) -> Outcome<()> {
        let watched = moves::watched(world, self.engine);
        let first = WINDOW_CONTACTS + self.size * 10;

        let known = self.size / MESSAGES_OF_CONTACT;
        let (mut figure, meter, begun) =
            (self.figure("accept, known"), Meter::start(&watched)?, Instant::now());
        for at in (0..self.count).step_by(ACCEPT) {
            let contacts = (at..self.count.min(at + ACCEPT)).map(|one| one * STRIDE % known);
            let wave = KNOWN_WAVES + self.size + at;
            figure.items += bench.accept(wave, contacts, Owner::Queue).await?.len();
        }
        finish(ledger, figure, &meter, begun)?;

        let (mut figure, meter, begun) =
            (self.figure("accept, new"), Meter::start(&watched)?, Instant::now());
        for at in (0..self.count).step_by(ACCEPT) {
            let contacts = first + at..first + self.count.min(at + ACCEPT);
            figure.items += bench.accept(self.size, contacts, Owner::Bot).await?.len();
        }
        finish(ledger, figure, &meter, begun)?;

        let (mut figure, meter, begun) =
            (self.figure("turn"), Meter::start(&watched)?, Instant::now());
        while figure.items < self.count {
            match bench.turn(CLAIM).await? {
                0 => return Err("no mail is left too soon".into()),
                turns => figure.items += turns,
            }
        }
        finish(ledger, figure, &meter, begun)?;

        let (mut figure, meter, begun) =
            (self.figure("send"), Meter::start(&watched)?, Instant::now());
        while figure.items < self.count {
            match bench.send(CLAIM).await? {
                0 => return Err("the outbox is empty too soon".into()),
                sends => figure.items += sends,
            }
        }
        finish(ledger, figure, &meter, begun)
    }

    fn figure(&self, step: &str) -> Figure {
        let case = format!("{step} at {}", self.size);
        Figure::new(self.workload, case, moves::name(self.engine), self.run)
    }
}

fn finish(ledger: &mut Ledger, mut figure: Figure, meter: &Meter, begun: Instant) -> Outcome<()> {
    figure.wall_s = begun.elapsed().as_secs_f64();
    figure.cpu_s = meter.stop_inside()?;
    ledger.put(figure);
    Ok(())
}
