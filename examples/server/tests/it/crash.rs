//! Killed at random instants, the server loses no accepted message, applies no transition twice,
//! answers in order, and sends each reply once.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use justping_store::testing::{Database, Server};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::fleet::MASTER_KEY;
use crate::graph::{Graph, Keys, Sent};
use crate::process::{Process, client, free_port};

pub(crate) const APP_SECRET: &str = "crash-app-secret";
pub(crate) const PHONE_ID: &str = "106540352242922";
/// Messages of each contact, one after the other.
const BURST: usize = 3;
/// Contacts that write at the same time.
const WRITERS: usize = 24;
/// Impatience of the server under test: short leases, so that a restart resumes at once.
const ENV: &[(&str, &str)] = &[
    ("JUSTPING_TURN_LEASE_MS", "400"),
    ("JUSTPING_SEND_LEASE_MS", "1500"),
    ("JUSTPING_POLL_MS", "50"),
    ("JUSTPING_WHATSAPP_HOSTS", "127.0.0.1"),
];
/// Longest wait for the last replies and statuses after the last start.
const SETTLE_MAX: Duration = Duration::from_secs(120);

struct Plan {
    keys: Keys,
    policy: &'static str,
    unknown_wait_ms: &'static str,
    contacts: usize,
    kills: usize,
    seed: u64,
    told: Told,
    /// A database that outlives the server's process by itself; a file otherwise.
    postgres: Option<Database>,
}

/// When the provider tells how a message fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Some time after it answered the send.
    Later,
    /// Before it answers the send.
    First,
}

/// A small source of reproducible chance.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The signature of a body.
pub(crate) fn sign(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(APP_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

fn webhook(value: Value) -> String {
    let mut value = value;
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] = json!({"display_phone_number": "15550783881", "phone_number_id": PHONE_ID});
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}],
    })
    .to_string()
}

fn phone(contact: usize) -> String {
    (15_550_000_000u64 + contact as u64).to_string()
}

/// A message of a contact, as the provider tells of it.
pub(crate) fn message(contact: usize, number: usize) -> String {
    webhook(json!({
        "contacts": [{"profile": {"name": format!("Customer {contact}")}, "wa_id": phone(contact)}],
        "messages": [{
            "from": phone(contact),
            "id": format!("wamid.IN{contact:06}{number}"),
            "timestamp": "1760000000",
            "type": "text",
            "text": {"body": format!("m{number}")},
        }],
    }))
}

fn status(sent: &Sent, status: &str) -> String {
    webhook(json!({
        "statuses": [{
            "id": sent.wamid,
            "status": status,
            "timestamp": "1760000001",
            "recipient_id": sent.to,
            "biz_opaque_callback_data": sent.key,
        }],
    }))
}

/// Posts signed webhooks and repeats each until it is answered 200, as the provider does.
#[derive(Debug, Clone)]
struct Provider {
    client: reqwest::Client,
    url: String,
    accepted: Arc<AtomicUsize>,
}

