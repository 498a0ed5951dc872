//! Components that are not taken: each is refused with a typed error, and nothing of it runs.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use justping_http::Policy;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::guest::{echo, tool};
use super::hostile::hostile;
use super::{Bench, caller};
use crate::{Limits, LoadError, SandboxConfig};

fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

async fn refused(bench: &Bench, component: Vec<u8>) -> LoadError {
    bench.sandbox.load(component).await.unwrap_err()
}

#[tokio::test]
async fn what_is_not_of_the_contract_is_named() {
    let bench = Bench::new().await;
    let cases = [
        ("(module)", "core_module", "core module"),
        ("(component)", "no_exports", "exports nothing"),
        (
            r#"(component (import "justping:plugin/kv@0.2.0" (instance)))"#,
            "contract_version",
            "justping:plugin/kv@0.2.0",
        ),
        (
            r#"(component (import "justping:plugin/kv" (instance)))"#,
            "contract_version",
            "justping:plugin/kv",
        ),
        (
            r#"(component (instance $i) (export "justping:plugin/tools@9.0.0" (instance $i)))"#,
            "contract_version",
            "justping:plugin/tools@9.0.0",
        ),
        (
            r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#,
            "wasi_import",
            "wasi:cli/environment@0.2.0",
        ),
        (
            r#"(component (import "justping:plugin/shell@0.1.0" (instance)))"#,
            "unknown_import",
            "justping:plugin/shell@0.1.0",
        ),
        (r#"(component (import "run" (func)))"#, "unknown_import", "run"),
        (
            r#"(component (import "justping:plugin/log@0.1.0" (instance
                 (export "write" (func (param "x" u64)))))
               (instance $i) (export "justping:plugin/tools@0.1.0" (instance $i)))"#,
            "component_invalid",
            "log",
        ),
        (
            r#"(component (import "justping:plugin/log@0.1.0" (instance (export "erase" (func))))
               (instance $i) (export "justping:plugin/tools@0.1.0" (instance $i)))"#,
            "component_invalid",
            "erase",
        ),
        (
            r#"(component (instance $i) (export "justping:plugin/tools@0.1.0" (instance $i)))"#,
            "component_invalid",
            "export",
        ),
    ];
    for (text, code, word) in cases {
        let error = refused(&bench, parse(text)).await;
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let bench = Bench::new().await;
    for bytes in [&b""[..], b"\0", b"\0asm", b"PK\x03\x04 a zip", &[0xff; 4096]] {
        let error = refused(&bench, bytes.to_vec()).await;
        assert_eq!(error.code(), "component_malformed", "{error}");
    }
    let whole = echo();
    for len in (0..whole.len()).step_by(37) {
        let error = refused(&bench, whole[..len].to_vec()).await;
        let codes = ["component_malformed", "no_exports", "component_invalid"];
        assert!(codes.contains(&error.code()), "{len}: {error}");
    }
    assert!(bench.sandbox.load(whole).await.is_ok());
}

