//! What a database may be when it is opened.

use sqlx::Row;

use justping_core::model::Business;
use justping_core::port::store::{BusinessStore, StoreError};

use super::*;
use crate::tests::{at, business};

async fn refused(config: PostgresConfig) -> OpenError {
    PostgresStore::open(config).await.map(drop).unwrap_err()
}

fn acme() -> Business {
    Business { id: business(1), name: "Acme".to_owned(), created_at: at(0) }
}

#[tokio::test]
async fn several_open_an_empty_database_at_once() {
    let database = Database::empty().await;
    let open = || PostgresStore::open(database.config());
    let (a, b, c) = tokio::join!(open(), open(), open());
    a.unwrap().create_business(&acme()).await.unwrap();
    assert_eq!(b.unwrap().business(business(1)).await, Ok(acme()));
    assert_eq!(c.unwrap().create_business(&acme()).await, Err(StoreError::Conflict("business")));
}

#[tokio::test]
async fn several_bring_an_older_schema_up_to_date_at_once() {
    let database = Database::empty().await;
    let mut plain = server::plain(&database.name).await;
    open::migrator(&open::MIGRATIONS[..1]).run(&mut plain).await.unwrap();
    let row = "BEGIN; SET LOCAL app.system = 'on'; INSERT INTO businesses (id, doc) VALUES \
        ('00000000-0000-0000-0000-000000000001', '{\"id\":\"biz_1\"}'); COMMIT";
    plain.execute(row).await.unwrap();
    let open = || PostgresStore::open(database.config());
    let (a, b, c, d) = tokio::join!(open(), open(), open(), open());
    for store in [a, b, c, d] {
        store.unwrap().close().await;
    }
    let done = sqlx::query("SELECT version FROM _sqlx_migrations ORDER BY version");
    let done = done.fetch_all(&mut plain).await.unwrap();
    let done: Vec<i64> = done.iter().map(|row| row.get(0)).collect();
    let known: Vec<i64> = open::MIGRATIONS.iter().map(|(version, _, _)| *version).collect();
    assert_eq!(done, known, "each once");
    plain.execute("BEGIN; SET LOCAL app.system = 'on'").await.unwrap();
    let kept = sqlx::query("SELECT count(*) FROM businesses").fetch_one(&mut plain).await.unwrap();
    assert_eq!(kept.get::<i64, _>(0), 1);
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let scratch = scratch().await;
    scratch.store.close().await;
    let closed = scratch.business(business(1)).await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
}

#[tokio::test]
async fn a_store_goes_on_after_its_connections_were_cut() {
    let scratch = scratch().await;
    scratch.create_business(&acme()).await.unwrap();
    let mut admin = server::admin("postgres").await;
    let cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
    sqlx::query(cut).bind(scratch.database.name.clone()).fetch_all(&mut admin).await.unwrap();
    assert_eq!(scratch.business(business(1)).await, Ok(acme()));
}

/// A store with one connection, whose last transaction was dropped before it was known to have
/// begun: the connection is back, and still in it.
async fn lent_in_a_transaction(statements: &'static [&'static str]) -> Scratch {
    let database = Database::new().await;
    let config = PostgresConfig { connections: 1, ..database.config() };
    let scratch = Scratch { store: PostgresStore::open(config).await.unwrap(), database };
    for n in [1, 2] {
        let row = Business { id: business(n), ..acme() };
        scratch.create_business(&row).await.unwrap();
    }
    let mut connection = scratch.connections.pool().acquire().await.unwrap();
    for statement in statements {
        (&mut *connection).execute(*statement).await.unwrap();
    }
    connection.return_to_pool().await;
    scratch
}

