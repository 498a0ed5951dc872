mod files;
mod plan;
mod secrets;

use std::path::Path;

use sqlx::Executor;

use super::list::ROWS_MAX;
use super::*;
use crate::tests::agreement::HAPPENS;
use crate::tests::{at, business, master, uuid};

/// Runs of the comparison with the store in memory.
const CASES: u32 = 300;
/// Runs of the comparison of what is found.
const SEARCH_CASES: u32 = 60;

/// A store in a folder of its own, which goes with it.
pub(super) struct Scratch {
    pub(super) store: SqliteStore,
    pub(super) folder: tempfile::TempDir,
}

impl std::ops::Deref for Scratch {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

mod contract {
    justping_core::store_conformance!(super::scratch);
}

pub(super) fn config(folder: &Path) -> SqliteConfig {
    SqliteConfig { readers: 1, ..SqliteConfig::new(folder.join("justping.db"), master()) }
}

pub(super) async fn scratch() -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(config(folder.path())).await.unwrap();
    Scratch { store, folder }
}

/// A store for tests that open many and depend on no flush: a copy of a fresh file that was made
/// once, written to without waiting for the disk.
pub(super) async fn hasty() -> Scratch {
    static FRESH: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();
    let fresh = async || {
        let scratch = scratch().await;
        scratch.store.close().await.unwrap();
        std::fs::read(config(scratch.folder.path()).path).unwrap()
    };
    let bytes = FRESH.get_or_init(fresh).await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    std::fs::write(&config.path, bytes).unwrap();
    let store = SqliteStore::open(config).await.unwrap();
    store.connections.change(sqlx::query("PRAGMA synchronous = OFF")).await.unwrap();
    Scratch { store, folder }
}

#[test]
fn random_operations_agree_with_the_store_in_memory() {
    crate::tests::agreement::check(CASES, HAPPENS, hasty);
}

#[test]
fn random_texts_are_found_as_in_memory() {
    crate::tests::search::check(SEARCH_CASES, hasty);
}

/// Says that the store is all of a store.
#[expect(dead_code, reason = "it is here to compile")]
fn is_a_store(store: SqliteStore) -> Box<dyn justping_core::port::Store> {
    Box::new(store)
}

/// The name of statements that are written out for a number of rows.
const SIZED: &str = "sized";

/// Every statement of the store by its name.
fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    const NOUNS: &[&[(&str, &str)]] = &[
        agent::STATEMENTS,
        business::STATEMENTS,
        channel::STATEMENTS,
        contact::STATEMENTS,
        conversation::STATEMENTS,
        counter::STATEMENTS,
        usage::STATEMENTS,
        feed::STATEMENTS,
        tool::STATEMENTS,
        flow::STATEMENTS,
        group::STATEMENTS,
        idempotency::STATEMENTS,
        keys::STATEMENTS,
        knowledge::STATEMENTS,
        lease::STATEMENTS,
        lookup::STATEMENTS,
        open::STATEMENTS,
        plugin::STATEMENTS,
        plugin_log::STATEMENTS,
        plugin_value::STATEMENTS,
        search::STATEMENTS,
        session::STATEMENTS,
        upkeep::STATEMENTS,
    ];
    let sized = engine::SIZED.iter().flat_map(|sized| {
        (0..=ROWS_MAX.ilog2()).map(|size| (SIZED, sized.text(1 << size).unwrap().1))
    });
    NOUNS.iter().chain(engine::LISTS).copied().flatten().copied().chain(sized)
}

/// What stands in a file under `statements!` and is never listed would not be prepared.
#[test]
fn every_statement_is_listed() {
    let fixed = statements().map(|(name, _)| name).filter(|name| *name != SIZED);
    crate::tests::check_listed("src/sqlite", fixed.collect());
}

/// Preparing checks every table, column and function a statement names.
#[tokio::test]
async fn every_statement_prepares() {
    let scratch = scratch().await;
    let mut write = scratch.store.connections.write().await.unwrap();
    let mut prepared = 0;
    for (name, sql) in statements() {
        for statement in sql.split_inclusive(';') {
            let statement: &'static str = statement;
            let connection = write.connection().unwrap();
            let result = connection.prepare(sqlx::SqlSafeStr::into_sql_str(statement)).await;
            result.unwrap_or_else(|error| panic!("{name}: {error}"));
            prepared += 1;
        }
    }
    assert!(prepared > 100, "{prepared} statements prepared");
}

/// How many messages the noisy business has due.
const CROWD: u128 = 10_000;

#[tokio::test]
async fn a_noisy_neighbour_is_not_noticed() {
    let scratch = hasty().await;
    crate::tests::noisy::check(&*scratch, CROWD).await;
}
