//! Instances that wait for the next call of the same release of the same plugin of the same business.
//!
//! Only a plugin that asks for it is kept so: what one call leaves in its memory the next one finds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use justping_core::model::{BusinessId, PluginId};
use wasmtime::Store;
use wasmtime::component::Instance;

use super::code::ComponentDigest;
use crate::capability::CallState;

/// Most instances that wait.
pub const WARM_MAX: usize = 32;
/// Most of them of one plugin of a business.
pub const WARM_EACH_MAX: usize = 4;
/// Calls after which an instance is replaced.
pub const WARM_CALLS_MAX: u32 = 1_000;
/// Longest time that an instance waits.
pub const WARM_IDLE_MAX: Duration = Duration::from_secs(30);

/// Whose instance it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) business: BusinessId,
    pub(super) plugin: PluginId,
    pub(super) code: ComponentDigest,
}

/// An instance between two calls.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) store: Store<CallState>,
    pub(super) instance: Instance,
    /// The calls that it served.
    pub(super) calls: u32,
}

/// Those that wait, who waits longest first. They are few: looking through all of them is cheap.
#[derive(Debug)]
pub(super) struct Warm {
    max: usize,
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    owner: Owner,
    since: Instant,
    kept: Kept,
}

impl Warm {
    pub(super) fn new(max: usize) -> Self {
        Self { max, waiting: Mutex::default() }
    }

    /// The one that served last: its memory is the likeliest to be near.
    pub(super) fn take(&self, owner: &Owner) -> Option<Kept> {
        let mut waiting = self.waiting();
        let place = waiting.iter().rposition(|one| one.owner == *owner)?;
        waiting.remove(place).map(|one| one.kept)
    }

    /// Has an instance wait, in the place of another one where there is none left.
    pub(super) fn give(&self, owner: Owner, kept: Kept) {
        if kept.calls >= WARM_CALLS_MAX || self.max == 0 {
            return;
        }
        let mut waiting = self.waiting();
        let own = waiting.iter().filter(|one| one.owner == owner).count();
        let surplus = match own < WARM_EACH_MAX {
            true if waiting.len() < self.max => None,
            true => Some(0),
            false => waiting.iter().position(|one| one.owner == owner),
        };
        let gone = surplus.and_then(|place| waiting.remove(place));
        waiting.push_back(Waiting { owner, since: Instant::now(), kept });
        drop(waiting);
        drop(gone);
    }

    /// Lets go of those that have waited for too long.
    pub(super) fn sweep(&self, now: Instant) {
        let mut waiting = self.waiting();
        let is_old = |one: &Waiting| now.saturating_duration_since(one.since) >= WARM_IDLE_MAX;
        let old = waiting.partition_point(is_old);
        let gone: Vec<_> = waiting.drain(..old).collect();
        drop(waiting);
        drop(gone);
    }

