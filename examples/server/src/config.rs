//! Settings: flags before environment variables before the file before defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use justping::agents::ai::Prices;
use justping::engine::EngineConfig;
use justping::store::postgres::CONNECTIONS_DEFAULT;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::http::idempotency::KEPT;
use crate::plugin::{PluginConfig, PluginConfigError, PluginFlags};

/// Says why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} is wrong: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The database is of a kind this program does not have.
    #[error(
        "cannot use the database {0:?}: this server has sqlite://<path> and \
            postgres://<user>:<password>@<host>/<database>"
    )]
    Database(String),
    /// A setting that only Postgres can follow.
    #[error("{0} needs Postgres, which keeps messages by month: see --database-url")]
    NeedsPostgres(&'static str),
    /// Two settings that belong together are not both there.
    #[error("{0} is needed as well: an AI provider is an address or a key, and a model")]
    Incomplete(&'static str),
    /// What is said of plugins makes no sense.
    #[error(transparent)]
    Plugins(#[from] PluginConfigError),
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// An API that answers chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChatApi {
    /// `/chat/completions`, which every compatible server has.
    ChatCompletions,
    /// `/responses`, OpenAI's newer one.
    Responses,
}

/// Reads a table of prices.
fn prices(path: &Path) -> Result<Prices, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let malformed = |message: String| ConfigError::Malformed { path: path.to_owned(), message };
    Prices::parse(&text).map_err(|error| malformed(error.to_string()))
}

/// Whether this process works, or only answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workers {
    /// It does turns, sends, calls and timers.
    On,
    /// It only answers; another process over the same store works.
    Off,
}

/// Whether something that shares connections stands before the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooler {
    /// Connections are sessions of the database.
    None,
    /// A transaction pooler, such as PgBouncer: nothing is kept in a session, and what sessions are
    /// to be belongs to the role.
    Transaction,
}

