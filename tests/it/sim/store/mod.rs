//! The one store of a world, as each process sees it: behind a gate, at the mercy of the seed, and
//! watched.

mod engine;
mod group;
mod knowledge;
mod noun;
mod plugin;
mod tool;
mod upkeep;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use justping::port::{StoreError, StoreResult};

use super::gate::Life;
use super::plan::StoreFault;
use super::world::World;

/// The store as one process sees it, or as it is when nobody is given.
pub(super) struct SimStore {
    world: Arc<World>,
    life: Option<Life>,
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStore").field("life", &self.life).finish_non_exhaustive()
    }
}

impl SimStore {
    /// The store of a process.
    pub(super) fn of(world: &Arc<World>, life: &Life) -> Self {
        Self { world: Arc::clone(world), life: Some(life.clone()) }
    }

    /// The store without gates and faults, for whoever furnishes and examines the world.
    pub(super) fn bare(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), life: None }
    }

    /// Does `work` as soon as the gate opens, unless the seed wants otherwise.
    async fn pass<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        let Some(life) = &self.life else { return work.await };
        let luck = self.world.gates.wait(life, what).await;
        let fault = self.world.plan().store_fault(&luck);
        let lost = || StoreError::Unavailable("simulated".to_owned());
        if fault != StoreFault::None {
            self.world.log(format_args!("p{} {what}: {fault:?}", life.number));
        }
        if fault == StoreFault::Before {
            return Err(lost());
        }
        let answer = work.await;
        match fault {
            StoreFault::After => return Err(lost()),
            StoreFault::Late => self.world.gates.pass(life, "late answer").await,
            StoreFault::None | StoreFault::Before => {}
        }
        answer
    }
}
