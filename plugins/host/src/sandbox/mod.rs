//! The sandbox: loads components and calls them, within limits, on threads of its own.
//!
//! `inspect` a look before compiling · `cache` machine code on disk · `shelf` and `code` what is ready ·
//! `engine` the machine · `call` one call · `warm` instances between calls · `export` what can be called ·
//! `gate` who is next · `budget` and `meter` what it takes, `record` what it took before · `error` what goes
//! wrong.
//!
//! Invariants: each call has a fresh store and instance, unless its plugin asks to be kept warm, and then
//! one that served the same plugin of the same business only; no store runs again after a call that did
//! not end well; a guest computes on threads of its own, but for a tick of a call whose component had a
//! thousand short ones before; what a guest says is bounded before it is kept.

mod budget;
mod cache;
mod call;
mod code;
mod engine;
mod error;
mod export;
mod gate;
mod inspect;
mod load;
mod meter;
mod record;
mod shelf;
mod warm;
mod weigh;

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use justping_core::model::BusinessId;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use self::budget::Budget;
pub(crate) use self::budget::Share;
use self::cache::Cache;
pub use self::cache::CacheConfig;
pub use self::code::{Code, ComponentDigest, Export};
use self::engine::Ticker;
pub use self::error::{CallError, LoadError};
pub use self::export::{FilterAsk, ToolAsk};
use self::gate::{Crowd, Gate};
pub(crate) use self::meter::Cpu;
pub use self::meter::{CallMeter, Called};
pub use self::record::ShortCalls;
use self::shelf::Shelf;
use self::warm::Warm;
pub use self::warm::{WARM_CALLS_MAX, WARM_EACH_MAX, WARM_IDLE_MAX, WARM_MAX};
use crate::capability::{self, CallState};
use crate::limits::Limits;
use crate::port::Ports;

/// Threads on which guests compute.
pub const THREADS: usize = 2;
/// Threads on which no guest computes: they see to new calls, timers and answers at once, while the
/// others are in the midst of a turn.
const SPARE_THREADS: usize = 1;
/// Most calls that have an instance at once.
pub const CALLS_MAX: u32 = 256;
/// Most bytes of memory that all guests hold together; one business may have a half of it.
pub const MEMORY_TOTAL_MAX_BYTES: usize = 1024 * 1024 * 1024;
/// Most components in memory.
pub const LOADED_MAX: usize = 512;
/// Most bytes of machine code in memory.
pub const LOADED_MAX_BYTES: usize = 512 * 1024 * 1024;
/// Longest time of compiling one component: half a minute is usual for Python.
pub const COMPILE_MAX: Duration = Duration::from_secs(120);
/// Most components that wait for the compiler.
pub const COMPILE_WAITING_MAX: usize = 8;

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// What no call may exceed.
    pub limits: Limits,
    /// Threads on which guests compute.
    pub threads: usize,
    /// Most calls that have an instance at once; more wait.
    pub calls_max: u32,
    /// Most bytes of memory that all guests hold together; one business may have a half of it.
    pub memory_total_bytes: usize,
    /// Which calls begin on their caller's thread.
    pub short_calls: ShortCalls,
    /// Most instances that wait for the next call of their plugin; none without any.
    pub warm_max: usize,
    /// Most components in memory.
    pub loaded_max: usize,
    /// Most bytes of machine code in memory.
    pub loaded_max_bytes: usize,
    /// Longest time of compiling one component.
    pub compile_max: Duration,
    /// Where machine code is kept; without, it is compiled anew with each start.
    pub cache: Option<CacheConfig>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            threads: THREADS,
            calls_max: CALLS_MAX,
            memory_total_bytes: MEMORY_TOTAL_MAX_BYTES,
            short_calls: ShortCalls::default(),
            warm_max: WARM_MAX,
            loaded_max: LOADED_MAX,
            loaded_max_bytes: LOADED_MAX_BYTES,
            compile_max: COMPILE_MAX,
            cache: None,
        }
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is started outside of a tokio runtime, on which it would wait for stores and servers.
    #[error("a sandbox is started within a tokio runtime")]
    NoRuntime,
    /// Threads, or the folder of machine code, cannot be made.
    #[error("the sandbox does not start: {0}")]
    Io(#[from] io::Error),
    /// The machine is not possible here.
    #[error("the sandbox does not start: {0}")]
    Engine(String),
}

