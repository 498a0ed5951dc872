mod database;
mod growth;
mod months;
mod plan;
mod race;
mod schema;
mod standby;
mod wakes;

use sqlx::Executor;
use tokio::sync::OnceCell;

use super::*;
use crate::testing::{self as server, Database};
use crate::tests::agreement::HAPPENS;

/// Runs of the comparison with the store in memory.
const CASES: u32 = 200;
/// Runs of the comparison of what is found.
const SEARCH_CASES: u32 = 40;
/// Runs of it without prepared statements: each statement is planned every time, so that a few have
/// to do.
const POOLED_CASES: u32 = 12;

/// A store with a database of its own.
struct Scratch {
    store: PostgresStore,
    database: Database,
}

impl std::ops::Deref for Scratch {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

mod contract {
    justping_core::store_conformance!(super::scratch);
}

async fn scratch() -> Scratch {
    let database = Database::new().await;
    let store = PostgresStore::open(database.config()).await.unwrap();
    Scratch { store, database }
}

/// A store as it is behind a pooler: no settings of the session, no named statements.
async fn pooled() -> Scratch {
    let database = Database::new().await;
    let store = PostgresStore::open(database.config().pooled()).await.unwrap();
    Scratch { store, database }
}

/// A store that has just been made, as far as anybody can tell.
async fn emptied<'a>(shared: impl Future<Output = &'a Scratch>) -> &'a PostgresStore {
    let Scratch { store, database } = shared.await;
    let mut plain = server::plain(&database.name).await;
    let empty = "DO $$ DECLARE names TEXT; BEGIN \
            SELECT string_agg(c.oid::regclass::text, ',') INTO names FROM pg_class c \
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
                AND c.relname NOT LIKE '\\_%'; \
            EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY'; END $$";
    plain.execute(empty).await.unwrap();
    store
}

#[test]
fn random_operations_agree_with_the_store_in_memory() {
    let shared = OnceCell::new();
    crate::tests::agreement::check(CASES, HAPPENS, || emptied(shared.get_or_init(scratch)));
}

#[test]
fn random_operations_agree_behind_a_pooler() {
    let shared = OnceCell::new();
    crate::tests::agreement::check(POOLED_CASES, &[], || emptied(shared.get_or_init(pooled)));
}

#[test]
fn random_texts_are_found_as_in_memory() {
    let shared = OnceCell::new();
    crate::tests::search::check(SEARCH_CASES, || emptied(shared.get_or_init(scratch)));
}

#[test]
fn random_texts_are_found_behind_a_pooler() {
    let shared = OnceCell::new();
    crate::tests::search::check(POOLED_CASES, || emptied(shared.get_or_init(pooled)));
}

/// Says that the store is all of a store.
#[expect(dead_code, reason = "it is here to compile")]
fn is_a_store(store: PostgresStore) -> Box<dyn justping_core::port::Store> {
    Box::new(store)
}

/// Every statement of the store by its name.
fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    const NOUNS: &[&[(&str, &str)]] = &[
        agent::STATEMENTS,
        business::STATEMENTS,
        channel::STATEMENTS,
        connection::STATEMENTS,
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
        listen::STATEMENTS,
        lookup::STATEMENTS,
        open::STATEMENTS,
        plugin::STATEMENTS,
        plugin_log::STATEMENTS,
        plugin_value::STATEMENTS,
        replica::STATEMENTS,
        search::STATEMENTS,
        session::STATEMENTS,
        upkeep::STATEMENTS,
    ];
    NOUNS.iter().chain(engine::LISTS).copied().flatten().copied()
}

/// Preparing checks every table, column and function a statement names.
#[tokio::test]
async fn every_statement_prepares() {
    let scratch = scratch().await;
    let mut connection = server::plain(&scratch.database.name).await;
    let mut prepared = 0;
    for (name, sql) in statements() {
        let result = connection.prepare(sqlx::SqlSafeStr::into_sql_str(sql)).await;
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        prepared += 1;
    }
    assert!(prepared > 80, "{prepared} statements prepared");
}

/// What stands in a file under `statements!` and is never listed would not be prepared.
#[test]
fn every_statement_is_listed() {
    crate::tests::check_listed("src/postgres", statements().map(|(name, _)| name).collect());
}

/// How many messages the noisy business has due.
const CROWD: u128 = 3_000;

#[tokio::test]
async fn a_noisy_neighbour_is_not_noticed() {
    let scratch = scratch().await;
    crate::tests::noisy::check(&*scratch, CROWD).await;
}
