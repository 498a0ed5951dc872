//! What a file may be when it is opened, and what it is after it was closed or abandoned.

use justping_core::model::{
    Business, ChannelId, ChannelKind, ChannelSecrets, ContactId, Content, ConversationId,
    CounterKind, Identity, InboundMessage, MessageId, Owner, day_of,
};
use justping_core::port::store::{
    Accept, BusinessStore, ChannelStore, CounterFilter, CounterStore, EngineStore, StoreError,
};
use sqlx::{ConnectOptions, Connection};

use super::*;
use crate::tests::channel;

async fn refused(path: &Path) -> OpenError {
    let config = SqliteConfig::new(path, master());
    SqliteStore::open(config).await.map(drop).unwrap_err()
}

async fn plain(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}

fn acme() -> Business {
    Business { id: business(1), name: "Acme".to_owned(), created_at: at(0) }
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_and_opens_again() {
    let scratch = scratch().await;
    scratch.store.create_business(&acme()).await.unwrap();
    scratch.store.close().await.unwrap();
    let closed = scratch.store.business(business(1)).await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
    let write = scratch.store.create_business(&acme()).await;
    assert!(matches!(write, Err(StoreError::Unavailable(_))), "{write:?}");
    scratch.store.close().await.unwrap();
    let names: Vec<_> = std::fs::read_dir(scratch.folder.path()).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "the log is folded in: {names:?}");
    let again = SqliteStore::open(config(scratch.folder.path())).await.unwrap();
    assert_eq!(again.business(business(1)).await, Ok(acme()));
}

#[tokio::test]
async fn a_store_nobody_closed_opens_again() {
    let scratch = scratch().await;
    scratch.store.create_business(&acme()).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(scratch.folder.path()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    let again = SqliteStore::open(config(copy.path())).await.unwrap();
    assert_eq!(again.business(business(1)).await, Ok(acme()));
}

#[tokio::test]
async fn what_was_counted_is_counted_on() {
    let folder = tempfile::tempdir().unwrap();
    let day = day_of(at(0));
    let filter = CounterFilter { from: day, to: day, channel_id: None };
    for life in 1..4 {
        let store = SqliteStore::open(config(folder.path())).await.unwrap();
        if life == 1 {
            store.create_business(&acme()).await.unwrap();
            let row = channel(11, 1);
            store.create_channel(&row, &ChannelSecrets::new()).await.unwrap();
        }
        let accepted = store.accept(vec![hello(life), hello(1)]).await.unwrap();
        assert_eq!(accepted.len(), 2);
        let counters = store.counters(business(1), &filter).await.unwrap();
        let received = counters.iter().find(|row| row.kind == CounterKind::Received);
        assert_eq!(received.map(|row| row.count), Some(life));
        store.close().await.unwrap();
    }
}

/// A message of a contact, whose reference and ids are made of a number.
fn hello(n: u64) -> Accept {
    let id = uuid(u128::from(n) * 10);
    Accept {
        business_id: business(1),
        channel_id: ChannelId::from_uuid(uuid(11)),
        message: InboundMessage {
            provider_ref: format!("m{n}"),
            from: vec![Identity::new(ChannelKind::MEMORY, "ann")],
            name: None,
            content: Content::text("hello"),
            reply_to: None,
            sent_at: None,
        },
        owner: Owner::Queue,
        message_id: MessageId::from_uuid(id),
        contact_id: ContactId::from_uuid(id),
        conversation_id: ConversationId::from_uuid(id),
        now: at(0),
    }
}

#[tokio::test]
async fn two_stores_share_a_file() {
    let scratch = scratch().await;
    let second = SqliteStore::open(config(scratch.folder.path())).await.unwrap();
    scratch.store.create_business(&acme()).await.unwrap();
    assert_eq!(second.business(business(1)).await, Ok(acme()));
    assert_eq!(second.create_business(&acme()).await, Err(StoreError::Conflict("business")));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let scratch = scratch().await;
    scratch.store.close().await.unwrap();
    let path = scratch.folder.path().join("justping.db");
    plain(
        &path,
        "INSERT INTO _sqlx_migrations \
            (version, description, success, checksum, execution_time) \
            VALUES (99, 'later', true, x'00', 0)",
    )
    .await;
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::NewerVersion { found: 99, known: 1.. }), "{error:?}");
}

#[tokio::test]
async fn a_changed_schema_is_refused() {
    let scratch = scratch().await;
    scratch.store.close().await.unwrap();
    let path = scratch.folder.path().join("justping.db");
    plain(&path, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Drifted(1)), "{error:?}");
}

