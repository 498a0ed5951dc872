//! The Node peer: the stack that people would write instead, copied aside and installed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use sqlx::Row;

use crate::Outcome;
use crate::graph::Graph;
use crate::load;
use crate::payload::{self, SECRET};
use crate::process::Watched;
use crate::service::{Postgres, Redis, free_port};

/// The variable that says where the peer is.
const VARIABLE: &str = "JUSTPING_PEER_DIR";
/// Where it is otherwise, from the repository.
const DEFAULT: &str = "../shared/bench-peers/node";
const TEMPLATE: &str = "peer_seed";
const DATABASE: &str = "peer";
/// Messages of a seeded contact.
const SEED_MESSAGES: usize = 3;

/// Starts a module of the peer, tells its process and when it is ready, and ends it when the
/// standard input ends.
const FORK: &str = "const p=require('child_process').fork(process.argv[1],{execArgv:[]});\
    console.log(p.pid);p.on('message',m=>{if(m==='ready')console.log(m)});\
    p.on('exit',()=>process.exit(1));process.stdin.on('end',()=>{p.removeAllListeners('exit');\
    p.kill('SIGKILL');process.exit(0)});process.stdin.resume()";

/// The peer, installed.
#[derive(Debug)]
pub(crate) struct Peer {
    folder: PathBuf,
}

/// The services that its processes talk to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) postgres: &'a Postgres,
    pub(crate) redis: &'a Redis,
    pub(crate) graph: &'a Graph,
}

/// A process of the peer.
#[derive(Debug)]
pub(crate) struct Part {
    keeper: Child,
    pid: u32,
    label: &'static str,
    pub(crate) started_ms: f64,
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // There is nobody left to tell.
        drop(self.keeper.wait());
    }
}

impl Part {
    pub(crate) fn watched(&self) -> Watched {
        Watched { label: self.label, pid: self.pid }
    }
}

/// The folder of the peer, if it is there.
pub(crate) fn find() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository.join(DEFAULT));
    folder.join("package.json").is_file().then_some(folder)
}

impl Peer {
    /// Copies the peer to `folder` and fetches what it depends on.
    pub(crate) fn install(from: &Path, folder: PathBuf) -> Outcome<Self> {
        std::fs::create_dir_all(&folder)?;
        for name in ["package.json", "package-lock.json", "src"] {
            let copied = Command::new("cp").arg("-r").arg(from.join(name)).arg(&folder).status()?;
            if !copied.success() {
                return Err(format!("{name} of the peer cannot be copied").into());
            }
        }
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status()?;
        if installed.success() { Ok(Self { folder }) } else { Err("npm install failed".into()) }
    }

    /// Makes the database that the runs are copied from.
    pub(crate) async fn seed(&self, postgres: &Postgres, contacts: usize) -> Outcome<()> {
        postgres.make(TEMPLATE, "template0").await?;
        postgres
            .run(TEMPLATE, std::fs::read_to_string(self.folder.join("src/schema.sql"))?)
            .await?;
        let channel = payload::phone_number_id(0);
        let (known, first) = (payload::KNOWN, payload::phone(0));
        let rows = format!(
            "INSERT INTO contacts (business_id, address, name) SELECT 1, \
             ({first} + i + CASE WHEN i < {known} THEN 0 ELSE 10000000 END)::text, \
             'Customer ' || i \
             FROM generate_series(0, {contacts} - 1) i; \
             INSERT INTO conversations (business_id, channel_id, contact_id) \
             SELECT 1, '{channel}', id FROM contacts; \
             INSERT INTO messages \
             (business_id, conversation_id, direction, provider_id, kind, body, payload) \
             SELECT 1, c.id, 0, 'wamid.old' || c.id || '.' || k, 'text', \
             'an earlier message of this conversation', '{{\"type\":\"text\"}}' \
             FROM conversations c, generate_series(1, {SEED_MESSAGES}) k"
        );
        postgres.run(TEMPLATE, rows).await?;
        postgres.run(TEMPLATE, "VACUUM ANALYZE").await
    }

    /// Copies the database and empties Redis.
    pub(crate) async fn place(&self, postgres: &Postgres, redis: &Redis) -> Outcome<()> {
        postgres.make(DATABASE, TEMPLATE).await?;
        redis.empty().await
    }

    /// Starts the process that takes webhooks, at its best: batches, without Express.
    pub(crate) async fn api(&self, around: &Around<'_>) -> Outcome<(Part, String)> {
        let port = free_port()?;
        let part = self.part("api", "src/server.js", port, around)?;
        let address = format!("127.0.0.1:{port}");
        load::ask(&address, "GET /hello", "", "").await?;
        Ok((part, address))
    }

    /// Starts the process that runs flows and sends.
    pub(crate) fn worker(&self, around: &Around<'_>) -> Outcome<Part> {
        self.part("worker", "src/worker.js", 0, around)
    }

    fn part(
        &self,
        label: &'static str,
        module: &str,
        port: u16,
        around: &Around<'_>,
    ) -> Outcome<Part> {
        let begun = Instant::now();
        let mut keeper = Command::new("node")
            .args(["-e", FORK])
            .arg(self.folder.join(module))
            .env("NODE_ENV", "production")
            .env("PG_URL", around.postgres.url("postgres", DATABASE))
            .env("REDIS_PORT", around.redis.port.to_string())
            .env("PORT", port.to_string())
            .env("GRAPH_URL", format!("http://{}", around.graph.address))
            .env("INGEST_MODE", "batch")
            .env("HTTP_LAYER", "raw")
            .env("CONCURRENCY", "200")
            .env("APP_SECRET", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(keeper.stdout.take().ok_or("no output")?).lines();
        let pid = lines.next().ok_or("the peer did not start")??.parse()?;
        let ready = lines.next().ok_or("the peer did not become ready")??;
        if ready != "ready" {
            return Err(format!("the peer says {ready}").into());
        }
        let started_ms = begun.elapsed().as_secs_f64() * 1e3;
        Ok(Part { keeper, pid, label, started_ms })
    }

    /// How many replies of the run are stored as sent.
    pub(crate) async fn sent(&self, postgres: &Postgres) -> Outcome<i64> {
        let mut admin = postgres.admin(DATABASE).await?;
        let sql = "SELECT count(*) FROM messages WHERE direction = 1 AND status = 1";
        Ok(sqlx::query(sql).fetch_one(&mut admin).await?.try_get(0)?)
    }
}