/// The reference server of JustPing: customer messaging as a library, assembled.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "justping-server", version, about)]
#[serde(deny_unknown_fields, default)]
pub struct Flags {
    /// A TOML file with any of these settings (in snake_case).
    #[arg(long, env = "JUSTPING_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// The address to answer on [default: 127.0.0.1:8080].
    #[arg(long, env = "JUSTPING_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The address under which the world reaches this server, such as `https://chat.example.com`, for
    /// links that flows give away [default: `http://` and the address it answers on].
    #[arg(long, env = "JUSTPING_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// The folder for the database and the master key [default: ./data].
    #[arg(long, env = "JUSTPING_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The database: `sqlite://` and a path, or `postgres://` for any number of processes over one
    /// database. With a password in it better given by environment, where other users do not see it
    /// [default: justping.db in the data folder, as `sqlite://` and its path].
    #[arg(long, env = "JUSTPING_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<SecretText>,
    /// Most connections to Postgres [default: 8].
    #[arg(long, env = "JUSTPING_DATABASE_CONNECTIONS", value_name = "NUMBER")]
    database_connections: Option<u32>,
    /// What stands before Postgres [default: none].
    #[arg(long, env = "JUSTPING_DATABASE_POOLER", value_enum)]
    database_pooler: Option<Pooler>,
    /// A standby of that Postgres for lists and searches; it is asked only for what it has replayed.
    #[arg(long, env = "JUSTPING_DATABASE_READ_URL", value_name = "URL", hide_env_values = true)]
    database_read_url: Option<SecretText>,
    /// The way around a pooler to that Postgres itself, for the connection that hears of work
    /// [default: the database].
    #[arg(long, env = "JUSTPING_DATABASE_LISTEN_URL", value_name = "URL", hide_env_values = true)]
    database_listen_url: Option<SecretText>,
    /// The file with the key that seals secrets. Beside SQLite it is made when missing; processes
    /// over one Postgres all need the same one [default: master.key in the data folder].
    #[arg(long, env = "JUSTPING_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// That key itself instead of a file: base64 of 32 bytes. Better given by environment, where
    /// other users do not see it.
    #[arg(long, env = "JUSTPING_MASTER_KEY", value_name = "BASE64", hide_env_values = true)]
    master_key: Option<SecretText>,
    /// The Redis that this process shares with others: events, limits, presence, cache and hints. It
    /// may be away [default: none; this process is alone].
    #[arg(long, env = "JUSTPING_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: Option<SecretText>,
    /// An OpenAI-compatible API, such as `https://api.openai.com/v1`.
    #[arg(long, env = "JUSTPING_OPENAI_BASE_URL", value_name = "URL")]
    openai_base_url: Option<String>,
    /// Its key; better given by environment or file, where other users do not see it.
    #[arg(long, env = "JUSTPING_OPENAI_API_KEY", value_name = "KEY", hide_env_values = true)]
    openai_api_key: Option<SecretText>,
    /// The model that answers unless an agent names one.
    #[arg(long, env = "JUSTPING_OPENAI_MODEL", value_name = "MODEL")]
    openai_model: Option<String>,
    /// By which of its APIs chats are answered [default: chat-completions].
    #[arg(long, env = "JUSTPING_OPENAI_API", value_enum)]
    openai_api: Option<ChatApi>,
    /// The key of Anthropic's API; better given by environment or file, where other users do not
    /// see it. With OpenAI's as well, Anthropic's stands in for it.
    #[arg(long, env = "JUSTPING_ANTHROPIC_API_KEY", value_name = "KEY", hide_env_values = true)]
    anthropic_api_key: Option<SecretText>,
    /// The model of Anthropic that answers unless an agent names one.
    #[arg(long, env = "JUSTPING_ANTHROPIC_MODEL", value_name = "MODEL")]
    anthropic_model: Option<String>,
    /// Another address of Anthropic's API [default: `https://api.anthropic.com/v1`].
    #[arg(long, env = "JUSTPING_ANTHROPIC_BASE_URL", value_name = "URL")]
    anthropic_base_url: Option<String>,
    /// A JSON file with what models cost [default: the built-in table].
    #[arg(long, env = "JUSTPING_AI_PRICES", value_name = "FILE")]
    ai_prices: Option<PathBuf>,
    /// What each business may spend on models a day in UTC, in millionths of the currency of the
    /// prices [default: no limit].
    #[arg(long, env = "JUSTPING_AI_DAY_MICROS", value_name = "NUMBER")]
    ai_day_micros: Option<u64>,
    /// What each business may spend on models a month in UTC [default: no limit].
    #[arg(long, env = "JUSTPING_AI_MONTH_MICROS", value_name = "NUMBER")]
    ai_month_micros: Option<u64>,
    /// The hosts that channels of WhatsApp may name in `base_url`, separated by commas; they
    /// replace the default, and nothing else is ever called [default: graph.facebook.com].
    #[arg(long, env = "JUSTPING_WHATSAPP_HOSTS", value_name = "HOSTS", value_delimiter = ',')]
    whatsapp_hosts: Option<Vec<String>>,
    /// For development: addresses that HTTP nodes may ask although they are not of the public web,
    /// such as `127.0.0.1:9000`, separated by commas [default: none].
    #[arg(long, env = "JUSTPING_HTTP_ALLOW", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    http_allow: Option<Vec<SocketAddr>>,
    /// Plugins.
    #[command(flatten)]
    plugins: PluginFlags,
    /// How the log is written [default: text].
    #[arg(long, env = "JUSTPING_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// Whether this process works, or only answers [default: on].
    #[arg(long, env = "JUSTPING_WORKERS", value_enum)]
    workers: Option<Workers>,
    /// How long a turn may hold a conversation before another worker takes it.
    #[arg(long, env = "JUSTPING_TURN_LEASE_MS", value_name = "MS")]
    turn_lease_ms: Option<u64>,
    /// How long a send may take before its outcome counts as unknown.
    #[arg(long, env = "JUSTPING_SEND_LEASE_MS", value_name = "MS")]
    send_lease_ms: Option<u64>,
    /// How long a call to a model may take before another worker repeats it.
    #[arg(long, env = "JUSTPING_CALL_LEASE_MS", value_name = "MS")]
    call_lease_ms: Option<u64>,
    /// How long a send of unknown outcome waits for a status.
    #[arg(long, env = "JUSTPING_UNKNOWN_WAIT_MS", value_name = "MS")]
    unknown_wait_ms: Option<u64>,
    /// How often workers look for work nobody told them about.
    #[arg(long, env = "JUSTPING_POLL_MS", value_name = "MS")]
    poll_ms: Option<u64>,
    /// How often one of the processes clears up for all of them.
    #[arg(long, env = "JUSTPING_UPKEEP_MS", value_name = "MS")]
    upkeep_ms: Option<u64>,
    /// Days after which a month of messages is put aside; 0 keeps them for ever, which is the
    /// default. Needs Postgres.
    #[arg(long, env = "JUSTPING_RETAIN_MESSAGES_DAYS", value_name = "DAYS")]
    retain_messages_days: Option<u32>,
    /// Days that stored events are kept, 0 for ever [default: 90].
    #[arg(long, env = "JUSTPING_RETAIN_EVENTS_DAYS", value_name = "DAYS")]
    retain_events_days: Option<u32>,
    /// Days that providers' names of messages are known, 0 for ever [default: 90].
    #[arg(long, env = "JUSTPING_RETAIN_REFERENCES_DAYS", value_name = "DAYS")]
    retain_references_days: Option<u32>,
    /// Days that daily counters are kept, 0 for ever [default: 1830].
    #[arg(long, env = "JUSTPING_RETAIN_COUNTERS_DAYS", value_name = "DAYS")]
    retain_counters_days: Option<u32>,
    /// Days that it is known what models were used for and cost, at least 62, 0 for ever [default: 1830].
    #[arg(long, env = "JUSTPING_RETAIN_USAGE_DAYS", value_name = "DAYS")]
    retain_usage_days: Option<u32>,
}

