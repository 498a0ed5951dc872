//! Our server, as a process of its own over a database that has a history.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use justping::memory::MemoryStore;
use justping::model::{
    BusinessId, ChannelId, ChannelKind, ContactId, Content, ConversationId, Identity,
    InboundMessage, MessageId, Owner,
};
use justping::port::store::Accept;
use justping::port::{Clock, IdSource, Store};
use justping::store::envelope::MasterKey;
use justping::store::postgres::{PostgresConfig, PostgresStore};
use justping::store::sqlite::{SqliteConfig, SqliteStore};
use justping::system::{SystemClock, SystemEntropy};
use serde_json::{Value, json};
use sqlx::Executor;

use crate::Outcome;
use crate::floor;
use crate::graph::Graph;
use crate::load;
use crate::payload::{self, SECRET};
use crate::process::Watched;
use crate::service::{Postgres, ROLE, free_port};

/// Numbers of the business: one alone may send 1,000 messages a second, which the adapter obeys.
const NUMBERS: usize = 8;
/// Messages of a seeded contact.
const SEED_MESSAGES: usize = 3;
/// Rows of one commit while a database is seeded.
const SEED_BATCH: usize = 1_000;
/// How long a start may take on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);
/// The database that the others are copied from.
const TEMPLATE: &str = "ours_seed";
/// The database of the run.
const DATABASE: &str = "ours";

/// What our server keeps its rows in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Whether the server's workers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    On,
    Off,
}

/// A seeded database, to be copied for every run, with what leads to it.
#[derive(Debug)]
pub(crate) struct Estate {
    engine: Engine,
    folder: PathBuf,
    pub(crate) routes: Vec<String>,
}

/// A folder, and a database, of one run.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    url: String,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) started_ms: f64,
    key: Option<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Place {
    async fn empty(engine: Engine, folder: PathBuf, postgres: Option<&Postgres>) -> Outcome<Self> {
        std::fs::create_dir_all(&folder)?;
        // Beside Postgres the server makes up no key: processes that share it need the same one.
        MasterKey::load_or_create(folder.join("master.key"))?;
        let url = match engine {
            Engine::Sqlite => format!("sqlite://{}", folder.join("justping.db").display()),
            Engine::Postgres => {
                let postgres = postgres.ok_or("no Postgres")?;
                postgres.make(TEMPLATE, "template0").await?;
                postgres.url(ROLE, TEMPLATE)
            }
        };
        Ok(Self { folder, url })
    }
}

impl Server {
    pub(crate) async fn start(place: &Place, workers: Workers) -> Outcome<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_justping-server"))
            .args(["--listen", &address, "--whatsapp-hosts", "127.0.0.1"])
            .args(["--workers", if workers == Workers::On { "on" } else { "off" }])
            .args(["--database-url", &place.url, "--data-dir"])
            .arg(&place.folder)
            .env("RUST_LOG", "info")
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(place.folder.join("log"))?)
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let (found, keys) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                for word in line.split_whitespace().filter(|word| word.starts_with("jp_")) {
                    // Only the first start of a database has somebody who wants it.
                    let _ = found.send(word.to_owned());
                }
            }
        });
        let mut server = Self { child, address, started_ms: 0.0, key: None };
        while load::ask(&server.address, "GET /readyz", "", "").await.is_err() {
            let ended = server.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_MAX {
                let log = std::fs::read_to_string(place.folder.join("log"))?;
                return Err(format!("the server did not start: {log}").into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.started_ms = begun.elapsed().as_secs_f64() * 1e3;
        server.key = keys.try_recv().ok();
        Ok(server)
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched { label: "server", pid: self.child.id() }
    }

    async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        let key = self.key.as_deref().ok_or("the server gave no key")?;
        let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
        let line = format!("POST /api/v1{path}");
        Ok(serde_json::from_str(
            &load::ask(&self.address, &line, &headers, &body.to_string()).await?,
        )?)
    }

    /// Creates what the workloads need by the public API; gives the routes of the webhooks.
    async fn furnish(&self, graph: &Graph) -> Outcome<Vec<String>> {
        let flow = self.post("/flows", &json!({"name": "reply", "draft": flow()})).await?;
        let id = text(&flow, "id")?;
        self.post(&format!("/flows/{id}/publish"), &json!({})).await?;
        let agent = self.post("/agents", &json!({"name": "reply", "flows": [id]})).await?;
        let mut routes = Vec::new();
        for number in 0..NUMBERS {
            let channel = json!({
                "provider": "whatsapp", "name": format!("number {number}"),
                "agent_id": agent.get("id"),
                "settings": {
                    "phone_number_id": payload::phone_number_id(number),
                    "base_url": format!("http://{}", graph.address),
                    "messages_per_second": 1000,
                },
                "secrets": {"access_token": "t", "app_secret": SECRET, "verify_token": "v"},
            });
            let channel = self.post("/channels", &channel).await?;
            routes.push(format!("/webhooks/whatsapp/{}", text(&channel, "id")?));
        }
        Ok(routes)
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Outcome<&'a str> {
    Ok(value.get(name).and_then(Value::as_str).ok_or("the API left something out")?)
}

/// Condition, variable, reply: the flow that the peer runs too.
fn flow() -> Value {
    let contains = |word| json!({"field": "message.text", "op": "contains", "value": word});
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "ask", "type": "condition", "data": {"condition": {
                "any": [contains("hello"), contains("hi"), contains("price")]}}},
            {"id": "set", "type": "set", "data": {"assignments": [
                {"variable": "topic", "text": "{{ message.text }}"}]}},
            {"id": "say", "type": "text", "data": {
                "text": "Thanks, you asked about {{ topic }}. We will answer soon."}},
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "ask"},
            {"id": "e2", "source": "ask", "sourceHandle": "true", "target": "set"},
            {"id": "e3", "source": "ask", "sourceHandle": "false", "target": "set"},
            {"id": "e4", "source": "set", "target": "say"},
        ],
    })
}

