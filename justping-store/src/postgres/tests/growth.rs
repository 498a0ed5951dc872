//! What a message costs must not depend on how many there are, nor on when the plans were made.

use std::fs;
use std::sync::Arc;

use justping_core::conformance::fixture::{World, at, sent_as};
use justping_core::model::{DeliveryStatus, OutboxRow, StatusUpdate};
use justping_core::port::store::{EngineStore, StatusOutcome, StatusRecord, TurnCommit};
use sqlx::{PgConnection, Row};

use super::*;

/// Messages of one batch.
const BATCH: usize = 32;
/// Messages between two looks.
const STEP: usize = 1_024;
/// Messages in all.
const MESSAGES: usize = 6 * STEP;
/// A contact writes about this often.
const EACH: usize = 4;
/// How much dearer the last messages may be than those after the first step, in hundredths.
const GROWTH_MAX: u64 = 130;

/// Moves of a message, in order.
const MOVES: [&str; 6] = ["accept", "claim turns", "commit", "claim sends", "record", "statuses"];

/// Looks at the one connection of a store from outside.
struct Watch {
    store: Arc<PostgresStore>,
    pid: i32,
    admin: PgConnection,
    name: String,
}

/// What the database has spent.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    /// Pages it looked at.
    pages: u64,
    /// Nanoseconds on a processor.
    nanos: u64,
}

impl Watch {
    async fn new(database: &Database) -> Self {
        let config = PostgresConfig { connections: 1, ..database.config() };
        let store = Arc::new(PostgresStore::open(config).await.unwrap());
        let pid = sqlx::query("SELECT pg_backend_pid()");
        let pid = store.connections.read(connection::Scope::System, pid).await.unwrap()[0].get(0);
        let admin = server::admin(&database.name).await;
        Self { store, pid, admin, name: database.name.clone() }
    }

    async fn spent(&mut self) -> Spent {
        let flush = sqlx::query("SELECT pg_stat_force_next_flush()::text");
        self.store.connections.read(connection::Scope::System, flush).await.unwrap();
        let pages = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = $1";
        let pages = sqlx::query(pages).bind(self.name.clone());
        let pages: i64 = pages.fetch_one(&mut self.admin).await.unwrap().get(0);
        let nanos = fs::read_to_string(format!("/proc/{}/schedstat", self.pid)).unwrap();
        let nanos = nanos.split(' ').next().unwrap().parse().unwrap();
        Spent { pages: pages.unsigned_abs(), nanos }
    }
}

/// Who writes a message: every so often somebody new, else somebody of before.
fn who(n: usize) -> usize {
    if n.is_multiple_of(EACH) { n / EACH } else { n * 7_919 % (n / EACH + 1) }
}

/// Takes a batch of messages all the way: heard, answered, sent, delivered.
async fn carry(world: &World<'_>, watch: &mut Watch, from: usize, spent: &mut [Spent; 6]) {
    let store = world.store;
    let mut before = watch.spent().await;
    let mut mark = async |watch: &mut Watch, index: usize| {
        let now = watch.spent().await;
        spent[index].pages += now.pages - before.pages;
        spent[index].nanos += now.nanos - before.nanos;
        before = now;
    };
    let batch =
        (from..from + BATCH).map(|n| world.hello(&format!("c{}", who(n)), &format!("in{n}")));
    store.accept(batch.collect()).await.unwrap();
    mark(watch, 0).await;
    let claims = store.claim_turns(&world.options(at(0), 100), None).await.unwrap();
    assert!(!claims.is_empty());
    mark(watch, 1).await;
    let answer = |claim| TurnCommit { messages: vec![world.say("hi")], ..world.done(claim) };
    for outcome in store.commit_turns(claims.iter().map(answer).collect()).await.unwrap() {
        outcome.unwrap();
    }
    mark(watch, 2).await;
    let sends = world.sends(at(1)).await;
    assert_eq!(sends.len(), claims.len());
    mark(watch, 3).await;
    let name = |n: usize| format!("out{}", from + n);
    let results = sends.iter().enumerate();
    let results = results.map(|(n, send)| world.result(send, sent_as(&name(n))));
    store.record_sends(results.collect()).await.unwrap();
    mark(watch, 4).await;
    let news = sends.iter().enumerate();
    let news = news.map(|(n, send)| world.keyed(&send.row, &name(n), DeliveryStatus::Delivered));
    store.record_statuses(news.collect()).await.unwrap();
    mark(watch, 5).await;
}

