//! Guests that misbehave on purpose: each ends with its own typed error, in time, and nobody notices.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use justping_core::model::{Capability, PluginQuota};
use justping_http::Policy;

use super::call::{context, freed};
use super::guest::{PRELUDE, component, component_of, echo};
use super::{Bench, caller};
use crate::contract::{Message, channels, nodes};
use crate::sandbox::{FilterAsk, ToolAsk};
use crate::{CallError, Called, Caller, Code, Limits, SandboxConfig};

/// How much more of a processor's time than its limit a call takes: a tick or two, and what the answer
/// costs. One of a few tries holds it, as other tests are on the same processors …
const OVER: Duration = Duration::from_millis(50);
const TRIES: usize = 5;
/// … and share their time with it: none ends later than this.
const SLACK: Duration = Duration::from_secs(4);

/// What is expected of a guest: an error's code, or an answer.
enum Ends {
    With(&'static str),
    Saying(&'static str),
}

use Ends::{Saying, With};

/// Every file of the folder.
const TABLE: &[(&str, Ends)] = &[
    ("break_off", With("trap")),
    ("break_off_everywhere", With("trap")),
    ("break_off_while_told", With("trap")),
    ("call_nothing", With("trap")),
    ("call_while_told", With("trap")),
    ("clock_flood", With("too_many_host_calls")),
    ("clock_probe", Saying("0")),
    ("contact_deep", Saying("11:")),
    ("divide_by_nothing", With("trap")),
    ("kv_answer_forged", With("invalid_output")),
    ("kv_fill", Saying("11:")),
    ("kv_flood", With("too_many_host_calls")),
    ("kv_forged", With("invalid_output")),
    ("kv_large", With("output_too_large")),
    ("kv_neighbour", Saying("00:")),
    ("log_flood", With("cpu_exceeded")),
    ("log_no_level", With("invalid_output")),
    ("log_not_text", With("invalid_output")),
    ("loop", With("cpu_exceeded")),
    ("loop_at_end", With("cpu_exceeded")),
    ("loop_at_start", With("cpu_exceeded")),
    ("loop_in_memory", With("cpu_exceeded")),
    ("memory_bomb", With("memory_exceeded")),
    ("memory_bomb_written", With("memory_exceeded")),
    ("memory_outside", With("invalid_output")),
    ("output_claimed", With("invalid_output")),
    ("output_crooked", With("invalid_output")),
    ("output_folded", With("output_too_large")),
    ("output_large", With("output_too_large")),
    ("output_no_case", With("invalid_output")),
    ("output_not_text", With("invalid_output")),
    ("output_outside", With("invalid_output")),
    ("random_probe", With("denied")),
    ("read_outside", With("trap")),
    ("recursion", With("stack_overflow")),
    ("resource_forged", With("invalid_output")),
    ("table_bomb", With("memory_exceeded")),
];

/// Refused before anything of it runs.
const NOT_LOADED: &[&str] = &["memory_claimed"];

const TOOL: &str = r#"
  (type $call (func (param i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32 i32 i32) (result i32)))
  (func (export "justping:plugin/tools@0.1.0#describe") (result i32) (i32.const 16))"#;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile")
}

/// Makes a component of a file of the folder.
pub(super) fn hostile(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.wat"))).unwrap();
    let module =
        text.replace("(@prelude)", PRELUDE).replace("(@tool)", TOOL).replace("(@tool_bare)", TOOL);
    match name {
        "break_off_everywhere" => {
            component(&["nodes", "tools", "hooks", "subscriber", "channels", "filters"], &module)
        }
        "resource_forged" => component_of(
            "export justping:plugin/tools@0.1.0; export mine: interface { resource thing {} }",
            &module,
        ),
        _ => component(&["tools"], &module),
    }
}

/// What hostile guests are granted: all but what some of them probe.
fn granted() -> Caller {
    let all = [Capability::Kv, Capability::ContactsWrite, Capability::Messaging];
    let quota = PluginQuota { keys: 100, bytes: 1 << 20 };
    Caller { quota, ..caller(&all) }
}