impl Estate {
    /// Makes and seeds a database with `contacts` contacts.
    pub(crate) async fn make(
        engine: Engine,
        folder: PathBuf,
        postgres: Option<&Postgres>,
        graph: &Graph,
        contacts: usize,
    ) -> Outcome<Self> {
        let place = Place::empty(engine, folder, postgres).await?;
        let mut server = Server::start(&place, Workers::Off).await?;
        let routes = server.furnish(graph).await?;
        server.terminate()?;
        let key = MasterKey::load_or_create(place.folder.join("master.key"))?;
        let store = open(engine, &place, key).await?;
        let business = justping_server::demo::business_id();
        seed(store.store(), business, &routes, contacts).await?;
        store.close().await?;
        settle(engine, &place, postgres).await?;
        Ok(Self { engine, folder: place.folder, routes })
    }

    /// A copy of the database.
    pub(crate) async fn place(
        &self,
        folder: PathBuf,
        postgres: Option<&Postgres>,
    ) -> Outcome<Place> {
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(self.folder.join("master.key"), folder.join("master.key"))?;
        let url = match self.engine {
            Engine::Sqlite => {
                let file = folder.join("justping.db");
                std::fs::copy(self.folder.join("justping.db"), &file)?;
                format!("sqlite://{}", file.display())
            }
            Engine::Postgres => {
                let postgres = postgres.ok_or("no Postgres")?;
                postgres.make(DATABASE, TEMPLATE).await?;
                postgres.url(ROLE, DATABASE)
            }
        };
        Ok(Place { folder, url })
    }

    /// How many rows wait for a worker.
    pub(crate) async fn waiting(&self, place: &Place, postgres: Option<&Postgres>) -> Outcome<i64> {
        let sql = "SELECT (SELECT count(*) FROM mailbox) + (SELECT count(*) FROM outbox)";
        match self.engine {
            Engine::Postgres => postgres.ok_or("no Postgres")?.number(DATABASE, sql).await,
            Engine::Sqlite => {
                use sqlx::Row;
                let path = place.folder.join("justping.db");
                let mut file = floor::open_sqlite(path.to_str().ok_or("no path")?).await?;
                Ok(file.fetch_one(sql).await?.try_get(0)?)
            }
        }
    }
}

impl Server {
    /// SIGTERM, so that nothing is left in the log of the database.
    fn terminate(&mut self) -> Outcome<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

/// A store inside this program.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a run holds one at a time")]
pub(crate) enum Opened {
    Memory(Box<MemoryStore>),
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Opened {
    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Memory(store) => &**store,
            Self::Sqlite(store) => store,
            Self::Postgres(store) => store,
        }
    }

