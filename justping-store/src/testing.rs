//! A throw-away Postgres for tests, of this crate and of programs that stand on it.
//!
//! A server lives as long as the program that started it, however that ends, and is private to it:
//! a socket in a folder of its own, no port. A machine without the programs of Postgres is a test
//! that fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by a panic: this module is test code that other programs can call"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use crate::envelope::{KEY_BYTES, MasterKey};
use crate::postgres::{PostgresConfig, PostgresStore};

/// Where Debian puts the programs of the server.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The user that runs the server when the tests are run by root, which it refuses to be run by.
const RUNNER: &str = "postgres";
/// The role of the store: it owns its databases and nothing else.
pub const ROLE: &str = "justping";
/// The database that the others are copied from.
const TEMPLATE: &str = "ledger";
/// Connections of a store under test.
const CONNECTIONS: u32 = 4;

/// Starts the server and stops it when the standard input ends, which it does when this program
/// does, however that comes about.
const WATCH: &str = r#"
trap '' INT TERM HUP
stop() { "$2/pg_ctl" -D "$1/data" -s -m immediate stop; rm -rf "$1"; }
"$2/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$1/log" 2>&1 &&
"$2/pg_ctl" -D "$1/data" -s -w -l "$1/log" -o "-k $1 -c listen_addresses= -c fsync=off \
    -c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB \
    -c autovacuum=off $3" start </dev/null >/dev/null 2>&1 &&
echo ready || { cat "$1/log"; exit 1; }
read -r _
stop "$1" "$2" 2>/dev/null
"#;

/// What a commit of a server must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commits {
    /// Nothing that happens to the server.
    Hasty,
    /// Its death.
    Kept,
}

impl Commits {
    fn settings(self) -> &'static str {
        match self {
            Self::Hasty => "-c synchronous_commit=off",
            Self::Kept => "-c synchronous_commit=on",
        }
    }
}

/// A running Postgres, and those of its databases that can go.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// Holds the pipe whose end stops the server.
    _watch: Mutex<Child>,
    template: OnceCell<()>,
    databases: AtomicU32,
    unused: Mutex<Vec<String>>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start(Commits::Hasty))
}

/// A command for the user who may run the server.
fn as_runner(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", RUNNER, "--regid", RUNNER, "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

fn start(commits: Commits) -> Server {
    assert!(
        Path::new(PROGRAMS).join("initdb").exists(),
        "these tests need the programs of Postgres 15 in {PROGRAMS}: \
            install the Debian package postgresql-15"
    );
    let folder = tempfile::tempdir().unwrap().keep();
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        let owner = Command::new("chown").arg(RUNNER).arg(&folder).status().unwrap();
        assert!(owner.success(), "the folder of the server goes to {RUNNER}");
    }
    let mut command = as_runner("sh");
    command.args(["-c", WATCH, "watch"]).arg(&folder).arg(PROGRAMS).arg(commits.settings());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut watch = command.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    if first != "ready" {
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        panic!("the server did not start: {first}\n{}", rest.join("\n"));
    }
    Server {
        folder,
        _watch: Mutex::new(watch),
        template: OnceCell::new(),
        databases: AtomicU32::new(0),
        unused: Mutex::new(Vec::new()),
    }
}

impl Server {
    /// Starts a server of one's own, whose commits survive [`crash`](Self::crash).
    pub fn start() -> &'static Self {
        Box::leak(Box::new(start(Commits::Kept)))
    }

    /// Kills the server as a power cut would, but for what the system has in memory.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts the server again as it was.
    pub fn restart(&self) {
        self.control(&["restart"]);
    }

    fn control(&self, arguments: &[&str]) {
        let mut command = as_runner(Path::new(PROGRAMS).join("pg_ctl"));
        command.arg("-D").arg(self.folder.join("data")).arg("-l").arg(self.folder.join("log"));
        command.args(["-s", "-w"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "pg_ctl {arguments:?}: {status}");
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.folder).disable_statement_logging()
    }

    fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@localhost/{database}?host={}", self.folder.display())
    }

    fn config(&self, database: &str) -> PostgresConfig {
        let url = self.url(ROLE, database);
        PostgresConfig { connections: CONNECTIONS, ..PostgresConfig::new(url, master()) }
    }

    async fn admin(&self, database: &str) -> PgConnection {
        self.options().username("postgres").database(database).connect().await.unwrap()
    }

    /// Makes the database that the others are copied from.
    async fn make_template(&self) {
        let mut admin = self.admin("postgres").await;
        run(&mut admin, format!("CREATE ROLE {ROLE} LOGIN")).await;
        run(&mut admin, format!("CREATE DATABASE {TEMPLATE} OWNER {ROLE}")).await;
        let store = PostgresStore::open(self.config(TEMPLATE)).await.unwrap();
        store.close().await;
    }

    /// An empty database on this server.
    pub async fn empty(&'static self) -> Database {
        self.copy("template0").await
    }

    async fn copy(&'static self, template: &str) -> Database {
        self.template.get_or_init(|| self.make_template()).await;
        let mut admin = self.admin("postgres").await;
        let unused = std::mem::take(&mut *self.unused.lock().unwrap());
        for name in unused {
            run(&mut admin, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        run(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {ROLE}")).await;
        admin.close().await.unwrap();
        Database { server: self, name }
    }
}

/// The master key of every store under test.
pub fn master() -> MasterKey {
    MasterKey::from_bytes([42; KEY_BYTES])
}

/// A connection that sees everything.
pub async fn admin(database: &str) -> PgConnection {
    server().admin(database).await
}

/// A connection of the store's role, without the settings of the store.
pub async fn plain(database: &str) -> PgConnection {
    let options = server().options().username(ROLE).database(database);
    options.connect().await.unwrap()
}

/// Runs statements that hold what tests made up.
pub async fn run(connection: &mut PgConnection, sql: String) {
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
}

/// A database that goes when this is dropped.
#[derive(Debug)]
pub struct Database {
    server: &'static Server,
    /// What the server calls it.
    pub name: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.unused.lock().unwrap().push(std::mem::take(&mut self.name));
    }
}

impl Database {
    /// An empty database on the server that the tests of this program share.
    pub async fn empty() -> Self {
        server().empty().await
    }

    /// The same with the tables of the store.
    pub async fn new() -> Self {
        server().copy(TEMPLATE).await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url(ROLE, &self.name)
    }

    /// What opens it.
    pub fn config(&self) -> PostgresConfig {
        self.server.config(&self.name)
    }

    /// The same with another user.
    pub fn config_of(&self, user: &str) -> PostgresConfig {
        PostgresConfig::new(self.server.url(user, &self.name), master())
    }
}