/// Plans are made on the first messages, when every table is empty and never looked at, and stay.
#[tokio::test]
async fn plan_trap() {
    let database = Database::new().await;
    let mut watch = Watch::new(&database).await;
    let store = Arc::clone(&watch.store);
    let world = World::new(&*store).await;
    let mut steps = Vec::new();
    for step in 0..MESSAGES / STEP {
        // What the server does by itself where it may: the queues leave dead rows behind.
        watch.admin.execute("VACUUM mailbox, outbox, unindexed_messages").await.unwrap();
        let mut spent = [Spent::default(); 6];
        for batch in 0..STEP / BATCH {
            carry(&world, &mut watch, step * STEP + batch * BATCH, &mut spent).await;
        }
        let row = spent.map(|one| (one.pages / STEP as u64, one.nanos / 1_000 / STEP as u64));
        println!("after {:>5}: pages and µs a message {row:?}", (step + 1) * STEP);
        steps.push(spent);
    }
    for (index, name) in MOVES.iter().enumerate() {
        let (first, last) = (steps[1][index].pages, steps[steps.len() - 1][index].pages);
        assert!(last * 100 <= first * GROWTH_MAX, "{name}: {first} pages, then {last}");
    }
}

/// Tables that grow for as long as a platform lives, as their indexes are called.
const GROWING: &[&str] = &[
    "channels",
    "contacts",
    "conversations",
    "events",
    "identities",
    "memberships",
    "messages",
    "received_refs",
    "sent_refs",
    "sessions",
    "trace_steps",
];

/// Statements that read a business of such a table from end to end, and why they may.
const READ_ALL: &[(&str, &str)] = &[
    ("CHANNEL_IN_USE", "a channel is removed, which is rare"),
    ("CHANNELS_OF_AGENT", "an agent is looked at, and a business has few channels"),
    ("CONTACT_TO_DELETE", "a contact is removed, which is rare"),
    ("FREE_CHANNELS", "an agent is removed, which is rare, and a business has few channels"),
    ("OUTBOX_LINES", "a line is a channel, and a business has few"),
    ("FREE_IDENTITIES", "a contact is removed, which is rare"),
    ("DELETE_IDENTITIES", "a contact is removed, which is rare"),
    ("DROP_EVENTS", "of the scan by the business alone it takes the first row"),
];

/// The plan of a statement as the store's sessions make it, whatever its parameters.
async fn plan(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let count = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
    let nulls = vec!["NULL"; count].join(", ");
    let values = if count == 0 { String::new() } else { format!("({nulls})") };
    server::run(connection, format!("PREPARE probed AS {sql}")).await;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE probed{values}"));
    let rows = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    connection.execute("DEALLOCATE probed").await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Scans of growing tables that go by nothing, or by the business alone.
fn long_scans(plan: &[String]) -> Vec<String> {
    let is_growing = |line: &str| {
        let index = line.split_once("Index").and_then(|(_, rest)| rest.split_once(" on "));
        index.is_some() && GROWING.iter().any(|table| line.contains(&format!(" {table}_")))
    };
    let is_long = |next: Option<&String>| {
        let next = next.map_or("", |next| next.trim());
        let condition = next.strip_prefix("Index Cond: (business_id = ");
        !next.starts_with("Index Cond") || condition.is_some_and(|rest| !rest.contains(" AND "))
    };
    let scans = plan.iter().enumerate();
    let scans = scans.filter(|(n, line)| is_growing(line) && is_long(plan.get(n + 1)));
    scans.map(|(_, line)| line.trim().to_owned()).collect()
}

/// What plans of an empty database are to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    /// Nobody ever looked at the tables.
    New,
    /// The server looked at them, and knows that they are empty.
    Known,
}

