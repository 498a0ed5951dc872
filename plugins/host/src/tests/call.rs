//! Loading and calling.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::FutureExt as _;
use justping_core::model::Capability;
use justping_http::Policy;

use super::guest::{component, echo, tool, tool_module};
use super::{Bench, caller};
use crate::contract::{filters, nodes};
use crate::sandbox::{FilterAsk, ShortCalls};
use crate::{
    CacheConfig, CallError, Caller, ComponentDigest, Export, Limits, LoadError, SandboxConfig,
};

#[tokio::test]
async fn a_guest_is_loaded_called_and_metered() {
    let bench = Bench::new().await;
    let code = bench.load(echo()).await;
    assert_eq!(code.exports(), &BTreeSet::from([Export::Tools]));
    assert!(code.is_pure());
    let called = bench.ask(&code, caller(&[]), ["", "echo", r#"{"a":"ä"}"#]).await;
    assert_eq!(called.result.unwrap(), r#"{"a":"ä"}"#);
    assert!(called.meter.cpu > Duration::ZERO);
    assert_eq!(called.meter.peak_bytes, 2 * 65_536);
    assert_eq!((called.meter.host_calls, called.meter.lines.len()), (0, 0));
}

#[tokio::test]
async fn what_is_not_exported_is_not_called() {
    let bench = Bench::new().await;
    let code = bench.load(echo()).await;
    let called = bench.sandbox.describe_nodes(&code, caller(&[])).await;
    assert!(matches!(called.result, Err(CallError::NotExported(Export::Nodes))));
}

/// Counts in a global: an instance that was used before would say more than 1.
const COUNTER: &str = "(global.set $count (i64.add (global.get $count) (i64.const 1)))
    (call $dec (global.get $count))";

#[tokio::test]
async fn each_call_finds_an_instance_as_new() {
    let bench = Bench::new().await;
    let counting = tool_module("(global $count (mut i64) (i64.const 0))", COUNTER);
    // Globals come after imports, of which there are none.
    let code = bench.load(component(&["tools"], &counting)).await;
    for _ in 0..3 {
        assert_eq!(bench.told(&code, caller(&[]), ["", "", ""]).await.unwrap(), "1");
    }
}

const NODE: &str = r#"(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $p i32)
    (local.set $p (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $p) (local.get 3)))
    (local.get $p))
  (data (i32.const 100) "{\22a\22:1}") (data (i32.const 120) "found") (data (i32.const 130) "late")
  (func (export "justping:plugin/nodes@0.1.0#describe") (result i32) (i32.const 64))
  ;; A step: no messages, the output {"a":1}, no contact, leave by "found".
  (func (export "justping:plugin/nodes@0.1.0#enter") (param i32) (result i32)
    (i32.store8 (i32.const 200) (i32.const 0))
    (i32.store8 (i32.const 216) (i32.const 1))
    (i32.store (i32.const 220) (i32.const 100)) (i32.store (i32.const 224) (i32.const 7))
    (i32.store (i32.const 248) (i32.const 120)) (i32.store (i32.const 252) (i32.const 5))
    (i32.const 200))
  ;; A failure with the code "late", to be tried again after 1500 ms.
  (func (export "justping:plugin/nodes@0.1.0#resume") (param i32) (result i32)
    (i32.store8 (i32.const 304) (i32.const 1))
    (i32.store (i32.const 312) (i32.const 130)) (i32.store (i32.const 316) (i32.const 4))
    (i32.store (i32.const 320) (i32.const 120)) (i32.store (i32.const 324) (i32.const 5))
    (i32.store8 (i32.const 328) (i32.const 1)) (i64.store (i32.const 336) (i64.const 1500))
    (i32.const 304)))"#;

pub(super) fn context(caller: &Caller) -> nodes::Context {
    let contact = crate::contract::Contact {
        id: "con_1".to_owned(),
        name: Some("Ann".to_owned()),
        address: None,
        channel: Some("webchat".to_owned()),
        fields: "{}".to_owned(),
        tags: vec!["vip".to_owned()],
        locale: None,
        time_zone: None,
    };
    nodes::Context {
        scope: caller.scope(),
        node: "lookup".to_owned(),
        config: "{}".to_owned(),
        contact,
        variables: "{}".to_owned(),
        last_text: "hi".to_owned(),
        memory: "null".to_owned(),
    }
}

