//! What a call of a plugin costs, beside the same call made with wasmtime alone; what an instance holds;
//! and how 10,000 installed plugins are served by a few hundred in memory.
//!
//! `cargo bench -p justping-plugins --bench calls [-- component.wasm …]` prints one JSON line a figure, and
//! some of each component that is named: so guests in any language are measured. Times are on a processor,
//! of all threads together, so that a machine that does other things shows the same; ratios say more. With
//! `EXTISM` set to the program that `benches/peers/extism` builds, it runs too, and is compared.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used, clippy::panic)]
#![allow(clippy::indexing_slicing, missing_docs, reason = "a bench tells its figures, or ends")]

#[path = "../src/tests/guest.rs"]
#[allow(dead_code)]
mod guest;

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cpu_time::ProcessTime;
use justping_core::memory::{ManualClock, MemoryStore};
use justping_core::model::{
    BusinessId, Capability, ConversationId, Grants, MessageId, PluginId, PluginQuota, Timestamp,
};
use justping_http::{OpenClient, Policy};
use justping_plugins::contract::{Message, hooks};
use justping_plugins::limits::UPLOAD_CEILING_BYTES;
use justping_plugins::{
    CacheConfig, CallMeter, Caller, Code, ComponentDigest, Export, Limits, LineSink, Messenger,
    MessengerError, PluginMessage, Ports, Sandbox, SandboxConfig,
};
use serde_json::json;
use uuid::Uuid;
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    StoreLimits, StoreLimitsBuilder, UpdateDeadline,
};

mod bare {
    #![allow(clippy::all, missing_debug_implementations, unreachable_pub)]
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        inline: "package justping:bench; world hook { export justping:plugin/hooks@0.1.0; }",
        world: "justping:bench/hook",
        exports: { default: async },
    });
}

/// Looks at a message and has it say its own content: a record of five texts in, one text out.
fn hook() -> Vec<u8> {
    let module = format!(
        r#"(module {}
          (func (export "justping:plugin/hooks@0.1.0#after-receive")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (i32.store8 (i32.const 64) (i32.const 0))
            (i32.store8 (i32.const 72) (i32.const 1))
            (i32.store (i32.const 76) (local.get 8))
            (i32.store (i32.const 80) (local.get 9))
            (i32.const 64))
          (func (export "justping:plugin/hooks@0.1.0#before-send") (param i32) (result i32)
            (unreachable)))"#,
        guest::PRELUDE
    );
    guest::component(&["hooks"], &module)
}

const TEXT: &str =
    "Hello, I would like to know when my order 4711 will arrive, thank you very much!";

fn message() -> Message {
    Message {
        id: "msg_01h455vb4pex5vsknk084sn02q".to_owned(),
        conversation_id: "conv_01h455vb4pex5vsknk084sn02q".to_owned(),
        channel: "whatsapp".to_owned(),
        text: TEXT.to_owned(),
        content: format!(r#"{{"type":"text","text":"{TEXT}"}}"#),
    }
}

fn caller(business: u128, capabilities: &[Capability]) -> Caller {
    let capabilities = capabilities.iter().copied().collect();
    Caller {
        business_id: BusinessId::from_uuid(Uuid::from_u128(business)),
        plugin_id: PluginId::from_uuid(Uuid::from_u128(1)),
        plugin: "bench".into(),
        grants: Arc::new(Grants { capabilities, ..Grants::default() }),
        config: "{}".into(),
        conversation_id: None,
        call_id: "call".to_owned(),
        now: Timestamp::UNIX_EPOCH,
        limits: Arc::new(Limits { wall: Duration::from_secs(60), ..Limits::default() }),
        quota: PluginQuota::default(),
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Messenger for Silent {
    async fn send(&self, _: PluginMessage) -> Result<MessageId, MessengerError> {
        pending().await
    }
}

fn sandbox(config: SandboxConfig) -> Sandbox {
    let store = Arc::new(MemoryStore::new());
    let ports = Ports {
        plugins: Arc::clone(&store) as _,
        contacts: Arc::clone(&store) as _,
        http: OpenClient::new(Policy::default()),
        messenger: Arc::new(Silent),
        clock: Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)),
        lines: LineSink::start(store as _),
    };
    Sandbox::new(config, ports).unwrap()
}

fn figure(name: &str, value: f64, unit: &str) {
    println!("{}", json!({"figure": name, "value": (value * 100.0).round() / 100.0, "unit": unit}));
}

fn resident_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default() * 4.0
}

