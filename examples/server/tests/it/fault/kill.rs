//! F1 and F2: workers of a fleet are killed at random instants while they send.

use super::scene::{Cast, Scene};
use super::verdict::Verdict;
use super::{database, seed, size, tell};
use crate::graph::Keys;
use crate::provider::Dice;

const WORKERS: usize = 2;
/// Contacts that begin to write before each kill, and contacts that a member then writes to.
const CUSTOMERS: usize = 8;
const RECIPIENTS: usize = 4;
/// Where only a status clears up a doubt, it has time to come on a machine that does much else.
const STATUS_WAIT_MS: u64 = 10_000;
/// Requests under way that one kill may cut off.
const UNDER_WAY_MAX: usize = 64;

/// Has customers and members write while workers are killed, and tells how it ended.
async fn kills(keys: Keys, policy: &'static str, unknown_wait_ms: u64, default: u64) -> Verdict {
    let (kills, seed) = (kill_count(), seed(default));
    let database = database().await;
    let usual = Cast::usual(database.url(), kills * RECIPIENTS, seed);
    let cast = Cast { workers: WORKERS, keys, policy, unknown_wait_ms, ..usual };
    let mut scene = Scene::open(cast).await;
    // A repetition is all there is to clear up a doubt, or a status is.
    let repeats = policy == "at_least_once";
    if !repeats {
        scene.tell_statuses();
    }
    let mut dice = Dice::new(seed);
    let mut met = 0;
    for kill in 0..kills {
        scene.write(CUSTOMERS, RECIPIENTS);
        let any = 1 + dice.roll(WORKERS as u64) as usize;
        // Once all of them: then some send is certainly cut off.
        let range = if kill == 0 { 1..WORKERS + 1 } else { any..any + 1 };
        met += scene.kill_midway(range, &mut dice).await;
    }
    if repeats {
        scene.sent().await;
        scene.tell_statuses();
    }
    let verdict = scene.judge().await;
    let cut_off = scene.graph.cut_off();
    tell(format_args!("{kills} kills met {met} sends, {cut_off} were cut off"));
    assert!(met > 0 && cut_off > 0, "no kill met a send that was under way");
    assert!(!repeats || verdict.requests_again > 0, "what was cut off was not repeated");
    assert!(verdict.requests_again <= kills * UNDER_WAY_MAX, "{verdict:?}");
    verdict
}

fn kill_count() -> usize {
    size(4, 100)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_keys_at_least_once_is_exactly_once() {
    let verdict = kills(Keys::Honoured, "at_least_once", 800, 0xf1).await;
    assert_eq!((verdict.repeated, verdict.unknown), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_at_most_once_repeats_nothing_and_says_what_is_unknown() {
    let verdict = kills(Keys::Ignored, "at_most_once", STATUS_WAIT_MS, 0xf2).await;
    assert_eq!(verdict.repeated, 0);
    assert!(verdict.unknown <= kill_count() * UNDER_WAY_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_at_least_once_loses_nothing() {
    let verdict = kills(Keys::Ignored, "at_least_once", 800, 0xf3).await;
    assert_eq!(verdict.unknown, 0);
    assert_eq!(verdict.repeated, verdict.requests_again, "nothing tells the provider");
}
