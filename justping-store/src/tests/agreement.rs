//! Random operations on a store and on the one in memory: results and reads agree.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;

use justping_core::port::Store;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::world::{KINDS, Pair, Step};

/// Longest run.
const STEPS_MAX: usize = 80;
/// What has to happen at least once over all runs.
pub(crate) const HAPPENS: &[&str] = &[
    "accepted of a new contact",
    "accepted of a known contact",
    "accepted before",
    "turn committed",
    "turn stale",
    "turn refused",
    "posted",
    "post refused",
    "claimed to be sent",
    "claimed with an unknown outcome",
    "sent",
    "sent and more, or failed",
    "status applied",
    "status unchanged",
    "status parked",
    "timer fired",
    "call finished",
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..KINDS, any::<u8>(), any::<u8>(), any::<u8>()), 1..STEPS_MAX)
}

/// Runs `cases` random lists of steps, each with a store of its own. All of `happens` has to happen.
pub(crate) fn check<T, F>(cases: u32, happens: &[&str], factory: impl Fn() -> F)
where
    F: Future<Output = T>,
    T: Deref,
    T::Target: Store + Sized,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tally = RefCell::new(BTreeMap::<&str, u32>::new());
    let run = |steps: Vec<Step>| {
        runtime.block_on(async {
            let mut pair = Pair::new(factory().await).await;
            for step in steps {
                pair.step(step).await;
            }
            pair.compare().await;
            for (what, times) in pair.tally {
                *tally.borrow_mut().entry(what).or_default() += times;
            }
        });
        Ok(())
    };
    // The same runs every time: a rare thing that must happen is no matter of luck.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random).run(&steps(), run).unwrap();
    let tally = tally.into_inner();
    for what in happens {
        assert!(tally.contains_key(what), "never happened: {what}; {tally:?}");
    }
    println!("{cases} runs: {tally:?}");
}
