//! The loops, the scheduler and shutdown. Of news that is there at once a loop takes the first one
//! of its list: chance comes from `Entropy` only.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{EngineError, JustPing};
use crate::model::Timestamp;

/// The scheduler's shortest rest, so that work which others are about to take does not spin it.
const REST: Duration = Duration::from_millis(10);
/// How long the loop of sends waits for more results and new work when it found its queue empty.
const LINGER: Duration = Duration::from_millis(2);
/// Rounds after which [`JustPing::settle`] gives up: something makes work for ever.
const ROUNDS_MAX: usize = 100_000;

/// What [`JustPing::settle`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// Timers that fired.
    pub timers: u64,
    /// Turns that were committed.
    pub turns: usize,
    /// Sends that were tried.
    pub sends: usize,
    /// Calls that were performed.
    pub calls: usize,
}

/// The loops of [`JustPing::run`].
#[derive(Debug, Clone, Copy)]
enum Loop {
    Turns,
    Sends,
    Calls,
    Schedule,
    Upkeep,
    Index,
    Wakes,
    Feed,
}

/// Every one.
const LOOPS: [Loop; 8] = [
    Loop::Turns,
    Loop::Sends,
    Loop::Calls,
    Loop::Schedule,
    Loop::Upkeep,
    Loop::Index,
    Loop::Wakes,
    Loop::Feed,
];

impl Worked {
    fn total(&self) -> u64 {
        self.timers + (self.turns + self.sends + self.calls) as u64
    }

    fn add(&mut self, more: Self) {
        self.timers += more.timers;
        self.turns += more.turns;
        self.sends += more.sends;
        self.calls += more.calls;
    }
}

