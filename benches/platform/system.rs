//! The systems that are compared, and the world around them.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::floor;
use crate::graph::Graph;
use crate::ours::{Engine, Estate, Place, Server, Workers};
use crate::peer::{Around, Part, Peer};
use crate::process::Watched;
use crate::scale::Scale;
use crate::service::{Postgres, Redis, free_port};

/// The route that the floor and the peer answer on.
const ROUTE: &str = "/webhooks/whatsapp";
/// The database of the floor.
const FLOOR: &str = "floor";
/// How long the floor may take to listen.
const LISTEN_MAX: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// Our server.
    Ours(Engine),
    /// The Node peer.
    Peer,
    /// The least that could do it.
    Floor(Engine),
}

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours(Engine::Sqlite) => "ours, SQLite",
            Self::Ours(Engine::Postgres) => "ours, Postgres",
            Self::Peer => "peer",
            Self::Floor(Engine::Sqlite) => "floor, SQLite",
            Self::Floor(Engine::Postgres) => "floor, Postgres",
        }
    }
}

/// Which part of a system runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What takes webhooks.
    Intake,
    /// What runs flows and sends.
    Work,
    /// Both.
    All,
}

/// Everything a workload needs.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scale: Scale,
    pub(crate) graph: Graph,
    pub(crate) postgres: Option<Postgres>,
    redis: Option<Redis>,
    peer: Option<Peer>,
    sqlite_estate: Estate,
    postgres_estate: Option<Estate>,
    folder: tempfile::TempDir,
    places: std::sync::atomic::AtomicUsize,
}

/// Where a system keeps the rows of one run.
#[derive(Debug)]
pub(crate) enum Ground {
    Ours(Place),
    Peer,
    Floor(String),
}

/// A system that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) routes: Vec<String>,
    pub(crate) watched: Vec<Watched>,
    pub(crate) started_ms: f64,
    _parts: Parts,
}

#[derive(Debug)]
#[expect(dead_code, reason = "they are held, so that they run")]
enum Parts {
    Ours(Server),
    Peer(Vec<Part>),
    Floor(Killed),
}

#[derive(Debug)]
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // A floor that ended already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Which services and systems a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// SQLite alone: nothing to install.
    Alone,
    /// Postgres, and the peer with Redis when it is there.
    Full,
}

