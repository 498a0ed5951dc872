//! A throw-away Postgres and Redis on ports of their own, gone when this program is.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::process::Watched;

/// Where Debian puts the programs of Postgres.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The user that runs Postgres for root, by whom it refuses to be run.
const RUNNER: &str = "postgres";
/// The role of our store: it owns its databases and is no superuser.
pub(crate) const ROLE: &str = "justping";

/// Starts Postgres as durable as in production, and stops it when the standard input ends, which
/// it does when this program does, however that comes about.
const POSTGRES: &str = r#"
trap '' INT TERM HUP
"$2/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$1/log" 2>&1 &&
"$2/pg_ctl" -D "$1/data" -s -w -l "$1/log" -o "-k $1 -p $3 -c listen_addresses=127.0.0.1 \
    -c shared_buffers=1GB -c max_wal_size=8GB -c checkpoint_timeout=30min -c jit=off \
    -c max_connections=200 -c work_mem=64MB" start </dev/null >/dev/null 2>&1 &&
echo ready || { cat "$1/log"; exit 1; }
read -r _
"$2/pg_ctl" -D "$1/data" -s -m immediate stop; rm -rf "$1"
"#;

/// The same for Redis, which flushes its log every second.
const REDIS: &str = r#"
trap '' INT TERM HUP
redis-server --port "$2" --bind 127.0.0.1 --dir "$1" --save '' --appendonly yes \
    --appendfsync everysec --maxmemory-policy noeviction >"$1/log" 2>&1 &
echo "$!"
read -r _
kill "$!"; wait "$!"; rm -rf "$1"
"#;

/// A shell that keeps a service until its standard input ends.
#[derive(Debug)]
struct Keeper(Child);

impl Keeper {
    /// Starts a script on `arguments` and gives what it says first.
    fn start(mut command: Command, script: &str, arguments: &[&str]) -> Outcome<(Self, String)> {
        command.args(["-c", script, "keeper"]).args(arguments).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        Ok((Self(child), first))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // There is nobody left to tell.
        drop(self.0.wait());
    }
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn folder(name: &str) -> Outcome<PathBuf> {
    Ok(tempfile::Builder::new().prefix(name).tempdir()?.keep())
}

/// A Postgres server.
#[derive(Debug)]
pub(crate) struct Postgres {
    port: u16,
    pid: u32,
    _keeper: Keeper,
}

impl Postgres {
    pub(crate) async fn start() -> Outcome<Self> {
        if !Path::new(PROGRAMS).join("initdb").exists() {
            return Err(format!("Postgres 15 is not in {PROGRAMS}: install postgresql-15").into());
        }
        let (folder, port) = (folder("bench-postgres-")?, free_port()?);
        let root = Command::new("id").arg("-u").output()?.stdout == b"0\n";
        let command = if root {
            Command::new("chown").arg(RUNNER).arg(&folder).status()?;
            let mut command = Command::new("setpriv");
            command.args(["--reuid", RUNNER, "--regid", RUNNER, "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let place = folder.to_str().ok_or("a folder without a name")?;
        let arguments = [place, PROGRAMS, &port.to_string()];
        let (keeper, first) = Keeper::start(command, POSTGRES, &arguments)?;
        if first != "ready" {
            return Err(format!("Postgres did not start: {first}").into());
        }
        let file = std::fs::read_to_string(folder.join("data/postmaster.pid"))?;
        let pid = file.lines().next().ok_or("no postmaster")?.parse()?;
        let server = Self { port, pid, _keeper: keeper };
        server.run("postgres", format!("CREATE ROLE {ROLE} LOGIN")).await?;
        Ok(server)
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched { label: "postgres", pid: self.pid }
    }

    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection that sees everything.
    pub(crate) async fn admin(&self, database: &str) -> Outcome<PgConnection> {
        let options: PgConnectOptions = self.url("postgres", database).parse()?;
        Ok(options.disable_statement_logging().connect().await?)
    }

    /// Runs statements that cannot share a transaction one by one: split them yourself.
    pub(crate) async fn run(&self, database: &str, sql: impl Into<String>) -> Outcome<()> {
        let mut admin = self.admin(database).await?;
        admin.execute(AssertSqlSafe(sql.into())).await?;
        Ok(admin.close().await?)
    }

    /// Runs a statement that gives one number.
    pub(crate) async fn number(&self, database: &str, sql: &str) -> Outcome<i64> {
        let mut admin = self.admin(database).await?;
        let row = admin.fetch_one(AssertSqlSafe(sql.to_owned())).await?;
        admin.close().await?;
        Ok(row.try_get(0)?)
    }

    /// Makes a database, in place of one of the same name, empty or as a copy of another.
    pub(crate) async fn make(&self, name: &str, template: &str) -> Outcome<()> {
        self.run("postgres", format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        // Nobody may be connected to what is copied, and pools close in their own time.
        let away = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
            WHERE datname = '";
        self.run("postgres", format!("{away}{template}'")).await?;
        let sql =
            format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY OWNER {ROLE}");
        self.run("postgres", sql).await?;
        self.run("postgres", "CHECKPOINT").await
    }

    pub(crate) async fn version(&self) -> Outcome<String> {
        let mut admin = self.admin("postgres").await?;
        Ok(admin.fetch_one("SHOW server_version").await?.try_get(0)?)
    }
}

/// A Redis server.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) port: u16,
    pid: u32,
    _keeper: Keeper,
}

impl Redis {
    pub(crate) async fn start() -> Outcome<Self> {
        let (folder, port) = (folder("bench-redis-")?, free_port()?);
        let place = folder.to_str().ok_or("a folder without a name")?;
        let arguments = [place, &port.to_string()];
        let (keeper, first) = Keeper::start(Command::new("sh"), REDIS, &arguments)?;
        let pid = first.parse()?;
        let server = Self { port, pid, _keeper: keeper };
        // Somebody else's Redis on the port would be measured, and emptied, instead of ours.
        let own = format!("process_id:{pid}");
        for _ in 0..100 {
            match server.ask("INFO server").await {
                Ok(answer) if answer.contains(&own) => return Ok(server),
                Ok(_) => return Err("another Redis has the port".into()),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
        Err("Redis did not start: install redis-server".into())
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched { label: "redis", pid: self.pid }
    }

    pub(crate) async fn empty(&self) -> Outcome<()> {
        self.ask("FLUSHALL").await.map(drop)
    }

    async fn ask(&self, command: &str) -> Outcome<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
