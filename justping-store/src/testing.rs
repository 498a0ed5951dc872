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

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};
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
/// How long processes that were killed may take to be gone, and a standby to follow.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one rests between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Starts the server and stops it when the standard input ends, which it does when this program
/// does, however that comes about.
const WATCH: &str = r#"
trap '' INT TERM HUP
stop() { "$2/pg_ctl" -D "$1/data" -s -m immediate stop; rm -rf "$1"; }
"$2/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$1/log" 2>&1 &&
"$2/pg_ctl" -D "$1/data" -s -w -l "$1/log" -o "-k $1 -c listen_addresses= -c fsync=off \
    -c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB \
    -c autovacuum=off $3" start </dev/null >/dev/null 2>&1 &&
echo ready || { cat "$1/log"; exit 1; }
read -r _
stop "$1" "$2" 2>/dev/null
"#;

/// The same for a standby: it copies a running server and follows it from then on.
const FOLLOW: &str = r#"
trap '' INT TERM HUP
stop() { "$2/pg_ctl" -D "$1/data" -s -m immediate stop; rm -rf "$1"; }
"$2/pg_basebackup" -h "$3" -U postgres -D "$1/data" -R -X stream -c fast --no-sync \
    >"$1/log" 2>&1 &&
"$2/pg_ctl" -D "$1/data" -s -w -l "$1/log" -o "-k $1 -c listen_addresses= -c fsync=off \
    -c max_connections=400 -c shared_buffers=64MB" start </dev/null >/dev/null 2>&1 &&
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
fn as_runner(program: impl AsRef<OsStr>) -> Command {
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
    launch(WATCH, commits.settings().as_ref())
}

/// Starts a server that follows another one. What it does when it is promoted survives its death.
fn follow(primary: &Server) -> Server {
    launch(FOLLOW, primary.folder.as_os_str())
}

/// Runs a script that starts a server in a new folder, and waits until it is ready. The script is
/// given the folder, that of the programs, and `more`.
fn launch(script: &str, more: &OsStr) -> Server {
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
    command.args(["-c", script, "watch"]).arg(&folder).arg(PROGRAMS).arg(more);
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

/// A server of one test's own, and a standby that follows it.
#[derive(Debug)]
pub struct Followed {
    primary: Server,
    standby: Server,
}

impl Followed {
    /// Starts both.
    pub fn start() -> Self {
        let primary = start(Commits::Hasty);
        let standby = follow(&primary);
        Self { primary, standby }
    }

    /// A store's role and its database on the primary.
    pub async fn config(&self) -> PostgresConfig {
        let mut admin = self.primary.admin("postgres").await;
        run(&mut admin, format!("CREATE ROLE {ROLE} LOGIN")).await;
        run(&mut admin, format!("CREATE DATABASE {TEMPLATE} OWNER {ROLE}")).await;
        let url = self.standby.url(ROLE, TEMPLATE);
        PostgresConfig { read_url: Some(url.into()), ..self.primary.config(TEMPLATE) }
    }

    /// A connection to the standby that may do everything.
    pub async fn standby(&self) -> PgConnection {
        self.standby.admin("postgres").await
    }

    /// Waits until the standby has replayed all that the primary wrote so far.
    pub async fn catch_up(&self) {
        let mut admin = self.primary.admin("postgres").await;
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
        tokio::time::timeout(PATIENCE, caught_up).await.unwrap();
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

    /// Kills every process of the server, with no time to say a word to anybody, and waits until
    /// they are gone.
    pub async fn kill(&self) {
        let postmaster = self.postmaster();
        // It must not start another one meanwhile: whoever is left keeps it from starting again.
        signal("-STOP", &[postmaster]);
        let mut doomed = vec![postmaster];
        doomed.extend(children(postmaster));
        signal("-KILL", &doomed);
        let started = Instant::now();
        while let Some(left) = doomed.iter().find(|pid| parent(**pid).is_some()) {
            assert!(started.elapsed() < PATIENCE, "process {left} of the server is still there");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Starts a server that follows this one. From now on a commit here is one there as well.
    pub async fn standby(&'static self) -> &'static Self {
        let standby: &'static Self = Box::leak(Box::new(follow(self)));
        let mut admin = self.admin("postgres").await;
        run(&mut admin, "ALTER SYSTEM SET synchronous_standby_names = '*'".to_owned()).await;
        run(&mut admin, "SELECT pg_reload_conf()".to_owned()).await;
        let following = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let started = Instant::now();
        while self.number("postgres", following).await != 1 {
            assert!(started.elapsed() < PATIENCE, "the standby does not follow");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // Commits wait for it from the moment at which the checkpointer has read the settings, which
        // it does before it begins with what it is asked for.
        for _ in 0..2 {
            run(&mut admin, "CHECKPOINT".to_owned()).await;
        }
        admin.close().await.unwrap();
        standby
    }

    /// Stops every process of the server where it is.
    pub fn pause(&self) {
        let postmaster = self.postmaster();
        let mut all = vec![postmaster];
        all.extend(children(postmaster));
        signal("-STOP", &all);
    }

    /// Has what was stopped go on.
    pub fn resume(&self) {
        let postmaster = self.postmaster();
        let mut all = children(postmaster);
        all.push(postmaster);
        signal("-CONT", &all);
    }

    /// Makes a standby a server of its own.
    pub fn promote(&self) {
        self.control(&["promote"]);
    }

    /// The socket that the server answers on.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// The one number that a statement asks for.
    pub async fn number(&self, database: &str, sql: &str) -> i64 {
        let mut admin = self.admin(database).await;
        let row = admin.fetch_one(AssertSqlSafe(sql.to_owned())).await.unwrap();
        admin.close().await.unwrap();
        row.try_get(0).unwrap()
    }

    /// Starts the server again as it was.
    pub fn restart(&self) {
        self.control(&["restart"]);
    }

    fn postmaster(&self) -> u32 {
        let file = self.folder.join("data/postmaster.pid");
        let file = std::fs::read_to_string(file).unwrap();
        file.lines().next().unwrap().parse().unwrap()
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

/// Signals processes, of which some may have ended by themselves.
fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    Command::new("kill").arg(name).args(pids).stderr(Stdio::null()).status().unwrap();
}

/// The parent of a process that is there. One that is over is there until somebody took note: until
/// then its number is taken, and a server that finds it in its files does not start.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, a parenthesis too.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn children(of: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
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

    /// Where it is for whoever comes through an address that leads to its server.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://{ROLE}@{address}/{}", self.name)
    }

    /// The one number that a statement asks for.
    pub async fn number(&self, sql: &str) -> i64 {
        self.server.number(&self.name, sql).await
    }

    /// A connection that sees everything.
    pub async fn admin(&self) -> PgConnection {
        self.server.admin(&self.name).await
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