/// A text that is never printed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// The language models to ask, and what may be spent on them.
#[derive(Debug, Clone)]
pub struct AiConfig {
    /// An OpenAI-compatible API.
    pub openai: Option<OpenAiSettings>,
    /// Anthropic's API.
    pub anthropic: Option<AnthropicSettings>,
    /// What models cost; `None` is the built-in table.
    pub prices: Option<Prices>,
    /// What each business may spend on a day, in millionths of the table's currency.
    pub day_micros: Option<u64>,
    /// What each business may spend in a month, in millionths of the table's currency.
    pub month_micros: Option<u64>,
}

/// An OpenAI-compatible API.
#[derive(Debug, Clone)]
pub struct OpenAiSettings {
    /// The address of its API.
    pub base_url: String,
    /// Its key, where it needs one.
    pub api_key: Option<SecretString>,
    /// The model that answers unless an agent names one.
    pub model: String,
    /// Whether it is asked by its responses API.
    pub responses: bool,
}

/// Anthropic's API.
#[derive(Debug, Clone)]
pub struct AnthropicSettings {
    /// The address of its API; `None` is Anthropic's own.
    pub base_url: Option<String>,
    /// Its key.
    pub api_key: SecretString,
    /// The model that answers unless an agent names one.
    pub model: String,
}

/// Where everything is remembered.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, for one process.
    Sqlite(PathBuf),
    /// A database that any number of processes share.
    Postgres {
        /// Its address. Never shown: it may carry a password.
        url: SecretString,
        /// A standby for lists and searches.
        read_url: Option<SecretString>,
        /// Where to hear of work, when the address leads to a pooler.
        listen_url: Option<SecretString>,
        /// Most connections of this process.
        connections: u32,
        /// What stands before it.
        pooler: Pooler,
    },
}

/// Settings, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to answer on.
    pub listen: SocketAddr,
    /// The address under which the world reaches it, without a slash at its end.
    pub public_url: Option<String>,
    /// The folder for everything that is kept.
    pub data_dir: PathBuf,
    /// Where everything is remembered.
    pub database: Database,
    /// The file with the key that seals secrets.
    pub master_key_file: PathBuf,
    /// That key itself as base64; the file is not looked at then.
    pub master_key: Option<SecretString>,
    /// The Redis that processes share, if there is one.
    pub redis_url: Option<SecretString>,
    /// The language model, if there is one.
    pub ai: Option<AiConfig>,
    /// The hosts that channels of WhatsApp may name, in lowercase.
    pub whatsapp_hosts: Vec<String>,
    /// Addresses that HTTP nodes may ask beside the public web.
    pub http_allow: Vec<SocketAddr>,
    /// What the operator says of plugins; `None` when they are off.
    pub plugins: Option<PluginConfig>,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Whether this process works.
    pub workers: Workers,
    /// The engine's limits and patience.
    pub engine: EngineConfig,
}