#[tokio::test]
async fn a_dropped_begin_lends_its_sight_to_nobody() {
    let scratch = lent_in_a_transaction(&["BEGIN; SET LOCAL app.system = 'on'"]).await;
    let one = connection::Scope::Business(business(1));
    let seen = sqlx::query("SELECT id FROM businesses");
    assert_eq!(scratch.connections.read(one, seen).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_goes_on_after_a_session_that_was_idle_for_too_long() {
    const IDLE: &[&str] = &["SET idle_in_transaction_session_timeout = '500ms'", "BEGIN"];
    let scratch = lent_in_a_transaction(IDLE).await;
    let mut admin = server::admin("postgres").await;
    let name = &scratch.database.name;
    let sessions = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = $1 AND state = 'idle in transaction'";
    let closed = async {
        let left = || sqlx::query_scalar::<_, i64>(sessions).bind(name.clone());
        while left().fetch_one(&mut admin).await.unwrap() > 0 {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), closed).await.unwrap();
    assert_eq!(scratch.connections.pool().num_idle(), 1, "nobody has noticed");
    assert_eq!(scratch.business(business(1)).await.unwrap().name, "Acme");
}

#[tokio::test]
async fn a_commit_is_done_when_the_synchronous_standby_has_it() {
    let primary = server::Server::start();
    let standby = primary.standby().await;
    let limit = std::time::Duration::from_millis(300);
    let database = primary.empty().await;
    let config = PostgresConfig { statement_timeout: limit, ..database.config() };
    let store = PostgresStore::open(config).await.unwrap();
    standby.pause();
    let row = acme();
    let mut writes = std::pin::pin!(store.create_business(&row));
    let long = "SELECT count(*) FROM pg_stat_activity \
        WHERE wait_event = 'SyncRep' AND now() - state_change > interval '1 s'";
    let waits = async { while primary.number("postgres", long).await == 0 {} };
    tokio::select! {
        written = &mut writes => panic!("nobody else has it: {written:?}"),
        () = waits => standby.resume(),
    }
    writes.await.unwrap();
    assert_eq!(store.business(row.id).await, Ok(acme()));
}

#[tokio::test]
async fn newer_and_changed_schemas_are_refused() {
    let scratch = scratch().await;
    let mut plain = server::plain(&scratch.database.name).await;
    let newer = "INSERT INTO _sqlx_migrations \
        (version, description, success, checksum, execution_time) \
        VALUES (99, 'later', true, '\\x00', 0)";
    plain.execute(newer).await.unwrap();
    let error = refused(scratch.database.config()).await;
    assert!(matches!(error, OpenError::NewerVersion { found: 99, known: 1.. }), "{error:?}");
    plain.execute("DELETE FROM _sqlx_migrations WHERE version = 99").await.unwrap();
    let changed = "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1";
    plain.execute(changed).await.unwrap();
    let error = refused(scratch.database.config()).await;
    assert!(matches!(error, OpenError::Drifted(1)), "{error:?}");
}

#[tokio::test]
async fn another_master_key_is_refused() {
    use justping_core::model::ChannelSecrets;
    use justping_core::port::store::ChannelStore;

    let scratch = scratch().await;
    scratch.create_business(&acme()).await.unwrap();
    let secrets = ChannelSecrets::from_iter([("token", "EAAG")]);
    scratch.create_channel(&crate::tests::channel(11, 1), &secrets).await.unwrap();
    let other = MasterKey::generate().unwrap();
    let error = refused(PostgresConfig { master_key: other, ..scratch.database.config() }).await;
    assert!(matches!(error, OpenError::WrongMasterKey), "{error:?}");
    PostgresStore::open(scratch.database.config()).await.unwrap();
}

#[tokio::test]
async fn a_role_that_sees_everything_is_refused() {
    let database = Database::new().await;
    let error = refused(database.config_of("postgres")).await;
    assert!(matches!(error, OpenError::Exempt), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_typed_error() {
    let database = Database::new().await;
    let error =
        refused(PostgresConfig::new("postgres://localhost:1/none", database.config().master_key))
            .await;
    assert!(matches!(error, OpenError::Store(StoreError::Unavailable(_))), "{error:?}");
    let error = refused(PostgresConfig::new("nonsense", database.config().master_key)).await;
    assert!(matches!(error, OpenError::InvalidUrl), "{error:?}");
    assert!(!format!("{:?}", database.config()).contains("postgres://"));
}

/// What waited to be sent before sends stood in lines stands in them afterwards, though the wall
/// stands between the migration and the rows.
#[tokio::test]
async fn an_older_outbox_is_brought_into_lines() {
    let database = Database::empty().await;
    let mut plain = server::plain(&database.name).await;
    let migrate = async |connection: &mut sqlx::PgConnection, sql: &str| {
        server::run(connection, format!("BEGIN; {sql}; COMMIT")).await;
    };
    migrate(&mut plain, include_str!("../../../migrations/postgres/0001_ledger.sql")).await;
    let id = |n: u8| format!("'00000000-0000-0000-0000-00000000000{n}'");
    let (business, channel, contact, conversation) = (id(1), id(2), id(3), id(4));
    let rows = format!(
        "SET LOCAL app.system = 'on'; \
        INSERT INTO businesses VALUES ({business}, ''); \
        INSERT INTO channels (business_id, id, doc) VALUES ({business}, {channel}, ''); \
        INSERT INTO contacts VALUES ({business}, {contact}, false, ''); \
        INSERT INTO conversations (business_id, id, channel_id, contact_id, status, owner, \
            last_message_at, not_before, doc) \
            VALUES ({business}, {conversation}, {channel}, {contact}, '', '', 0, 0, ''); \
        INSERT INTO outbox (business_id, conversation_id, seq, message_id, lane, created_at, \
            phase, due_at, doc) \
            SELECT {business}, {conversation}, n, {business}, 0, 0, 1, 0, '' \
            FROM generate_series(1, 2) n"
    );
    migrate(&mut plain, &rows).await;
    migrate(&mut plain, include_str!("../../../migrations/postgres/0004_fairness.sql")).await;
    plain.execute("BEGIN; SET LOCAL app.system = 'on'").await.unwrap();
    let found = "SELECT seq, phase, channel_id::text FROM outbox ORDER BY seq";
    let found: Vec<(i64, i64, String)> = sqlx::query_as(found).fetch_all(&mut plain).await.unwrap();
    let row = |seq, phase| (seq, phase, channel.trim_matches('\'').to_owned());
    assert_eq!(found, [row(1, 1), row(2, 3)]);
}
