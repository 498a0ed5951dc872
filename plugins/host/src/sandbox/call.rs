//! One call: a fresh store and instance or, where a plugin asks for it, one that waited, watched from
//! start to end.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::{timeout, timeout_at};
use tracing::Instrument as _;
use wasmtime::component::Instance;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::Shared;
use super::code::Code;
use super::error::CallError;
use super::gate::Way;
use super::inspect::NOTE_MAX_CHARS;
use super::meter::{CallMeter, Called, Paced};
use super::warm::{Kept, Owner};
use crate::caller::Caller;
use crate::capability::{AbortOnDrop, CallState, Stop};
use crate::limits::{HOST_CALL_MAX_BYTES, Limits, host_calls_max};

/// What is called within an instance.
pub(super) type Work<T> = Box<
    dyn for<'a> FnOnce(&'a mut Store<CallState>, &'a Instance) -> BoxFuture<'a, wasmtime::Result<T>>
        + Send,
>;

/// How wasmtime says, in words only, that a call brings out too much.
const TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";

impl Shared {
    /// Makes a call. Dropped, it ends the call and frees all that it holds.
    pub(super) async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        code: &Arc<Code>,
        mut caller: Caller,
        input_bytes: usize,
        work: Work<T>,
    ) -> Called<T> {
        if let Some(limits) = self.within(&caller.limits) {
            caller.limits = Arc::new(limits);
        }
        let max = caller.limits.input_bytes;
        if input_bytes > max {
            return Called::refused(CallError::Input { bytes: input_bytes, max });
        }
        let business = caller.business_id;
        let Some(member) = self.crowd.join(business, caller.limits.concurrent) else {
            return Called::refused(CallError::Busy);
        };
        let place = match self.places.ask(business, Instant::now()) {
            Way::Inside(place) => place,
            Way::Wait(place) => match timeout(caller.limits.wait, place).await {
                Ok(Ok(place)) => place,
                Ok(Err(_)) | Err(_) => return Called::refused(CallError::Busy),
            },
        };
        let span = tracing::debug_span!("plugin", name = %caller.plugin, %business,
            call = %caller.call_id);
        let (shared, run_code) = (Arc::clone(self), Arc::clone(code));
        let run = async move {
            let called = shared.run(&run_code, caller, work).await;
            drop((place, member));
            called
        };
        let mut run = Box::pin(AssertUnwindSafe(run.instrument(span)).catch_unwind());
        if code.record.is_short()
            && let Some(called) = (&mut run).now_or_never()
        {
            return called.unwrap_or_else(|_| Called::refused(CallError::Closed));
        }
        let mut task = AbortOnDrop(self.runtime.spawn(run));
        match (&mut task.0).await {
            Ok(Ok(called)) => called,
            Ok(Err(_)) | Err(_) => Called::refused(CallError::Closed),
        }
    }

    /// The caller's limits, but none over the sandbox's own; nothing where none is.
    fn within(&self, asked: &Limits) -> Option<Limits> {
        let own = &self.limits;
        let within = Limits {
            memory_bytes: asked.memory_bytes.min(own.memory_bytes),
            table_elements: asked.table_elements.min(own.table_elements),
            cpu: asked.cpu.min(own.cpu),
            wall: asked.wall.min(own.wall),
            wait: asked.wait.min(own.wait),
            stack_bytes: own.stack_bytes,
            input_bytes: asked.input_bytes.min(own.input_bytes),
            output_bytes: asked.output_bytes.min(own.output_bytes),
            log_lines: asked.log_lines.min(own.log_lines),
            concurrent: asked.concurrent.min(own.concurrent),
            keep_warm: asked.keep_warm,
            upload_bytes: own.upload_bytes,
        };
        (within != *asked).then_some(within)
    }

    async fn run<T: Send + 'static>(
        &self,
        code: &Code,
        caller: Caller,
        work: Work<T>,
    ) -> Called<T> {
        let limits = Arc::clone(&caller.limits);
        let (business, plugin) = (caller.business_id, caller.plugin_id);
        let owner = Owner { business, plugin, code: code.digest() };
        let started = Instant::now();
        let (mut store, instance, calls) = match self.waiting(&owner, &caller) {
            Some(Kept { mut store, instance, calls }) => {
                store.data_mut().begin_again(caller, started);
                (store, Some(instance), calls)
            }
            None => (self.store(caller, started), None, 0),
        };
        watch(&mut store, &limits);
        let cpu = Arc::clone(&store.data().cpu);
        let ended = {
            let all = pin!(async {
                let instance = match instance {
                    Some(instance) => instance,
                    None => code.pre.instantiate_async(&mut store).await?,
                };
                work(&mut store, &instance).await.map(|answer| (answer, instance))
            });
            let mut paced = Paced::new(all, Arc::clone(&cpu), Arc::clone(&self.turns), business);
            // Most calls end at once: a timer is for the others.
            match (&mut paced).now_or_never() {
                Some(ended) => Ok(ended),
                None => timeout_at((started + limits.wall).into(), paced).await,
            }
        };
        let wall = started.elapsed();
        let state = store.data_mut();
        let meter = CallMeter {
            cpu: cpu.spent(),
            wall,
            peak_bytes: state.bounds.peak,
            host_calls: state.host_calls(),
            lines: std::mem::take(&mut state.diary.lines),
            lines_lost: state.diary.lost,
        };
        code.record.note(meter.cpu);
        // Whatever did not end well never runs again.
        let result = match ended {
            Ok(Ok((answer, instance))) => {
                if limits.keep_warm && !state.bounds.is_hit && !state.bounds.is_crowded {
                    self.warm.give(owner, Kept { store, instance, calls: calls + 1 });
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(why(&error, state, &limits)),
            Err(_) => Err(CallError::Wall { limit: limits.wall }),
        };
        Called { result, meter }
    }

    /// An instance that waits for this call. Where memory is scarce, all that wait make room.
    fn waiting(&self, owner: &Owner, caller: &Caller) -> Option<Kept> {
        let limits = &caller.limits;
        let kept = if limits.keep_warm { self.warm.take(owner) } else { None };
        let kept = kept.filter(|kept| kept.store.data().is_for(caller));
        if kept.is_none() && self.memory.is_tight(owner.business, limits.memory_bytes) {
            self.warm.clear();
        }
        kept
    }

    fn store(&self, caller: Caller, started: Instant) -> Store<CallState> {
        let share = self.memory.share(caller.business_id);
        let state =
            CallState::new(caller, Arc::clone(&self.ports), self.home.clone(), share, started);
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.bounds);
        store.epoch_deadline_callback(|store| {
            let state = store.data();
            if state.cpu.spent() < state.caller.limits.cpu {
                Ok(UpdateDeadline::Yield(1))
            } else {
                Err(Stop::Cpu.into())
            }
        });
        store
    }
}

