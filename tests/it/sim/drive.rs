//! The seeded scheduler: one step after the other, and after each the oracle is asked.

use std::sync::Arc;
use std::time::Duration;

use justping::port::Clock;
use justping::port::store::EngineStore;

use super::actor;
use super::audit::audit;
use super::chance::Chance;
use super::furnish::furnish;
use super::law::{Law, Violation};
use super::log::Echo;
use super::mutant::Mutation;
use super::plan::Plan;
use super::process::Process;
use super::world::World;

/// Steps after which the work that is left must be done once everything works.
const CALM_STEPS_MAX: u64 = 20_000;
/// How often in a thousand steps the provider talks nonsense.
const NONSENSE: u64 = 4;
/// How often in a hundred steps a webhook that is due goes before a gate.
const WEBHOOKS_FIRST: u64 = 20;
/// How long the engine may wait before it looks for work by itself.
const POLL_MS: u64 = 1_000;

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) violation: Option<Violation>,
    /// A digest of everything that happened.
    pub(super) hash: u64,
    /// The last things that happened.
    pub(super) tail: String,
    /// Steps taken until all was quiet.
    pub(super) steps: u64,
    /// Messages that contacts wrote.
    pub(super) written: usize,
    /// Messages that reached contacts.
    pub(super) arrived: u64,
}

/// Runs one seed's world from its beginning to its end.
pub(super) fn simulate(seed: u64, steps: u64, mutation: Mutation, echo: Echo) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(Plan::of(seed, steps), mutation, echo));
        furnish(&world).await;
        let mut simulation = Simulation::new(&world);
        simulation.run().await;
        let (hash, tail) = world.record();
        world.watch(|oracle| Outcome {
            violation: oracle.violation.clone(),
            hash,
            tail,
            steps: simulation.steps,
            written: oracle.written.len(),
            arrived: oracle.rows.values().map(|row| u64::from(row.effects)).sum(),
        })
    })
}

struct Simulation {
    world: Arc<World>,
    chance: Chance,
    processes: Vec<Process>,
    /// Processes that were asked to stop and finish what they began.
    leaving: Vec<Process>,
    lives: u64,
    steps: u64,
}

impl Simulation {
    fn new(world: &Arc<World>) -> Self {
        let mut simulation = Self {
            world: Arc::clone(world),
            chance: Chance::new(world.seed_of(u64::MAX)),
            processes: Vec::new(),
            leaving: Vec::new(),
            lives: 0,
            steps: 0,
        };
        for _ in 0..world.plan().processes {
            let process = simulation.start();
            simulation.processes.push(process);
        }
        simulation
    }

    fn start(&mut self) -> Process {
        self.lives += 1;
        Process::start(&self.world, self.lives)
    }

    async fn run(&mut self) {
        self.rest().await;
        for _ in 0..self.world.plan().steps {
            self.act().await;
            if self.is_over().await {
                return;
            }
        }
        self.world.clear_up();
        self.world.log(format_args!("the faults stop"));
        for _ in 0..CALM_STEPS_MAX {
            if !self.finish().await {
                for process in self.processes.iter().chain(&self.leaving) {
                    process.kill(&self.world);
                }
                return audit(&self.world).await;
            }
            if self.is_over().await {
                return;
            }
        }
        let due = self.world.store.next_due(self.world.clock.now()).await;
        let detail = format!("work is left after {CALM_STEPS_MAX} steps, due {due:?}");
        self.world.watch(|oracle| oracle.accuse(Law::Progress, detail));
    }

    /// Lets everybody come to rest, and says whether a promise was broken.
    async fn is_over(&mut self) -> bool {
        self.rest().await;
        self.steps += 1;
        let world = Arc::clone(&self.world);
        let gone = self.leaving.extract_if(.., |process| process.has_left());
        gone.for_each(|process| bury(&world, &process));
        world.watch(|oracle| oracle.violation.is_some())
    }