/// Microseconds on a processor of one of many: the median of nine batches.
async fn micros<F: Future>(count: u32, mut work: impl FnMut() -> F) -> f64 {
    let mut batches = Vec::new();
    for _ in 0..10 {
        let begun = ProcessTime::now();
        for _ in 0..count {
            let _ = std::hint::black_box(work().await);
        }
        batches.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    // The first batch warms up.
    batches.remove(0);
    batches.sort_by(f64::total_cmp);
    batches[4]
}

struct Bare(StoreLimits);

/// wasmtime by itself, set as the sandbox sets it.
fn bare_engine() -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(256)
        .total_core_instances(1024)
        .total_memories(512)
        .total_tables(1024)
        .total_stacks(256)
        .max_memory_size(32 << 20)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .memory_reservation(32 << 20)
        .memory_guard_size(64 << 10)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

fn bare_store(engine: &Engine) -> Store<Bare> {
    let limits = StoreLimitsBuilder::new().memory_size(32 << 20).build();
    let mut store = Store::new(engine, Bare(limits));
    store.limiter(|bare| &mut bare.0);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    store
}

async fn beside_wasmtime() {
    let engine = bare_engine();
    let component = Component::new(&engine, hook()).unwrap();
    let linker = Linker::new(&engine);
    let pre = bare::HookPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
    let told = message();
    let told = bare::exports::justping::plugin::hooks::Message {
        id: told.id,
        conversation_id: told.conversation_id,
        channel: told.channel,
        text: told.text,
        content: told.content,
    };
    let told = &told;
    let mut store = bare_store(&engine);
    let instance = pre.instantiate_async(&mut store).await.unwrap();
    let mut batches = Vec::new();
    for _ in 0..10 {
        let begun = ProcessTime::now();
        for _ in 0..5_000 {
            let (hooks, told) = (instance.justping_plugin_hooks(), told.clone());
            let _ = hooks.call_after_receive(&mut store, &told).await.unwrap();
        }
        batches.push(begun.elapsed().as_secs_f64() * 1e6 / 5_000.0);
    }
    batches.sort_by(f64::total_cmp);
    let reused = batches[5];
    figure("wasmtime alone, the same instance again", reused, "us");
    let fresh = micros(3_000, || async {
        let mut store = bare_store(&engine);
        let instance = pre.instantiate_async(&mut store).await.unwrap();
        let (hooks, told) = (instance.justping_plugin_hooks(), told.clone());
        hooks.call_after_receive(&mut store, &told).await.unwrap().is_ok()
    })
    .await;
    figure("wasmtime alone, a fresh store and instance", fresh, "us");

    let sandbox = sandbox(SandboxConfig::default());
    let code = sandbox.load(hook()).await.unwrap();
    let ours = micros(3_000, || async {
        let called = sandbox.after_receive(&code, caller(1, &[]), message()).await;
        let verdict = called.result.unwrap();
        assert!(matches!(verdict, hooks::Verdict::Change(_)));
    })
    .await;
    figure("the sandbox, with limits, metering, turns and its own threads", ours, "us");
    figure("the sandbox beside a fresh instance of wasmtime", ours / fresh, "times");
    beside_extism(ours);

    let warm = Limits { wall: Duration::from_secs(60), keep_warm: true, ..Limits::default() };
    let warm = Arc::new(warm);
    let ours = micros(5_000, || async {
        let who = Caller { limits: Arc::clone(&warm), ..caller(1, &[]) };
        let called = sandbox.after_receive(&code, who, message()).await;
        assert!(called.result.is_ok());
    })
    .await;
    figure("the sandbox, kept warm", ours, "us");
    figure("the sandbox, kept warm, beside the same instance of wasmtime", ours / reused, "times");

    at_once(&sandbox, &code).await;
}

/// What extism says of itself, and how many of the sandbox's fresh calls it could have been.
fn beside_extism(ours: f64) {
    let Ok(program) = std::env::var("EXTISM") else { return };
    let told = std::process::Command::new(program).output().expect("extism's program runs");
    for line in String::from_utf8(told.stdout).unwrap().lines() {
        println!("{line}");
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["figure"] == "extism, a fresh instance" {
            let theirs = line["value"].as_f64().unwrap();
            figure("extism's fresh instance beside the sandbox's", theirs / ours, "times");
        }
    }
}

async fn at_once(sandbox: &Sandbox, code: &Arc<Code>) {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (sandbox, code) = (sandbox.clone(), Arc::clone(code));
        tasks.spawn(async move {
            for _ in 0..400 {
                let called = sandbox.after_receive(&code, caller(number, &[]), message()).await;
                assert!(called.result.is_ok());
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    figure("calls of 50 businesses at once", 20_000.0 / begun.elapsed().as_secs_f64(), "calls/s");
}

/// Median and 99th percentile of the time from call to answer, in milliseconds.
async fn waits(sandbox: &Sandbox, code: &Arc<Code>) -> (f64, f64) {
    let mut times = Vec::new();
    for _ in 0..3_000 {
        let begun = Instant::now();
        let called = sandbox.after_receive(code, caller(2, &[]), message()).await;
        assert!(called.result.is_ok());
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        // One that answers customers rests between two messages.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times.sort_by(f64::total_cmp);
    (times[1_500], times[2_970])
}

/// What one business notices of another whose plugin computes for ever, in forty calls at once.
async fn beside_spinning() {
    let sandbox = sandbox(SandboxConfig::default());
    let code = sandbox.load(hook()).await.unwrap();
    let spin = sandbox.load(guest::tool("", "(loop $l (br $l)) (unreachable)")).await.unwrap();
    let (p50, p99) = waits(&sandbox, &code).await;
    figure("a business alone: p50", p50, "ms");
    figure("a business alone: p99", p99, "ms");
    let mut spinning = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (sandbox, spin) = (sandbox.clone(), Arc::clone(&spin));
        spinning.spawn(async move {
            loop {
                let ask = justping_plugins::sandbox::ToolAsk {
                    contact_id: String::new(),
                    tool: String::new(),
                    arguments: "{}".to_owned(),
                };
                let who = Caller { limits: Arc::default(), ..caller(1, &[]) };
                assert!(sandbox.call_tool(&spin, who, ask).await.result.is_err());
            }
        });
    }
    let (p50, beside) = waits(&sandbox, &code).await;
    spinning.abort_all();
    figure("beside forty that spin: p50", p50, "ms");
    figure("beside forty that spin: p99", beside, "ms");
    figure("beside forty that spin: p99 beside that alone", beside / p99, "times");
    while spinning.join_next().await.is_some() {}
}

async fn held_by_an_instance() {
    let sandbox = sandbox(SandboxConfig::default());
    let send = r#"(import "justping:plugin/messaging@0.1.0" "send"
        (func $f (param i32 i32 i32 i32 i32 i32 i32)))"#;
    let wait = "(call $f (local.get $cp) (local.get $cl) (local.get $ap) (local.get $al)
        (local.get $tp) (local.get $tl) (i32.const 64)) (unreachable)";
    let code = sandbox.load(guest::tool(send, wait)).await.unwrap();
    let before = resident_kib();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200_u128 {
        let (sandbox, code) = (sandbox.clone(), Arc::clone(&code));
        let ask = justping_plugins::sandbox::ToolAsk {
            contact_id: ConversationId::from_uuid(Uuid::from_u128(number)).to_string(),
            tool: "key".to_owned(),
            arguments: r#"{"type":"text","text":"hi"}"#.to_owned(),
        };
        tasks.spawn(async move {
            let who = caller(number, &[Capability::Messaging]);
            sandbox.call_tool(&code, who, ask).await.result
        });
    }
    while sandbox.state().instances.unwrap_or(200) < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    figure(
        "memory of a call that waits for the platform",
        (resident_kib() - before) / 200.0,
        "KiB",
    );
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    while sandbox.state().instances.unwrap_or(0) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    figure("instances after 200 calls were dropped", 0.0, "instances");
}

/// A component with a number in it.
fn numbered(template: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = template.to_vec();
    let at = bytes.windows(10).position(|part| part == b"0000000000").expect("the number");
    bytes[at..at + 10].copy_from_slice(format!("{number:010}").as_bytes());
    bytes
}

async fn many_installed() {
    let count: u32 =
        std::env::var("PLUGINS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheConfig { folder: folder.path().to_owned(), key: None };
    let config = SandboxConfig { cache: Some(cache), ..SandboxConfig::default() };
    let module = guest::tool_module("", "(call $ok (i32.const 1000) (i32.const 10))").replacen(
        "(global $next",
        r#"(data (i32.const 1000) "0000000000") (global $next"#,
        1,
    );
    let template = guest::component(&["tools"], &module);
    figure("bytes of the guest", template.len() as f64, "B");
    let first = sandbox(config.clone());
    let begun = ProcessTime::now();
    for number in 0..count {
        drop(first.load(numbered(&template, number)).await.unwrap());
    }
    let each = begun.elapsed().as_secs_f64() * 1e3 / f64::from(count);
    figure("a look, a compile and a file of it", each, "ms");
    drop(first);

    let sandbox = sandbox(config);
    let digests: Vec<ComponentDigest> =
        (0..count).map(|number| ComponentDigest::of(&numbered(&template, number))).collect();
    let before = resident_kib();
    let mut state = 1_u64;
    let calls = 20_000;
    let begun = ProcessTime::now();
    for _ in 0..calls {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pick = (state >> 33) as usize % digests.len();
        let code = sandbox.open(digests[pick]).await.unwrap();
        let ask = justping_plugins::sandbox::ToolAsk {
            contact_id: String::new(),
            tool: String::new(),
            arguments: "{}".to_owned(),
        };
        let told = sandbox.call_tool(&code, caller(1, &[]), ask).await.result.unwrap();
        assert_eq!(told.parse::<usize>().unwrap(), pick);
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls);
    figure("a call of any of 10,000, most of them from disk", each, "us");
    figure("components in memory", sandbox.state().loaded as f64, "components");
    figure("memory that they take", (resident_kib() - before) / 1024.0, "MiB");
    let hot = sandbox.open(digests[0]).await.unwrap();
    let shelf = micros(5_000, || async { sandbox.open(hot.digest()).await.is_some() }).await;
    figure("finding one in memory", shelf, "us");
}

/// What the worst component that is taken costs to compile.
async fn worst_compile() {
    let sandbox = sandbox(SandboxConfig::default());
    let (locals, loops) = (1_990, 2_000);
    let sets: String = (0..locals)
        .map(|at| format!("(local.set {at} (i32.add (local.get {at}) (i32.const 1)))"))
        .collect();
    let nest = format!("{} {sets} {}", "(loop ".repeat(loops), ")".repeat(loops));
    let module = guest::tool_module("", "(unreachable)").replace(
        "(global $next",
        &format!("(func {} {nest}) (global $next", "(local i32)".repeat(locals)),
    );
    let (before, begun) = (resident_kib(), Instant::now());
    let loaded = sandbox.load(guest::component(&["tools"], &module)).await;
    figure("the worst nest that is taken: compile", begun.elapsed().as_secs_f64() * 1e3, "ms");
    figure("the worst nest that is taken: memory", (resident_kib() - before) / 1024.0, "MiB");
    println!("{}", json!({"taken": loaded.is_ok(), "why": loaded.err().map(|e| e.to_string())}));
}

/// What a component costs that was built elsewhere: to compile, to read from the cache, and to ask what it
/// is, by a fresh instance each time and by one that is kept warm.
async fn built_elsewhere(path: &str) {
    let name = std::path::Path::new(path).file_stem().unwrap().to_string_lossy().into_owned();
    let bytes = std::fs::read(path).unwrap();
    figure(&format!("{name}: size"), bytes.len() as f64 / 1024.0, "KiB");
    let folder = tempfile::tempdir().unwrap();
    let cache = CacheConfig { folder: folder.path().to_owned(), key: None };
    let mut limits = Limits { upload_bytes: UPLOAD_CEILING_BYTES, ..Limits::default() };
    limits.cpu = Duration::from_secs(5);
    let config = SandboxConfig { cache: Some(cache), limits, ..SandboxConfig::default() };
    let first = sandbox(config.clone());
    let begun = ProcessTime::now();
    let digest = first.load(bytes).await.unwrap().digest();
    figure(&format!("{name}: compile"), begun.elapsed().as_secs_f64() * 1e3, "ms");
    drop(first);
    let sandbox = sandbox(config);
    let begun = Instant::now();
    let code = sandbox.open(digest).await.unwrap();
    figure(&format!("{name}: load from the cache"), begun.elapsed().as_secs_f64() * 1e3, "ms");
    for (how, keep_warm) in [("fresh", false), ("kept warm", true)] {
        let limits = Arc::new(Limits { keep_warm, ..sandbox.limits().clone() });
        let peak = std::sync::atomic::AtomicUsize::new(0);
        let each = micros(30, || async {
            let who = Caller { limits: Arc::clone(&limits), ..caller(1, &[]) };
            let (is_ok, meter) = describe(&sandbox, &code, who).await;
            assert!(is_ok);
            peak.fetch_max(meter.peak_bytes, std::sync::atomic::Ordering::Relaxed);
        })
        .await;
        figure(&format!("{name}: a call, {how}"), each, "us");
        let peak = peak.into_inner() as f64 / 1024.0;
        figure(&format!("{name}: memory of a call, {how}"), peak, "KiB");
    }
}

async fn describe(sandbox: &Sandbox, code: &Arc<Code>, who: Caller) -> (bool, CallMeter) {
    if code.exports().contains(&Export::Nodes) {
        let called = sandbox.describe_nodes(code, who).await;
        return (called.result.is_ok(), called.meter);
    }
    if code.exports().contains(&Export::Tools) {
        let called = sandbox.describe_tools(code, who).await;
        return (called.result.is_ok(), called.meter);
    }
    if code.exports().contains(&Export::Hooks) {
        let called = sandbox.after_receive(code, who, message()).await;
        return (called.result.is_ok(), called.meter);
    }
    if code.exports().contains(&Export::Channels) {
        let called = sandbox.describe_channel(code, who).await;
        return (called.result.is_ok(), called.meter);
    }
    if code.exports().contains(&Export::Subscriber) {
        let called = sandbox.interests(code, who).await;
        return (called.result.is_ok(), called.meter);
    }
    let called = sandbox.describe_filters(code, who).await;
    (called.result.is_ok(), called.meter)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let named: Vec<_> = std::env::args().skip(1).filter(|word| word.ends_with(".wasm")).collect();
    for path in &named {
        built_elsewhere(path).await;
    }
    beside_wasmtime().await;
    beside_spinning().await;
    held_by_an_instance().await;
    many_installed().await;
    worst_compile().await;
}
