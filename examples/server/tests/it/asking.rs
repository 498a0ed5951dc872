//! Flows that ask other servers, in the real process and on every store.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Path;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use justping::channels::webchat::TOKEN_SECRET;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::platform::Platform;
use crate::process::{ANY_PORT, Process, client};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shop that takes orders.
async fn shop() -> SocketAddr {
    let order = async |Path(what): Path<String>, Json(body): Json<Value>| {
        Json(json!({"order": {"text": format!("{what} for {}", body["who"])}}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/orders/{what}", post(order));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A flow that orders what the contact writes.
fn order_at(shop: &str) -> Value {
    let ask = json!({
        "method": "POST", "url": format!("{shop}/orders/{{{{ message.text }}}}"),
        "body": {"json": {"who": "{{ agent.name }}"}},
        "save": [{"variable": "order", "pointer": "/order/text"}], "status_variable": "status",
        "timeout_seconds": 5
    });
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "ask", "type": "http", "data": ask},
            {"id": "ok", "type": "text", "data": {"text": "Ordered {{ order }} ({{ status }})."}},
            {"id": "no", "type": "text", "data": {"text": "The shop is closed {{ order }}."}},
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "ask"},
            {"id": "e2", "source": "ask", "sourceHandle": "success", "target": "ok"},
            {"id": "e3", "source": "ask", "sourceHandle": "error", "target": "no"},
        ],
    })
}

/// The owner of a process.
pub(crate) struct Owner<'a> {
    pub process: &'a Process,
    pub key: &'a str,
}

impl Owner<'_> {
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let asked = client().post(format!("{}/api/v1{path}", self.process.base));
        let answer = asked.bearer_auth(self.key).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn create(&self, path: &str, body: Value) -> String {
        let (status, made) = self.post(path, body).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }

    /// A web chat whose agent orders at the shop.
    async fn chat(&self, shop: &str) -> String {
        self.chat_of(order_at(shop)).await
    }

    /// A web chat whose agent runs a flow.
    pub(crate) async fn chat_of(&self, draft: Value) -> String {
        let flow = json!({"name": "orders", "draft": draft});
        let flow = self.create("/flows", flow).await;
        let (status, said) = self.post(&format!("/flows/{flow}/publish"), json!({})).await;
        assert_eq!(status, 200, "{said}");
        let agent = self.create("/agents", json!({"name": "Shop", "flows": [flow]})).await;
        let secrets = json!({TOKEN_SECRET: "0123456789abcdef0123456789abcdef"});
        let channel = json!({
            "provider": "webchat", "name": "Chat", "agent_id": agent, "secrets": secrets
        });
        self.create("/channels", channel).await
    }
}

/// What a new visitor of a chat is answered.
pub(crate) async fn answer(process: &Process, chat: &str, text: &str) -> String {
    let url = format!("{}/chat/{chat}/socket", process.base.replace("http://", "ws://"));
    let (mut socket, _) = connect_async(url).await.unwrap();
    let id = uuid::Uuid::from_u128(7);
    for frame in [json!({"type": "hello"}), json!({"type": "message", "id": id, "text": text})] {
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }
    loop {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.expect("an answer");
        let text = frame.unwrap().unwrap().into_text().unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = &frame["message"];
        if frame["type"] == "message" && message["direction"] == "outbound" {
            return message["content"]["text"].as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test]
async fn a_flow_asks_where_it_is_allowed_and_nowhere_else() {
    let shop = shop().await;
    let data = tempfile::tempdir().unwrap();
    let allowed = shop.to_string();
    let allowed = [("JUSTPING_HTTP_ALLOW", allowed.as_str())];
    let process = Process::start(data.path(), ANY_PORT, &allowed).await;
    let key = process.api_key.clone().expect("the first start prints a key");
    let url = format!("http://{shop}");
    let chat = Owner { process: &process, key: &key }.chat(&url).await;
    let said = answer(&process, &chat, "black tea").await;
    assert_eq!(said, "Ordered black tea for \"Shop\" (200).");
    drop(process);

    let process = Process::start(data.path(), ANY_PORT, &[]).await;
    assert_eq!(answer(&process, &chat, "tea").await, "The shop is closed .");
    let owner = Owner { process: &process, key: &key };
    for url in [url.as_str(), "http://127.0.0.1", "http://169.254.169.254", "http://0x7f.1"] {
        let flow = json!({"name": "inside", "draft": order_at(url)});
        let flow = owner.create("/flows", flow).await;
        let (status, problem) = owner.post(&format!("/flows/{flow}/publish"), json!({})).await;
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_flow")), "{problem}");
        assert!(problem.to_string().contains("/nodes/1/data/url"), "{problem}");
    }
}

async fn a_request_is_played_in_a_test(platform: Platform) {
    let owner = &platform.owner;
    let draft = order_at("https://shop.example");
    let flow = owner.post("/flows", json!({"name": "f", "draft": draft})).await.expect(201).id();
    let path = format!("/flows/{flow}/test");
    let replies = json!([{"status": 201, "body": {"order": {"text": "tea"}}}]);
    let script = json!({"lines": [{"say": "tea"}], "replies": replies});
    let run = owner.post(&path, script).await.expect(200).json();
    assert_eq!(run["transcript"][1]["content"]["text"], "Ordered tea (201).", "{run}");
    let run = owner.post(&path, json!({"lines": [{"say": "tea"}]})).await.expect(200).json();
    assert_eq!(run["transcript"][1]["content"]["text"], "The shop is closed .", "{run}");
    let odd = json!({"replies": [{"status": 99}]});
    owner.post(&path, odd).await.problem(422, "invalid");
}

on_every_store!(a_request_is_played_in_a_test);
