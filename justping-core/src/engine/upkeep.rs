//! The upkeep: one process of a fleet prepares and clears up for all of them.

use tokio::sync::watch;

use super::work::is_stopped;
use super::{EngineError, JustPing};
use crate::model::Timestamp;
use crate::port::store::{UPKEEP_LEASE, UpkeepOptions, UpkeepReport};

/// Moves of one upkeep. What is left then waits for the next one.
const MOVES_MAX: usize = 10_000;
/// A leader extends its lease this often before it runs out.
const EXTENSIONS: u32 = 3;

/// What a process knows of its leading.
#[derive(Debug, Default)]
struct Term {
    /// The fence under which it leads.
    fence: Option<u64>,
    /// When it last did the upkeep.
    done_at: Option<Timestamp>,
}

impl JustPing {
    /// Does the upkeep now, whenever it was done last. `None` when another process leads: then it
    /// is that one's.
    ///
    /// # Errors
    /// [`EngineError`] when the store is unavailable or the lead was lost on the way.
    pub async fn upkeep(&self) -> Result<Option<UpkeepReport>, EngineError> {
        let Some(fence) = self.lead().await? else { return Ok(None) };
        let report = self.maintain(fence).await;
        self.inner.store.release_lease(UPKEEP_LEASE, fence).await?;
        report.map(Some)
    }

    /// What the upkeep of this process did since it started.
    #[must_use]
    pub fn upkept(&self) -> UpkeepReport {
        self.upkept_so_far().clone()
    }

    fn upkept_so_far(&self) -> std::sync::MutexGuard<'_, UpkeepReport> {
        let sum = self.inner.upkept.lock();
        sum.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes or extends the lead.
    async fn lead(&self) -> Result<Option<u64>, EngineError> {
        let inner = &self.inner;
        let (now, until) = (inner.clock.now(), self.later(inner.config.upkeep_lease));
        Ok(inner.store.take_lease(UPKEEP_LEASE, inner.worker, now, until).await?)
    }

    /// Tries to lead, and while it does, does the upkeep about as often as configured.
    pub(super) async fn upkeep_loop(&self, mut stopped: watch::Receiver<()>) {
        let mut term = Term::default();
        while !is_stopped(&stopped) {
            if let Err(error) = self.tick(&mut term).await {
                tracing::warn!(%error, "the upkeep waits");
            }
            let until = self.later(self.inner.config.upkeep_lease / EXTENSIONS);
            tokio::select! {
                () = self.inner.clock.sleep_until(until) => {}
                _ = stopped.changed() => {}
            }
        }
        if let Some(fence) = term.fence
            && let Err(error) = self.inner.store.release_lease(UPKEEP_LEASE, fence).await
        {
            tracing::debug!(%error, "the lead runs out by itself");
        }
    }

    async fn tick(&self, term: &mut Term) -> Result<(), EngineError> {
        let fence = self.lead().await?;
        if fence != term.fence {
            tracing::info!(leads = fence.is_some(), "the lead of the upkeep changed");
            *term = Term { fence, done_at: None };
        }
        let Some(fence) = fence else { return Ok(()) };
        let now = self.inner.clock.now();
        let is_done = term.done_at.is_some_and(|done_at| {
            now.duration_since(done_at).unsigned_abs() < self.inner.config.upkeep_every
        });
        if is_done {
            return Ok(());
        }
        self.maintain(fence).await?;
        term.done_at = Some(now);
        Ok(())
    }

    /// Does the upkeep move by move, until nothing is left or somebody else leads.
    async fn maintain(&self, fence: u64) -> Result<UpkeepReport, EngineError> {
        let config = &self.inner.config;
        let mut options = UpkeepOptions {
            fence,
            now: self.inner.clock.now(),
            keep: config.retention.clone(),
            limit: config.upkeep_rows,
            after: None,
        };
        let mut sum = UpkeepReport::default();
        for _ in 0..MOVES_MAX {
            let report = self.inner.store.upkeep(&options).await?;
            self.upkept_so_far().add(report.clone());
            sum.add(report);
            if sum.next.is_none() || self.lead().await? != Some(fence) {
                break;
            }
            options.after.clone_from(&sum.next);
        }
        tracing::info!(?sum, "upkeep");
        Ok(sum)
    }
}