#[tokio::test]
async fn files_of_others_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "dear diary, ".repeat(1000)).unwrap();
    let before = std::fs::read(&text).unwrap();
    assert!(matches!(refused(&text).await, OpenError::Foreign));
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let other = folder.path().join("other.db");
    plain(&other, "CREATE TABLE songs (name TEXT); PRAGMA application_id = 7").await;
    let before = std::fs::read(&other).unwrap();
    assert!(matches!(refused(&other).await, OpenError::Foreign));
    assert_eq!(std::fs::read(&other).unwrap(), before);

    let unmarked = folder.path().join("unmarked.db");
    plain(&unmarked, "CREATE TABLE songs (name TEXT)").await;
    assert!(matches!(refused(&unmarked).await, OpenError::Foreign));
}

#[tokio::test]
async fn a_damaged_file_is_a_typed_error() {
    let scratch = scratch().await;
    scratch.store.create_business(&acme()).await.unwrap();
    scratch.store.close().await.unwrap();
    let path = scratch.folder.path().join("justping.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let body = bytes.len().min(4096);
    bytes[100..body].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, OpenError::Foreign), "{error:?}");
}

#[tokio::test]
async fn a_path_that_cannot_be_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&folder.path().join("missing").join("justping.db")).await;
    assert!(matches!(error, OpenError::Store(StoreError::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_corrupt_and_not_shown() {
    let scratch = scratch().await;
    scratch.store.create_business(&acme()).await.unwrap();
    let update = sqlx::query("UPDATE businesses SET doc = '{\"name\": \"Acme\"'");
    scratch.store.connections.change(update).await.unwrap();
    let error = scratch.store.business(business(1)).await.unwrap_err();
    assert_eq!(error, StoreError::Corrupt("a business".to_owned()));
}

#[tokio::test]
async fn a_dropped_write_is_undone() {
    let scratch = scratch().await;
    let mut write = scratch.store.connections.write().await.unwrap();
    let insert = "BEGIN IMMEDIATE; INSERT INTO businesses VALUES (x'01', '{}')";
    write.begin(sqlx::query(insert)).await.unwrap();
    drop(write);
    scratch.store.create_business(&acme()).await.unwrap();
    let rows = scratch.store.connections.read(sqlx::query("SELECT 1 FROM businesses")).await;
    assert_eq!(rows.unwrap().len(), 1);
}

#[tokio::test]
async fn connections_are_as_safe_as_they_say() {
    let scratch = scratch().await;
    let pragmas = "SELECT (SELECT journal_mode FROM pragma_journal_mode), \
        (SELECT synchronous FROM pragma_synchronous), \
        (SELECT foreign_keys FROM pragma_foreign_keys), \
        (SELECT timeout FROM pragma_busy_timeout), \
        (SELECT query_only FROM pragma_query_only)";
    let connections = &scratch.store.connections;
    let writer = connections.change(sqlx::query(pragmas)).await.unwrap();
    let reader = connections.read(sqlx::query(pragmas)).await.unwrap();
    for (row, query_only) in [(&writer[0], 0), (&reader[0], 1)] {
        let found: (String, i64, i64, i64, i64) = sqlx::FromRow::from_row(row).unwrap();
        assert_eq!(found, ("wal".to_owned(), 2, 1, 5000, query_only));
    }
}

/// What waited to be sent before sends stood in lines stands in them afterwards.
#[tokio::test]
async fn an_older_outbox_is_brought_into_lines() {
    let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    connection.execute(include_str!("../../../migrations/sqlite/0001_ledger.sql")).await.unwrap();
    let rows = "INSERT INTO conversations (business_id, id, channel_id, contact_id, status, owner, \
            last_message_at, not_before, doc) VALUES (x'01', x'02', x'03', x'04', '', '', 0, 0, ''); \
        INSERT INTO outbox (conversation_id, seq, business_id, message_id, lane, created_at, phase, \
            due_at, doc) VALUES (x'02', 1, x'01', x'05', 0, 0, 2, 0, 'a'), \
            (x'02', 2, x'01', x'06', 0, 0, 1, 0, 'b')";
    connection.execute(rows).await.unwrap();
    let lines = include_str!("../../../migrations/sqlite/0004_fairness.sql");
    connection.execute(lines).await.unwrap();
    let found = "SELECT seq, phase, hex(channel_id), doc FROM outbox ORDER BY seq";
    let found: Vec<(i64, i64, String, String)> =
        sqlx::query_as(found).fetch_all(&mut connection).await.unwrap();
    let row = |seq, phase, doc: &str| (seq, phase, "03".to_owned(), doc.to_owned());
    assert_eq!(found, [row(1, 2, "a"), row(2, 3, "b")]);
    connection.execute("DELETE FROM outbox WHERE seq = 1").await.unwrap();
    let phase: (i64,) =
        sqlx::query_as("SELECT phase FROM outbox").fetch_one(&mut connection).await.unwrap();
    assert_eq!(phase.0, 0, "it steps up");
}