/// The long ways of an empty database.
async fn long_ways(emptiness: Emptiness) -> Vec<String> {
    let database = Database::new().await;
    if emptiness == Emptiness::Known {
        server::admin(&database.name).await.execute("VACUUM ANALYZE").await.unwrap();
    }
    let mut connection = server::plain(&database.name).await;
    for (name, value) in SESSION_SETTINGS {
        server::run(&mut connection, format!("SET {name} = '{value}'")).await;
    }
    connection.execute(connection::BEGIN_SYSTEM).await.unwrap();
    let mut long = Vec::new();
    for (name, sql) in statements() {
        // What is changed is there: such a plan is never made of an empty table.
        let changes =
            ["UPDATE ", "DELETE ", "INSERT ", " SHARE OF "].iter().any(|word| sql.contains(word));
        let skipped = emptiness == Emptiness::Known && changes;
        if skipped || READ_ALL.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let scans = long_scans(&plan(&mut connection, sql).await);
        long.extend(scans.into_iter().map(|scan| format!("{name}: {scan}")));
    }
    long
}

/// Plans are made while every table is empty, when all ways look equally short.
#[tokio::test]
async fn no_plan_of_an_empty_database_is_a_long_way() {
    for emptiness in [Emptiness::New, Emptiness::Known] {
        let long = long_ways(emptiness).await;
        assert!(long.is_empty(), "{emptiness:?}:\n{}", long.join("\n"));
    }
}

/// How many partitions of the messages a look for one message goes through.
async fn partitions_read(database: &str, since: i64, until: i64) -> usize {
    let mut connection = server::plain(database).await;
    for (name, value) in SESSION_SETTINGS {
        server::run(&mut connection, format!("SET {name} = '{value}'")).await;
    }
    connection.execute(connection::BEGIN_SYSTEM).await.unwrap();
    let lock = engine::STATUSES_LOCK;
    server::run(&mut connection, format!("PREPARE probed AS {lock}")).await;
    let nobody = "'{00000000-0000-0000-0000-000000000001}'";
    let explain = format!(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) \
            EXECUTE probed({nobody}, {nobody}, '{{1}}', '{{{since}}}', '{{{until}}}')"
    );
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_all(&mut connection).await;
    let lines = rows.unwrap().into_iter().map(|row| row.get::<String, _>(0));
    lines.filter(|line| line.contains(" on messages_") && !line.contains("never executed")).count()
}

#[tokio::test]
async fn news_of_a_message_is_looked_for_in_one_month() {
    let scratch = scratch().await;
    let id = race::leaving(&scratch, 1).await;
    let start = crate::tests::at(0);
    for quarter in 0..3 {
        let month = jiff::SignedDuration::from_hours(24 * 122 * quarter);
        scratch.make_partitions(start + month).await.unwrap();
    }
    let database = &scratch.database.name;
    let moment = start.as_millisecond();
    assert_eq!(partitions_read(database, moment, moment).await, 1);
    assert_eq!(partitions_read(database, i64::MIN, i64::MAX).await, 13, "twelve and the default");

    // The key says when the message was made; one without a moment is understood too.
    let claim = race::claims(&scratch).await.remove(0);
    let key = claim.row.idempotency_key();
    assert_eq!(OutboxRow::moment_of_key(&key), Some(moment));
    let plain = OutboxRow::key(id, claim.row.seq);
    assert_eq!(OutboxRow::moment_of_key(&plain), None);
    assert_eq!(OutboxRow::parse_key(&plain), OutboxRow::parse_key(&key));
    let news = race::delivered("wamid.1", Some(plain));
    let heard = scratch.record_statuses(vec![news]).await.unwrap().remove(0);
    assert!(matches!(heard, StatusOutcome::Applied { .. }), "{heard:?}");
    let read = |key| StatusRecord {
        update: StatusUpdate {
            status: DeliveryStatus::Read,
            ..race::delivered("wamid.1", key).update
        },
        ..race::delivered("wamid.1", None)
    };
    // By the key with its moment, and by the name alone, beside which the moment is stored.
    let heard = scratch.record_statuses(vec![read(Some(key))]).await.unwrap().remove(0);
    assert!(matches!(heard, StatusOutcome::Applied { .. }), "{heard:?}");
    let stored = "BEGIN; SET LOCAL app.system = 'on'";
    let mut plain = server::plain(database).await;
    plain.execute(stored).await.unwrap();
    let stored = sqlx::query("SELECT created_at FROM sent_refs").fetch_one(&mut plain).await;
    assert_eq!(stored.unwrap().get::<i64, _>(0), moment);
}