impl JustPing {
    /// Works until `shutdown` is ready, then finishes what is under way and returns. Several
    /// processes may run over one store.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(());
        let mut loops = JoinSet::new();
        for kind in LOOPS {
            let (engine, stopped) = (self.clone(), stopped.clone());
            loops.spawn(async move { engine.supervise(kind, stopped).await });
        }
        drop(stopped);
        shutdown.await;
        drop(stop);
        let drain = self.inner.config.drain;
        let finished = async { while loops.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, finished).await.is_err() {
            tracing::warn!("work was left under way; its leases will run out");
        }
    }

    /// Runs a loop in a task of its own, and again when it dies before it was told to stop.
    async fn supervise(&self, kind: Loop, mut stopped: watch::Receiver<()>) {
        while !is_stopped(&stopped) {
            let (engine, signal) = (self.clone(), stopped.clone());
            let mut alone = JoinSet::new();
            alone.spawn(async move {
                match kind {
                    Loop::Turns => engine.turn_loop(signal).await,
                    Loop::Sends => engine.send_loop(signal).await,
                    Loop::Calls => engine.call_loop(signal).await,
                    Loop::Schedule => engine.schedule_loop(signal).await,
                    Loop::Upkeep => engine.upkeep_loop(signal).await,
                    Loop::Index => engine.index_loop(signal).await,
                    Loop::Wakes => engine.wake_loop(signal).await,
                    Loop::Feed => engine.feed_loop(signal).await,
                }
            });
            if let Some(Err(death)) = alone.join_next().await {
                tracing::error!(?kind, %death, "a loop died and is started again");
                let poll = self.later(self.inner.config.poll);
                tokio::select! {
                    biased;
                    () = self.inner.clock.sleep_until(poll) => {}
                    _ = stopped.changed() => {}
                }
            }
        }
    }

    /// Does everything that is due, in a fixed order, until nothing is. Together with a manual
    /// clock this is the whole engine without a single real wait.
    ///
    /// # Errors
    /// [`EngineError`] when the store is unavailable, or [`EngineError::Overloaded`] when the work
    /// never ends.
    pub async fn settle(&self) -> Result<Worked, EngineError> {
        let mut sum = Worked::default();
        for _ in 0..ROUNDS_MAX {
            let round = self.round().await?;
            let quiet = round.total() == 0 && !self.index().await?;
            if quiet && self.tell_subscribers().await? == 0 {
                return Ok(sum);
            }
            sum.add(round);
        }
        Err(EngineError::Overloaded)
    }

    async fn round(&self) -> Result<Worked, EngineError> {
        let config = &self.inner.config;
        let now = self.inner.clock.now();
        let timers = self.inner.store.fire_due(now, config.timers_per_move).await?;
        let turns = self.turn_batch().await?;
        let claims = self.claim_calls(config.calls_max).await?;
        let calls = claims.len();
        for claim in claims {
            self.perform(claim).await?;
        }
        let deadline = self.send_deadline();
        let claims = self.claim_sends(config.sends_max).await?;
        let sends = claims.len();
        let mut rows = Vec::with_capacity(sends);
        for claim in &claims {
            rows.push(self.carry(claim, deadline).await);
        }
        self.inner.results.submit(rows).await?;
        Ok(Worked { timers, turns, sends, calls })
    }

    async fn turn_loop(&self, mut stopped: watch::Receiver<()>) {
        loop {
            match self.turn_batch().await {
                Ok(0) => {}
                Ok(_) if !is_stopped(&stopped) => continue,
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "turns wait"),
            }
            if self.rest(&self.inner.wake.turns, &mut stopped).await {
                return;
            }
        }
    }

    async fn send_loop(&self, mut stopped: watch::Receiver<()>) {
        let most = self.inner.config.sends_max as usize;
        let mut under_way = JoinSet::new();
        while !is_stopped(&stopped) {
            let free = most.saturating_sub(under_way.len());
            let deadline = self.send_deadline();
            let claims = match self.claim_sends(u32::try_from(free).unwrap_or(0)).await {
                Ok(claims) => claims,
                Err(error) => {
                    tracing::warn!(%error, "sends wait");
                    Vec::new()
                }
            };
            let emptied = claims.len() < free;
            for claim in claims {
                let engine = self.clone();
                under_way.spawn(async move { engine.dispatch(claim, deadline).await });
            }
            let wake = &self.inner.wake.sends;
            let ended = self.next_news(&mut under_way, wake, &mut stopped, most).await;
            // A result may have made room for the next message of its conversation, seldom for more:
            // it waits a moment for others, unless there is new work.
            if ended && emptied {
                let _ = tokio::time::timeout(LINGER, wake.notified()).await;
            }
            collect(&mut under_way);
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn call_loop(&self, mut stopped: watch::Receiver<()>) {
        let most = self.inner.config.calls_max as usize;
        let mut under_way = JoinSet::new();
        while !is_stopped(&stopped) {
            let free = most.saturating_sub(under_way.len());
            let claims = match self.claim_calls(u32::try_from(free).unwrap_or(0)).await {
                Ok(claims) => claims,
                Err(error) => {
                    tracing::warn!(%error, "calls wait");
                    Vec::new()
                }
            };
            for claim in claims {
                let engine = self.clone();
                under_way.spawn(async move { engine.perform(claim).await });
            }
            self.next_news(&mut under_way, &self.inner.wake.calls, &mut stopped, most).await;
            collect(&mut under_way);
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Waits until a job ends (and room or a successor may have appeared), there is new work, a
    /// poll is due, or it is time to stop; `true` when a job ended.
    async fn next_news(
        &self,
        under_way: &mut JoinSet<Result<(), EngineError>>,
        wake: &Notify,
        stopped: &mut watch::Receiver<()>,
        most: usize,
    ) -> bool {
        let full = under_way.len() >= most;
        let poll = self.later(self.inner.config.poll);
        tokio::select! {
            biased;
            Some(ended) = under_way.join_next() => {
                log_end(ended);
                return true;
            }
            () = wake.notified(), if !full => {}
            () = self.inner.clock.sleep_until(poll) => {}
            _ = stopped.changed() => {}
        }
        false
    }

    /// Fires timers and wakes the other loops whenever something becomes due.
    async fn schedule_loop(&self, mut stopped: watch::Receiver<()>) {
        let mut rest = REST;
        while !is_stopped(&stopped) {
            let until = match self.schedule(&mut rest).await {
                Ok(until) => until,
                Err(error) => {
                    tracing::warn!(%error, "timers wait");
                    self.later(self.inner.config.poll)
                }
            };
            tokio::select! {
                biased;
                () = self.inner.wake.schedule.notified() => {}
                () = self.inner.clock.sleep_until(until) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Fires what is due and returns when to look again. Work that is due but not taken, because
    /// every place is taken, is looked at less and less often: its loop wakes itself.
    async fn schedule(&self, rest: &mut Duration) -> Result<Timestamp, EngineError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let fired = inner.store.fire_due(now, inner.config.timers_per_move).await?;
        if fired > 0 {
            inner.wake.turns.notify_one();
        }
        let poll = self.later(inner.config.poll);
        let due = inner.store.next_due(now).await?.unwrap_or(poll);
        if due > now {
            *rest = REST;
            return Ok(due.min(poll));
        }
        for wake in [&inner.wake.turns, &inner.wake.sends, &inner.wake.calls] {
            wake.notify_one();
        }
        let until = self.later(*rest).min(poll);
        *rest = if fired > 0 { REST } else { (*rest * 2).min(inner.config.poll) };
        Ok(until)
    }

    /// Wakes the other loops for what other processes left.
    async fn wake_loop(&self, mut stopped: watch::Receiver<()>) {
        let Some(wakes) = &self.inner.wakes else {
            let _ = stopped.changed().await;
            return;
        };
        while !is_stopped(&stopped) {
            tokio::select! {
                loops = wakes.next() => self.inner.wake.wake(loops),
                _ = stopped.changed() => {}
            }
        }
    }

    /// Lets the search take in what was written, in batches that leave room for others: after each
    /// it rests for as long as that took.
    async fn index_loop(&self, mut stopped: watch::Receiver<()>) {
        while !is_stopped(&stopped) {
            let began = self.inner.clock.now();
            let pause = match self.index().await {
                Ok(true) => self.inner.clock.now().duration_since(began).unsigned_abs(),
                Ok(false) => self.inner.config.index_every,
                Err(error) => {
                    tracing::warn!(%error, "the search waits");
                    self.inner.config.index_every
                }
            };
            let next = self.later(pause);
            tokio::select! {
                () = self.inner.clock.sleep_until(next) => {}
                _ = stopped.changed() => {}
            }
        }
    }

    /// Takes in one batch; `true` when there may be more.
    async fn index(&self) -> Result<bool, EngineError> {
        let rows = self.inner.config.rows_per_index.max(1);
        Ok(self.inner.store.index_due(rows).await? >= u64::from(rows))
    }

    /// Waits for work or a poll; `true` when it is time to stop.
    async fn rest(&self, wake: &Notify, stopped: &mut watch::Receiver<()>) -> bool {
        let poll = self.later(self.inner.config.poll);
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = self.inner.clock.sleep_until(poll) => {}
            _ = stopped.changed() => {}
        }
        is_stopped(stopped)
    }
}

/// The signal is the sender's end: `run` drops it.
pub(super) fn is_stopped(stopped: &watch::Receiver<()>) -> bool {
    stopped.has_changed().is_err()
}

/// Takes note of every job that has ended.
fn collect(under_way: &mut JoinSet<Result<(), EngineError>>) {
    while let Some(ended) = under_way.try_join_next() {
        log_end(ended);
    }
}

fn log_end(ended: Result<Result<(), EngineError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "a result could not be stored; its lease will run out");
        }
        Err(join) => tracing::error!(%join, "a job died"),
    }
}
