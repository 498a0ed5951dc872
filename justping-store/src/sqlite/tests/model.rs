//! Random operations on this store and on the one in memory: results and reads agree.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::world::{KINDS, Pair, Step};

/// Runs of the test.
const CASES: u32 = 300;
/// Longest run.
const STEPS_MAX: usize = 60;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..KINDS, any::<u8>(), any::<u8>(), any::<u8>()), 1..STEPS_MAX)
}

#[test]
fn random_operations_agree_with_the_store_in_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for step in steps {
                pair.step(step).await;
            }
            pair.compare().await;
        });
        Ok(())
    });
    outcome.unwrap();
}
