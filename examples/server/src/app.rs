//! What all requests share.

use std::sync::Arc;

use justping::JustPing;
use justping::agents::Flows;
use justping::model::Timestamp;
use justping::port::{Cache, Clock, IdSource, Presence, Store};
use tokio::sync::{Semaphore, watch};

use crate::metric::{QueueGauges, WebhookMetrics};
use crate::shared::Shared;

/// Most web chat sockets of one process.
pub const SOCKETS_MAX: usize = 20_000;

/// Most webhooks that one process takes at the same time; a provider repeats those it turns away.
pub const WEBHOOKS_MAX: usize = 1_024;

/// Everything that requests share.
#[derive(Debug)]
pub struct App {
    jp: JustPing,
    flows: Flows,
    presence: Arc<dyn Presence>,
    cache: Arc<dyn Cache>,
    webhooks: WebhookMetrics,
    queues: QueueGauges,
    webhook_places: Semaphore,
    sockets: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Puts the platform behind HTTP; `flows` are those it runs.
    pub fn new(jp: JustPing, flows: Flows) -> Self {
        let Shared { presence, cache, .. } = Shared::alone();
        Self {
            jp,
            flows,
            presence,
            cache,
            webhooks: WebhookMetrics::new(),
            queues: QueueGauges::default(),
            webhook_places: Semaphore::new(WEBHOOKS_MAX),
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