/// Where Meta answers. Businesses write their own settings, so by default they name no other host:
/// else they could make the server call addresses of its own network.
const WHATSAPP_HOST: &str = "graph.facebook.com";

/// How addresses of Postgres begin.
const POSTGRES_SCHEMES: &[&str] = &["postgres://", "postgresql://"];

/// Rows that Postgres takes into the search at once. It writes others' rows meanwhile, as SQLite does
/// not, and a message costs less than half of what it costs in batches for SQLite.
const POSTGRES_INDEX_ROWS: u32 = 1_024;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

impl Config {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// [`ConfigError`]. A wrong flag ends the process with an explanation, as programs do.
    pub fn load() -> Result<Self, ConfigError> {
        Self::resolve(Flags::parse())
    }

    /// Completes flags with the file they name and the defaults.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolve(flags: Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None => Flags::default(),
        };
        flags.over(file).complete()
    }
}

fn read(path: &Path) -> Result<Flags, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        message: error.message().to_owned(),
    })
}

impl Flags {
    fn over(self, file: Self) -> Self {
        Self {
            config: self.config,
            listen: self.listen.or(file.listen),
            public_url: self.public_url.or(file.public_url),
            data_dir: self.data_dir.or(file.data_dir),
            database_url: self.database_url.or(file.database_url),
            database_connections: self.database_connections.or(file.database_connections),
            database_pooler: self.database_pooler.or(file.database_pooler),
            database_read_url: self.database_read_url.or(file.database_read_url),
            database_listen_url: self.database_listen_url.or(file.database_listen_url),
            master_key_file: self.master_key_file.or(file.master_key_file),
            master_key: self.master_key.or(file.master_key),
            redis_url: self.redis_url.or(file.redis_url),
            openai_base_url: self.openai_base_url.or(file.openai_base_url),
            openai_api_key: self.openai_api_key.or(file.openai_api_key),
            openai_model: self.openai_model.or(file.openai_model),
            openai_api: self.openai_api.or(file.openai_api),
            anthropic_api_key: self.anthropic_api_key.or(file.anthropic_api_key),
            anthropic_model: self.anthropic_model.or(file.anthropic_model),
            anthropic_base_url: self.anthropic_base_url.or(file.anthropic_base_url),
            ai_prices: self.ai_prices.or(file.ai_prices),
            ai_day_micros: self.ai_day_micros.or(file.ai_day_micros),
            ai_month_micros: self.ai_month_micros.or(file.ai_month_micros),
            whatsapp_hosts: self.whatsapp_hosts.or(file.whatsapp_hosts),
            http_allow: self.http_allow.or(file.http_allow),
            plugins: self.plugins.over(file.plugins),
            log_format: self.log_format.or(file.log_format),
            workers: self.workers.or(file.workers),
            turn_lease_ms: self.turn_lease_ms.or(file.turn_lease_ms),
            send_lease_ms: self.send_lease_ms.or(file.send_lease_ms),
            call_lease_ms: self.call_lease_ms.or(file.call_lease_ms),
            unknown_wait_ms: self.unknown_wait_ms.or(file.unknown_wait_ms),
            poll_ms: self.poll_ms.or(file.poll_ms),
            upkeep_ms: self.upkeep_ms.or(file.upkeep_ms),
            retain_messages_days: self.retain_messages_days.or(file.retain_messages_days),
            retain_events_days: self.retain_events_days.or(file.retain_events_days),
            retain_references_days: self.retain_references_days.or(file.retain_references_days),
            retain_counters_days: self.retain_counters_days.or(file.retain_counters_days),
            retain_usage_days: self.retain_usage_days.or(file.retain_usage_days),
        }
    }