fn granted_for(name: &str) -> Caller {
    match name {
        "clock_flood" => caller(&[Capability::Clock]),
        // Writing all of 32 MiB may take longer than a call has.
        "memory_bomb_written" => {
            let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
            Caller { limits: Arc::new(limits), ..granted() }
        }
        _ => granted(),
    }
}

/// Calls a guest as its file is meant to be called.
async fn attack(bench: &Bench, name: &str, code: &Arc<Code>) -> Called<String> {
    let who = granted_for(name);
    match name {
        "output_folded" => {
            let tools = bench.sandbox.describe_tools(code, who).await;
            tools.map(|tools| format!("{} tools", tools.len()))
        }
        _ => bench.ask(code, who, ["", "tool", r#"{"a":1}"#]).await,
    }
}

fn check(name: &str, expected: &Ends, result: Result<String, CallError>) {
    match (expected, result) {
        (With(code), Err(error)) => assert_eq!(error.code(), *code, "{name}: {error}"),
        (Saying(words), Ok(told)) => assert_eq!(told, *words, "{name}"),
        (With(code), Ok(told)) => panic!("{name}: {told:?} instead of {code}"),
        (Saying(words), Err(error)) => panic!("{name}: {error} instead of {words:?}"),
    }
}

async fn plenty() -> Bench {
    Bench::with(SandboxConfig::default(), Policy::default()).await
}

#[test]
fn the_table_has_every_file() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|file| {
            file.unwrap().file_name().into_string().unwrap().strip_suffix(".wat").map(str::to_owned)
        })
        .collect();
    let rows = TABLE.iter().map(|(name, _)| *name).chain(NOT_LOADED.iter().copied());
    assert_eq!(files, rows.map(str::to_owned).collect());
}

#[tokio::test]
async fn each_ends_with_its_own_error_in_time() {
    let bench = plenty().await;
    for (name, expected) in TABLE {
        let code = bench.load(hostile(name)).await;
        let limit = bench.sandbox.limits().cpu;
        let mut tries = Vec::new();
        while tries.iter().all(|cpu| *cpu > limit + OVER) {
            assert!(tries.len() < TRIES, "{name} took {tries:?} of a processor");
            let begun = Instant::now();
            let called = attack(&bench, name, &code).await;
            let took = begun.elapsed();
            assert!(took < limit + SLACK, "{name} took {took:?}");
            check(name, expected, called.result);
            tries.push(called.meter.cpu);
        }
        println!("{name:<22} {tries:?}");
    }
    freed(&bench).await;
}

#[tokio::test]
async fn what_claims_too_much_memory_is_not_loaded() {
    let bench = plenty().await;
    for name in NOT_LOADED {
        let error = bench.sandbox.load(hostile(name)).await.unwrap_err();
        assert_eq!(error.code(), "component_invalid", "{error}");
    }
}

