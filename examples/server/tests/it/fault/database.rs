//! F5: the database is killed, with every process of it, while everybody writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use justping_store::testing::Server;
use serde_json::json;

use super::scene::{Cast, Scene};
use super::{PATIENCE, seed, size, until};
use crate::ledger::Ledger;
use crate::provider::{Dice, insist_on_503};

const CUSTOMERS: usize = 12;
const RECIPIENTS: usize = 4;
/// From the moment at which the database is back, on a machine that does nothing else.
const RECOVERY_MAX: Duration = Duration::from_secs(10);
/// The rest of whoever asks and asks.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What somebody saw who asked and asked.
#[derive(Debug, Default)]
struct Seen {
    stop: AtomicBool,
    answered: AtomicUsize,
    turned_away: AtomicUsize,
}

impl Seen {
    /// Asks for everything in turn, and insists that each answer is right or says "come back".
    async fn ask(self: Arc<Self>, ledger: Ledger) {
        let paths = ["/me", "/contacts", "/conversations", "/channels", "/agents", "/flows"];
        for path in paths.iter().cycle() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let read = ledger.request("GET", path);
            let change = ledger.request("POST", "/contacts").json(&json!({"name": "Probe"}));
            for request in [read, change] {
                let answer = request.send().await.expect("the process itself is there");
                if answer.status().is_success() {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                } else {
                    insist_on_503(&answer, path);
                    self.turned_away.fetch_add(1, Ordering::SeqCst);
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Waits until somebody else is turned away: a short outage is only waited for.
    async fn turned_away(&self) {
        let before = self.turned_away.load(Ordering::SeqCst);
        let look = async || self.turned_away.load(Ordering::SeqCst);
        until("requests turned away", look, |now| *now > before).await;
    }

    /// Ends the asking; how many were answered, and how many turned away.
    fn end(&self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        (self.answered.load(Ordering::SeqCst), self.turned_away.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_loses_and_repeats_nothing() {
    let (kills, seed) = (size(2, 20), seed(0xf5));
    let postgres = Server::start();
    let database = postgres.empty().await;
    let cast = Cast::usual(database.url(), kills * RECIPIENTS, seed);
    let mut scene = Scene::open(cast).await;
    scene.tell_statuses();
    let seen = Arc::new(Seen::default());
    let asking = tokio::spawn(Arc::clone(&seen).ask(scene.ledger.clone()));
    let mut dice = Dice::new(seed);
    let (mut met, mut slowest) = (0, Duration::ZERO);
    for _ in 0..kills {
        scene.write(CUSTOMERS, RECIPIENTS);
        met += scene.midst(&mut dice).await;
        postgres.kill().await;
        until(
            "processes that are not ready",
            async || scene.unready().await,
            |unready| unready.len() == scene.processes().len(),
        )
        .await;
        seen.turned_away().await;
        tokio::task::spawn_blocking(move || postgres.restart()).await.unwrap();
        slowest = slowest.max(scene.recovered().await);
    }
    let (answered, turned_away) = seen.end();
    asking.await.unwrap();
    println!("{answered} answered, {turned_away} turned away, slowest recovery {slowest:?}");
    assert!(met > 0, "the database was never killed while sends were under way");
    assert!(answered > 0 && turned_away >= kills);
    assert!(slowest <= size(PATIENCE, RECOVERY_MAX), "{slowest:?}");
    let verdict = scene.judge().await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}
