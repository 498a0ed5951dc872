//! What one process leaves, another hears of.

use std::time::Duration;

use justping_core::port::{Loops, WakeSource};

use super::*;

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

async fn next(wakes: &PostgresWakes) -> Loops {
    tokio::time::timeout(PATIENCE, wakes.next()).await.expect("a wake-up")
}

/// A listener that has its connection.
async fn ready(store: &PostgresStore) -> PostgresWakes {
    let wakes = store.wakes();
    assert_eq!(next(&wakes).await, Loops::ALL, "whatever was told before");
    wakes
}

#[tokio::test]
async fn a_process_hears_of_the_work_of_others_and_not_of_its_own() {
    let scratch = scratch().await;
    let other = PostgresStore::open(scratch.database.config()).await.unwrap();
    let (own, heard) = (ready(&scratch).await, ready(&other).await);
    super::race::conversation(&scratch, 1).await;
    assert_eq!(next(&heard).await, Loops::TURNS);
    // The first thing the author hears is what somebody else did.
    other.bell.pull(Loops::SENDS.and(Loops::CALLS));
    assert_eq!(next(&own).await, Loops::SENDS.and(Loops::CALLS));
}

#[tokio::test]
async fn a_crowd_of_commits_is_told_in_a_few_words() {
    let scratch = scratch().await;
    let other = PostgresStore::open(scratch.database.config()).await.unwrap();
    let heard = ready(&other).await;
    for n in 1..=200 {
        super::race::conversation(&scratch, n).await;
    }
    let mut told = 0;
    while told < 200 && tokio::time::timeout(Duration::from_millis(300), heard.next()).await.is_ok()
    {
        told += 1;
    }
    assert!((1..200).contains(&told), "{told}");
}

#[tokio::test]
async fn whoever_announces_to_nobody_is_silent() {
    let scratch = scratch().await;
    let config = PostgresConfig { announce: Announce::Nobody, ..scratch.database.config() };
    let silent = PostgresStore::open(config).await.unwrap();
    let heard = ready(&scratch).await;
    super::race::conversation(&silent, 1).await;
    silent.bell.pull(Loops::CALLS);
    assert_eq!(next(&heard).await, Loops::CALLS);
}

#[tokio::test]
async fn a_listener_that_was_cut_connects_again_and_says_all() {
    let scratch = scratch().await;
    let other = PostgresStore::open(scratch.database.config()).await.unwrap();
    let heard = ready(&other).await;
    let mut admin = server::admin("postgres").await;
    for n in 1..=3 {
        let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
            WHERE datname = $1 AND query LIKE 'LISTEN%'";
        let cut = sqlx::query(cut).bind(scratch.database.name.clone());
        assert_eq!(cut.fetch_all(&mut admin).await.unwrap().len(), 1);
        assert_eq!(next(&heard).await, Loops::ALL, "it may have missed something");
        super::race::conversation(&scratch, n).await;
        assert_eq!(next(&heard).await, Loops::TURNS);
    }
}

/// A pooler cannot carry `LISTEN`: the listener has an address of its own.
#[tokio::test]
async fn a_listener_goes_past_the_pooler() {
    let scratch = pooled().await;
    let direct = scratch.database.config().url;
    let nowhere = "postgres://nobody@localhost:1/none".to_owned();
    let config = PostgresConfig { listen_url: Some(direct), ..scratch.database.config().pooled() };
    let other = PostgresStore::open(config).await.unwrap();
    let heard = ready(&other).await;
    super::race::conversation(&scratch, 1).await;
    assert_eq!(next(&heard).await, Loops::TURNS);
    let lost =
        PostgresConfig { listen_url: Some(nowhere.into()), ..scratch.database.config().pooled() };
    let lost = PostgresStore::open(lost).await.unwrap().wakes();
    let waits = tokio::time::timeout(Duration::from_millis(300), lost.next()).await;
    assert!(waits.is_err(), "it waits, patiently");
}
