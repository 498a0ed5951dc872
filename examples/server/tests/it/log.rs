//! The log tells what happened, and nothing about whom.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::answer::Actor;
use crate::platform::Platform;

/// What may never be in a log.
const NAME: &str = "CanaryNameQ7";
const TEXT: &str = "CanaryTextQ7";
const PHONE: &str = "15550007777";
const SECRET: &str = "CanarySecretQ7";

#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Captures everything our own code logs on this thread.
fn capture() -> (Captured, DefaultGuard) {
    let captured = Captured::default();
    let filter = ["core", "channels", "agents", "store", "server"]
        .map(|part| format!("justping_{part}=trace"))
        .join(",");
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(captured.clone())
        .with_ansi(false)
        .finish();
    (captured, tracing::subscriber::set_default(subscriber))
}

async fn nothing_about_anybody_is_logged(platform: Platform) {
    let (captured, _guard) = capture();
    let owner = &platform.owner;
    let agent = platform.echo_agent().await;
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, PHONE, "1", TEXT).await;
    platform.settle().await;
    platform.hear(&channel, PHONE, "2", TEXT).await;
    platform.settle().await;
    let id = platform.only_conversation().await;
    let message = json!({"content": {"type": "text", "text": TEXT}});
    owner.post(&format!("/conversations/{id}/messages"), message).await.expect(201);
    platform.settle().await;
    let contact = json!({"name": NAME, "identities": [{"kind": "whatsapp", "id": PHONE}]});
    owner.post("/contacts", contact.clone()).await.expect(201);
    owner.post("/contacts", contact).await.expect(409);
    owner.post("/contacts", json!({"name": [NAME]})).await.expect(422);
    owner.get(&format!("/contacts?name={NAME}")).await.expect(400);
    owner.get(&format!("/{NAME}")).await.expect(404);
    let body = json!({"provider": "webchat", "name": "x", "secrets": {"token_secret": SECRET}});
    owner.post("/channels", body).await.expect(422);
    let token = format!("jp_{SECRET}");
    let thief = Actor { token: Some(token), ..platform.anonymous.clone() };
    thief.get("/me").await.expect(401);
    let path = format!("/webhooks/whatsapp/{channel}?hub.verify_token={SECRET}");
    platform.anonymous.ask("POST", &path).bytes(TEXT).send().await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("/api/v1/contacts"), "the log is captured: {log}");
    let token = owner.token.as_deref().unwrap();
    for canary in [NAME, TEXT, PHONE, SECRET, token] {
        assert!(!log.contains(canary), "{canary} is in the log: {log}");
    }
}

on_every_store!(nothing_about_anybody_is_logged);
