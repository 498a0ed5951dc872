//! Deterministic simulation: several engines over one store in memory, in a world that is as bad as
//! its seed says. Nothing here is real: no time, no thread, no network. Every future waits at a gate
//! before it touches the store, a provider or a model, and the seed decides who goes on, who dies,
//! whose answer is lost, what comes twice or late, and when people step in. An oracle sees it all.
//!
//! ```sh
//! cargo test --test it sim::                            # 300 seeds and the mutants
//! JUSTPING_SIM_SEEDS=20000 cargo test --test it sim::seeds    # a night
//! JUSTPING_SIM_SEED=17 cargo test --test it sim::seeds -- --nocapture   # one seed, aloud
//! ```
//!
//! `JUSTPING_SIM_FIRST` begins elsewhere than with seed 1, and `JUSTPING_SIM_STEPS` makes bad times
//! longer or shorter. A seed that fails is shortened first; its report names the command that tells
//! the whole story again.
//!
//! | room | holds |
//! |---|---|
//! | `drive`, `plan`, `chance`, `gate`, `clock` | the scheduler, and what a seed means |
//! | `process`, `store`, `provider`, `ai` | an engine, and its ports as it sees them |
//! | `world`, `network`, `actor`, `flow`, `furnish` | what is outside of the engines |
//! | `oracle`, `audit`, `law`, `log` | the promises, judged at every step and at the end |
//! | `mutant`, `mutation` | stores that break their contract, and the proof that they are found |
#![allow(clippy::print_stdout, reason = "a seed that is replayed tells its story")]

mod actor;
mod ai;
mod audit;
mod chance;
mod clock;
mod drive;
mod flow;
mod furnish;
mod gate;
mod law;
mod log;
mod mutant;
mod mutation;
mod network;
mod oracle;
mod plan;
mod process;
mod provider;
mod store;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use drive::{Outcome, simulate};
use log::Echo;
use mutant::Mutation;

/// The environment variable that names the one seed to run, aloud.
const SEED: &str = "JUSTPING_SIM_SEED";
/// The environment variable that says how many seeds to run.
const SEEDS: &str = "JUSTPING_SIM_SEEDS";
/// The environment variable that says with which seed to begin.
const FIRST: &str = "JUSTPING_SIM_FIRST";
/// Seeds of an everyday run.
const SEEDS_DEFAULT: u64 = 300;
/// The environment variable that says how long the bad times last.
const STEPS_NAME: &str = "JUSTPING_SIM_STEPS";
/// Steps of bad times for one seed; then the faults stop and the work ends.
const STEPS: u64 = 450;
/// Seeds that are run twice.
const TWICE: u64 = 12;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Tells what went wrong and how to see it again.
fn judged(seed: u64, steps: u64, outcome: &Outcome) {
    let Some(violation) = &outcome.violation else { return };
    panic!(
        "seed {seed}, step {}: {violation}\n\n{}\n  {STEPS_NAME}={steps} {SEED}={seed} \
         cargo test --test it sim::seeds -- --nocapture\n",
        outcome.steps, outcome.tail
    );
}

/// The fewest steps of bad times that still break a promise, and what comes of them.
fn shortest(seed: u64, steps: u64, mutation: Mutation, mut outcome: Outcome) -> (u64, Outcome) {
    let (mut good, mut bad) = (0, steps);
    while bad - good > 1 {
        let fewer = u64::midpoint(good, bad);
        let shorter = simulate(seed, fewer, mutation, Echo::Quiet);
        if shorter.violation.is_some() {
            (bad, outcome) = (fewer, shorter);
        } else {
            good = fewer;
        }
    }
    (bad, outcome)
}

#[test]
fn seeds_keep_every_promise() {
    let steps = number(STEPS_NAME).unwrap_or(STEPS);
    if let Some(seed) = number(SEED) {
        let outcome = simulate(seed, steps, Mutation::None, Echo::Aloud);
        println!("seed {seed}: {} steps, hash {:016x}", outcome.steps, outcome.hash);
        return judged(seed, steps, &outcome);
    }
    let first = number(FIRST).unwrap_or(1);
    let end = first + number(SEEDS).unwrap_or(SEEDS_DEFAULT);
    let (next, written, arrived) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let outcome = simulate(seed, steps, Mutation::None, Echo::Quiet);
        if outcome.violation.is_some() {
            let (fewest, outcome) = shortest(seed, steps, Mutation::None, outcome);
            return judged(seed, fewest, &outcome);
        }
        written.fetch_add(outcome.written as u64, Ordering::Relaxed);
        arrived.fetch_add(outcome.arrived, Ordering::Relaxed);
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let seeds = end - first;
    let (written, arrived) = (written.into_inner(), arrived.into_inner());
    println!("{seeds} seeds: {written} messages came, {arrived} went");
    assert!(written >= seeds && arrived >= seeds, "the worlds are too quiet to prove anything");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let mut stories = std::collections::BTreeSet::new();
    for seed in 1..=TWICE {
        let tell = || simulate(seed, STEPS, Mutation::None, Echo::Quiet);
        let (first, second) = (tell(), tell());
        assert_eq!(first, second, "seed {seed}");
        stories.insert(first.hash);
    }
    assert_eq!(stories.len() as u64, TWICE, "other seeds tell other stories");
}
