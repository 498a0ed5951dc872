//! The tables: walls between businesses, partitions, and agreement with the embedded store.

use std::collections::{BTreeMap, BTreeSet};

use justping_core::model::{Business, Timestamp};
use justping_core::port::store::BusinessStore;
use sqlx::{Connection, Row};

use super::*;
use crate::tests::{at, business};

const TABLES: &str = "SELECT c.relname::text, a.attname::text FROM pg_class c \
    JOIN pg_attribute a ON a.attrelid = c.oid \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
        AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped \
        AND c.relname NOT LIKE '\\_%'";

async fn tables(database: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut plain = server::plain(database).await;
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in sqlx::query(TABLES).fetch_all(&mut plain).await.unwrap() {
        tables.entry(row.get(0)).or_default().insert(row.get(1));
    }
    tables
}

/// What the tables of this store have beyond those of the embedded one, and why.
#[cfg(feature = "sqlite")]
const MORE: &[(&str, &[&str])] = &[
    // The embedded store has one writer: the last number needs no lock.
    ("event_counters", &["business_id", "last"]),
    // The embedded store has one writer: nobody queues for a counter.
    ("counters", &["shard"]),
    // Partitions are found by it.
    ("messages", &["created_at"]),
    ("mailbox", &["message_at"]),
    // Every key begins with the business.
    // The moment finds the partition, and what is old; the embedded store reads the message.
    ("received_refs", &["business_id", "created_at"]),
    ("sent_refs", &["business_id", "created_at"]),
    ("parked_statuses", &["business_id"]),
    // The embedded store keeps the words in virtual tables, and one list is its queue.
    ("unindexed_messages", &["id", "business_id", "conversation_id", "seq", "message_at"]),
    ("search_segments", &["business_id", "number", "id"]),
    ("message_words", &["business_id", "place", "conversation_id", "seq", "message_at", "words"]),
    ("contact_words", &["business_id", "contact_id", "words"]),
    ("chunk_words", &["business_id", "base_id", "place", "words"]),
];

/// What the embedded store has instead.
#[cfg(feature = "sqlite")]
const INSTEAD: &[&str] = &["message_places", "contact_places", "search_progress"];

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn both_trees_have_the_same_tables_and_columns() {
    let scratch = scratch().await;
    let mut found = tables(&scratch.database.name).await;
    for (table, columns) in MORE {
        let known = found.get_mut(*table).unwrap();
        for column in *columns {
            assert!(known.remove(*column), "{table}.{column} is no longer there");
        }
    }
    found.retain(|_, columns| !columns.is_empty());
    let mut embedded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    for (_, _, sql) in crate::sqlite::MIGRATIONS {
        connection.execute(*sql).await.unwrap();
    }
    let columns = "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c \
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'";
    for row in sqlx::query(columns).fetch_all(&mut connection).await.unwrap() {
        embedded.entry(row.get(0)).or_default().insert(row.get(1));
    }
    for table in INSTEAD {
        assert!(embedded.remove(*table).is_some(), "{table} is no longer there");
    }
    assert_eq!(found, embedded);
}

#[tokio::test]
async fn every_table_has_a_wall() {
    let scratch = scratch().await;
    scratch.make_partitions(at(0)).await.unwrap();
    let mut plain = server::plain(&scratch.database.name).await;
    let open = "SELECT relname::text FROM pg_class c \
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
            AND relname NOT LIKE '\\_%' AND NOT (relrowsecurity \
                AND relforcerowsecurity = (relname NOT IN ('message_words', 'contact_words', 'chunk_words')) \
                AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))";
    let open = sqlx::query(open).fetch_all(&mut plain).await.unwrap();
    let open: Vec<String> = open.iter().map(|row| row.get(0)).collect();
    assert!(open.is_empty(), "without a wall: {open:?}");
    assert!(tables(&scratch.database.name).await.len() >= 25);
}

/// The tables that stand open for their owner are read by functions that ask whose they are.
#[tokio::test]
async fn words_are_read_through_functions_that_ask_whose() {
    let nouns = [search::STATEMENTS, knowledge::STATEMENTS, lookup::STATEMENTS];
    let lists = nouns.iter().chain(engine::LISTS).copied();
    let statements = lists.flatten();
    for (name, sql) in statements {
        for table in ["message_words", "contact_words", "chunk_words"] {
            let reads = sql.contains(&format!("FROM {table}"))
                && !sql.contains("max(place)")
                && !sql.starts_with("DELETE");
            assert!(!reads && !sql.contains(&format!("JOIN {table}")), "{name} reads {table}");
        }
    }
    let scratch = scratch().await;
    let mut plain = server::plain(&scratch.database.name).await;
    let named = "BEGIN; SET LOCAL app.business_id = '00000000-0000-0000-0000-000000000001'";
    let system = "BEGIN; SET LOCAL app.system = 'on'";
    for begin in ["BEGIN", named, system] {
        for call in [
            "messages($1, '{a}', 'a', NULL, 9, 9)",
            "contacts($1, '{a}', 'a', NULL, 9)",
            "knowledge($1, $1, '{a}', '{1}', 9)",
        ] {
            plain.execute(begin).await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM justping_search_{call}"));
            let foreign = sqlx::query(sql).bind(business(2).uuid()).fetch_all(&mut plain).await;
            let code = foreign.unwrap_err();
            assert_eq!(code.as_database_error().unwrap().code().as_deref(), Some("42501"));
            plain.execute("ROLLBACK").await.unwrap();
        }
    }
}
/// Keys that do not begin with the business, and why.
const OTHER_KEYS: &[(&str, &str, &str)] = &[
    ("businesses", "id", "it is the business"),
    ("leases", "name", "leases are of the whole platform"),
    ("mailbox", "seq", "a queue in the order of its rows"),
    ("parked_statuses", "id", "a queue in the order of its rows"),
    ("unindexed_messages", "id", "a queue in the order of its rows"),
    ("unindexed_contacts", "id", "a queue in the order of its rows"),
    ("api_keys", "token_sha256", "a caller has only a token"),
    ("channels", "id", "a webhook has only the id of a channel"),
    ("timers", "id", "a turn must not set the timer of another business"),
    ("calls", "id", "a turn must not make the call of another business"),
    ("_sqlx_migrations", "version", "of the database"),
];

