//! Several processes over one Postgres, and a Postgres that goes away and comes back.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use justping_store::testing::{Database, Server};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::process::{ANY_PORT, Process, client};
use crate::provider::{APP_SECRET, Doors, PHONE_ID, Provider, insist_on_503};

/// The master key that all processes share, in base64.
pub(crate) const MASTER_KEY: &str = "KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=";
/// Longest wait for a server to notice that the database is there again.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

/// Starts a process over a database. Its folder stays empty.
async fn start(database: &Database) -> Process {
    let folder = tempfile::tempdir().unwrap();
    let url = database.url();
    let env = [
        ("JUSTPING_DATABASE_URL", &*url),
        ("JUSTPING_MASTER_KEY", MASTER_KEY),
        ("JUSTPING_POLL_MS", "50"),
    ];
    let process = Process::start(&folder.path().join("data"), ANY_PORT, &env).await;
    assert!(!folder.path().join("data").exists(), "nothing is kept on this machine");
    process
}

async fn get(process: &Process, key: &str, path: &str) -> reqwest::Response {
    let url = format!("{}{path}", process.base);
    client().get(url).bearer_auth(key).send().await.unwrap()
}

async fn items(process: &Process, key: &str, path: &str) -> Vec<Value> {
    let page: Value = get(process, key, path).await.json().await.unwrap();
    page["items"].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone()
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A visitor opens the chat of the demo and says something.
async fn visit(process: &Process, chat: &str, number: u8, text: &str) -> Socket {
    let base = process.base.replace("http://", "ws://");
    let (mut socket, _) = connect_async(format!("{base}/chat/{chat}/socket")).await.unwrap();
    let id = format!("019a0000-0000-7000-8000-0000000000{number:02}");
    for frame in [json!({"type": "hello"}), json!({"type": "message", "id": id, "text": text})] {
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }
    socket
}

/// Waits until the visitor reads a text.
async fn read_until(socket: &mut Socket, text: &str) {
    loop {
        let frame = socket.next().await.unwrap().unwrap();
        if frame.into_text().is_ok_and(|frame| frame.contains(text)) {
            return;
        }
    }
}

/// The key that lets somebody in, of those that the processes printed.
async fn key_that_works(processes: &[Process]) -> String {
    let mut working = Vec::new();
    for key in processes.iter().filter_map(|process| process.api_key.clone()) {
        match get(&processes[0], &key, "/api/v1/me").await.status().as_u16() {
            200 => working.push(key),
            status => assert_eq!(status, 401, "a void key"),
        }
    }
    assert_eq!(working.len(), 1, "exactly one key of those printed is the owner's");
    working.remove(0)
}

#[tokio::test]
async fn processes_that_start_at_once_share_one_demo() {
    let database = Server::start().empty().await;
    let (a, b, c) = tokio::join!(start(&database), start(&database), start(&database));
    let processes = [a, b, c];
    let key = key_that_works(&processes).await;
    for process in &processes {
        let me: Value = get(process, &key, "/api/v1/me").await.json().await.unwrap();
        assert_eq!(me["business_name"], "JustPing Demo");
        for path in ["/api/v1/channels", "/api/v1/agents", "/api/v1/flows", "/api/v1/api-keys"] {
            assert_eq!(items(process, &key, path).await.len(), 1, "{path}");
        }
    }
    let flow = items(&processes[0], &key, "/api/v1/flows").await.remove(0);
    let versions = format!("/api/v1/flows/{}/versions", flow["id"].as_str().unwrap());
    assert_eq!(items(&processes[0], &key, &versions).await.len(), 1);

    // Whoever works, a visitor of any of them is answered, and all of them tell of it.
    let chat = items(&processes[0], &key, "/api/v1/channels").await.remove(0);
    let chat = chat["id"].as_str().unwrap();
    for (number, process) in (1..).zip(&processes) {
        let mut socket = visit(process, chat, number, "hello").await;
        read_until(&mut socket, "call you?").await;
    }
    for process in &processes {
        assert_eq!(items(process, &key, "/api/v1/conversations").await.len(), 3);
    }
}

/// Waits until `/readyz` has a status.
async fn ready_is(process: &Process, expected: u16) {
    let started = Instant::now();
    loop {
        let status = get(process, "", "/readyz").await.status().as_u16();
        if status == expected {
            return;
        }
        assert!(status == 200 || status == 503, "/readyz is {status}");
        assert!(started.elapsed() < RECOVERY_MAX, "/readyz stays {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn insist_on_unavailable(answer: reqwest::Response, what: &str) {
    insist_on_503(&answer, what);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "unavailable", "{what}: {problem}");
}

/// Creates a channel of WhatsApp, and gives its id.
async fn number(process: &Process, key: &str) -> String {
    let channel = json!({
        "provider": "whatsapp", "name": "number", "settings": {"phone_number_id": PHONE_ID},
        "secrets": {"access_token": "t", "app_secret": APP_SECRET, "verify_token": "v"},
    });
    let create = client().post(format!("{}/api/v1/channels", process.base)).bearer_auth(key);
    let made: Value = create.json(&channel).send().await.unwrap().json().await.unwrap();
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// A customer writes on it.
async fn hook(process: &Process, number: &str) -> reqwest::Response {
    let provider = Provider::new(PHONE_ID, Doors::new([process.base.clone()]), number);
    provider.try_post(&provider.message(1, 0)).await.unwrap()
}

#[tokio::test]
async fn a_database_that_is_away_is_503_until_it_is_back() {
    let postgres = Server::start();
    let database = postgres.empty().await;
    let process = start(&database).await;
    let key = process.api_key.clone().expect("the first start prints a key");
    let chat = items(&process, &key, "/api/v1/channels").await.remove(0);
    let chat = chat["id"].as_str().unwrap();
    let number = number(&process, &key).await;
    let mut before = visit(&process, chat, 1, "hello").await;
    read_until(&mut before, "call you?").await;

    for _ in 0..3 {
        postgres.crash();
        ready_is(&process, 503).await;
        assert_eq!(get(&process, "", "/healthz").await.status().as_u16(), 200);
        let paths = ["me", "contacts", "conversations", "channels", "agents", "flows", "api-keys"];
        for path in paths {
            let answer = get(&process, &key, &format!("/api/v1/{path}")).await;
            insist_on_unavailable(answer, path).await;
        }
        insist_on_unavailable(hook(&process, &number).await, "a webhook").await;
        let create = client().post(format!("{}/api/v1/contacts", process.base));
        let create = create.bearer_auth(&key).json(&json!({})).send().await.unwrap();
        insist_on_unavailable(create, "a change").await;

        postgres.restart();
        ready_is(&process, 200).await;
        assert_eq!(get(&process, &key, "/api/v1/me").await.status().as_u16(), 200);
    }
    // The provider repeats what was not taken.
    assert_eq!(hook(&process, &number).await.status().as_u16(), 200);

    // The workers went on by themselves, and nothing of before is lost.
    let mut after = visit(&process, chat, 2, "hello").await;
    read_until(&mut after, "call you?").await;
    assert_eq!(items(&process, &key, "/api/v1/conversations").await.len(), 3);
}