    /// Lets go of all.
    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut *self.waiting());
        drop(gone);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use justping_core::model::Capability;
    use justping_http::Policy;

    use super::*;
    use crate::tests::guest::{component, tool_module};
    use crate::tests::{Bench, caller, caller_of};
    use crate::{CallError, Caller, Code, Limits, SandboxConfig};

    /// Counts its calls; traps when it is told one byte, and computes for ever when it is told two.
    const COUNTER: &str = "(global.set $count (i64.add (global.get $count) (i64.const 1)))
        (if (i32.eq (local.get $al) (i32.const 1)) (then (unreachable)))
        (loop $l (br_if $l (i32.eq (local.get $al) (i32.const 2))))
        (call $dec (global.get $count))";

    async fn counter(bench: &Bench) -> Arc<Code> {
        let module = tool_module("(global $count (mut i64) (i64.const 0))", COUNTER);
        bench.load(component(&["tools"], &module)).await
    }

    fn warm(caller: Caller) -> Caller {
        let limits = Limits { keep_warm: true, ..Limits::default() };
        Caller { limits: Arc::new(limits), ..caller }
    }

    async fn count(bench: &Bench, code: &Arc<Code>, who: Caller) -> String {
        bench.told(code, who, ["", "", ""]).await.unwrap()
    }

    #[tokio::test]
    async fn an_instance_serves_one_plugin_of_one_business_and_only_where_asked() {
        let bench = Bench::new().await;
        let code = counter(&bench).await;
        for n in ["1", "2", "3"] {
            assert_eq!(count(&bench, &code, warm(caller(&[]))).await, n);
        }
        assert_eq!(bench.sandbox.state().warm, 1);
        for other in [warm(caller_of(2, 1, &[])), warm(caller_of(1, 2, &[])), caller(&[])] {
            assert_eq!(count(&bench, &code, other).await, "1");
        }
        assert_eq!(count(&bench, &code, warm(caller(&[]))).await, "4");
        let state = bench.sandbox.state();
        assert_eq!((state.warm, state.instances.unwrap_or(3)), (3, 3));
    }

    #[tokio::test]
    async fn what_did_not_end_well_never_runs_again() {
        let bench = Bench::new().await;
        let code = counter(&bench).await;
        for (told, error) in [("x", "trap"), ("xx", "cpu_exceeded")] {
            assert_eq!(count(&bench, &code, warm(caller(&[]))).await, "1");
            let broken = bench.told(&code, warm(caller(&[])), ["", "", told]).await;
            assert_eq!(broken.unwrap_err().code(), error);
            assert_eq!(bench.sandbox.state().warm, 0);
        }
        assert_eq!(count(&bench, &code, warm(caller(&[]))).await, "1");
    }

    #[tokio::test]
    async fn each_call_has_limits_lines_and_counts_of_its_own() {
        let import = r#"(import "justping:plugin/random@0.1.0" "bytes"
            (func $bytes (param i32 i32)))"#;
        let body = "(loop $l (call $bytes (i32.const 8) (i32.const 64))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 60))))
            (call $ok (local.get $ap) (local.get $al))";
        let bench = Bench::new().await;
        let code = bench.load(component(&["tools"], &tool_module(import, body))).await;
        // Twice 60 would be more than one call may make.
        for _ in 0..3 {
            let who = warm(caller(&[Capability::Random]));
            let called = bench.ask(&code, who, ["", "", "1"]).await;
            assert_eq!(called.result.unwrap(), "1");
            assert_eq!((called.meter.host_calls, called.meter.lines.len()), (60, 0));
            assert_eq!(called.meter.peak_bytes, 2 * 65_536);
        }
        // What was remembered under another grant, or configuration, is not found.
        let denied = bench.ask(&code, warm(caller(&[])), ["", "", "1"]).await;
        assert!(matches!(denied.result, Err(CallError::Denied(Capability::Random))));
        assert_eq!(denied.meter.lines.len(), 1);
        // One that holds more than the next call may is not used.
        assert_eq!(bench.sandbox.state().warm, 0);
        let who = warm(caller(&[Capability::Random]));
        bench.told(&code, who.clone(), ["", "", "1"]).await.unwrap();
        let limits = Limits { memory_bytes: 65_536, ..Limits::clone(&who.limits) };
        let error = bench.told(&code, Caller { limits: Arc::new(limits), ..who }, ["", "", "1"]);
        assert!(matches!(error.await, Err(CallError::Memory { .. })));
    }

    #[tokio::test]
    async fn nothing_is_remembered_over_another_configuration_or_grant() {
        let bench = Bench::new().await;
        let code = counter(&bench).await;
        let who = warm(caller(&[Capability::Random]));
        assert_eq!(count(&bench, &code, who.clone()).await, "1");
        let configured = Caller { config: r#"{"greeting":"hi"}"#.into(), ..who.clone() };
        assert_eq!(count(&bench, &code, configured.clone()).await, "1");
        assert_eq!(count(&bench, &code, configured.clone()).await, "2");
        let withdrawn = Caller { grants: Arc::default(), ..configured };
        assert_eq!(count(&bench, &code, withdrawn).await, "1");
    }

    #[tokio::test]
    async fn those_that_wait_are_few_and_do_not_wait_for_long() {
        let config = SandboxConfig { warm_max: 2, ..SandboxConfig::default() };
        let bench = Bench::with(config, Policy::default()).await;
        let code = counter(&bench).await;
        for of in 1..=3 {
            assert_eq!(count(&bench, &code, warm(caller_of(of, 1, &[]))).await, "1");
        }
        assert_eq!(bench.sandbox.state().warm, 2);
        assert_eq!(count(&bench, &code, warm(caller_of(3, 1, &[]))).await, "2");
        assert_eq!(count(&bench, &code, warm(caller_of(1, 1, &[]))).await, "1", "it made room");
        let waiting = &bench.sandbox.shared.warm;
        waiting.sweep(Instant::now());
        assert_eq!(waiting.len(), 2);
        waiting.sweep(Instant::now() + WARM_IDLE_MAX);
        assert_eq!(bench.sandbox.state().instances.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn they_make_room_where_memory_is_scarce() {
        let need = Limits::default().memory_bytes;
        // A half of it is one call's.
        let config = SandboxConfig { memory_total_bytes: 2 * need, ..SandboxConfig::default() };
        let bench = Bench::with(config, Policy::default()).await;
        let code = counter(&bench).await;
        assert_eq!(count(&bench, &code, warm(caller(&[]))).await, "1");
        assert_eq!(count(&bench, &code, warm(caller_of(1, 2, &[]))).await, "1");
        assert_eq!(bench.sandbox.state().warm, 1);
        assert_eq!(count(&bench, &code, warm(caller(&[]))).await, "1");
    }

    #[tokio::test]
    async fn an_instance_is_replaced_after_so_many_calls() {
        let bench = Bench::new().await;
        let code = counter(&bench).await;
        for n in 1..=WARM_CALLS_MAX {
            assert_eq!(count(&bench, &code, warm(caller(&[]))).await, n.to_string());
        }
        assert_eq!(count(&bench, &code, warm(caller(&[]))).await, "1");
    }
}