impl World {
    /// Starts the services and makes the databases that the runs are copied from.
    pub(crate) async fn make(scale: Scale, company: Company) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("bench-platform-").tempdir()?;
        let graph = Graph::start().await?;
        let postgres = match company {
            Company::Full => Some(Postgres::start().await?),
            Company::Alone => None,
        };
        let at = |name: &str| folder.path().join(name);
        let contacts = scale.contacts;
        let sqlite_estate =
            Estate::make(Engine::Sqlite, at("sqlite-estate"), None, &graph, contacts).await?;
        let mut postgres_estate = None;
        let (mut peer, mut redis) = (None, None);
        if let Some(postgres) = &postgres {
            let place = at("postgres-estate");
            let estate =
                Estate::make(Engine::Postgres, place, Some(postgres), &graph, contacts).await?;
            postgres_estate = Some(estate);
            if let Some(from) = crate::peer::find() {
                let installed = Peer::install(&from, at("peer"))?;
                installed.seed(postgres, contacts).await?;
                (peer, redis) = (Some(installed), Some(Redis::start().await?));
            }
        }
        let places = std::sync::atomic::AtomicUsize::new(0);
        Ok(Self {
            scale,
            graph,
            postgres,
            redis,
            peer,
            sqlite_estate,
            postgres_estate,
            folder,
            places,
        })
    }

    /// The systems that can be measured here, in the order in which they take turns.
    pub(crate) fn systems(&self) -> Vec<System> {
        let mut systems = vec![System::Ours(Engine::Sqlite)];
        if self.postgres.is_some() {
            systems.push(System::Ours(Engine::Postgres));
        }
        if self.peer.is_some() {
            systems.push(System::Peer);
        }
        systems
    }

    /// The floors that can be measured here.
    pub(crate) fn floors(&self) -> Vec<System> {
        self.engines().into_iter().map(System::Floor).collect()
    }

    /// The databases there are.
    pub(crate) fn engines(&self) -> Vec<Engine> {
        match self.postgres {
            Some(_) => vec![Engine::Sqlite, Engine::Postgres],
            None => vec![Engine::Sqlite],
        }
    }

    /// A folder that nobody used before.
    pub(crate) fn new_folder(&self) -> Outcome<PathBuf> {
        let number = self.places.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = self.folder.path().join(format!("run-{number}"));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn needed(&self) -> Outcome<(&Peer, &Postgres, &Redis)> {
        let (Some(peer), Some(postgres), Some(redis)) = (&self.peer, &self.postgres, &self.redis)
        else {
            return Err("the peer is not there".into());
        };
        Ok((peer, postgres, redis))
    }

    fn estate(&self, engine: Engine) -> Outcome<&Estate> {
        match engine {
            Engine::Sqlite => Ok(&self.sqlite_estate),
            Engine::Postgres => Ok(self.postgres_estate.as_ref().ok_or("no Postgres")?),
        }
    }

    /// Makes a fresh copy of the seeded database of a system.
    pub(crate) async fn ground(&self, system: System) -> Outcome<Ground> {
        match system {
            System::Ours(engine) => {
                let place = self.estate(engine)?.place(self.new_folder()?, self.postgres.as_ref());
                Ok(Ground::Ours(place.await?))
            }
            System::Peer => {
                let (peer, postgres, redis) = self.needed()?;
                peer.place(postgres, redis).await?;
                Ok(Ground::Peer)
            }
            System::Floor(Engine::Sqlite) => {
                let file = self.new_folder()?.join("floor.db");
                Ok(Ground::Floor(file.display().to_string()))
            }
            System::Floor(Engine::Postgres) => {
                let postgres = self.postgres.as_ref().ok_or("no Postgres")?;
                postgres.make(FLOOR, "template0").await?;
                postgres.run(FLOOR, floor::POSTGRES_TABLE).await?;
                Ok(Ground::Floor(postgres.url("postgres", FLOOR)))
            }
        }
    }

    /// Starts a part of a system on its ground.
    pub(crate) async fn start(
        &self,
        system: System,
        ground: &Ground,
        role: Role,
    ) -> Outcome<Running> {
        match (system, ground) {
            (System::Ours(engine), Ground::Ours(place)) => {
                self.start_ours(engine, place, role).await
            }
            (System::Peer, Ground::Peer) => self.start_peer(role).await,
            (System::Floor(engine), Ground::Floor(database)) => {
                self.start_floor(engine, database).await
            }
            _ => Err("a system on another one's ground".into()),
        }
    }

    fn postgres_of(&self, engine: Engine) -> impl Iterator<Item = Watched> {
        let postgres = self.postgres.as_ref().filter(|_| engine == Engine::Postgres);
        postgres.map(Postgres::watched).into_iter()
    }

    async fn start_ours(&self, engine: Engine, place: &Place, role: Role) -> Outcome<Running> {
        let workers = if role == Role::Intake { Workers::Off } else { Workers::On };
        let server = Server::start(place, workers).await?;
        Ok(Running {
            address: server.address.clone(),
            routes: self.estate(engine)?.routes.clone(),
            watched: [server.watched()].into_iter().chain(self.postgres_of(engine)).collect(),
            started_ms: server.started_ms,
            _parts: Parts::Ours(server),
        })
    }

    async fn start_peer(&self, role: Role) -> Outcome<Running> {
        let (peer, postgres, redis) = self.needed()?;
        let around = Around { postgres, redis, graph: &self.graph };
        let (mut parts, mut address) = (Vec::new(), String::new());
        if role != Role::Work {
            let (api, listens) = peer.api(&around).await?;
            address = listens;
            parts.push(api);
        }
        if role != Role::Intake {
            parts.push(peer.worker(&around)?);
        }
        let services = [postgres.watched(), redis.watched()];
        Ok(Running {
            address,
            routes: vec![ROUTE.to_owned()],
            watched: parts.iter().map(Part::watched).chain(services).collect(),
            started_ms: parts.iter().map(|part| part.started_ms).sum(),
            _parts: Parts::Peer(parts),
        })
    }

    async fn start_floor(&self, engine: Engine, database: &str) -> Outcome<Running> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let begun = Instant::now();
        let program = std::env::current_exe()?;
        let child = Killed(Command::new(program).args([crate::FLOOR, &address, database]).spawn()?);
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            if begun.elapsed() > LISTEN_MAX {
                return Err("the floor does not listen".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let own = Watched { label: "floor", pid: child.0.id() };
        Ok(Running {
            address,
            routes: vec![ROUTE.to_owned()],
            watched: [own].into_iter().chain(self.postgres_of(engine)).collect(),
            started_ms: begun.elapsed().as_secs_f64() * 1e3,
            _parts: Parts::Floor(child),
        })
    }

    /// How many of `expected` replies are not yet stored as sent, or how many rows still wait.
    pub(crate) async fn waiting(
        &self,
        system: System,
        ground: &Ground,
        expected: usize,
    ) -> Outcome<i64> {
        match (system, ground) {
            (System::Ours(engine), Ground::Ours(place)) => {
                self.estate(engine)?.waiting(place, self.postgres.as_ref()).await
            }
            _ => {
                let (peer, postgres, _) = self.needed()?;
                Ok(i64::try_from(expected)? - peer.sent(postgres).await?)
            }
        }
    }

    /// Versions of what took part.
    pub(crate) async fn versions(&self) -> Outcome<Vec<(&'static str, String)>> {
        let mut versions = vec![("justping", env!("CARGO_PKG_VERSION").to_owned())];
        if let Some(postgres) = &self.postgres {
            versions.push(("postgres", postgres.version().await?));
        }
        if self.peer.is_some() {
            let say = |program: &str| -> Outcome<String> {
                let output = Command::new(program).arg("--version").output()?;
                // Redis surrounds its version with much else.
                let said = String::from_utf8(output.stdout)?;
                let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="));
                Ok(version.unwrap_or(said.trim()).to_owned())
            };
            versions.extend([("node", say("node")?), ("redis", say("redis-server")?)]);
        }
        Ok(versions)
    }
}
