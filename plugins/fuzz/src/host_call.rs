//! Any numbers for every function of the platform: the input is the script of a guest that calls them.
//!
//! The platform answers or ends the call. It breaks where a call comes back as closed, which is how a panic
//! of a host function looks from outside, or where memory grows over its limit.

#![no_main]

#[path = "../../host/src/tests/guest.rs"]
#[allow(dead_code)]
mod guest;
mod room;
mod seeds;

use std::sync::{Arc, LazyLock};

use justping_plugins::contract::channels::Webhook;
use justping_plugins::{CallError, Code};
use libfuzzer_sys::fuzz_target;

use crate::room::{ROOM, caller};

static CODE: LazyLock<Arc<Code>> = LazyLock::new(|| {
    ROOM.runtime.block_on(ROOM.sandbox.load(guest::scripted())).expect("the guest is fine")
});

/// A call of each function: places in the script and lengths of a few bytes, by turns.
fn calls() -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..17_u8).map(|function| {
        let numbers = (0..10_u32).map(|at| if at % 2 == 0 { at } else { 2 << 30 | 3 });
        let bytes = numbers.flat_map(u32::to_le_bytes).chain([0; 4]);
        (format!("function-{function}"), std::iter::once(function).chain(bytes).collect())
    })
}

fuzz_target!(init: seeds::plant("host_call", calls()), |script: &[u8]| {
    let webhook = Webhook {
        method: "POST".to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: script.to_vec(),
    };
    let called = ROOM.runtime.block_on(ROOM.sandbox.receive(&CODE, caller(), webhook));
    assert!(!matches!(called.result, Err(CallError::Closed)), "a host function broke");
    assert!(called.meter.peak_bytes <= ROOM.sandbox.limits().memory_bytes);
});