    /// The language models, if there is any.
    fn ai(&self) -> Result<Option<AiConfig>, ConfigError> {
        let openai = match (self.openai_base_url.clone(), self.openai_model.clone()) {
            (None, None) => None,
            (Some(base_url), Some(model)) => {
                let api_key = self.openai_api_key.clone().map(|key| key.0);
                let responses = self.openai_api == Some(ChatApi::Responses);
                Some(OpenAiSettings { base_url, api_key, model, responses })
            }
            (None, Some(_)) => return Err(ConfigError::Incomplete("--openai-base-url")),
            (Some(_), None) => return Err(ConfigError::Incomplete("--openai-model")),
        };
        let anthropic = match (self.anthropic_api_key.clone(), self.anthropic_model.clone()) {
            (None, None) => None,
            (Some(key), Some(model)) => {
                let base_url = self.anthropic_base_url.clone();
                Some(AnthropicSettings { base_url, api_key: key.0, model })
            }
            (None, Some(_)) => return Err(ConfigError::Incomplete("--anthropic-api-key")),
            (Some(_), None) => return Err(ConfigError::Incomplete("--anthropic-model")),
        };
        let prices = self.ai_prices.as_deref().map(prices).transpose()?;
        let (day_micros, month_micros) = (self.ai_day_micros, self.ai_month_micros);
        let any = openai.is_some() || anthropic.is_some();
        Ok(any.then_some(AiConfig { openai, anthropic, prices, day_micros, month_micros }))
    }

    fn complete(self) -> Result<Config, ConfigError> {
        let mut engine = self.engine();
        let data_dir = self.data_dir.clone().unwrap_or_else(|| PathBuf::from("data"));
        let database = match &self.database_url {
            None => Database::Sqlite(data_dir.join("justping.db")),
            Some(url) => self.database(&url.0)?,
        };
        if engine.retention.messages.is_some() && matches!(database, Database::Sqlite(_)) {
            return Err(ConfigError::NeedsPostgres("--retain-messages-days"));
        }
        let is_shared = matches!(database, Database::Postgres { .. });
        if is_shared {
            engine.rows_per_index = POSTGRES_INDEX_ROWS;
        }
        let ai = self.ai()?;
        let http_allow = self.http_allow.unwrap_or_default();
        let plugins = self.plugins.complete(&data_dir, is_shared, &http_allow)?;
        Ok(Config {
            listen: self.listen.unwrap_or(LISTEN),
            public_url: self.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            database,
            master_key_file: self.master_key_file.unwrap_or_else(|| data_dir.join("master.key")),
            master_key: self.master_key.map(|key| key.0),
            redis_url: self.redis_url.map(|url| url.0),
            ai,
            whatsapp_hosts: hosts(self.whatsapp_hosts),
            http_allow,
            plugins,
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            workers: self.workers.unwrap_or(Workers::On),
            engine,
            data_dir,
        })
    }

    fn database(&self, url: &SecretString) -> Result<Database, ConfigError> {
        let shown = url.expose_secret();
        let is_postgres = POSTGRES_SCHEMES.iter().any(|scheme| shown.starts_with(scheme));
        if !is_postgres {
            return sqlite_path(shown).map(Database::Sqlite);
        }
        Ok(Database::Postgres {
            url: url.clone(),
            read_url: self.database_read_url.clone().map(|url| url.0),
            listen_url: self.database_listen_url.clone().map(|url| url.0),
            connections: self.database_connections.unwrap_or(CONNECTIONS_DEFAULT),
            pooler: self.database_pooler.unwrap_or(Pooler::None),
        })
    }

    fn engine(&self) -> EngineConfig {
        let mut engine = EngineConfig::default();
        engine.retention.requests = Some(KEPT);
        let pairs = [
            (self.turn_lease_ms, &mut engine.turn_lease),
            (self.send_lease_ms, &mut engine.send_lease),
            (self.call_lease_ms, &mut engine.call_lease),
            (self.unknown_wait_ms, &mut engine.unknown_wait),
            (self.poll_ms, &mut engine.poll),
            (self.upkeep_ms, &mut engine.upkeep_every),
        ];
        for (given, slot) in pairs {
            if let Some(ms) = given {
                *slot = Duration::from_millis(ms.max(1));
            }
        }
        let kept = [
            (self.retain_messages_days, &mut engine.retention.messages),
            (self.retain_events_days, &mut engine.retention.events),
            (self.retain_references_days, &mut engine.retention.references),
            (self.retain_counters_days, &mut engine.retention.counters),
            (self.retain_usage_days, &mut engine.retention.usage),
        ];
        for (given, slot) in kept {
            if let Some(days) = given {
                *slot = (days > 0).then(|| DAY * days);
            }
        }
        engine
    }
}

