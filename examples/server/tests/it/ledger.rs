//! What the server says happened, read through its API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::graph::Graph;
use crate::process::{Process, client};
use crate::provider::{APP_SECRET, BURST};

/// Longest wait for the last replies and statuses.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// How long one rests between two looks at everything.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// So much that no limit of the provider stretches a test.
const MESSAGES_PER_SECOND: u32 = 1_000;

/// The server's API, asked as its owner.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    client: reqwest::Client,
    pub base: String,
    pub key: String,
}

/// How a message to a contact fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub id: String,
    pub seq: u64,
    pub text: String,
    pub status: String,
    pub failure: Option<String>,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thread {
    pub id: String,
    /// How many messages of the contact it holds.
    pub heard: usize,
    /// The messages to the contact, in order.
    pub replies: Vec<Fate>,
}

impl Ledger {
    pub(crate) fn new(base: &str, key: &str) -> Self {
        Self { client: client(), base: base.to_owned(), key: key.to_owned() }
    }

    /// The ledger of a process that printed its key.
    pub(crate) fn of(process: &Process) -> Self {
        let key = process.api_key.as_deref().expect("the first start prints a key");
        Self::new(&process.base, key)
    }

    /// The same, asked of another process.
    pub(crate) fn at(&self, base: String) -> Self {
        Self { base, ..self.clone() }
    }

    /// A request as the owner makes it.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1{path}", self.base);
        self.client.request(method.parse().unwrap(), url).bearer_auth(&self.key)
    }

    /// Asks for something that must not fail.
    pub(crate) async fn get(&self, path: &str) -> Value {
        insist(self.request("GET", path), path).await
    }

    /// Creates something, which must not fail.
    pub(crate) async fn create(&self, path: &str, body: Value) -> Value {
        insist(self.request("POST", path).json(&body), path).await
    }

    /// Publishes the flow that echoes, and an agent that follows it; the agent's id.
    pub(crate) async fn echo_agent(&self) -> String {
        let flow = self.create("/flows", json!({"name": "echo", "draft": echo_flow()})).await;
        let flow = flow["id"].as_str().unwrap();
        self.create(&format!("/flows/{flow}/publish"), json!({})).await;
        let agent = self.create("/agents", json!({"name": "echo", "flows": [flow]})).await;
        agent["id"].as_str().unwrap().to_owned()
    }

    /// A channel of a number of the provider, with an agent that answers or without one; its id.
    pub(crate) async fn number(
        &self,
        graph: &Graph,
        phone_id: &str,
        policy: &str,
        agent: Option<&str>,
    ) -> String {
        let channel = json!({
            "provider": "whatsapp",
            "name": "number",
            "settings": {
                "phone_number_id": phone_id,
                "base_url": graph.base,
                "messages_per_second": MESSAGES_PER_SECOND,
            },
            "secrets": {"access_token": "t", "app_secret": APP_SECRET, "verify_token": "v"},
            "agent_id": agent,
            "unknown_policy": policy,
        });
        self.create("/channels", channel).await["id"].as_str().unwrap().to_owned()
    }

    /// The ids of a channel's conversations.
    pub(crate) async fn conversations(&self, channel: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/conversations?limit=200&channel_id={channel}{after}");
            let page = self.get(&path).await;
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return ids,
            }
        }
    }

    /// The conversations of a channel with all of their messages.
    pub(crate) async fn threads(&self, channel: &str) -> Vec<Thread> {
        let mut threads = Vec::new();
        for id in self.conversations(channel).await {
            let path = format!("/conversations/{id}/messages?order=oldest_first&limit=200");
            let page = self.get(&path).await;
            let messages = page["items"].as_array().unwrap();
            let seqs: Vec<u64> = messages.iter().map(|m| m["seq"].as_u64().unwrap()).collect();
            assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "a gap in {seqs:?}");
            let replies: Vec<Fate> =
                messages.iter().filter(|m| m["direction"] == "outbound").map(fate).collect();
            threads.push(Thread { id, heard: messages.len() - replies.len(), replies });
        }
        threads
    }

    /// Waits until a channel holds as many replies as expected and each of them has come to its
    /// end: every message that the provider takes is told as read.
    pub(crate) async fn settled(
        &self,
        channel: &str,
        graph: &Graph,
        expected: usize,
    ) -> Vec<Thread> {
        let ended = |fate: &Fate| matches!(fate.status.as_str(), "read" | "failed");
        self.until(channel, graph, expected, ended).await
    }

    /// Waits until a channel holds as many replies as expected, all of them such as is wanted.
    pub(crate) async fn until(
        &self,
        channel: &str,
        graph: &Graph,
        expected: usize,
        wanted: impl Fn(&Fate) -> bool,
    ) -> Vec<Thread> {
        let started = Instant::now();
        loop {
            let threads = self.threads(channel).await;
            let replies: Vec<&Fate> = threads.iter().flat_map(|thread| &thread.replies).collect();
            let moving: Vec<_> = replies.iter().filter(|fate| !wanted(fate)).take(3).collect();
            if replies.len() >= expected && moving.is_empty() {
                return threads;
            }
            assert!(
                started.elapsed() < SETTLE_MAX,
                "{} of {expected} replies recorded, some still moving: {moving:?}; {} sent",
                replies.len(),
                graph.effects().len()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

async fn insist(request: reqwest::RequestBuilder, what: &str) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{what}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn fate(message: &Value) -> Fate {
    Fate {
        id: message["id"].as_str().unwrap().to_owned(),
        seq: message["seq"].as_u64().unwrap(),
        text: message["content"]["text"].as_str().unwrap_or_default().to_owned(),
        status: message["status"].as_str().unwrap().to_owned(),
        failure: message["failure"]["kind"].as_str().map(str::to_owned),
    }
}

/// One reply to every message, each naming the message it answers.
fn echo_flow() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "ask", "type": "input", "data": {
                "kind": "text", "variable": "said", "prompt": "re {{ said or 'm0' }}"}},
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "ask"},
            {"id": "e2", "source": "ask", "sourceHandle": "reply", "target": "ask"},
        ],
    })
}

/// What the agent answers to a burst.
pub(crate) const ECHOES: [&str; BURST] = ["re m0", "re m1", "re m2"];

impl Thread {
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.replies.iter().map(|fate| fate.text.as_str()).collect()
    }
}