impl Provider {
    async fn post(&self, body: &str) {
        loop {
            let request = self
                .client
                .post(&self.url)
                .header("content-type", "application/json")
                .header("x-hub-signature-256", sign(body))
                .body(body.to_owned());
            match request.send().await {
                Ok(answer) if answer.status().is_success() => {
                    self.accepted.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Ok(answer) => assert!(answer.status().is_server_error(), "{}", answer.status()),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// Asks the server's API as its owner.
async fn api(process: &Process, key: &str, method: &str, path: &str, body: Value) -> Value {
    let client = client();
    let url = format!("{}/api/v1{path}", process.base);
    let mut request = client.request(method.parse().unwrap(), url).bearer_auth(key);
    if method != "GET" {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{method} {path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
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

async fn set_up(process: &Process, key: &str, graph: &Graph, policy: &str) -> String {
    let flow =
        api(process, key, "POST", "/flows", json!({"name": "echo", "draft": echo_flow()})).await;
    let flow_id = flow["id"].as_str().unwrap();
    api(process, key, "POST", &format!("/flows/{flow_id}/publish"), json!({})).await;
    let agent =
        api(process, key, "POST", "/agents", json!({"name": "echo", "flows": [flow_id]})).await;
    let channel = api(
        process,
        key,
        "POST",
        "/channels",
        json!({
            "provider": "whatsapp",
            "name": "number",
            "settings": {"phone_number_id": PHONE_ID, "base_url": graph.base},
            "secrets": {"access_token": "t", "app_secret": APP_SECRET, "verify_token": "v"},
            "agent_id": agent["id"],
            "unknown_policy": policy,
        }),
    )
    .await;
    channel["id"].as_str().unwrap().to_owned()
}

/// Sends what the plan says while the server is killed, and hands back everything for the checks.
async fn run(plan: &Plan) -> (Graph, Process, String, usize) {
    let folder: PathBuf = tempfile::tempdir().unwrap().keep();
    let port = free_port();
    let mut env = ENV.to_vec();
    env.push(("JUSTPING_UNKNOWN_WAIT_MS", plan.unknown_wait_ms));
    let url = plan.postgres.as_ref().map(Database::url);
    if let Some(url) = &url {
        env.extend([("JUSTPING_DATABASE_URL", &**url), ("JUSTPING_MASTER_KEY", MASTER_KEY)]);
    }
    let mut process = Process::start(&folder.join("data"), port, &env).await;
    let key = process.api_key.clone().expect("the first start prints a key");
    let (news, heard) = mpsc::unbounded_channel();
    let graph = Graph::start(&folder.join("oracle.jsonl"), plan.keys, news).await;
    let channel = set_up(&process, &key, &graph, plan.policy).await;
    let provider = Provider {
        client: client(),
        url: format!("{}/webhooks/whatsapp/{channel}", process.base),
        accepted: Arc::default(),
    };
    let mut statuses = JoinSet::new();
    match plan.told {
        Told::Later => {
            statuses.spawn(tell_statuses(provider.clone(), heard, Dice(plan.seed ^ 7)));
        }
        Told::First => graph.before_answers(tell_first(provider.clone())),
    }
    let done = Arc::new(AtomicBool::new(false));
    let writers =
        tokio::spawn(write_all(provider.clone(), plan.contacts, plan.seed, Arc::clone(&done)));

    let mut dice = Dice(plan.seed);
    for _ in 0..plan.kills {
        tokio::time::sleep(Duration::from_millis(150 + dice.roll(700))).await;
        process.kill();
        process = Process::start(&folder.join("data"), port, &env).await;
    }
    writers.await.unwrap();
    let expected = plan.contacts * BURST;
    settle(&process, &key, &graph, expected).await;
    statuses.shutdown().await;
    let accepted = provider.accepted.load(Ordering::SeqCst);
    (graph, process, key, accepted)
}

/// Each contact writes its burst in order; some webhooks come twice.
async fn write_all(provider: Provider, contacts: usize, seed: u64, done: Arc<AtomicBool>) {
    let mut tasks = JoinSet::new();
    for contact in 0..contacts {
        if tasks.len() >= WRITERS {
            tasks.join_next().await.unwrap().unwrap();
        }
        let provider = provider.clone();
        let mut dice = Dice(seed ^ (contact as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        tasks.spawn(async move {
            for number in 0..BURST {
                let body = message(contact, number);
                provider.post(&body).await;
                if dice.roll(4) == 0 {
                    provider.post(&body).await;
                }
            }
            // An old one again, long after its place.
            if dice.roll(4) == 0 {
                provider.post(&message(contact, 0)).await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    done.store(true, Ordering::SeqCst);
}

/// Tells everything there is to tell, out of order, and has the server take it.
fn tell_first(provider: Provider) -> impl Fn(Sent) -> BoxFuture<'static, ()> + Send + Sync {
    move |sent| {
        let provider = provider.clone();
        Box::pin(async move {
            for name in ["delivered", "sent", "read"] {
                provider.post(&status(&sent, name)).await;
            }
        })
    }
}

/// Tells how every message fared: in shuffled order, some twice.
async fn tell_statuses(
    provider: Provider,
    mut heard: mpsc::UnboundedReceiver<Sent>,
    mut dice: Dice,
) {
    let mut tasks = JoinSet::new();
    while let Some(sent) = heard.recv().await {
        let mut order = ["sent", "delivered", "read"];
        order.swap(0, dice.roll(3) as usize);
        order.swap(1, dice.roll(3) as usize);
        let twice = dice.roll(5) == 0;
        let provider = provider.clone();
        tasks.spawn(async move {
            for name in order {
                provider.post(&status(&sent, name)).await;
            }
            if twice {
                provider.post(&status(&sent, order[0])).await;
            }
        });
        while tasks.try_join_next().is_some() {}
    }
}

/// Waits until every conversation has its replies and none of them is on its way.
async fn settle(process: &Process, key: &str, graph: &Graph, expected: usize) {
    let started = Instant::now();
    loop {
        let fates = fates(process, key).await;
        let moving = fates.values().flatten().filter(|fate| fate.is_moving()).count();
        let replies: usize = fates.values().map(Vec::len).sum();
        if replies >= expected && moving == 0 {
            return;
        }
        let sent = graph.effects().len();
        assert!(
            started.elapsed() < SETTLE_MAX,
            "{replies} of {expected} replies recorded, {moving} still moving, {sent} sent"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// How a reply fared, as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fate {
    text: String,
    status: String,
    failure: Option<String>,
}

impl Fate {
    /// Every message the provider took was told as read; `sent` and `delivered` pass.
    fn is_moving(&self) -> bool {
        !matches!(self.status.as_str(), "read" | "failed")
    }
}

/// The replies of every conversation in order, by contact.
async fn fates(process: &Process, key: &str) -> BTreeMap<String, Vec<Fate>> {
    let mut out = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page =
            api(process, key, "GET", &format!("/conversations?limit=200{after}"), Value::Null)
                .await;
        for conversation in page["items"].as_array().unwrap() {
            let id = conversation["id"].as_str().unwrap();
            let path = format!("/conversations/{id}/messages?order=oldest_first&limit=200");
            let messages = api(process, key, "GET", &path, Value::Null).await;
            let messages = messages["items"].as_array().unwrap();
            let seqs: Vec<u64> = messages.iter().map(|m| m["seq"].as_u64().unwrap()).collect();
            assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "a gap in {seqs:?}");
            let contact = conversation["contact_id"].as_str().unwrap().to_owned();
            let replies = messages.iter().filter(|m| m["direction"] == "outbound").map(fate);
            out.insert(contact, replies.collect());
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return out,
        }
    }
}

fn fate(message: &Value) -> Fate {
    Fate {
        text: message["content"]["text"].as_str().unwrap_or_default().to_owned(),
        status: message["status"].as_str().unwrap().to_owned(),
        failure: message["failure"]["kind"].as_str().map(str::to_owned),
    }
}

fn expected_replies() -> Vec<String> {
    (0..BURST).map(|number| format!("re m{number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_and_repeat_nothing() {
    let plan = Plan {
        keys: Keys::Honoured,
        policy: "at_least_once",
        unknown_wait_ms: "800",
        contacts: 385,
        kills: 20,
        seed: 0x5eed_0001,
        told: Told::Later,
        postgres: None,
    };
    let accepted = each_reply_once(&plan).await;
    assert!(accepted >= 5_000, "only {accepted} webhooks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_over_postgres_lose_nothing_and_repeat_nothing() {
    let plan = Plan {
        keys: Keys::Honoured,
        policy: "at_least_once",
        unknown_wait_ms: "800",
        contacts: 100,
        kills: 8,
        seed: 0x5eed_0003,
        told: Told::Later,
        postgres: Some(Server::start().empty().await),
    };
    each_reply_once(&plan).await;
}

async fn told_first(postgres: Option<Database>) {
    let plan = Plan {
        keys: Keys::Ignored,
        policy: "at_most_once",
        unknown_wait_ms: "3000",
        contacts: 100,
        kills: 0,
        seed: 0x5eed_0004,
        told: Told::First,
        postgres,
    };
    each_reply_once(&plan).await;
}

/// The status of a message comes, and is stored, before the answer of the send that names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_before_id() {
    told_first(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_before_id_over_postgres() {
    told_first(Some(Server::start().empty().await)).await;
}

/// Runs a plan, insists that each message has exactly its reply, and tells how many webhooks were
/// accepted.
#[expect(clippy::print_stdout, reason = "what a run went through is worth telling")]
async fn each_reply_once(plan: &Plan) -> usize {
    let (graph, process, key, accepted) = run(plan).await;
    println!(
        "{accepted} webhooks accepted, {} kills, {} sends, {} requests",
        plan.kills,
        graph.effects().len(),
        graph.requests()
    );

    // Nothing accepted is lost, nothing is decided twice: every conversation holds exactly its
    // replies, in order.
    let fates = fates(&process, &key).await;
    assert_eq!(fates.len(), plan.contacts);
    for (contact, replies) in &fates {
        let texts: Vec<&str> = replies.iter().map(|fate| fate.text.as_str()).collect();
        assert_eq!(texts, expected_replies(), "{contact}");
        assert!(replies.iter().all(|fate| fate.status == "read"), "{contact}: {replies:?}");
    }

    // The oracle saw each reply once and in order.
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sent in graph.effects() {
        seen.entry(sent.to).or_default().push(sent.text);
    }
    assert_eq!(seen.len(), plan.contacts);
    for (to, texts) in &seen {
        assert_eq!(*texts, expected_replies(), "{to}");
    }
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_at_most_once_never_repeats_and_statuses_reconcile() {
    let plan = Plan {
        keys: Keys::Ignored,
        policy: "at_most_once",
        unknown_wait_ms: "3000",
        contacts: 60,
        kills: 6,
        seed: 0x5eed_0002,
        told: Told::Later,
        postgres: None,
    };
    let (graph, process, key, _) = run(&plan).await;
    let effects = graph.effects();
    let distinct: HashSet<(&str, &str)> =
        effects.iter().map(|sent| (sent.to.as_str(), sent.text.as_str())).collect();
    assert_eq!(distinct.len(), effects.len(), "a reply was sent twice");

    let fates = fates(&process, &key).await;
    let replies: Vec<&Fate> = fates.values().flatten().collect();
    assert_eq!(replies.len(), plan.contacts * BURST);
    let read = replies.iter().filter(|fate| fate.status == "read").count();
    // What reached the provider is known to have reached it, even when its answer was lost; the
    // rest says why it did not leave.
    assert_eq!(read, effects.len());
    for fate in replies.iter().filter(|fate| fate.status != "read") {
        assert_eq!(fate.failure.as_deref(), Some("unknown_outcome"), "{fate:?}");
    }
    println!("{} replies, {read} sent, {} of unknown outcome", replies.len(), replies.len() - read);
}