/// The hosts in the form in which addresses name them. A list of nothing allows nothing.
fn hosts(given: Option<Vec<String>>) -> Vec<String> {
    let given = given.unwrap_or_else(|| vec![WHATSAPP_HOST.to_owned()]);
    let hosts = given.iter().map(|host| host.trim().to_ascii_lowercase());
    hosts.filter(|host| !host.is_empty()).collect()
}

/// The path of `sqlite://path`, `sqlite:path`.
fn sqlite_path(url: &str) -> Result<PathBuf, ConfigError> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match path.filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(ConfigError::Database(without_credentials(url))),
    }
}

/// What of an address may be shown: a password in it may not.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://…"),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(arguments: &[&str]) -> Flags {
        Flags::try_parse_from([&["justping-server"], arguments].concat()).expect("flags")
    }

    #[test]
    fn defaults_are_complete() {
        let config = Config::resolve(flags(&[])).expect("config");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        let Database::Sqlite(path) = config.database else { panic!("{:?}", config.database) };
        assert_eq!(path, Path::new("data/justping.db"));
        assert_eq!(config.master_key_file, Path::new("data/master.key"));
        assert!(config.ai.is_none());
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("justping.toml");
        let text = "listen = \"0.0.0.0:1\"\npoll_ms = 7\nopenai_api_key = \"sk-file\"\n";
        std::fs::write(&file, text).expect("file");
        let path = file.to_str().expect("path");
        let config = Config::resolve(flags(&["--config", path, "--listen", "127.0.0.1:2"]));
        let config = config.expect("config");
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.engine.poll, Duration::from_millis(7));
    }

    #[test]
    fn a_file_with_an_unknown_setting_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("justping.toml");
        std::fs::write(&file, "listn = \"x\"").expect("file");
        let refused = Config::resolve(flags(&["--config", file.to_str().expect("path")]));
        assert!(matches!(refused, Err(ConfigError::Malformed { .. })));
    }

    #[test]
    fn other_databases_are_refused_without_their_password() {
        let refused = Config::resolve(flags(&["--database-url", "mysql://u:secret@h/d"]));
        let message = refused.expect_err("refused").to_string();
        assert!(message.contains("mysql://") && message.contains("postgres://"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn a_postgres_is_taken_by_either_name_and_never_printed() {
        for url in ["postgres://u:hunter2@h/d", "postgresql://u:hunter2@h/d"] {
            let flags = flags(&["--database-url", url, "--database-connections", "3"]);
            assert!(!format!("{flags:?}").contains("hunter2"));
            let config = Config::resolve(flags).expect("config");
            assert!(!format!("{config:?}").contains("hunter2"));
            let Database::Postgres { url: kept, connections, pooler, .. } = config.database else {
                panic!("not Postgres");
            };
            assert_eq!(kept.expose_secret(), url);
            assert_eq!((connections, pooler), (3, Pooler::None));
        }
    }

    #[test]
    fn a_standby_and_a_way_around_a_pooler_can_be_named() {
        let [main, read, listen] =
            ["postgres://u:p@pool/d", "postgres://u:p@standby/d", "postgres://u:p@db/d"];
        let flags = flags(&[
            "--database-url",
            main,
            "--database-read-url",
            read,
            "--database-listen-url",
            listen,
        ]);
        let config = Config::resolve(flags).expect("config");
        let Database::Postgres { read_url, listen_url, .. } = config.database else {
            panic!("not Postgres");
        };
        assert_eq!(read_url.expect("a standby").expose_secret(), read);
        assert_eq!(listen_url.expect("a way").expose_secret(), listen);
    }

    #[test]
    fn what_is_kept_is_said_in_days() {
        let retention = |arguments: &[&str]| {
            Config::resolve(flags(arguments)).map(|config| config.engine.retention)
        };
        let default = retention(&[]).expect("config");
        assert_eq!((default.messages, default.events), (None, Some(90 * DAY)));
        assert_eq!(default.counters, Some(1830 * DAY));
        let given = retention(&["--retain-events-days", "7", "--retain-references-days", "0"]);
        let given = given.expect("config");
        assert_eq!((given.events, given.references), (Some(7 * DAY), None));
        let refused = retention(&["--retain-messages-days", "365"]);
        assert!(matches!(refused, Err(ConfigError::NeedsPostgres(_))), "{refused:?}");
        let postgres = ["--database-url", "postgres://h/d", "--retain-messages-days", "365"];
        assert_eq!(retention(&postgres).expect("config").messages, Some(365 * DAY));
    }

    #[test]
    fn an_ai_provider_is_an_address_and_a_model() {
        let refused = Config::resolve(flags(&["--openai-model", "m"]));
        assert!(matches!(refused, Err(ConfigError::Incomplete("--openai-base-url"))));
        let refused = Config::resolve(flags(&["--anthropic-api-key", "sk-ant"]));
        assert!(matches!(refused, Err(ConfigError::Incomplete("--anthropic-model"))));
    }

    #[test]
    fn prices_come_from_a_file_that_makes_sense() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("prices.json");
        let path = file.to_str().expect("path").to_owned();
        let ai = || {
            let key = ["--anthropic-api-key", "k", "--anthropic-model", "m"];
            let budget = ["--ai-prices", path.as_str(), "--ai-day-micros", "7"];
            Config::resolve(flags(&[&key[..], &budget].concat())).map(|config| config.ai)
        };
        assert!(matches!(ai(), Err(ConfigError::Unreadable { .. })));
        std::fs::write(&file, "{}").expect("file");
        assert!(matches!(ai(), Err(ConfigError::Malformed { .. })));
        let table = r#"{"version":"1","currency":"EUR","models":{"m":{"input":1,"output":2}}}"#;
        std::fs::write(&file, table).expect("file");
        let ai = ai().expect("config").expect("a provider");
        assert_eq!(ai.prices.expect("prices").currency, "EUR");
        assert_eq!((ai.day_micros, ai.month_micros), (Some(7), None));
    }

    #[test]
    fn channels_of_whatsapp_may_name_metas_host_only_unless_told() {
        let hosts =
            |arguments: &[&str]| Config::resolve(flags(arguments)).expect("config").whatsapp_hosts;
        assert_eq!(hosts(&[]), ["graph.facebook.com"]);
        assert_eq!(
            hosts(&["--whatsapp-hosts", "127.0.0.1, Mock.Local"]),
            ["127.0.0.1", "mock.local"]
        );
        assert!(hosts(&["--whatsapp-hosts", ""]).is_empty());
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("justping.toml");
        std::fs::write(&file, "whatsapp_hosts = [\"sandbox.example\"]").expect("file");
        let file = file.to_str().expect("path");
        assert_eq!(hosts(&["--config", file]), ["sandbox.example"]);
        assert_eq!(hosts(&["--config", file, "--whatsapp-hosts", "a"]), ["a"]);
    }

    #[test]
    fn http_nodes_ask_the_public_web_only_unless_told() {
        let allowed =
            |arguments: &[&str]| Config::resolve(flags(arguments)).expect("config").http_allow;
        assert!(allowed(&[]).is_empty());
        let two = ["127.0.0.1:9000", "[::1]:9001"].map(|text| text.parse().expect("address"));
        assert_eq!(allowed(&["--http-allow", "127.0.0.1:9000,[::1]:9001"]), two);
        let named = [["justping-server", "--http-allow", "localhost:9000"]].concat();
        assert!(Flags::try_parse_from(named).is_err());
    }

    #[test]
    fn keys_are_never_printed() {
        let config = flags(&["--openai-api-key", "sk-secret", "--master-key", "sk-master"]);
        assert!(!format!("{config:?}").contains("sk-"));
        let config = flags(&["--redis-url", "redis://user:sk-secret@host"]);
        assert!(!format!("{config:?}").contains("sk-"));
        assert!(!format!("{:?}", Config::resolve(config)).contains("sk-"));
    }
}
