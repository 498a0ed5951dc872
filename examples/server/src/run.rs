//! The process: assembled, started, stopped in order.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use justping::JustPing;
use justping::agents::Flows;
use justping::agents::ai::{Ledger, Meter, StoredTools};
use justping::agents::knowledge::{Knowledge, SearchKnowledge};
use justping::channels::smtp::SmtpProvider;
use justping::channels::webchat::WebChatProvider;
use justping::channels::whatsapp::WhatsAppProvider;
use justping::engine::{BuildError, Relay};
use justping::http::{OpenClient, Policy};
use justping::model::SOURCE_BYTES_MAX;
use justping::plugins::adapter::PluginSubscribers;
use justping::policy::{LinkProblem, ResumeLinks};
use justping::port::{AiProvider, StoreError};
use justping::store::redis::RedisOpenError;
use justping::system::SystemClock;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::ai::AiSettingsError;
use crate::app::App;
use crate::config::{Config, ConfigError, Workers};
use crate::database::{DatabaseError, Opened};
use crate::demo::{self, DemoAi, DemoError, Seeded};
use crate::metric::{self, CountingBus};
use crate::plugin::{self, PluginStartError};
use crate::shared::Shared;
use crate::{ai, http, log};

/// How long connections may take to finish what they began.
const CONNECTIONS_PATIENCE: Duration = Duration::from_secs(10);
/// How long after readiness is gone new connections are still taken, so that whoever balances load
/// has time to notice.
const UNREADY_FIRST: Duration = Duration::from_millis(500);

