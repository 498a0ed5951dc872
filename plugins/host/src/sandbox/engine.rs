//! The machine that runs components, set as measured.

use std::sync::mpsc;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy,
};

use crate::limits::{CORE_INSTANCES_MAX, Limits, MEMORIES_MAX, TABLES_MAX};

/// How often guests are interrupted.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// What of a memory stays with its place for the next call: clearing less is faster than mapping
/// anew. Measured.
const KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// The same of a table.
const TABLE_KEEP_RESIDENT_BYTES: usize = 16 * 1024;
/// What a memory has behind its end.
const GUARD_BYTES: u64 = 64 * 1024;
/// What of the host's own frames stands on a guest's stack: host calls run there.
const HOST_STACK_BYTES: usize = 1536 * 1024;
/// Core instances, memories and tables for each call that runs at once: most guests have few.
const PARTS_PER_CALL: u32 = 4;
/// Core instances at least: one guest may need many.
const CORE_INSTANCES_MIN: u32 = 4 * CORE_INSTANCES_MAX;

/// Makes the machine: with all places laid out in advance or, where there is not address space
/// enough, each made when it is needed.
pub(crate) fn machine(limits: &Limits, calls: u32, warm: usize) -> wasmtime::Result<Engine> {
    let mut config = common(limits);
    let warm = u32::try_from(warm).unwrap_or(u32::MAX);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits, calls, warm)));
    match Engine::new(&config) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(%error, "no room for a pool of instances: they are made when needed");
            Engine::new(&common(limits))
        }
    }
}

fn common(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .strategy(Strategy::Cranelift)
        .parallel_compilation(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes)
        .async_stack_size(limits.stack_bytes.saturating_add(HOST_STACK_BYTES))
        .memory_reservation(limits.memory_bytes as u64)
        .memory_guard_size(GUARD_BYTES)
        .memory_init_cow(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true);
    config
}

/// Room for so many calls, and for instances that wait, whatever they are made of.
fn pool(limits: &Limits, calls: u32, warm: u32) -> PoolingAllocationConfig {
    let parts = calls.saturating_mul(PARTS_PER_CALL).max(CORE_INSTANCES_MIN);
    let parts = parts.saturating_add(warm.saturating_mul(CORE_INSTANCES_MAX.max(TABLES_MAX)));
    let calls = calls.saturating_add(warm);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(parts)
        .total_memories(calls.saturating_mul(2))
        .total_tables(parts)
        .total_stacks(calls)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memory_size(limits.memory_bytes)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(calls.min(64));
    pool
}

/// The clock of the machine; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticker(#[expect(dead_code, reason = "its drop is the signal")] mpsc::Sender<()>);

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let (alive, ended) = mpsc::channel();
        let engine = engine.clone();
        std::thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || {
            while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        })?;
        Ok(Self(alive))
    }
}