#[tokio::test]
async fn a_plugin_may_break_off_in_every_function() {
    let bench = plenty().await;
    let code = bench.load(hostile("break_off_everywhere")).await;
    assert_eq!(code.exports().len(), 6);
    let who = granted();
    let (sandbox, told) = (&bench.sandbox, context(&who));
    let message = Message {
        id: String::new(),
        conversation_id: String::new(),
        channel: "sms".to_owned(),
        text: "hi".to_owned(),
        content: "{}".to_owned(),
    };
    let webhook = channels::Webhook {
        method: "POST".to_owned(),
        query: vec![("a".to_owned(), "b".to_owned())],
        headers: Vec::new(),
        body: b"{}".to_vec(),
    };
    let outbound = channels::Outbound {
        to: "+49".to_owned(),
        content: "{}".to_owned(),
        reply_to: None,
        idempotency_key: "k".to_owned(),
    };
    let ask =
        ToolAsk { contact_id: String::new(), tool: "t".to_owned(), arguments: "{}".to_owned() };
    let filter =
        FilterAsk { filter: "f".to_owned(), value: "1".to_owned(), arguments: "[]".to_owned() };
    let contact = told.contact.clone();
    let timer = nodes::Event::Timer;
    let errors = [
        sandbox.describe_nodes(&code, who.clone()).await.result.err(),
        sandbox.enter_node(&code, who.clone(), told.clone()).await.result.err(),
        sandbox.resume_node(&code, who.clone(), told, timer).await.result.err(),
        sandbox.describe_tools(&code, who.clone()).await.result.err(),
        sandbox.call_tool(&code, who.clone(), ask).await.result.err(),
        sandbox.before_send(&code, who.clone(), message.clone(), contact).await.result.err(),
        sandbox.after_receive(&code, who.clone(), message).await.result.err(),
        sandbox.interests(&code, who.clone()).await.result.err(),
        sandbox.handle_events(&code, who.clone(), Vec::new()).await.result.err(),
        sandbox.describe_channel(&code, who.clone()).await.result.err(),
        sandbox.receive(&code, who.clone(), webhook).await.result.err(),
        sandbox.send(&code, who.clone(), outbound).await.result.err(),
        sandbox.describe_filters(&code, who.clone()).await.result.err(),
        sandbox.apply_filter(&code, who, filter).await.result.err(),
    ];
    for (at, error) in errors.iter().enumerate() {
        let code = error.as_ref().map(CallError::code);
        assert_eq!(code, Some("trap"), "function {at}: {error:?}");
    }
}

#[tokio::test]
async fn floods_leave_little_behind() {
    let bench = plenty().await;
    let log = bench.load(hostile("log_flood")).await;
    let called = bench.ask(&log, granted(), ["", "", ""]).await;
    assert_eq!(called.meter.lines.len(), 64);
    assert!(called.meter.lines_lost > 0);
    assert!(called.meter.lines.iter().all(|line| line.text.len() <= 1024));
    let fill = bench.load(hostile("kv_fill")).await;
    assert_eq!(bench.told(&fill, granted(), ["", "", ""]).await.unwrap(), "11:");
    let bomb = bench.load(hostile("memory_bomb_written")).await;
    let called = bench.ask(&bomb, granted(), ["", "", ""]).await;
    assert!(called.meter.peak_bytes <= bench.sandbox.limits().memory_bytes);
    assert!(called.meter.cpu <= bench.sandbox.limits().cpu + Duration::from_secs(1));
}

/// Bytes of this process that are in memory; `None` where that is not known.
pub(super) fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

/// Runs this test again in a process of its own, whose memory is nobody else's.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "JUSTPING_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let name = format!("tests::hostile::{test}");
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("1 passed"));
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_guest_goes_on_and_memory_stays_flat() {
    if !is_alone("a_good_guest_goes_on_and_memory_stays_flat") {
        return;
    }
    let bench = Arc::new(plenty().await);
    let good = bench.load(echo()).await;
    let mut codes = Vec::new();
    for (name, expected) in TABLE {
        codes.push((*name, expected, bench.load(hostile(name)).await));
    }
    let over = Arc::new(AtomicBool::new(false));
    let beside = tokio::spawn({
        let (bench, over) = (Arc::clone(&bench), Arc::clone(&over));
        async move {
            let mut calls = 0;
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let who = super::caller_of(2, 2, &[]);
                let told = bench.told(&good, who, ["", "", "\"hi\""]).await;
                assert_eq!(told.unwrap(), "\"hi\"");
                longest = longest.max(begun.elapsed());
                calls += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (calls, longest)
        }
    });
    let round = async || {
        for (name, expected, code) in &codes {
            let result = attack(&bench, name, code).await.result;
            if *name != "kv_fill" {
                check(name, expected, result);
            }
        }
    };
    round().await;
    let before = resident_bytes();
    for _ in 0..4 {
        round().await;
    }
    let after = resident_bytes();
    over.store(true, Ordering::Relaxed);
    let (calls, longest) = beside.await.unwrap();
    println!("{calls} good calls meanwhile, the longest {longest:?}; {before:?} → {after:?} bytes");
    assert!(calls > 50);
    assert!(longest < SLACK, "{longest:?}");
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after < before + (16 << 20), "{before} → {after}");
    }
    freed(&bench).await;
}
