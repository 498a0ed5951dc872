//! What the server counts, in Prometheus' text form at `/metrics`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use justping::model::{DeliveryStatus, Direction, Event, EventBody, Topic};
use justping::port::store::UpkeepReport;
use justping::port::{EventBus, Subscription};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Starts counting and gives the handle that renders the numbers; the same one on every call.
///
/// `None` when the process already counts in another way.
pub(crate) fn install() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(start).clone()
}

fn start() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().set_buckets(SECONDS).ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    describe();
    Some(handle)
}

fn describe() {
    metrics::describe_counter!("justping_http_requests_total", "HTTP requests by route and status");
    metrics::describe_histogram!("justping_http_request_seconds", "Time to answer, by route");
    metrics::describe_counter!("justping_webhooks_total", "Provider webhooks by outcome");
    metrics::describe_counter!("justping_events_total", "Domain events by kind");
    metrics::describe_counter!("justping_upkeep_total", "What the upkeep of this process did");
    metrics::describe_gauge!("justping_sockets", "Open web chat sockets");
}

/// Counts a request.
pub(crate) fn http_request(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let (method, route) = (method.as_str().to_owned(), route.to_owned());
    let status = status.as_str().to_owned();
    metrics::counter!("justping_http_requests_total",
        "method" => method, "route" => route.clone(), "status" => status)
    .increment(1);
    metrics::histogram!("justping_http_request_seconds", "route" => route).record(took);
}

/// The numbers of the webhook route, looked up once: it is the hottest route there is.
#[derive(Clone)]
pub(crate) struct WebhookMetrics {
    accepted: Counter,
    refused: Counter,
    failed: Counter,
    seconds: Histogram,
}

impl std::fmt::Debug for WebhookMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookMetrics")
    }
}

impl WebhookMetrics {
    /// Looks the numbers up.
    pub(crate) fn new() -> Self {
        let outcome =
            |name: &'static str| metrics::counter!("justping_webhooks_total", "outcome" => name);
        Self {
            accepted: outcome("accepted"),
            refused: outcome("refused"),
            failed: outcome("failed"),
            seconds: metrics::histogram!("justping_http_request_seconds", "route" => "/webhooks"),
        }
    }

    /// Counts a webhook.
    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        if status.is_success() {
            self.accepted.increment(1);
        } else if status.is_server_error() {
            self.failed.increment(1);
        } else {
            self.refused.increment(1);
        }
        self.seconds.record(took);
    }
}

impl Default for WebhookMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A bus that counts what it carries: every fact of the engine passes here once.
#[derive(Debug)]
pub(crate) struct CountingBus(Arc<dyn EventBus>);

impl CountingBus {
    /// Counts what is published on `bus`.
    pub(crate) fn new(bus: Arc<dyn EventBus>) -> Self {
        Self(bus)
    }
}

#[async_trait]
impl EventBus for CountingBus {
    async fn publish(&self, events: Vec<Event>) {
        for event in &events {
            if let Some(name) = counted(&event.body) {
                metrics::counter!("justping_events_total", "event" => name).increment(1);
            }
        }
        self.0.publish(events).await;
    }

    fn subscribe(&self, topic: Topic) -> Box<dyn Subscription> {
        self.0.subscribe(topic)
    }
}

/// The name under which an event is counted; what holds for moments is not.
fn counted(body: &EventBody) -> Option<&'static str> {
    Some(match body {
        EventBody::MessageNew { message } => match message.direction {
            Direction::Inbound => "message.accepted",
            Direction::Outbound => "message.queued",
            Direction::Note => "message.note",
        },
        EventBody::MessageStatus { status, .. } => match status {
            DeliveryStatus::Received => "message.received",
            DeliveryStatus::Queued => "message.requeued",
            DeliveryStatus::Sent => "message.sent",
            DeliveryStatus::Delivered => "message.delivered",
            DeliveryStatus::Read => "message.read",
            DeliveryStatus::Failed => "message.failed",
        },
        EventBody::MessageDelta { .. }
        | EventBody::MemberOnline { .. }
        | EventBody::MemberOffline { .. }
        | EventBody::TypingStarted { .. }
        | EventBody::TypingStopped { .. } => return None,
        EventBody::ConversationCreated { .. } => "conversation.created",
        EventBody::ConversationUpdated { .. } => "conversation.updated",
        EventBody::ContactCreated { .. } => "contact.created",
        EventBody::SessionStatus { .. } => "session.status",
        EventBody::Custom { .. } => "flow.event",
    })
}

/// Counts what the upkeep of this process did since it started.
pub(crate) fn upkeep(sum: &UpkeepReport) {
    let counts = [
        ("month_made", sum.months_made),
        ("month_detached", sum.months_detached),
        ("request", sum.requests),
        ("parked_status", sum.parked),
        ("received_reference", sum.received),
        ("sent_reference", sum.sent),
        ("event", sum.events),
    ];
    for (what, count) in counts {
        metrics::counter!("justping_upkeep_total", "what" => what).absolute(count);
    }
}

/// How many sockets are open.
pub(crate) fn sockets() -> Gauge {
    metrics::gauge!("justping_sockets")
}