#[tokio::test]
async fn a_node_gives_a_step_and_says_when_it_failed() {
    let bench = Bench::new().await;
    let code = bench.load(component(&["nodes"], NODE)).await;
    let who = caller(&[]);
    let told = context(&who);
    let step = bench.sandbox.enter_node(&code, who.clone(), told.clone()).await.result.unwrap();
    assert_eq!(step.output.as_deref(), Some(r#"{"a":1}"#));
    assert!(matches!(step.next, nodes::Next::Leave(exit) if exit == "found"));
    let late = bench.sandbox.resume_node(&code, who.clone(), told, nodes::Event::Timer).await;
    let error = late.result.unwrap_err();
    assert_eq!((error.code(), error.is_fault()), ("failed", false));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    assert!(bench.sandbox.describe_nodes(&code, who).await.result.unwrap().is_empty());
}

#[tokio::test]
async fn a_filter_has_no_capability_whatever_is_granted() {
    let bench = Bench::new().await;
    let module = format!(
        r#"(module
          (import "justping:plugin/random@0.1.0" "bytes" (func $bytes (param i32 i32)))
          {}
          (func (export "justping:plugin/filters@0.1.0#apply")
            (param i32 i32 i32 i32 i32 i32) (result i32)
            (call $bytes (i32.const 4) (i32.const 32))
            (call $ok (local.get 2) (local.get 3)))
          (func (export "justping:plugin/filters@0.1.0#describe") (result i32) (i32.const 16)))"#,
        super::guest::PRELUDE
    );
    let code = bench.load(component(&["filters"], &module)).await;
    let none: Vec<filters::Filter> =
        bench.sandbox.describe_filters(&code, caller(&[])).await.result.unwrap();
    assert!(none.is_empty());
    let ask =
        FilterAsk { filter: "upper".to_owned(), value: "1".to_owned(), arguments: "[]".to_owned() };
    let called = bench.sandbox.apply_filter(&code, caller(&[Capability::Random]), ask).await;
    assert!(matches!(called.result, Err(CallError::Denied(Capability::Random))));
}

#[tokio::test]
async fn input_and_output_are_bounded() {
    let bench = Bench::new().await;
    let code = bench.load(echo()).await;
    let limits = Limits { input_bytes: 1_000, output_bytes: 500, ..Limits::default() };
    let who = Caller { limits: Arc::new(limits), ..caller(&[]) };
    let long = "x".repeat(600);
    let error = bench.told(&code, who.clone(), ["", "", &long]).await.unwrap_err();
    assert!(matches!(error, CallError::Output { max: 500 }), "{error}");
    let longer = "x".repeat(2_000);
    let error = bench.told(&code, who, ["", "", &longer]).await.unwrap_err();
    assert!(matches!(error, CallError::Input { max: 1_000, .. }), "{error}");
    // No call may have more than the sandbox allows, whatever it asks for.
    let limits = Limits { input_bytes: usize::MAX, ..Limits::default() };
    let who = Caller { limits: Arc::new(limits), ..caller(&[]) };
    let huge = "x".repeat(300 * 1024);
    let error = bench.told(&code, who, ["", "", &huge]).await.unwrap_err();
    assert_eq!(error.code(), "input_too_large");
}

#[tokio::test]
async fn who_was_short_before_begins_at_once_and_is_moved_when_it_is_not() {
    let long = Duration::from_secs(60);
    let limits = Limits { cpu: long, wall: long, ..Limits::default() };
    let short_calls = ShortCalls { cpu: long, after: 2 };
    let config = SandboxConfig { limits: limits.clone(), short_calls, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let who = Caller { limits: Arc::new(limits), ..caller(&[]) };
    // Computes for ever when it is told anything.
    let body = "(loop $l (br_if $l (local.get $al))) (call $ok (local.get $ap) (local.get $al))";
    let code = bench.load(tool("", body)).await;
    for _ in 0..2 {
        bench.told(&code, who.clone(), ["", "", ""]).await.unwrap();
    }
    let told = bench.told(&code, who.clone(), ["", "", ""]).now_or_never();
    assert_eq!(told.expect("it never left this thread").unwrap(), "");
    // This returns: the guest is stopped here at the next tick, and goes on elsewhere until it is dropped.
    assert!(bench.told(&code, who.clone(), ["", "", "x"]).now_or_never().is_none());
    freed(&bench).await;
    let limits = Limits { cpu: Duration::from_millis(50), ..Limits::default() };
    let who = Caller { limits: Arc::new(limits), ..who };
    let error = bench.told(&code, who, ["", "", "x"]).await.unwrap_err();
    assert_eq!(error.code(), "cpu_exceeded");
}

#[tokio::test]
async fn waiting_costs_no_time_on_a_processor_but_ends() {
    let server = wiremock::MockServer::start().await;
    let never = wiremock::ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    wiremock::Mock::given(wiremock::matchers::any()).respond_with(never).mount(&server).await;
    let policy = Policy { except: vec![*server.address()], ..Policy::default() };
    let slow = Bench::with(SandboxConfig::default(), policy).await;
    let code = slow.load(super::capability::http_guest()).await;
    let limits = Limits { wall: Duration::from_millis(300), ..Limits::default() };
    let mut who = super::capability::with_hosts(caller(&[Capability::Http]), &[&server.uri()]);
    who.limits = Arc::new(limits);
    let begun = Instant::now();
    // The request ends shortly before the call does, so that the guest can still say so.
    let called = slow.ask(&code, who.clone(), ["", &server.uri(), ""]).await;
    assert_eq!(called.result.unwrap(), "12:");
    assert!(called.meter.cpu < Duration::from_millis(50), "{:?}", called.meter.cpu);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_dropped_call_frees_everything() {
    let minute = Duration::from_secs(60);
    let limits = Limits { cpu: minute, wall: minute, ..Limits::default() };
    let config = SandboxConfig { limits: limits.clone(), ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let spin = bench.load(tool("", "(loop $l (br $l)) (unreachable)")).await;
    let who = Caller { limits: Arc::new(limits), ..caller(&[]) };
    let call = bench.told(&spin, who, ["", "", ""]);
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    freed(&bench).await;
}

/// Waits until nothing is alive in a sandbox.
pub(super) async fn freed(bench: &Bench) {
    let begun = Instant::now();
    loop {
        let state = bench.sandbox.state();
        if state.calls == 0 && state.instances.unwrap_or_default() == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{state:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn components_are_compiled_once_and_kept_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheConfig { folder: folder.path().join("aot"), key: None };
    let config = SandboxConfig { cache: Some(cache), ..SandboxConfig::default() };
    let digest = ComponentDigest::of(&echo());
    let bench = Bench::with(config.clone(), Policy::default()).await;
    assert!(bench.sandbox.open(digest).await.is_none());
    let code = bench.load(echo()).await;
    assert!(Arc::ptr_eq(&code, &bench.load(echo()).await));

    let again = Bench::with(config.clone(), Policy::default()).await;
    let found = again.sandbox.open(digest).await.expect("it is on disk");
    assert_eq!(found.exports(), code.exports());
    assert_eq!(again.told(&found, caller(&[]), ["", "", "\"hi\""]).await.unwrap(), "\"hi\"");

    // A damaged file counts as none, and so does one of another key.
    let file = folder.path().join("aot").join(format!("{digest}.aot"));
    let whole = std::fs::read(&file).unwrap();
    for at in [0, 9, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        let third = Bench::with(config.clone(), Policy::default()).await;
        assert!(third.sandbox.open(digest).await.is_none(), "byte {at}");
    }
    for len in [0, 4, 20, 40, whole.len() - 1] {
        std::fs::write(&file, &whole[..len]).unwrap();
        let third = Bench::with(config.clone(), Policy::default()).await;
        assert!(third.sandbox.open(digest).await.is_none(), "{len} bytes");
    }
    std::fs::write(&file, &whole).unwrap();
    let cache = CacheConfig { folder: folder.path().join("aot"), key: Some([7; 32]) };
    let foreign = SandboxConfig { cache: Some(cache), ..SandboxConfig::default() };
    let foreign = Bench::with(foreign, Policy::default()).await;
    assert!(foreign.sandbox.open(digest).await.is_none());
    // Another machine: its code would not be the same.
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let other = SandboxConfig { limits, ..config.clone() };
    let other = Bench::with(other, Policy::default()).await;
    assert!(other.sandbox.open(digest).await.is_none());
    // It is compiled anew, and kept anew.
    std::fs::write(&file, b"nonsense").unwrap();
    let fifth = Bench::with(config.clone(), Policy::default()).await;
    fifth.load(echo()).await;
    assert!(Bench::with(config, Policy::default()).await.sandbox.open(digest).await.is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn the_cache_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aot");
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    let cache = CacheConfig { folder: path.clone(), key: None };
    let config = SandboxConfig { cache: Some(cache), ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    bench.load(echo()).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in std::fs::read_dir(&path).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn the_shelf_is_bounded_and_what_is_put_away_still_runs() {
    let config = SandboxConfig { loaded_max: 2, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let mut codes = Vec::new();
    for number in 0..4 {
        let text = format!("(call $dec (i64.const {number}))");
        codes.push(bench.load(tool("", &text)).await);
    }
    assert_eq!(bench.sandbox.state().loaded, 2);
    for (number, code) in codes.iter().enumerate() {
        let told = bench.told(code, caller(&[]), ["", "", ""]).await;
        assert_eq!(told.unwrap(), number.to_string());
    }
    assert!(bench.sandbox.open(codes[0].digest()).await.is_none());
    assert!(bench.sandbox.open(codes[3].digest()).await.is_some());
}

#[tokio::test]
async fn a_compile_that_takes_too_long_is_refused_and_kept_when_done() {
    let config = SandboxConfig { compile_max: Duration::ZERO, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let error = bench.sandbox.load(echo()).await.unwrap_err();
    assert!(matches!(error, LoadError::TooSlow { .. }), "{error}");
    let begun = Instant::now();
    while bench.sandbox.open(ComponentDigest::of(&echo())).await.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_sandbox_needs_a_runtime_of_the_platform() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::new());
    let ports = bench.sandbox.ports().clone();
    let error = crate::Sandbox::new(SandboxConfig::default(), ports).unwrap_err();
    assert!(matches!(error, crate::sandbox::StartError::NoRuntime));
}

#[cfg(unix)]
#[tokio::test]
async fn the_cache_forgets_what_nobody_loads() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheConfig { folder: folder.path().to_owned(), key: None };
    let config = SandboxConfig { cache: Some(cache), ..SandboxConfig::default() };
    let bench = Bench::with(config.clone(), Policy::default()).await;
    let (old, used) = (bench.load(echo()).await, bench.load(tool("", SEVEN)).await);
    let leftover = folder.path().join("x.new");
    std::fs::write(&leftover, b"half").unwrap();
    let days = |days: u64| std::time::SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    let path = |code: &crate::Code| folder.path().join(format!("{}.aot", code.digest()));
    let set_age = |path: &std::path::Path, age: u64| {
        let file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.set_modified(days(age)).unwrap();
    };
    set_age(&path(&old), 91);
    set_age(&path(&used), 80);
    set_age(&leftover, 1);
    // Loaded, it is young again.
    let again = Bench::with(config.clone(), Policy::default()).await;
    assert!(again.sandbox.open(used.digest()).await.is_some());
    assert!(again.sandbox.open(old.digest()).await.is_none());
    assert!(path(&used).metadata().unwrap().modified().unwrap() > days(1));
    assert!(!leftover.exists() && !path(&old).exists());
}

const SEVEN: &str = "(call $dec (i64.const 7))";

#[tokio::test]
async fn all_guests_together_hold_so_much_memory() {
    let config = SandboxConfig { memory_total_bytes: 8 << 20, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let grow = "(if (result i32) (i32.eq (memory.grow (local.get $tl)) (i32.const -1))
        (then (unreachable)) (else (call $ok (local.get $ap) (local.get $al))))";
    let code = bench.load(tool("", grow)).await;
    // Two pages are there, 64 make 4 MiB, which is a half.
    let told = bench.told(&code, caller(&[]), ["", &"x".repeat(62), "1"]).await;
    assert_eq!(told.unwrap(), "1");
    let error = bench.told(&code, caller(&[]), ["", &"x".repeat(63), "1"]).await.unwrap_err();
    assert!(matches!(error, CallError::Busy), "{error}");
    let told = bench.told(&code, caller(&[]), ["", &"x".repeat(62), "1"]).await;
    assert_eq!(told.unwrap(), "1");
}

#[tokio::test]
async fn without_room_for_a_pool_instances_are_made_when_needed() {
    let limits = Limits { memory_bytes: 4 << 30, ..Limits::default() };
    let config = SandboxConfig { limits, calls_max: 60_000, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    assert_eq!(bench.sandbox.state().instances, None);
    let code = bench.load(echo()).await;
    assert_eq!(bench.told(&code, caller(&[]), ["", "", "1"]).await.unwrap(), "1");
    let spin = bench.load(tool("", "(loop $l (br $l)) (unreachable)")).await;
    let error = bench.told(&spin, caller(&[]), ["", "", ""]).await.unwrap_err();
    assert_eq!(error.code(), "cpu_exceeded");
}
