//! Whatever numbers a guest gives to the functions of the platform, it is answered or it ends. The same guest
//! is what `plugins/fuzz` feeds.

use std::sync::{Arc, LazyLock};

use justping_core::model::Capability;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::guest::scripted;
use super::{Bench, caller};
use crate::contract::channels::Webhook;
use crate::{CallError, Called, Code};

struct Tried {
    runtime: Runtime,
    bench: Bench,
    code: Arc<Code>,
}

static TRIED: LazyLock<Tried> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::new());
    let code = runtime.block_on(bench.load(scripted()));
    Tried { runtime, bench, code }
});

fn play(script: Vec<u8>, granted: &[Capability]) -> Called<()> {
    let tried = &*TRIED;
    let webhook =
        Webhook { method: "POST".to_owned(), query: Vec::new(), headers: Vec::new(), body: script };
    let played = tried.bench.sandbox.receive(&tried.code, caller(granted), webhook);
    tried.runtime.block_on(played).map(drop)
}

/// One call: which function, and what it is given.
fn call(function: u8, given: &[u32]) -> Vec<u8> {
    let given = given.iter().flat_map(|one| one.to_le_bytes());
    std::iter::once(function).chain(given).collect()
}

/// A number that is taken as it is; one over it stands for itself only if it is below 256.
const BYTE: u32 = 2 << 30;
const RAW: u32 = 3 << 30;

#[test]
fn a_script_is_played() {
    let get = call(2, &[0, BYTE | 1, 0]);
    let called = play(get.repeat(3), &[Capability::Kv]);
    assert_eq!((called.result.is_ok(), called.meter.host_calls), (true, 3));
    let called = play(get.repeat(3), &[]);
    assert_eq!((called.result.is_ok(), called.meter.lines.len()), (true, 1));
    let forged = play(call(2, &[RAW | 5, BYTE | 1, 0]), &[Capability::Kv]);
    assert!(matches!(forged.result, Err(CallError::Invalid(_) | CallError::Trap(_))));
    assert!(play(Vec::new(), &[]).result.is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_numbers_break_a_host_function(
        calls in prop::collection::vec((0..17_u8, prop::collection::vec(any::<u32>(), 0..11)), 0..12),
        is_granted: bool,
    ) {
        let script = calls.iter().flat_map(|(function, given)| call(*function, given)).collect();
        let granted = if is_granted { Capability::ALL.to_vec() } else { Vec::new() };
        let called = play(script, &granted);
        let broken = matches!(called.result, Err(CallError::Closed | CallError::Busy));
        prop_assert!(!broken, "{:?}", called.result);
        prop_assert!(called.meter.peak_bytes <= TRIED.bench.sandbox.limits().memory_bytes);
    }
}
