//! The process: how it starts, how it refuses to start, how it ends.

use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{Process, client, free_port};

/// The longest an orderly end may take.
const END_MAX: Duration = Duration::from_secs(25);

#[tokio::test]
async fn it_starts_speaks_and_ends_in_order() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let server = Process::start(&data.path().join("deep/data"), port, &[]).await;
    let key = server.api_key.clone().expect("the first start prints a key");
    let ask = |path: &str| client().get(format!("{}{path}", server.base)).bearer_auth(&key);
    let me: Value = ask("/api/v1/me").send().await.unwrap().json().await.unwrap();
    assert_eq!(me["business_name"], "JustPing Demo");

    // A visitor of the demo is answered by the workers.
    let channels: Value = ask("/api/v1/channels").send().await.unwrap().json().await.unwrap();
    let chat = channels["items"][0]["id"].as_str().unwrap();
    let url = format!("ws://127.0.0.1:{port}/chat/{chat}/socket");
    let (mut socket, _) = connect_async(url).await.unwrap();
    let id = "019a0000-0000-7000-8000-000000000001";
    for frame in [json!({"type": "hello"}), json!({"type": "message", "id": id, "text": "hello"})] {
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }
    let asked_name = loop {
        let frame = socket.next().await.unwrap().unwrap();
        let text = frame.into_text().unwrap();
        if text.contains("call you?") {
            break true;
        }
    };
    assert!(asked_name);
    let numbers = ask("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(numbers.contains("justping_events_total{event=\"message.accepted\"} 1"), "{numbers}");
    assert!(numbers.contains("justping_sockets 1"), "{numbers}");

    let heard = tokio::spawn(async move {
        while let Some(Ok(frame)) = socket.next().await {
            if let Message::Close(Some(frame)) = frame {
                return Some(u16::from(frame.code));
            }
        }
        None
    });
    let ended = tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
    assert!(ended.0.success(), "{:?}", ended.0);
    assert!(ended.1 < END_MAX, "{:?}", ended.1);
    assert_eq!(heard.await.unwrap(), Some(1001), "sockets are told");
}

/// Tries to create a channel of WhatsApp that names a host, and gives the answer's status.
async fn create_channel(server: &Process, key: &str, base_url: &str) -> u16 {
    let channel = json!({
        "provider": "whatsapp", "name": "number",
        "settings": {"phone_number_id": "106540352242922", "base_url": base_url},
        "secrets": {"access_token": "t", "app_secret": "s", "verify_token": "v"},
    });
    let asked = client().post(format!("{}/api/v1/channels", server.base)).bearer_auth(key);
    asked.json(&channel).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_business_cannot_make_it_call_its_own_network() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start(data.path(), free_port(), &[]).await;
    let key = server.api_key.clone().expect("the first start prints a key");
    assert_eq!(create_channel(&server, &key, "http://127.0.0.1:9").await, 422);
    assert_eq!(create_channel(&server, &key, "https://internal.example").await, 422);
    assert_eq!(create_channel(&server, &key, "https://graph.facebook.com").await, 201);
    drop(server);
    let allowed = [("JUSTPING_WHATSAPP_HOSTS", "mock.example,127.0.0.1")];
    let server = Process::start(data.path(), free_port(), &allowed).await;
    assert_eq!(create_channel(&server, &key, "http://127.0.0.1:9").await, 201);
    assert_eq!(create_channel(&server, &key, "https://graph.facebook.com").await, 422);
}

#[test]
fn it_says_why_it_does_not_start() {
    let run = |arguments: &[&str]| {
        let data = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_justping-server"))
            .arg("--data-dir")
            .arg(data.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let error = run(&["--database-url", "mysql://user:hunter2@db/justping"]);
    assert!(error.contains("sqlite://") && !error.contains("hunter2"), "{error}");
    let postgres = "postgres://user:hunter2@127.0.0.1:1/justping";
    let error = run(&["--database-url", postgres]);
    assert!(error.contains("master key") && !error.contains("hunter2"), "{error}");
    let key = "KioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKio=";
    let error = run(&["--database-url", postgres, "--master-key", key]);
    assert!(error.contains("cannot be reached") && !error.contains("hunter2"), "{error}");
    let error = run(&["--config", "/does/not/exist.toml"]);
    assert!(error.contains("/does/not/exist.toml"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = run(&["--listen", &taken.local_addr().unwrap().to_string()]);
    assert!(error.contains("cannot listen"), "{error}");
    let error = run(&["--openai-model", "m"]);
    assert!(error.contains("--openai-base-url"), "{error}");
}
