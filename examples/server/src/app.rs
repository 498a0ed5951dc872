//! What all requests share.

use std::sync::Arc;

use justping::JustPing;
use justping::agents::Flows;
use justping::agents::ai::{Meter, StoredTools};
use justping::agents::fetch::Fetcher;
use justping::agents::knowledge::{Ingest, Knowledge, Reader};
use justping::model::{Timestamp, WorkerId};
use justping::plugins::Plugins;
use justping::port::{Cache, Clock, IdSource, Presence, Store};
use tokio::sync::{Semaphore, watch};

use crate::http::Problem;
use crate::metric::{QueueGauges, WebhookMetrics};
use crate::shared::Shared;

/// Most web chat sockets of one process.
pub const SOCKETS_MAX: usize = 20_000;

/// Most webhooks that one process takes at the same time; a provider repeats those it turns away.
pub const WEBHOOKS_MAX: usize = 1_024;

/// Most mails that one process takes at the same time: they are larger than other webhooks.
pub const MAILS_MAX: usize = 16;

/// Everything that requests share.
#[derive(Debug)]
pub struct App {
    jp: JustPing,
    flows: Flows,
    knowledge: Knowledge,
    ingest: Ingest,
    fetcher: Option<Arc<dyn Fetcher>>,
    plugins: Option<Plugins>,
    tools: Option<StoredTools>,
    people: Option<Meter>,
    presence: Arc<dyn Presence>,
    cache: Arc<dyn Cache>,
    webhooks: WebhookMetrics,
    queues: QueueGauges,
    webhook_places: Semaphore,
    mail_places: Semaphore,
    sockets: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Puts the platform behind HTTP; `flows` are those it runs. What businesses know is found by
    /// words alone, and no address is asked for it, unless [`learning`](Self::learning) says who does.
    pub fn new(jp: JustPing, flows: Flows) -> Self {
        crate::metric::install();
        let Shared { presence, cache, .. } = Shared::alone();
        let knowledge = Knowledge::new(Arc::clone(jp.store()));
        let ingest = Ingest::new(reader(&jp, None, None));
        Self {
            jp,
            flows,
            knowledge,
            ingest,
            fetcher: None,
            plugins: None,
            tools: None,
            people: None,
            presence,
            cache,
            webhooks: WebhookMetrics::new(),
            queues: QueueGauges::default(),
            webhook_places: Semaphore::new(WEBHOOKS_MAX),
            mail_places: Semaphore::new(MAILS_MAX),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            stopping: watch::Sender::new(false),
        }
    }

    /// Keeps what it shares with other processes there.
    #[must_use]
    pub fn shared(mut self, shared: Shared) -> Self {
        (self.presence, self.cache) = (shared.presence, shared.cache);
        self
    }

    /// Lets sources and questions be embedded by a model, and addresses be asked for sources.
    #[must_use]
    pub fn learning(mut self, ai: Option<Meter>, fetcher: Option<Arc<dyn Fetcher>>) -> Self {
        self.knowledge = Knowledge::new(Arc::clone(self.jp.store()));
        if let Some(ai) = &ai {
            self.knowledge = self.knowledge.with_ai(ai.clone());
        }
        self.ingest = Ingest::new(reader(&self.jp, ai, fetcher.clone()));
        self.fetcher = fetcher;
        self
    }

    /// Lets businesses run plugins.
    #[must_use]
    pub fn with_plugins(mut self, plugins: Option<Plugins>) -> Self {
        self.plugins = plugins;
        self
    }

    /// The plugins of businesses.
    ///
    /// # Errors
    /// 404 when the operator switched them off.
    pub(crate) fn plugins(&self) -> Result<&Plugins, Problem> {
        self.plugins.as_ref().ok_or_else(Problem::plugins_off)
    }

    /// Lets businesses set up tools of their own; the flows look them up there too.
    #[must_use]
    pub fn tooled(self, tools: StoredTools) -> Self {
        Self { tools: Some(tools), ..self }
    }

    /// Lets a model play contacts and judge in tests.
    #[must_use]
    pub fn peopled(self, people: Option<Meter>) -> Self {
        Self { people, ..self }
    }

    /// The tools that businesses set up, where they can.
    pub(crate) fn tools(&self) -> Option<&StoredTools> {
        self.tools.as_ref()
    }

    /// Who plays contacts and judges, where a model does.
    pub(crate) fn people(&self) -> Option<&Meter> {
        self.people.as_ref()
    }

    /// What businesses know.
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Who reads sources.
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// Who asks addresses for sources.
    pub(crate) fn fetcher(&self) -> Option<&dyn Fetcher> {
        self.fetcher.as_deref()
    }

    /// Who is here.
    pub fn presence(&self) -> &Arc<dyn Presence> {
        &self.presence
    }

    /// What was expensive to find out.
    pub fn cache(&self) -> &Arc<dyn Cache> {
        &self.cache
    }

    /// The platform.
    pub fn jp(&self) -> &JustPing {
        &self.jp
    }

    /// The types of nodes that flows are made of.
    pub fn flows(&self) -> &Flows {
        &self.flows
    }

    /// Where everything is remembered.
    pub fn store(&self) -> &dyn Store {
        &**self.jp.store()
    }

    /// Who tells the time.
    pub fn clock(&self) -> &dyn Clock {
        &**self.jp.clock()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Makes ids.
    pub fn ids(&self) -> &IdSource {
        self.jp.ids()
    }

    /// The numbers of the webhook route.
    pub(crate) fn webhook_metrics(&self) -> &WebhookMetrics {
        &self.webhooks
    }

    /// How much is queued.
    pub(crate) fn queues(&self) -> &QueueGauges {
        &self.queues
    }

    /// Places for webhooks.
    pub(crate) fn webhook_places(&self) -> &Semaphore {
        &self.webhook_places
    }

    /// Places for mails.
    pub(crate) fn mail_places(&self) -> &Semaphore {
        &self.mail_places
    }

    /// Places for sockets.
    pub fn sockets(&self) -> &Arc<Semaphore> {
        &self.sockets
    }

    /// Says that the process is about to stop: it is no longer ready, and sockets are closed.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Says whether [`stop`](Self::stop) was called.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Tells when the process is about to stop.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

/// What the worker that reads sources needs.
fn reader(jp: &JustPing, ai: Option<Meter>, fetcher: Option<Arc<dyn Fetcher>>) -> Reader {
    Reader {
        store: Arc::clone(jp.store()),
        clock: Arc::clone(jp.clock()),
        worker: WorkerId::from_uuid(jp.ids().uuid()),
        ai,
        fetcher,
    }
}
