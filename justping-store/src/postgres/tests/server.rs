//! A throw-away Postgres, shared by the tests of this program.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use super::super::{PostgresConfig, PostgresStore};
use crate::tests::master;

/// Where Debian puts the programs of the server.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The user that runs the server when the tests are run by root, which it refuses to be run by.
const RUNNER: &str = "postgres";
/// The role of the store: it owns its databases and nothing else.
pub(super) const ROLE: &str = "justping";
/// The database that the others are copied from.
const TEMPLATE: &str = "ledger";

/// Starts the server and stops it when the standard input ends, which it does when this program
/// does, however that comes about. Nothing here is worth a flush to the disk.
const WATCH: &str = r#"
trap '' INT TERM HUP
stop() { "$2/pg_ctl" -D "$1/data" -s -m immediate stop; rm -rf "$1"; }
"$2/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$1/log" 2>&1 &&
"$2/pg_ctl" -D "$1/data" -s -w -l "$1/log" -o "-k $1 -c listen_addresses= -c fsync=off \
    -c full_page_writes=off -c synchronous_commit=off -c max_connections=200 \
    -c shared_buffers=64MB -c autovacuum=off" start </dev/null >/dev/null 2>&1 &&
echo ready || { cat "$1/log"; exit 1; }
read -r _
stop "$1" "$2"
"#;

/// The same for a standby: it copies a running server and follows it from then on.
const FOLLOW: &str = r#"
trap '' INT TERM HUP
stop() { "$2/pg_ctl" -D "$1/data" -s -m immediate stop; rm -rf "$1"; }
"$2/pg_basebackup" -h "$3" -U postgres -D "$1/data" -R -X stream -c fast --no-sync \
    >"$1/log" 2>&1 &&
"$2/pg_ctl" -D "$1/data" -s -w -l "$1/log" -o "-k $1 -c listen_addresses= -c fsync=off \
    -c max_connections=200 -c shared_buffers=64MB" start </dev/null >/dev/null 2>&1 &&
echo ready || { cat "$1/log"; exit 1; }
read -r _
stop "$1" "$2"
"#;

/// The server, and the databases that can go.
struct Server {
    folder: PathBuf,
    /// Holds the pipe whose end stops the server.
    _watch: Mutex<Child>,
    template: OnceCell<()>,
    databases: AtomicU32,
    unused: Mutex<Vec<String>>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Server {
    let (folder, watch) = launch(WATCH, &[]);
    Server {
        folder,
        _watch: Mutex::new(watch),
        template: OnceCell::new(),
        databases: AtomicU32::new(0),
        unused: Mutex::new(Vec::new()),
    }
}

/// Runs a script that starts a server in a new folder, and waits until it is ready. The script is
/// given the folder, that of the programs, and `more`.
fn launch(script: &str, more: &[&Path]) -> (PathBuf, Child) {
    assert!(
        Path::new(PROGRAMS).join("initdb").exists(),
        "these tests need the programs of Postgres 15 in {PROGRAMS}: \
            install the Debian package postgresql-15"
    );
    let folder = tempfile::tempdir().unwrap().keep();
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = if root {
        let owner = Command::new("chown").arg(RUNNER).arg(&folder).status().unwrap();
        assert!(owner.success(), "the folder of the server goes to {RUNNER}");
        let mut command = Command::new("setpriv");
        command.args(["--reuid", RUNNER, "--regid", RUNNER, "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", script, "watch"]).arg(&folder).arg(PROGRAMS).args(more);
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut watch = command.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    if first != "ready" {
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        panic!("the server did not start: {first}\n{}", rest.join("\n"));
    }
    (folder, watch)
}

/// A server of one test's own, and a standby that follows it.
pub(super) struct Followed {
    primary: Server,
    standby: PathBuf,
    _watch: Child,
}

impl Followed {
    pub(super) fn start() -> Self {
        let primary = start();
        let (standby, watch) = launch(FOLLOW, &[&primary.folder]);
        Self { primary, standby, _watch: watch }
    }

    /// A store's role and its database on the primary.
    pub(super) async fn config(&self) -> PostgresConfig {
        let mut admin = self.primary.options().username("postgres").connect().await.unwrap();
        run(&mut admin, format!("CREATE ROLE {ROLE} LOGIN")).await;
        run(&mut admin, format!("CREATE DATABASE {TEMPLATE} OWNER {ROLE}")).await;
        let folder = self.standby.display();
        let url = format!("postgres://{ROLE}@localhost/{TEMPLATE}?host={folder}");
        PostgresConfig { read_url: Some(url.into()), ..self.primary.config(TEMPLATE) }
    }

    /// A connection to the standby that may do everything.
    pub(super) async fn standby(&self) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.standby);
        options.username("postgres").database("postgres").connect().await.unwrap()
    }

