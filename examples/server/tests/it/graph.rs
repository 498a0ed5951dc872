//! A Graph API of our own, outside the server: it writes every request to a file before it answers,
//! and that file is the oracle of what was sent.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path as Segments, State};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

/// Whether the provider recognises our key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// A repeated key has no second effect.
    Honoured,
    /// Every request has an effect.
    Ignored,
}

/// One send that had an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The number it was sent from, by the provider's id.
    pub from: String,
    pub to: String,
    pub text: String,
    pub key: String,
    pub wamid: String,
}

/// The mock and its memory.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    pub base: String,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    keys: Keys,
    log: File,
    by_key: HashMap<String, String>,
    effects: Vec<Sent>,
    /// How many requests came, repeats included.
    requests: watch::Sender<usize>,
    /// Requests that are not answered yet.
    under_way: usize,
    /// Requests whose sender went before they were answered.
    cut_off: usize,
    news: mpsc::UnboundedSender<Sent>,
    before: Option<Before>,
    latency: Duration,
    /// Whether answers are kept back.
    held: watch::Sender<bool>,
}

/// A request until it is answered, or until whoever made it is gone.
struct UnderWay {
    inner: Arc<Mutex<Inner>>,
    answered: bool,
}

impl UnderWay {
    fn begin(inner: &Arc<Mutex<Inner>>) -> Self {
        inner.lock().unwrap().under_way += 1;
        Self { inner: Arc::clone(inner), answered: false }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut inner = self.inner.lock().unwrap();
        inner.under_way -= 1;
        inner.cut_off += usize::from(!self.answered);
    }
}

/// What is done about a send before it is answered.
type Before = Arc<dyn Fn(Sent) -> BoxFuture<'static, ()> + Send + Sync>;

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("under_way", &self.under_way).finish_non_exhaustive()
    }
}

impl Graph {
    /// Starts it on a port of its own; every effect is also handed to `news`.
    pub(crate) async fn start(log: &Path, keys: Keys, news: mpsc::UnboundedSender<Sent>) -> Self {
        let inner = Inner {
            keys,
            log: File::create(log).unwrap(),
            by_key: HashMap::new(),
            effects: Vec::new(),
            requests: watch::Sender::new(0),
            under_way: 0,
            cut_off: 0,
            news,
            before: None,
            latency: Duration::ZERO,
            held: watch::Sender::new(false),
        };
        let inner = Arc::new(Mutex::new(inner));
        let app = Router::new()
            .route("/{version}/{phone}/messages", post(answer))
            .with_state(Arc::clone(&inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, inner }
    }

    /// The effects so far, in order.
    pub(crate) fn effects(&self) -> Vec<Sent> {
        self.inner.lock().unwrap().effects.clone()
    }

    /// Does something about each send before it is answered.
    pub(crate) fn before_answers(
        &self,
        before: impl Fn(Sent) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        self.inner.lock().unwrap().before = Some(Arc::new(before));
    }

    /// From now on it takes its time for each answer.
    pub(crate) fn answers_after(&self, latency: Duration) {
        self.inner.lock().unwrap().latency = latency;
    }

    /// From now on it answers nobody.
    pub(crate) fn hold(&self) {
        self.inner.lock().unwrap().held.send_replace(true);
    }

    /// It answers again, and all who wait.
    pub(crate) fn release(&self) {
        self.inner.lock().unwrap().held.send_replace(false);
    }

    /// How many requests came, repeats included.
    pub(crate) fn requests(&self) -> usize {
        *self.inner.lock().unwrap().requests.borrow()
    }

    /// Waits until as many requests came.
    pub(crate) async fn asked(&self, requests: usize) {
        let mut seen = self.inner.lock().unwrap().requests.subscribe();
        seen.wait_for(|seen| *seen >= requests).await.expect("the mock lives");
    }

    /// How many requests are not answered yet.
    pub(crate) fn under_way(&self) -> usize {
        self.inner.lock().unwrap().under_way
    }

    /// How many requests found nobody to answer any more: their sender was gone.
    pub(crate) fn cut_off(&self) -> usize {
        self.inner.lock().unwrap().cut_off
    }
}

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    Segments((_, from)): Segments<(String, String)>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let mut under_way = UnderWay::begin(&inner);
    let (sent, before) = record(&mut inner.lock().unwrap(), from, &body);
    if let Some(before) = before {
        // It is done whether or not somebody still waits for the answer.
        tokio::spawn(before(sent.clone())).await.unwrap();
    }
    let latency = inner.lock().unwrap().latency;
    tokio::time::sleep(latency).await;
    let mut held = inner.lock().unwrap().held.subscribe();
    held.wait_for(|held| !held).await.expect("the mock lives");
    under_way.answered = true;
    Json(json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": sent.to, "wa_id": sent.to}],
        "messages": [{"id": sent.wamid}],
    }))
}

/// Writes a request down; what it came to, and what is to be done before it is answered.
fn record(inner: &mut Inner, from: String, body: &Value) -> (Sent, Option<Before>) {
    writeln!(inner.log, "{body}").unwrap();
    inner.requests.send_modify(|requests| *requests += 1);
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (to, key) = (text("/to").to_owned(), text("/biz_opaque_callback_data").to_owned());
    let said = text("/text/body").to_owned();
    let known = inner.by_key.get(&key).cloned().filter(|_| inner.keys == Keys::Honoured);
    if let Some(wamid) = known {
        return (Sent { from, to, text: said, key, wamid }, None);
    }
    let wamid = format!("wamid.T{:08}", inner.effects.len());
    let sent = Sent { from, to, text: said, key: key.clone(), wamid: wamid.clone() };
    inner.by_key.insert(key, wamid);
    inner.effects.push(sent.clone());
    let _ = inner.news.send(sent.clone());
    (sent, inner.before.clone())
}
