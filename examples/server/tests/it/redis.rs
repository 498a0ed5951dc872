//! Two processes that share a Redis, and one that has lost it.

#[path = "../../../../justping-store/src/redis/tests/server.rs"]
#[allow(dead_code, reason = "it is shared with other tests, which need more of it")]
pub(crate) mod server;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use self::server::{Memory, RedisServer};
use crate::process::{Process, client, free_port};

/// Longest wait for an answer. Reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn chat(server: &Process, key: &str, port: u16) -> Socket {
    let channels = client().get(format!("{}/api/v1/channels", server.base)).bearer_auth(key);
    let channels: Value = channels.send().await.unwrap().json().await.unwrap();
    let chat = channels["items"][0]["id"].as_str().unwrap();
    let (mut socket, _) =
        connect_async(format!("ws://127.0.0.1:{port}/chat/{chat}/socket")).await.unwrap();
    say(&mut socket, &json!({"type": "hello"})).await;
    socket
}

async fn say(socket: &mut Socket, frame: &Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

async fn greet(socket: &mut Socket, n: u32) {
    let id = format!("019a0000-0000-7000-8000-00000000000{n}");
    say(socket, &json!({"type": "message", "id": id, "text": "hello"})).await;
}

async fn hear(socket: &mut Socket, text: &str) {
    let heard = async {
        loop {
            let frame = socket.next().await.unwrap().unwrap().into_text().unwrap();
            if frame.contains(text) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("the answer comes");
}

#[tokio::test]
async fn one_process_works_for_another_through_redis() {
    let redis = RedisServer::start(Memory::Forgets);
    let url = redis.url();
    let data = tempfile::tempdir().unwrap();
    // Nobody looks by itself: what is heard came through Redis.
    let never = ("JUSTPING_POLL_MS", "3600000");
    let shared = [("JUSTPING_REDIS_URL", url.as_str()), never];
    let port = free_port();
    let front = [shared[0], shared[1], ("JUSTPING_WORKERS", "off")];
    let front = Process::start(data.path(), port, &front).await;
    let worker = Process::start(data.path(), free_port(), &shared).await;
    let key = front.api_key.clone().expect("the first start prints a key");
    let mut socket = chat(&front, &key, port).await;
    greet(&mut socket, 1).await;
    hear(&mut socket, "call you?").await;
    drop((front, worker));
}

#[tokio::test]
async fn a_process_is_ready_and_answers_without_redis() {
    let redis = RedisServer::start(Memory::Forgets);
    let url = redis.url();
    let data = tempfile::tempdir().unwrap();
    let shared = [("JUSTPING_REDIS_URL", url.as_str())];
    redis.kill();
    let port = free_port();
    let process = Process::start(data.path(), port, &shared).await;
    let key = process.api_key.clone().expect("the first start prints a key");
    let mut socket = chat(&process, &key, port).await;
    greet(&mut socket, 1).await;
    hear(&mut socket, "call you?").await;
    redis.restart();
    redis.kill();
    let ready = client().get(format!("{}/readyz", process.base)).send().await.unwrap();
    assert!(ready.status().is_success());
    greet(&mut socket, 2).await;
    hear(&mut socket, "Nice to meet you").await;
}

#[test]
fn an_address_that_is_none_is_refused_without_its_password() {
    let data = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_justping-server"))
        .arg("--data-dir")
        .arg(data.path())
        .args(["--redis-url", "nonsense://user:secret@host"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--redis-url"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
