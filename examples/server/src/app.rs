//! What all requests share.

use std::sync::Arc;

use justping::JustPing;
use justping::agents::Flows;
use justping::model::Timestamp;
use justping::port::{Clock, IdSource, Store};
use tokio::sync::{Semaphore, watch};

use crate::metric::WebhookMetrics;

/// Most web chat sockets of one process.
pub const SOCKETS_MAX: usize = 20_000;

/// Everything that requests share.
#[derive(Debug)]
pub struct App {
    jp: JustPing,
    flows: Flows,
    webhooks: WebhookMetrics,
    sockets: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Puts the platform behind HTTP; `flows` are those it runs.
    pub fn new(jp: JustPing, flows: Flows) -> Self {
        Self {
            jp,
            flows,
            webhooks: WebhookMetrics::new(),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            stopping: watch::Sender::new(false),
        }
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
