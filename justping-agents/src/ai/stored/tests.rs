//! Requests that businesses have set up; servers are tried where there is one, in `tests/it/mcp.rs`.

use justping_core::conformance::ToolSourceSubject;
use justping_core::memory::MemoryStore;
use justping_core::model::{Business, ContactId, Timestamp, ToolId};
use justping_core::port::store::BusinessStore;
use justping_core::port::{ToolContext, ToolOutput};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::fetch::ScriptedFetcher;
use crate::play::quiet;

struct Scene {
    store: Arc<MemoryStore>,
    fetcher: Arc<ScriptedFetcher>,
    tools: StoredTools,
}

const URL: &str = "https://shop.example/orders/{id}";

fn business(number: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(number))
}

fn tool(name: &str, settings: Value) -> ToolConfig {
    let number = name.bytes().fold(0, |sum: u128, byte| sum * 256 + u128::from(byte));
    ToolConfig {
        id: ToolId::from_uuid(Uuid::from_u128(number)),
        business_id: business(0),
        name: name.to_owned(),
        kind: ToolSettings::HTTP.to_owned(),
        description: "Finds orders.".to_owned(),
        settings,
        enabled: true,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        for id in [business(0), business(1)] {
            let created_at = Timestamp::UNIX_EPOCH;
            let row = Business { id, name: "Acme".to_owned(), created_at };
            store.create_business(&row).await.unwrap();
        }
        let fetcher = Arc::new(ScriptedFetcher::new());
        let tools = StoredTools::new(store.clone(), fetcher.clone());
        Self { store, fetcher, tools }
    }

    async fn add(&self, tool: ToolConfig, secrets: &[(&str, &str)]) {
        let secrets = secrets.iter().copied().collect();
        self.store.create_tool(&tool, &secrets).await.unwrap();
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        let tool = self.tools.tool(business(0), name).await?.expect("there is one");
        let contact_id = ContactId::from_uuid(Uuid::nil());
        tool.call(&arguments, &ToolContext { scope: quiet().scope, contact_id }).await
    }
}

mod contract {
    use super::*;

    async fn subject() -> ToolSourceSubject {
        let scene = Scene::new().await;
        scene.add(tool("stock", json!({"url": "https://shop.example/stock"})), &[]).await;
        scene.add(tool("orders", json!({"url": URL})), &[]).await;
        let off = ToolConfig { enabled: false, ..tool("off", json!({"url": URL})) };
        scene.add(off, &[]).await;
        ToolSourceSubject {
            source: Arc::new(scene.tools),
            business: business(0),
            stranger: business(1),
            guard: Box::new(()),
        }
    }

    justping_core::tool_source_conformance!(subject);
}

#[tokio::test]
async fn a_request_carries_its_secrets_and_tells_what_was_picked() {
    let scene = Scene::new().await;
    let settings = json!({
        "method": "POST", "url": URL, "timeout_ms": 5_000,
        "headers": {"authorization": "Bearer {secret:token}", "x-team": "a"},
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "answer": {"state": "/order/state", "first": "/lines/0", "gone": "/nowhere"}
    });
    scene.add(tool("orders", settings), &[("token", "s3cret")]).await;
    let body = r#"{"order": {"state": "sent", "internal": 1}, "lines": [{"n": 2}]}"#;
    scene.fetcher.then(200, body);
    let output = scene.call("orders", json!({"id": 7, "note": "x"})).await.unwrap();
    let picked = json!({"state": "sent", "first": {"n": 2}, "gone": null});
    assert_eq!(output, ToolOutput::foreign(picked));
    let request = &scene.fetcher.requests()[0];
    assert_eq!(request.url, "https://shop.example/orders/7");
    assert_eq!(request.body.as_deref(), Some(r#"{"note":"x"}"#));
    assert_eq!(request.timeout_ms, 5_000);
    let sent: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(sent.contains(&("authorization", "Bearer s3cret")), "{sent:?}");
    let shown = format!("{:?}", scene.tools.tool(business(0), "orders").await.unwrap().unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn one_value_is_picked_by_its_pointer() {
    let scene = Scene::new().await;
    let settings = |answer: Value| json!({"url": URL, "answer": answer});
    scene.add(tool("one", settings(json!("/a/b"))), &[]).await;
    scene.fetcher.then(200, r#"{"a": {"b": [1]}}"#).then(200, "no JSON");
    assert_eq!(scene.call("one", json!({})).await, Ok(ToolOutput::foreign(json!([1]))));
    assert_eq!(scene.call("one", json!({})).await, Ok(ToolOutput::foreign("no JSON")));
}

#[tokio::test]
async fn what_makes_no_sense_is_told_by_its_place() {
    let tools = Scene::new().await.tools;
    let none = ToolSecrets::new();
    let refused = |tool: &ToolConfig| tools.check(tool, &none).unwrap_err().path;
    let of = |settings: Value| refused(&tool("orders", settings));
    assert_eq!(of(json!({})), "/settings");
    assert_eq!(of(json!({"url": URL, "surprise": 1})), "/settings");
    assert_eq!(of(json!({"url": "https://{host}/"})), "/settings/url");
    assert_eq!(of(json!({"url": URL, "timeout_ms": 0})), "/settings/timeout_ms");
    assert_eq!(of(json!({"url": URL, "timeout_ms": 60_000})), "/settings/timeout_ms");
    assert_eq!(of(json!({"url": URL, "parameters": {"type": "array"}})), "/settings/parameters");
    let no_schema = json!({"type": "object", "properties": {"a": {"type": 1}}});
    assert_eq!(of(json!({"url": URL, "parameters": no_schema})), "/settings/parameters");
    assert_eq!(of(json!({"url": URL, "answer": "no pointer"})), "/settings/answer");
    let secret = json!({"url": URL, "headers": {"x-key": "{secret:gone}"}});
    assert_eq!(of(secret), "/settings/headers/x-key");
    let many: serde_json::Map<String, Value> =
        (0..21).map(|n| (format!("x-{n}"), json!("a"))).collect();
    assert_eq!(of(json!({"url": URL, "headers": many})), "/settings/headers");
    assert_eq!(refused(&tool("a__b", json!({"url": URL}))), "/name");
    let kind = ToolConfig { kind: "program".to_owned(), ..tool("orders", json!({})) };
    assert_eq!(refused(&kind), "/kind");
    let server = ToolConfig {
        kind: ToolSettings::MCP.to_owned(),
        ..tool("crm", json!({"url": "https://mcp.example/mcp"}))
    };
    assert_eq!(refused(&server), "/kind", "no server can be asked here");
    assert_eq!(tools.check(&tool("orders", json!({"url": URL})), &none), Ok(()));
}

#[tokio::test]
async fn a_tool_that_cannot_be_used_any_more_says_so() {
    let scene = Scene::new().await;
    let settings = json!({"url": URL, "headers": {"x-key": "{secret:gone}"}});
    scene.add(tool("orders", settings), &[]).await;
    let refused = scene.call("orders", json!({})).await.unwrap_err();
    assert_eq!(refused.code(), "invalid_settings");
    scene.add(tool("older", json!({"address": 1})), &[]).await;
    assert!(scene.tools.tool(business(0), "older").await.unwrap().is_none());
}