/// What is alive in a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxState {
    /// Calls that run or wait.
    pub calls: usize,
    /// Instances that exist; `None` where they are not pooled.
    pub instances: Option<u64>,
    /// Instances that wait for the next call of their plugin.
    pub warm: usize,
    /// Components in memory.
    pub loaded: usize,
}

/// Runs plugins. Cheap to clone; all clones are one, and it ends with the last one.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "held so that the threads end with the last clone")]
    threads: Arc<Threads>,
}

/// What calls share.
pub(crate) struct Shared {
    engine: Engine,
    linker: Linker<CallState>,
    limits: Limits,
    ports: Arc<Ports>,
    /// The runtime of the platform.
    home: Handle,
    /// The runtime of guests.
    runtime: Handle,
    /// Who calls or waits, by business.
    crowd: Arc<Crowd<BusinessId>>,
    /// The places for instances.
    places: Arc<Gate<BusinessId>>,
    /// The turns at computing.
    turns: Arc<Gate<BusinessId>>,
    memory: Arc<Budget>,
    short_calls: ShortCalls,
    warm: Warm,
    shelf: Shelf,
    cache: Option<Cache>,
    compiler: Arc<Semaphore>,
    compile_queue: Arc<Semaphore>,
    compile_max: Duration,
}

/// The threads of a sandbox.
struct Threads {
    runtime: Option<Runtime>,
    #[expect(dead_code, reason = "it ticks until it is dropped")]
    ticker: Ticker,
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for guests here would block a thread of the platform; they end at the next tick.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a sandbox. Host calls wait for stores and servers on the runtime it is started in.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(config: SandboxConfig, ports: Ports) -> Result<Self, StartError> {
        let home = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let broken = |error: wasmtime::Error| StartError::Engine(format!("{error:#}"));
        let engine = engine::machine(&config.limits, config.calls_max.max(1), config.warm_max)
            .map_err(broken)?;
        let linker = capability::linker(&engine).map_err(broken)?;
        let threads = config.threads.max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads + SPARE_THREADS)
            .max_blocking_threads(1)
            .thread_name("plugin")
            .enable_time()
            .build()?;
        let ticker = Ticker::start(&engine)?;
        let cache = config.cache.map(|cache| Cache::open(cache, &engine)).transpose()?;
        let shared = Shared {
            linker,
            limits: config.limits,
            ports: Arc::new(ports),
            home,
            runtime: runtime.handle().clone(),
            crowd: Crowd::new(),
            places: Gate::new(config.calls_max.max(1) as usize),
            turns: Gate::new(threads),
            memory: Budget::new(config.memory_total_bytes),
            short_calls: config.short_calls,
            warm: Warm::new(config.warm_max),
            shelf: Shelf::new(config.loaded_max.max(1), config.loaded_max_bytes),
            cache,
            compiler: Arc::new(Semaphore::new(1)),
            compile_queue: Arc::new(Semaphore::new(COMPILE_WAITING_MAX)),
            compile_max: config.compile_max,
            engine,
        };
        let shared = Arc::new(shared);
        runtime.spawn(cool(Arc::downgrade(&shared)));
        let threads = Arc::new(Threads { runtime: Some(runtime), ticker });
        Ok(Self { shared, threads })
    }

    /// What no call may exceed.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// What capabilities work with.
    pub fn ports(&self) -> &Ports {
        &self.shared.ports
    }

    /// What is alive.
    pub fn state(&self) -> SandboxState {
        let pool = self.shared.engine.pooling_allocator_metrics();
        SandboxState {
            calls: self.shared.crowd.len(),
            instances: pool.map(|pool| pool.component_instances()),
            warm: self.shared.warm.len(),
            loaded: self.shared.shelf.len(),
        }
    }
}

/// Lets go of instances that nobody called for a while.
async fn cool(shared: Weak<Shared>) {
    let mut ticks = tokio::time::interval(WARM_IDLE_MAX / 3);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.warm.sweep(Instant::now());
    }
}