    pub(crate) async fn close(self) -> Outcome<()> {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(store) => store.close().await?,
            Self::Postgres(store) => store.close().await,
        }
        Ok(())
    }
}

async fn open(engine: Engine, place: &Place, key: MasterKey) -> Outcome<Opened> {
    Ok(match engine {
        Engine::Sqlite => {
            let config = SqliteConfig::new(place.folder.join("justping.db"), key);
            Opened::Sqlite(SqliteStore::open(config).await?)
        }
        Engine::Postgres => {
            let config = PostgresConfig::new(&place.url, key);
            Opened::Postgres(PostgresStore::open(config).await?)
        }
    })
}

/// Fills a store with contacts that wrote before.
async fn seed(
    store: &dyn Store,
    business: BusinessId,
    routes: &[String],
    contacts: usize,
) -> Outcome<()> {
    let clock = Arc::new(SystemClock::new());
    let ids = IdSource::new(Arc::clone(&clock) as _, Arc::new(SystemEntropy));
    let channels = routes.iter().map(|route| channel(route)).collect::<Outcome<Vec<_>>>()?;
    let total = contacts * SEED_MESSAGES;
    for first in (0..total).step_by(SEED_BATCH) {
        let batch = (first..total.min(first + SEED_BATCH)).map(|number| {
            let contact = number % contacts;
            let channel = channels.get(payload::number_of(contact, channels.len()));
            Ok(Accept {
                business_id: business,
                channel_id: *channel.ok_or("no channel")?,
                message: earlier(number, contact),
                owner: Owner::Bot,
                message_id: MessageId::from_uuid(ids.uuid()),
                contact_id: ContactId::from_uuid(ids.uuid()),
                conversation_id: ConversationId::from_uuid(ids.uuid()),
                now: clock.now(),
            })
        });
        store.accept(batch.collect::<Outcome<_>>()?).await?;
    }
    // What came earlier is in the search already, as in a server that has run for a while.
    while store.index_due(SEED_BATCH as u32).await? > 0 {}
    Ok(())
}

fn channel(route: &str) -> Outcome<ChannelId> {
    Ok(route.rsplit('/').next().unwrap_or_default().parse()?)
}

fn earlier(number: usize, contact: usize) -> InboundMessage {
    let phone = payload::seeded_phone(contact);
    InboundMessage {
        provider_ref: format!("wamid.earlier{number:012}"),
        from: vec![Identity::new(ChannelKind::WHATSAPP, phone)],
        name: Some(format!("Customer {contact}")),
        content: Content::text("an earlier message of this conversation"),
        reply_to: None,
        sent_at: None,
    }
}

/// Takes the mail of the seeded messages away, and tells the database how large it is.
async fn settle(engine: Engine, place: &Place, postgres: Option<&Postgres>) -> Outcome<()> {
    match engine {
        Engine::Sqlite => {
            let path = place.folder.join("justping.db");
            let mut file = floor::open_sqlite(path.to_str().ok_or("no path")?).await?;
            for sql in ["DELETE FROM mailbox", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"] {
                file.execute(sql).await?;
            }
        }
        Engine::Postgres => {
            let postgres = postgres.ok_or("no Postgres")?;
            for sql in ["TRUNCATE mailbox", "VACUUM ANALYZE"] {
                postgres.run(TEMPLATE, sql).await?;
            }
        }
    }
    Ok(())
}

/// Opens an empty store of our own for the workloads inside this program.
pub(crate) async fn empty_store(
    engine: Engine,
    folder: &Path,
    postgres: Option<&Postgres>,
) -> Outcome<Opened> {
    let place = match engine {
        Engine::Sqlite => Place { folder: folder.to_owned(), url: String::new() },
        Engine::Postgres => {
            let postgres = postgres.ok_or("no Postgres")?;
            postgres.make(DATABASE, "template0").await?;
            Place { folder: folder.to_owned(), url: postgres.url(ROLE, DATABASE) }
        }
    };
    open(engine, &place, MasterKey::load_or_create(folder.join("master.key"))?).await
}

/// Tells Postgres how large the tables of such a store are; SQLite's plans need no telling.
pub(crate) async fn analyze(postgres: &Postgres) -> Outcome<()> {
    postgres.run(DATABASE, "VACUUM ANALYZE").await
}