#[tokio::test]
async fn every_key_begins_with_the_business() {
    let scratch = scratch().await;
    let mut plain = server::plain(&scratch.database.name).await;
    let keys = "SELECT c.relname::text, a.attname::text FROM pg_index i \
            JOIN pg_class c ON c.oid = i.indrelid \
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
        WHERE (i.indisprimary OR i.indisunique) AND c.relnamespace = 'public'::regnamespace";
    let keys = sqlx::query(keys).fetch_all(&mut plain).await.unwrap();
    let keys: BTreeSet<(String, String)> =
        keys.iter().map(|row| (row.get(0), row.get(1))).collect();
    let other: BTreeSet<(String, String)> =
        keys.into_iter().filter(|(_, first)| first != "business_id").collect();
    let expected =
        OTHER_KEYS.iter().map(|(table, first, _)| (table.to_string(), first.to_string()));
    let expected: BTreeSet<(String, String)> = expected.collect();
    assert_eq!(other, expected);
}

/// A row can point at nothing outside of its business: the business is part of what points.
#[tokio::test]
async fn every_reference_begins_with_the_business() {
    let scratch = scratch().await;
    let mut plain = server::plain(&scratch.database.name).await;
    let references = "SELECT c.conname::text, a.attname::text, f.attname::text FROM pg_constraint c \
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
            JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1] \
        WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace";
    let references = sqlx::query(references).fetch_all(&mut plain).await.unwrap();
    assert!(references.len() >= 10, "{}", references.len());
    for row in references {
        let (name, from, to): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(from, "business_id", "{name}");
        assert!(to == "business_id" || to == "id" && name.ends_with("business_id_fkey"), "{name}");
    }
}

async fn count(connection: &mut sqlx::PgConnection, table: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_transaction_sees_the_business_it_names() {
    let scratch = scratch().await;
    for n in [1, 2] {
        let row = Business { id: business(n), name: "Acme".to_owned(), created_at: at(0) };
        scratch.create_business(&row).await.unwrap();
    }
    let mut plain = server::plain(&scratch.database.name).await;
    assert_eq!(count(&mut plain, "businesses").await, 0, "no name, nothing to see");
    let one = "BEGIN; SET LOCAL app.business_id = '00000000-0000-0000-0000-000000000001'";
    plain.execute(one).await.unwrap();
    assert_eq!(count(&mut plain, "businesses").await, 1);
    let hidden = "UPDATE businesses SET doc = 'x' \
        WHERE id = '00000000-0000-0000-0000-000000000002'";
    assert_eq!(plain.execute(hidden).await.unwrap().rows_affected(), 0);
    let foreign = "INSERT INTO members (business_id, id, doc) VALUES \
        ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000009', '{}')";
    let refused = plain.execute(foreign).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"));
    plain.execute("ROLLBACK").await.unwrap();
    assert_eq!(count(&mut plain, "businesses").await, 0, "the name went with its transaction");
    plain.execute("BEGIN; SET LOCAL app.system = 'on'").await.unwrap();
    assert_eq!(count(&mut plain, "businesses").await, 2);
}

#[tokio::test]
async fn partitions_are_made_ahead_and_take_what_came_before_them() {
    let scratch = scratch().await;
    super::race::conversation(&scratch, 1).await;
    let mut plain = server::plain(&scratch.database.name).await;
    let system = "BEGIN; SET LOCAL app.system = 'on'";
    plain.execute(system).await.unwrap();
    assert_eq!(count(&mut plain, "messages_default").await, 1);
    plain.execute("ROLLBACK").await.unwrap();

    let now: Timestamp = at(0);
    let (a, b) = tokio::join!(scratch.make_partitions(now), scratch.make_partitions(now));
    assert_eq!(a.unwrap() + b.unwrap(), 1 + MONTHS_AHEAD as u32);
    assert_eq!(scratch.make_partitions(now).await, Ok(0));
    plain.execute(system).await.unwrap();
    assert_eq!(count(&mut plain, "messages_default").await, 0);
    assert_eq!(count(&mut plain, "messages_2023_11").await, 1, "14 November 2023");
    plain.execute("ROLLBACK").await.unwrap();
    super::race::conversation(&scratch, 2).await;
    plain.execute(system).await.unwrap();
    assert_eq!(count(&mut plain, "messages_2023_11").await, 2);
    assert_eq!(count(&mut plain, "messages").await, 2);
}