/// Why the process ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Files or the network refuse.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database cannot be closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis cannot be used; that it is away is no reason.
    #[error("--redis-url: {0}")]
    Redis(#[from] RedisOpenError),
    /// The language model cannot be used.
    #[error("the language model cannot be used: {0}")]
    Ai(#[from] AiSettingsError),
    /// The parts do not fit together.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Links cannot be made.
    #[error(transparent)]
    Links(#[from] LinkProblem),
    /// Plugins cannot run.
    #[error("plugins cannot run (--plugins off does without): {0}")]
    Plugins(#[from] PluginStartError),
    /// The demo cannot be set up.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> RunError {
    let what = what.into();
    move |source| RunError::Io { what, source }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub fn run(config: Config) -> Result<(), RunError> {
    log::start(config.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(io_error("the runtime cannot start"))?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), RunError> {
    metric::install();
    let opened = Opened::open(&config).await?;
    let clock = Arc::new(SystemClock::new());
    let ai = config.ai.as_ref().map(|settings| ai::provider(settings, clock)).transpose()?;
    let plugins = plugins(&config, &opened)?;
    let meter = ai.clone().map(|ai| meter(&config, &opened, ai));
    let tools = tools(&config, &opened);
    let flows = flows(&config, &opened, ai.as_ref().zip(meter.as_ref()), tools.clone());
    let flows = plugins.iter().fold(flows, |flows, plugins| plugins.join_flows(flows));
    let shared = Shared::open(config.redis_url.as_ref()).await?;
    let mut builder = JustPing::builder();
    if let Some(plugins) = &plugins {
        builder = plugins.join(builder);
    }
    if let Some(wakes) = opened.wakes() {
        builder = builder.wakes(wakes);
    }
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(io_error(format!("cannot listen on {}", config.listen)))?;
    let address = listener.local_addr().map_err(io_error("the listener has no address"))?;
    let url = format!("http://{address}");
    let key = opened.link_key(&config)?;
    let base = format!("{}{}", config.public_url.as_ref().unwrap_or(&url), http::RESUME_PATH);
    let mail = SmtpProvider::new(Arc::new(SystemClock::new()));
    let mail = mail.allowing(config.http_allow.iter().copied());
    let jp = builder
        .links(ResumeLinks::new(base, key.expose_secret().to_vec())?)
        .store(opened.store())
        .provider(Arc::new(mail))
        .provider(Arc::new(WebChatProvider::new()))
        .provider(Arc::new(WhatsAppProvider::new().only_hosts(config.whatsapp_hosts.clone())))
        .flows(Arc::new(flows.clone()))
        .bus(Arc::new(CountingBus::new(Arc::clone(&shared.bus))))
        .limiter(Arc::clone(&shared.limiter))
        .config(config.engine.clone())
        .build()?;
    if let Some(plugins) = &plugins {
        plugins.connect(&jp);
    }
    let demo_ai = if config.ai.is_some() { DemoAi::With } else { DemoAi::Without };
    let show = |token: &str| say(&format!("API key (shown once): {token}"));
    if demo::seed(&jp, demo_ai, show).await? == Seeded::Overtaken {
        say("That key is void: another process set the demo up at the same time.");
    }
    say(&format!("JustPing is running: {url}"));
    tracing::info!(%address, "listening");

    let relay = shared.relay.clone();
    let subscribers = plugins.as_ref().map(|opened| opened.subscribers.clone());
    let plugins = plugins.map(|opened| opened.plugins);
    let app = App::new(jp, flows).shared(shared).with_plugins(plugins.clone());
    let app = app.tooled(tools).peopled(meter.clone());
    let app = Arc::new(app.learning(meter, Some(Arc::new(fetcher(&config)))));
    let looking = subscribers.map(|subscribers| look_for_subscribers(&app, subscribers));
    work(&app, listener, config.workers, relay).await;
    if let Some(looking) = looking {
        drop(looking.await);
    }
    if let Some(plugins) = &plugins
        && let Err(error) = plugins.write().await
    {
        tracing::warn!(%error, "what plugins took last is lost");
    }
    opened.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Where businesses run their own code, unless the operator does not want it.
fn plugins(config: &Config, opened: &Opened) -> Result<Option<plugin::Opened>, PluginStartError> {
    let Some(settings) = &config.plugins else { return Ok(None) };
    let policy = Policy { except: config.http_allow.clone(), ..Policy::default() };
    let clock = Arc::new(SystemClock::new());
    plugin::Opened::start(settings, &opened.store(), clock, policy).map(Some)
}

/// Keeps looking which plugins are to be told what happens, until the server stops.
fn look_for_subscribers(app: &Arc<App>, subscribers: PluginSubscribers) -> JoinHandle<()> {
    let mut stopping = app.stopping();
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    tokio::spawn(async move { subscribers.run(stopped).await })
}

/// Tells whoever started the process.
fn say(line: &str) {
    // Without anybody who listens, the log still tells that the server runs.
    drop(writeln!(io::stdout(), "{line}"));
}

/// Who asks the addresses of sources. A page may be larger than what a flow is answered.
fn fetcher(config: &Config) -> OpenClient {
    let except = config.http_allow.clone();
    OpenClient::new(Policy { except, response_max_bytes: SOURCE_BYTES_MAX, ..Policy::default() })
}

/// The nodes flows may use; those that talk to a model only where there is one.
fn flows(
    config: &Config,
    opened: &Opened,
    ai: Option<(&Arc<dyn AiProvider>, &Meter)>,
    tools: StoredTools,
) -> Flows {
    let flows = Flows::new().with_http(Arc::new(open_client(config)));
    let flows = flows.with_tool_source(Arc::new(tools));
    let Some((ai, meter)) = ai else { return flows };
    let knowledge = Knowledge::new(opened.store()).with_ai(meter.clone());
    let search = Arc::new(SearchKnowledge::new(knowledge.clone()));
    let flows = flows.with_ai(Arc::clone(ai)).with_ledger(ledger(config, opened));
    flows.with_tool(search).with_knowledge(knowledge)
}

/// Asks the addresses that customers write.
fn open_client(config: &Config) -> OpenClient {
    OpenClient::new(Policy { except: config.http_allow.clone(), ..Policy::default() })
}

/// The tools that businesses set up.
fn tools(config: &Config, opened: &Opened) -> StoredTools {
    let client = open_client(config);
    StoredTools::new(opened.store(), Arc::new(client.clone())).with_mcp(client)
}

fn ledger(config: &Config, opened: &Opened) -> Ledger {
    ai::ledger(config.ai.as_ref(), opened.store(), Arc::new(SystemClock::new()))
}

/// Asks the model for whatever is no node.
fn meter(config: &Config, opened: &Opened, ai: Arc<dyn AiProvider>) -> Meter {
    Meter::new(ai).with_ledger(ledger(config, opened))
}

/// Works and answers until a signal comes; then first is no longer ready, then takes no more
/// connections, then finishes what is under way.
async fn work(app: &Arc<App>, listener: TcpListener, workers: Workers, relay: Option<Arc<Relay>>) {
    let mut tasks = JoinSet::new();
    if let Some(relay) = relay {
        tasks.spawn(pass_hints(Arc::clone(app), relay, workers));
    }
    let accounting = app.plugins().ok().cloned().map(|plugins| {
        let mut stopping = app.stopping();
        let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
        tokio::spawn(async move { plugins.run(stopped).await })
    });
    let (engine, ingest) = (app.jp().clone(), app.ingest().clone());
    let mut stopping = app.stopping();
    let engine = async move {
        let stopped = async move {
            // An error means that the application is gone, which is a stop as well.
            drop(stopping.wait_for(|stop| *stop).await);
        };
        match workers {
            Workers::On => {
                let (stop, stopped_too) = tokio::sync::oneshot::channel::<()>();
                let until = async move {
                    stopped.await;
                    drop(stop);
                };
                // Both end at once; what was being read is read on by whoever comes next.
                let reading = ingest.run(async { drop(stopped_too.await) });
                tokio::join!(engine.run(until), reading);
            }
            Workers::Off => stopped.await,
        }
    };
    let engine = tokio::spawn(engine);
    let told = Arc::clone(app);
    let stop = async move {
        signal().await;
        tracing::info!("stopping");
        told.stop();
        tokio::time::sleep(UNREADY_FIRST).await;
    };
    http::serve(listener, http::router(app), stop, CONNECTIONS_PATIENCE).await;
    if let Err(error) = engine.await {
        tracing::error!(%error, "the workers died");
    }
    if let Some(accounting) = accounting
        && let Err(error) = accounting.await
    {
        tracing::error!(%error, "what plugins took is no longer written");
    }
}

/// Waits for SIGINT or SIGTERM.
async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if let Err(error) = interrupt.await {
        tracing::error!(%error, "signals cannot be heard");
        std::future::pending::<()>().await;
    }
}

/// Tells other processes about work, and takes work where this process works. Ends with the task.
async fn pass_hints(app: Arc<App>, relay: Arc<Relay>, workers: Workers) {
    let tell = relay.tell(std::future::pending());
    match workers {
        Workers::On => {
            tokio::join!(tell, relay.hear(app.jp(), std::future::pending()));
        }
        Workers::Off => tell.await,
    }
}
