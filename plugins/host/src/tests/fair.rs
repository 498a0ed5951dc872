//! Many businesses at once: each gets its turn, whatever the others do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use justping_http::Policy;
use tokio::task::JoinSet;

use super::call::freed;
use super::guest::{echo, tool};
use super::{Bench, caller_of};
use crate::{CallError, Limits, SandboxConfig};

const SPIN: &str = "(loop $l (br $l)) (unreachable)";
/// Computes for about 2 ms, more where tests are slow.
const WORK: &str = "(loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $l (i32.lt_u (local.get $i) (i32.const 2000000)))) (call $ok (local.get $ap) (local.get $al))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_calls_of_fifty_businesses_all_end() {
    let limits = Limits { wait: Duration::from_secs(60), ..Limits::default() };
    let config = SandboxConfig { limits: limits.clone(), ..SandboxConfig::default() };
    let bench = Arc::new(Bench::with(config, Policy::default()).await);
    let code = bench.load(tool("", WORK)).await;
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..2_000_u128 {
        let (bench, code) = (Arc::clone(&bench), Arc::clone(&code));
        let mut who = caller_of(number % 50, 1, &[]);
        who.limits = Arc::new(Limits { wall: Duration::from_secs(60), ..limits.clone() });
        calls.spawn(async move {
            let told = bench.told(&code, who, ["", "", "\"x\""]).await.unwrap();
            (number % 50, told, begun.elapsed())
        });
    }
    let mut ends = vec![Vec::new(); 50];
    while let Some(end) = calls.join_next().await {
        let (business, told, at) = end.unwrap();
        assert_eq!(told, "\"x\"");
        ends[usize::try_from(business).unwrap()].push(at);
    }
    assert!(ends.iter().all(|ends| ends.len() == 40));
    // Nobody is served last: all businesses end at about the same time.
    let mut halves: Vec<Duration> = ends
        .iter_mut()
        .map(|ends| {
            ends.sort();
            ends[20]
        })
        .collect();
    halves.sort();
    println!(
        "the half of each: first {:?}, last {:?}; all {:?}",
        halves[0],
        halves[49],
        begun.elapsed()
    );
    assert!(halves[49] < halves[0] * 4 + Duration::from_millis(200), "{halves:?}");
    freed(&bench).await;
}

#[tokio::test]
async fn a_business_has_so_many_calls_at_once() {
    let bench = Arc::new(Bench::new().await);
    let spin = bench.load(tool("", SPIN)).await;
    let good = bench.load(echo()).await;
    let calls = (0..110).map(|_| {
        let (bench, spin) = (Arc::clone(&bench), Arc::clone(&spin));
        async move { bench.told(&spin, caller_of(1, 1, &[]), ["", "", ""]).await.unwrap_err() }
    });
    let mut calls = JoinSet::from_iter(calls);
    let mut busy = 0;
    let mut asked = false;
    while let Some(error) = calls.join_next().await {
        match error.unwrap() {
            CallError::Busy => busy += 1,
            CallError::Cpu { .. } | CallError::Wall { .. } => {
                if !asked {
                    // Another business does not notice.
                    asked = true;
                    let told = bench.told(&good, caller_of(2, 1, &[]), ["", "", "1"]).await;
                    assert_eq!(told.unwrap(), "1");
                }
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(busy, 10);
    freed(&bench).await;
}

#[tokio::test]
async fn who_waits_too_long_is_told_that_it_is_busy() {
    let limits = Limits {
        wait: Duration::from_millis(50),
        cpu: Duration::from_secs(30),
        wall: Duration::from_secs(30),
        ..Limits::default()
    };
    let config = SandboxConfig { limits: limits.clone(), calls_max: 1, ..SandboxConfig::default() };
    let bench = Arc::new(Bench::with(config, Policy::default()).await);
    let spin = bench.load(tool("", SPIN)).await;
    let mut who = caller_of(1, 1, &[]);
    who.limits = Arc::new(limits);
    let holder = tokio::spawn({
        let (bench, spin, who) = (Arc::clone(&bench), Arc::clone(&spin), who.clone());
        async move { bench.told(&spin, who, ["", "", ""]).await }
    });
    while bench.sandbox.state().calls == 0 {
        tokio::task::yield_now().await;
    }
    let error = bench.told(&spin, who, ["", "", ""]).await.unwrap_err();
    assert!(matches!(error, CallError::Busy), "{error}");
    holder.abort();
    freed(&bench).await;
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

async fn good_calls(bench: &Bench, count: usize) -> Vec<Duration> {
    let code = bench.load(echo()).await;
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        bench.told(&code, caller_of(2, 1, &[]), ["", "", "1"]).await.unwrap();
        times.push(begun.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spinning_business_delays_others_by_a_tick() {
    let bench = Arc::new(Bench::new().await);
    let spin = bench.load(tool("", SPIN)).await;
    let mut alone = good_calls(&bench, 300).await;
    let mut spinning = JoinSet::new();
    for _ in 0..40 {
        let (bench, spin) = (Arc::clone(&bench), Arc::clone(&spin));
        spinning.spawn(async move {
            loop {
                let error = bench.told(&spin, caller_of(1, 1, &[]), ["", "", ""]).await;
                assert!(error.is_err());
            }
        });
    }
    let mut beside = good_calls(&bench, 300).await;
    spinning.abort_all();
    let (alone, beside) = (p99(&mut alone), p99(&mut beside));
    println!("p99 alone {alone:?}, beside 40 that spin {beside:?}");
    // The processors are shared with other tests; alone it is a tick or two.
    assert!(beside < alone * 4 + Duration::from_millis(500), "{alone:?} {beside:?}");
    while spinning.join_next().await.is_some() {}
    freed(&bench).await;
}

#[tokio::test]
async fn the_platform_does_not_feel_a_spinning_guest() {
    // One thread of the platform; guests have theirs.
    let bench = Arc::new(Bench::new().await);
    let spin = bench.load(tool("", SPIN)).await;
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (bench, spin) = (Arc::clone(&bench), Arc::clone(&spin));
        calls.spawn(async move { bench.told(&spin, caller_of(1, 1, &[]), ["", "", ""]).await });
    }
    let mut longest = Duration::ZERO;
    let mut beats = 0;
    while !calls.is_empty() {
        let begun = Instant::now();
        tokio::task::yield_now().await;
        longest = longest.max(begun.elapsed());
        beats += 1;
        while calls.try_join_next().is_some() {}
    }
    println!("{beats} beats of the platform, the longest {longest:?}");
    assert!(beats > 100, "{beats}");
    assert!(longest < Duration::from_millis(500), "{longest:?}");
}