/// Has a store give up its turn at the next tick; there it ends when its time on a processor is over.
fn watch(store: &mut Store<CallState>, limits: &Limits) {
    store.set_hostcall_fuel(brought_out(limits));
    store.set_epoch_deadline(1);
}

/// Most bytes that one host call, or the answer, brings out of a guest. Lists weigh more there than here.
fn brought_out(limits: &Limits) -> usize {
    HOST_CALL_MAX_BYTES.max(limits.output_bytes.saturating_mul(2))
}

/// Why a call broke off.
fn why(error: &wasmtime::Error, state: &CallState, limits: &Limits) -> CallError {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Cpu) => return CallError::Cpu { limit: limits.cpu },
        Some(Stop::HostCalls(capability)) => {
            let (capability, max) = (*capability, host_calls_max(*capability));
            return CallError::HostCalls { capability, max };
        }
        Some(Stop::Denied(capability)) => return CallError::Denied(*capability),
        None => {}
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        return CallError::Stack;
    }
    if state.bounds.is_crowded {
        return CallError::Busy;
    }
    if state.bounds.is_hit {
        return CallError::Memory { max: limits.memory_bytes };
    }
    let cause = error.root_cause().to_string();
    if cause.contains(TOO_MUCH) {
        return CallError::Output { max: brought_out(limits) };
    }
    let note = cause.chars().take(NOTE_MAX_CHARS).collect();
    if trap.is_some() { CallError::Trap(note) } else { CallError::Invalid(note) }
}
