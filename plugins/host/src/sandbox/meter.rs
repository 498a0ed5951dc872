//! What a call takes, and the turns in which it computes.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use justping_core::model::{BusinessId, PluginLine, PluginSpend};
use tokio::sync::oneshot;

use super::engine::TICK;
use super::error::CallError;
use super::gate::{Gate, Heavy, Place, Way};

/// What a call took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallMeter {
    /// Time on a processor: the guest's, and the platform's for it. Waiting is not in it.
    pub cpu: Duration,
    /// Time from start to end.
    pub wall: Duration,
    /// The most memory that it held, in bytes.
    pub peak_bytes: usize,
    /// Calls of capabilities.
    pub host_calls: u32,
    /// The lines that it wrote, and those about what was denied.
    pub lines: Vec<PluginLine>,
    /// Lines that were left out, being over the limit.
    pub lines_lost: u32,
}

/// What became of a call, and what it took.
#[derive(Debug, Clone)]
pub struct Called<T> {
    /// What became of it.
    pub result: Result<T, CallError>,
    /// What it took.
    pub meter: CallMeter,
}

impl<T> Called<T> {
    /// A call that was not made.
    pub(crate) fn refused(error: CallError) -> Self {
        Self { result: Err(error), meter: CallMeter::default() }
    }

    /// What it took, as it is accounted for.
    pub fn spend(&self) -> PluginSpend {
        PluginSpend {
            calls: 1,
            failures: u64::from(self.result.is_err()),
            cpu_micros: u64::try_from(self.meter.cpu.as_micros()).unwrap_or(u64::MAX),
            peak_bytes: self.meter.peak_bytes as u64,
        }
    }

    /// Makes something else of what it returned.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Called<U> {
        Called { result: self.result.map(change), meter: self.meter }
    }

    /// Makes something else of what it returned, or refuses it.
    pub fn and_then<U>(self, change: impl FnOnce(T) -> Result<U, CallError>) -> Called<U> {
        Called { result: self.result.and_then(change), meter: self.meter }
    }
}

/// Time on a processor that a call has taken, readable while it computes. Never less than it was; a turn
/// counts at most [`READING_AGE_MAX`] more, and only where its thread did not have the processor all along.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    past: AtomicU64,
    /// Where the present turn began.
    turn: Mutex<Option<Mark>>,
}

/// How old a reading of a thread's clock may be where a turn begins. Reading it is a call of the system,
/// 0.7 us, as long as a short call of a guest; the clock on the wall costs 0.03 us. Less than what makes a
/// call long ([`ShortCalls`](super::ShortCalls)): a short one that lost its processor is still short.
const READING_AGE_MAX: Duration = Duration::from_micros(50);
/// A turn that was shorter than this on the wall is counted by the wall.
const BY_THE_WALL: Duration = Duration::from_micros(100);

/// A moment of a thread.
///
/// A thread's clock cannot be moved to another, and need not be: a turn stays on its thread. So readings
/// are kept.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    /// What the thread's clock showed then, or shortly before.
    thread: Duration,
}

thread_local! {
    static READING: Cell<Option<Mark>> = const { Cell::new(None) };
}

fn thread_time() -> Duration {
    ThreadTime::now().as_duration()
}

impl Mark {
    fn new(at: Instant) -> Self {
        let fresh = |read: &Self| at.saturating_duration_since(read.at) < READING_AGE_MAX;
        let read = READING.get().filter(fresh).unwrap_or_else(|| {
            let read = Self { at, thread: thread_time() };
            READING.set(Some(read));
            read
        });
        Self { at, thread: read.thread }
    }

    /// Time on a processor since then, asked by the same thread.
    fn spent(self, now: Instant) -> Duration {
        let wall = now.saturating_duration_since(self.at);
        if wall < BY_THE_WALL { wall } else { wall.min(thread_time().saturating_sub(self.thread)) }
    }
}

impl Cpu {
    fn begin(&self, now: Instant) {
        *self.turn() = Some(Mark::new(now));
    }

    fn end(&self) {
        let turn = self.turn().take();
        if let Some(began) = turn {
            let nanos = began.spent(Instant::now()).as_nanos();
            let _ =
                self.past.fetch_add(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// All time so far. Asked within a turn, it must be by the turn's thread.
    pub(crate) fn spent(&self) -> Duration {
        let past = Duration::from_nanos(self.past.load(Ordering::Relaxed));
        let turn = *self.turn();
        turn.map_or(past, |began| past + began.spent(Instant::now()))
    }

    /// Begins with nothing.
    pub(crate) fn reset(&self) {
        self.past.store(0, Ordering::Relaxed);
    }

    fn turn(&self) -> MutexGuard<'_, Option<Mark>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From this time on a processor on, a call is long: others do not wait for it. A half of a tick.
const LONG: Duration = Duration::from_millis(5);
const _: () = assert!(LONG.as_millis() * 2 == TICK.as_millis());

/// Polls a call in turns: each poll waits for one of a few places, of which businesses take turns, and
/// is counted. A guest that computes on gives its turn up at each tick of the epoch.
pub(crate) struct Paced<'a, F> {
    inner: Pin<&'a mut F>,
    cpu: Arc<Cpu>,
    gate: Arc<Gate<BusinessId>>,
    business: BusinessId,
    waits: Option<oneshot::Receiver<Place<BusinessId>>>,
    heavy: Option<Heavy<BusinessId>>,
}

impl<'a, F> Paced<'a, F> {
    pub(crate) fn new(
        inner: Pin<&'a mut F>,
        cpu: Arc<Cpu>,
        gate: Arc<Gate<BusinessId>>,
        business: BusinessId,
    ) -> Self {
        Self { inner, cpu, gate, business, waits: None, heavy: None }
    }
}

impl<F> fmt::Debug for Paced<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("business", &self.business).finish_non_exhaustive()
    }
}

impl<F: Future> Future for Paced<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let now = Instant::now();
        let waits = match self.waits.take() {
            Some(waits) => Way::Wait(waits),
            None => self.gate.ask(self.business, now),
        };
        let place = match waits {
            Way::Inside(place) => Some(place),
            Way::Wait(mut waits) => match Pin::new(&mut waits).poll(cx) {
                Poll::Ready(place) => place.ok(),
                Poll::Pending => {
                    self.waits = Some(waits);
                    return Poll::Pending;
                }
            },
        };
        self.cpu.begin(now);
        let polled = self.inner.as_mut().poll(cx);
        self.cpu.end();
        if self.heavy.is_none() && polled.is_pending() && self.cpu.spent() >= LONG {
            self.heavy = Some(self.gate.heavy(self.business));
        }
        drop(place);
        Poll::Ready(ready!(polled))
    }
}