    /// Waits until the standby has replayed all that the primary wrote so far.
    pub(super) async fn catch_up(&self) {
        let mut admin = self.primary.options().username("postgres").connect().await.unwrap();
        let position = "SELECT pg_current_wal_insert_lsn()::text";
        let position: String = sqlx::query_scalar(position).fetch_one(&mut admin).await.unwrap();
        let mut standby = self.standby().await;
        let replayed = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn FROM pg_sleep(0.01)";
        let caught_up = async {
            while !sqlx::query_scalar::<_, bool>(replayed)
                .bind(position.clone())
                .fetch_one(&mut standby)
                .await
                .unwrap()
            {}
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), caught_up).await.unwrap();
    }
}

impl Server {
    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.folder).disable_statement_logging()
    }

    fn config(&self, database: &str) -> PostgresConfig {
        let folder = self.folder.display();
        let url = format!("postgres://{ROLE}@localhost/{database}?host={folder}");
        PostgresConfig { connections: 4, ..PostgresConfig::new(url, master()) }
    }

    /// Makes the database that the others are copied from.
    async fn make_template(&self) {
        let mut admin = admin("postgres").await;
        run(&mut admin, format!("CREATE ROLE {ROLE} LOGIN")).await;
        run(&mut admin, format!("CREATE DATABASE {TEMPLATE} OWNER {ROLE}")).await;
        let store = PostgresStore::open(self.config(TEMPLATE)).await.unwrap();
        store.close().await;
    }

    fn name(&self) -> String {
        format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed))
    }
}

/// A connection that sees everything.
pub(super) async fn admin(database: &str) -> PgConnection {
    let options = server().options().username("postgres").database(database);
    options.connect().await.unwrap()
}

/// A connection of the store's role, without the settings of the store.
pub(super) async fn plain(database: &str) -> PgConnection {
    let options = server().options().username(ROLE).database(database);
    options.connect().await.unwrap()
}

pub(super) async fn run(connection: &mut PgConnection, sql: String) {
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

/// A database that goes when this is dropped.
pub(super) struct Database {
    pub(super) name: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        server().unused.lock().unwrap().push(std::mem::take(&mut self.name));
    }
}

impl Database {
    /// An empty database.
    pub(super) async fn empty() -> Self {
        Self::made("template0").await
    }

    /// A database with the tables of the store.
    pub(super) async fn new() -> Self {
        Self::made(TEMPLATE).await
    }

    async fn made(template: &str) -> Self {
        let server = server();
        server.template.get_or_init(|| server.make_template()).await;
        let mut admin = admin("postgres").await;
        let unused = std::mem::take(&mut *server.unused.lock().unwrap());
        for name in unused {
            run(&mut admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
        let name = server.name();
        run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}")).await;
        admin.close().await.unwrap();
        Self { name }
    }

    pub(super) fn config(&self) -> PostgresConfig {
        server().config(&self.name)
    }

    /// The same with another user.
    pub(super) fn config_of(&self, user: &str) -> PostgresConfig {
        let folder = server().folder.display();
        let url = format!("postgres://{user}@localhost/{}?host={folder}", self.name);
        PostgresConfig::new(url, master())
    }
}