#[tokio::test]
async fn giants_are_refused_before_they_are_compiled() {
    let limits = Limits { upload_bytes: 4 << 20, ..Limits::default() };
    let config = SandboxConfig { limits, ..SandboxConfig::default() };
    let bench = Bench::with(config, Policy::default()).await;
    let error = refused(&bench, vec![0; (4 << 20) + 1]).await;
    assert!(matches!(error, LoadError::TooLarge { max: 4_194_304, .. }), "{error}");
    // Each would keep a compiler busy, or fill its memory.
    let long = format!("{} (unreachable)", "(drop (i32.const 1))".repeat(180_000));
    let long = tool("", &long);
    let many = super::guest::tool_module("", "(unreachable)")
        .replace("(global $next", &format!("{} (global $next", "(func)".repeat(61_000)));
    let many = super::guest::component(&["tools"], &many);
    let loops = format!(
        "{} {} {}",
        "(loop ".repeat(4_000),
        "(drop (i32.add (local.get $al) (i32.const 1)))",
        ")".repeat(4_000)
    );
    let locals: String = "(local i32)".repeat(2_000);
    let nest = super::guest::tool_module("", "(unreachable)").replace(
        "(global $next",
        &format!("(func (param $al i32) {locals} {loops}) (global $next"),
    );
    let nest = super::guest::component(&["tools"], &nest);
    let parts = format!("(component {})", "(core module)".repeat(300));
    let begun = Instant::now();
    for (name, bytes) in [("long", long), ("many", many), ("nest", nest), ("parts", parse(&parts))]
    {
        let error = refused(&bench, bytes).await;
        assert_eq!(error.code(), "component_too_complex", "{name}: {error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn the_compiler_takes_one_at_a_time_and_a_few_wait() {
    let bench = Arc::new(Bench::new().await);
    let loads = (0..40).map(|number| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            let body = format!("(call $dec (i64.const {number}))");
            bench.sandbox.load(tool("", &body)).await
        })
    });
    let loads: Vec<_> = loads.collect();
    let (mut taken, mut busy) = (0, 0);
    for load in loads {
        match load.await.unwrap() {
            Ok(_) => taken += 1,
            Err(LoadError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken >= 8, "{taken} taken, {busy} busy");
    assert_eq!(taken + busy, 40);
}

/// One sandbox for all that is tried, which must live through it.
struct Tried {
    runtime: Runtime,
    bench: Bench,
    seeds: Vec<Vec<u8>>,
}

static TRIED: LazyLock<Tried> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let config = SandboxConfig { loaded_max: 4, ..SandboxConfig::default() };
    let bench = runtime.block_on(Bench::with(config, Policy::default()));
    let names = ["break_off_everywhere", "kv_fill", "resource_forged", "output_folded"];
    let seeds = std::iter::once(echo()).chain(names.map(hostile)).collect();
    Tried { runtime, bench, seeds }
});

/// A change of a component.
#[derive(Debug, Clone)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        2 => (index(), any::<u8>()).prop_map(|(at, len)| Mutation::Cut(at, len)),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (index(), any::<u8>()).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        1 => index().prop_map(Mutation::Truncate),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: Mutation) {
    if bytes.is_empty() {
        return;
    }
    let span = |at: usize, len: u8, all: usize| at..(at + usize::from(len)).min(all);
    match mutation {
        Mutation::Set(at, byte) => *at.get_mut(bytes) = byte,
        Mutation::Cut(at, len) => drop(bytes.drain(span(at.index(bytes.len()), len, bytes.len()))),
        Mutation::Insert(at, new) => {
            let at = at.index(bytes.len());
            drop(bytes.splice(at..at, new));
        }
        Mutation::Repeat(at, len) => {
            let at = at.index(bytes.len());
            let part = bytes[span(at, len, bytes.len())].to_vec();
            drop(bytes.splice(at..at, part));
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Whatever is uploaded is taken or refused with a typed error; what is taken runs within limits.
    #[test]
    fn no_upload_breaks_the_sandbox(
        seed in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..8),
    ) {
        let tried = &*TRIED;
        let mut bytes = tried.seeds[seed.index(tried.seeds.len())].clone();
        for one in mutations {
            mutate(&mut bytes, one);
        }
        tried.runtime.block_on(async {
            match tried.bench.sandbox.load(bytes).await {
                Ok(code) => {
                    let called = tried.bench.ask(&code, caller(&[]), ["", "", "{}"]).await;
                    assert!(called.meter.peak_bytes <= tried.bench.sandbox.limits().memory_bytes);
                }
                Err(error) => assert!(!error.is_passing(), "{error}"),
            }
        });
    }

    #[test]
    fn no_bytes_break_the_sandbox(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let tried = &*TRIED;
        // Behind the head of a component the parser is in the midst of one.
        let headed = [&b"\0asm\x0d\0\x01\0"[..], &bytes].concat();
        tried.runtime.block_on(async {
            assert!(tried.bench.sandbox.load(bytes).await.is_err());
            assert!(tried.bench.sandbox.load(headed).await.is_err());
        });
    }
}
