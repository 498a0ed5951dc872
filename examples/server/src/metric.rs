//! What the server counts, in Prometheus' text form at `/metrics`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use justping::model::{DeliveryStatus, Direction, Event, EventBody, Timestamp, Topic};
use justping::port::store::{QueueStats, UpkeepReport};
use justping::port::{EventBus, Store, Subscription};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// For how long counted queues are not counted again.
const QUEUES_FRESH: SignedDuration = SignedDuration::from_secs(10);
/// How long the store may take to count them; otherwise the numbers are those of before.
const QUEUES_PATIENCE: Duration = Duration::from_secs(2);

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
    metrics::describe_gauge!("justping_queue_sends", "Sends in the outbox, by lane and state");
    metrics::describe_gauge!(
        "justping_queue_oldest_seconds",
        "Age of the oldest due send, by lane"
    );
    metrics::describe_gauge!("justping_queue_mail", "Events that wait for a turn");
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
        EventBody::MessageDropped { .. } => "message.dropped",
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
        ("counter", sum.counters),
        ("plugin_value", sum.plugin_values),
        ("plugin_line", sum.plugin_lines),
        ("plugin_day", sum.plugin_days),
        ("usage_day", sum.usage_days),
        ("membership", sum.memberships),
    ];
    for (what, count) in counts {
        metrics::counter!("justping_upkeep_total", "what" => what).absolute(count);
    }
}

/// How much is queued, read from the store now and then: whoever asks for the numbers often costs no
/// more than who asks seldom.
#[derive(Debug, Default)]
pub(crate) struct QueueGauges {
    read_at: Mutex<Option<Timestamp>>,
}

impl QueueGauges {
    /// Reads the queues unless that was done a moment ago.
    pub(crate) async fn refresh(&self, store: &dyn Store, now: Timestamp) {
        if !self.is_due(now) {
            return;
        }
        match tokio::time::timeout(QUEUES_PATIENCE, store.queue_stats(now)).await {
            Ok(Ok(stats)) => set_queues(&stats, now),
            Ok(Err(error)) => tracing::warn!(%error, "the queues could not be counted"),
            Err(_) => tracing::warn!("the queues took too long to count"),
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = read_at.is_some_and(|read| now.duration_since(read) < QUEUES_FRESH);
        if !fresh {
            *read_at = Some(now);
        }
        !fresh
    }
}

fn set_queues(stats: &QueueStats, now: Timestamp) {
    let names = ["interactive", "transactional", "bulk"];
    for (lane, name) in stats.lanes.iter().zip(names) {
        let sends = metrics::gauge!("justping_queue_sends", "lane" => name, "state" => "due");
        sends.set(lane.due as f64);
        let age = lane.oldest_due.map_or(0.0, |due| now.duration_since(due).as_secs_f64());
        metrics::gauge!("justping_queue_oldest_seconds", "lane" => name).set(age);
    }
    for (state, count) in [("later", stats.later), ("sending", stats.sending)] {
        let sends = metrics::gauge!("justping_queue_sends", "lane" => "all", "state" => state);
        sends.set(count as f64);
    }
    metrics::gauge!("justping_queue_mail").set(stats.mail as f64);
}

/// How many sockets are open.
pub(crate) fn sockets() -> Gauge {
    metrics::gauge!("justping_sockets")
}
