use std::sync::Arc;

use justping::JustPing;
use justping::agents::Flows;
use justping::engine::EngineConfig;
use justping::memory::SeededEntropy;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};

use super::ai::SimModel;
use super::gate::Life;
use super::provider::SimProvider;
use super::store::SimStore;
use super::world::World;

/// One instance of the engine with its loops running, and the requests it is serving.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) life: Life,
    pub(super) engine: JustPing,
    loops: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    requests: Vec<AbortHandle>,
}

impl Process {
    /// Starts an instance. It has caches, a limiter and ids of its own; the store it shares.
    pub(super) fn start(world: &Arc<World>, number: u64) -> Self {
        let life = Life::new(number);
        let flows = Flows::new().with_ai(Arc::new(SimModel::of(world, &life)));
        let mut config = EngineConfig::default();
        (config.sends_max, config.calls_max, config.turns_per_claim) = (4, 2, 3);
        let engine = JustPing::builder()
            .store(Arc::new(SimStore::of(world, &life)))
            .provider(Arc::new(SimProvider::of(world, &life)))
            .clock(Arc::clone(&world.clock) as _)
            .entropy(Arc::new(SeededEntropy::new(world.seed_of(number))))
            .flows(Arc::new(flows))
            .config(config)
            .build()
            .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let works = engine.clone();
        let loops = tokio::spawn(async move {
            works.run(async { stopped.await.unwrap_or_default() }).await;
        });
        Self { life, engine, loops, stop: Some(stop), requests: Vec::new() }
    }

    /// Serves a request: it ends with the process.
    pub(super) fn serve(&mut self, request: impl Future<Output = ()> + Send + 'static) {
        self.requests.retain(|request| !request.is_finished());
        self.requests.push(tokio::spawn(request).abort_handle());
    }

    /// Asks it to finish what it began and to leave.
    pub(super) fn stop(&mut self) {
        self.stop = None;
    }

    /// Whether its loops have ended.
    pub(super) fn has_left(&self) -> bool {
        self.loops.is_finished()
    }

    /// Ends it here and now, whatever it is doing.
    pub(super) fn kill(&self, world: &World) {
        world.gates.end(&self.life);
        self.loops.abort();
        self.requests.iter().for_each(AbortHandle::abort);
    }
}