    /// The runtime's time moves on only when nobody has anything to do: this is that moment.
    async fn rest(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// One step of a bad time.
    async fn act(&mut self) {
        let (world, plan) = (Arc::clone(&self.world), self.world.plan());
        let mut roll = self.chance.below(1_000);
        let mut falls_in = |share: u64| {
            let inside = roll < share;
            roll = roll.wrapping_sub(share);
            inside
        };
        if falls_in(plan.deaths) {
            self.die();
        } else if falls_in(plan.restarts) {
            self.restart();
        } else if falls_in(plan.members) {
            let at = self.chance.place(self.processes.len());
            actor::step_in(&world, &mut self.processes[at], &self.chance);
        } else if falls_in(plan.leaps) {
            self.leap(30_000 + self.chance.below(600_000)).await;
        } else if falls_in(plan.ages) {
            self.leap(3_600_000 * (1 + self.chance.below(50))).await;
        } else if falls_in(plan.writes) {
            actor::write(&world, &self.chance);
        } else if falls_in(NONSENSE) {
            actor::nonsense(&world, &self.chance);
        } else if !self.go_on() {
            self.idle().await;
        }
    }

    /// Lets somebody through, or a webhook arrive.
    fn go_on(&mut self) -> bool {
        let first = self.chance.percent(WEBHOOKS_FIRST) && self.deliver();
        first || self.open() || self.deliver()
    }

    /// One step of a good time; `false` when nothing is left to do.
    async fn finish(&mut self) -> bool {
        if self.open() || self.deliver() {
            return true;
        }
        let network = self.world.network().next_ms();
        let due = self.world.store.next_due(self.world.clock.now()).await.unwrap();
        if network.is_none() && due.is_none() && self.world.in_flight() == 0 {
            return false;
        }
        let now = self.world.clock.elapsed_ms();
        let due = due.map(|due| due.duration_since(self.world.clock.now()).as_millis());
        let work = due.map(|wait| u64::try_from(wait).ok().filter(|wait| *wait > 0));
        let news = network.map(|at| at.saturating_sub(now));
        let wait = work.map(|wait| wait.unwrap_or(POLL_MS)).into_iter().chain(news).min();
        self.leap(wait.unwrap_or(POLL_MS).max(1)).await;
        true
    }

    fn open(&self) -> bool {
        let Some((life, what)) = self.world.gates.open(&self.chance) else { return false };
        self.world.log(format_args!("p{life} {what}"));
        true
    }

    fn deliver(&mut self) -> bool {
        let now = self.world.clock.elapsed_ms();
        let Some(delivery) = self.world.network().arrive(now, &self.chance) else { return false };
        let at = self.chance.place(self.processes.len());
        let process = &mut self.processes[at];
        self.world.log(format_args!("p{} gets {:?}", process.life.number, delivery.news));
        actor::deliver(&self.world, process, delivery);
        true
    }

    /// Nobody waits for anything but time.
    async fn idle(&self) {
        let now = self.world.clock.elapsed_ms();
        let news = self.world.network().next_ms().map_or(POLL_MS, |at| at.saturating_sub(now));
        self.leap((1 + self.chance.below(2 * POLL_MS)).min(news.max(1))).await;
    }

    /// Time passes at once, and whatever came due meanwhile is late.
    async fn leap(&self, span_ms: u64) {
        tokio::time::advance(Duration::from_millis(span_ms)).await;
        self.world.log(format_args!("{span_ms} ms pass"));
    }

    /// A process dies at whatever its futures wait for, and another one starts.
    fn die(&mut self) {
        let at = self.chance.place(self.processes.len());
        let successor = self.start();
        let process = std::mem::replace(&mut self.processes[at], successor);
        self.world.log(format_args!("p{} dies", process.life.number));
        bury(&self.world, &process);
    }

    /// A process is asked to stop while its successor starts.
    fn restart(&mut self) {
        let at = self.chance.place(self.processes.len());
        let successor = self.start();
        let mut process = std::mem::replace(&mut self.processes[at], successor);
        self.world.log(format_args!("p{} is asked to stop", process.life.number));
        process.stop();
        self.leaving.push(process);
    }
}

fn bury(world: &World, process: &Process) {
    process.kill(world);
    world.hang_up(process.life.number);
}
