//! F3: a worker stops in the middle of its work and goes on after its leases ran out.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::scene::{Cast, Scene};
use super::{database, seed, size, until};
use crate::provider::{BURST, Dice};

const LEASED: &str = "SELECT count(*) FROM outbox WHERE phase = 2";

/// The provider keeps every send waiting, so that the worker certainly holds them when it stops.
/// The others take them over, and when it goes on with the answers it never read, nothing changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_zombie_writes_changes_nothing() {
    const SEND_LEASE_MS: u64 = 4_000;
    // One channel's places are 48: it cannot hold more at once.
    let customers = size(24, 48);
    let database = database().await;
    let usual = Cast::usual(database.url(), 0, seed(0xf31));
    let cast = Cast { workers: 0, send_lease_ms: SEND_LEASE_MS, ..usual };
    let mut scene = Scene::open(cast).await;
    let (open, gate) = watch::channel(false);
    scene.graph.before_answers(move |_| {
        let mut gate = gate.clone();
        Box::pin(async move {
            gate.wait_for(|open| *open).await.unwrap();
        })
    });
    scene.write(customers, 0);
    scene.written().await;
    scene.add_workers(1).await;
    let zombie = 1;
    until("requests", async || scene.graph.requests(), |requests| *requests >= customers).await;
    scene.process(zombie).pause();
    let stopped = Instant::now();
    assert_eq!(database.number(LEASED).await, customers as i64, "the worker holds them all");
    assert_eq!(scene.graph.requests(), customers);
    open.send_replace(true);
    scene.add_workers(2).await;

    // Its leases run out, the others send the same again, and then what comes after.
    let before = scene.replies("sent").await;
    assert_eq!(database.number(LEASED).await, 0);
    assert_eq!(scene.graph.effects().len(), customers * BURST);
    assert_eq!(scene.graph.requests(), customers * (BURST + 1), "each held one was repeated");
    tokio::time::sleep_until(stopped + Duration::from_millis(2 * SEND_LEASE_MS)).await;
    scene.process(zombie).resume();
    let awake = async || scene.process(zombie).is_ready().await;
    until("the zombie is awake", awake, |awake| *awake).await;

    // All of them go on together, and nothing of before has moved.
    scene.write(customers, 0);
    scene.written().await;
    let after = scene.replies("sent").await;
    for thread in &before {
        assert!(after.contains(thread), "{thread:?}");
    }
    scene.tell_statuses();
    let verdict = scene.judge().await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_stop_for_longer_than_their_leases_lose_and_repeat_nothing() {
    const WORKERS: usize = 2;
    const CUSTOMERS: usize = 15;
    const RECIPIENTS: usize = 5;
    let (rounds, seed) = (size(2, 60), seed(0xf32));
    let database = database().await;
    let usual = Cast::usual(database.url(), rounds * RECIPIENTS, seed);
    let stopped = Duration::from_millis(2 * usual.send_lease_ms);
    let mut scene = Scene::open(Cast { workers: WORKERS, ..usual }).await;
    scene.tell_statuses();
    let mut dice = Dice::new(seed);
    let mut met = 0;
    for _ in 0..rounds {
        scene.write(CUSTOMERS, RECIPIENTS);
        met += scene.midst(&mut dice).await;
        let zombie = scene.process(1 + dice.roll(WORKERS as u64) as usize);
        zombie.pause();
        tokio::time::sleep(stopped).await;
        zombie.resume();
    }
    assert!(met > 0, "no worker stopped while sends were under way");
    let verdict = scene.judge().await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}
