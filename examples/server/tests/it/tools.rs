//! Tools that businesses set up, over the API and in the real process.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Query};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderMap;
use justping::agents::Flows;
use justping::agents::ai::StoredTools;
use justping::agents::fetch::{FetchError, ScriptedFetcher};
use justping_server::app::App;
use justping_server::http as web;
use serde_json::{Value, json};

use crate::answer::Actor;
use crate::asking::{Owner, answer};
use crate::platform::Platform;
use crate::process::{ANY_PORT, Process};

/// People of a platform on which businesses may set up tools, asked by a script.
struct Shop {
    platform: Platform,
    owner: Actor,
    stranger: Actor,
    fetcher: Arc<ScriptedFetcher>,
}

impl Shop {
    fn of(platform: Platform) -> Self {
        let fetcher = Arc::new(ScriptedFetcher::new());
        let store = Arc::clone(platform.jp().store());
        let tools = StoredTools::new(store, fetcher.clone());
        let flows = Flows::new().with_tool_source(Arc::new(tools.clone()));
        let jp = platform.engine(flows.clone());
        let app = App::new(jp, flows).tooled(tools);
        let router = web::router(&Arc::new(app));
        let owner = Actor { router: router.clone(), ..platform.owner.clone() };
        let stranger = Actor { router, ..platform.stranger.clone() };
        Self { platform, owner, stranger, fetcher }
    }
}

pub(crate) fn orders(url: &str) -> Value {
    json!({
        "name": "orders", "kind": "http", "description": "Finds an order.",
        "settings": {
            "url": url, "headers": {"authorization": "Bearer {secret:token}"},
            "parameters": {
                "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]
            },
            "answer": {"state": "/order/state"}
        },
        "secrets": {"token": "s3cret"}
    })
}

pub(crate) const URL: &str = "https://shop.example/orders/{id}";

async fn a_tool_is_set_up_tried_and_removed(platform: Platform) {
    let Shop { owner, fetcher, platform, .. } = Shop::of(platform);
    let made = owner.post("/tools", orders(URL)).await.expect(201);
    assert!(!made.text.contains("s3cret"), "secrets are never shown");
    let id = made.id();
    let tool = owner.get(&format!("/tools/{id}")).await.expect(200).json();
    assert_eq!((&tool["secrets"], &tool["enabled"]), (&json!(["token"]), &json!(true)));
    assert_eq!(tool["settings"]["url"], URL);
    let catalog = owner.get("/tools/catalog").await.expect(200).json();
    assert_eq!(catalog["items"][0]["name"], "orders", "{catalog}");
    owner.post("/tools", orders(URL)).await.problem(409, "conflict");

    fetcher.then(200, r#"{"order": {"state": "sent", "margin": 3}}"#).then(404, "no");
    fetcher.then_fail(FetchError::Timeout);
    let test = format!("/tools/{id}/test");
    let said = owner.post(&test, json!({"arguments": {"id": 7}})).await.expect(200).json();
    assert_eq!((&said["ok"], &said["content"]), (&json!(true), &json!({"state": "sent"})));
    let request = &fetcher.requests()[0];
    assert_eq!(request.url, "https://shop.example/orders/7");
    let sent = ("authorization".to_owned(), "Bearer s3cret".to_owned());
    assert!(request.headers.contains(&sent));
    for code in ["status_404", "unavailable"] {
        let said = owner.post(&test, json!({"arguments": {"id": 7}})).await.expect(200).json();
        assert_eq!((&said["ok"], &said["code"]), (&json!(false), &json!(code)), "{said}");
    }
    let said = owner.post(&test, json!({"arguments": {}})).await.expect(200).json();
    assert_eq!(said["code"], "invalid_arguments");
    owner.post(&test, json!({"tool": "other"})).await.problem(422, "invalid");
    owner.post(&format!("/tools/{id}/refresh"), json!({})).await.expect(200);
    owner.delete(&format!("/tools/{id}")).await.expect(204);
    owner.get(&format!("/tools/{id}")).await.problem(404, "not_found");
    // Where nobody can be asked, nothing is set up.
    platform.owner.post("/tools", orders(URL)).await.expect(503);
}

async fn a_secret_stays_with_its_host(platform: Platform) {
    let Shop { owner, platform: _platform, .. } = Shop::of(platform);
    let tool = owner.post("/tools", orders(URL)).await.expect(201).json();
    let path = format!("/tools/{}", tool["id"].as_str().unwrap());
    let mut update = json!({
        "name": "orders", "description": "Finds an order.", "enabled": true,
        "settings": tool["settings"], "revision": tool["revision"]
    });
    update["settings"]["url"] = json!("https://thief.example/{id}");
    let problem = owner.put(&path, update.clone()).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["path"], "/secrets/token");
    update["settings"]["url"] = json!("https://shop.example/v2/{id}");
    let next = owner.put(&path, update.clone()).await.expect(200).json();
    assert_eq!((&next["revision"], &next["secrets"]), (&json!(2), &json!(["token"])));
    owner.put(&path, update.clone()).await.problem(409, "stale");
    update["revision"] = next["revision"].clone();
    update["settings"]["url"] = json!("https://new.example/{id}");
    update["secrets"] = json!({"token": "another"});
    owner.put(&path, update).await.expect(200);
}

async fn what_makes_no_sense_is_refused(platform: Platform) {
    let Shop { owner, platform: _platform, .. } = Shop::of(platform);
    let with = |pointer: &str, value: Value| {
        let mut tool = orders(URL);
        *tool.pointer_mut(pointer).unwrap() = value;
        tool
    };
    for (tool, path) in [
        (with("/name", json!("Orders")), "/name"),
        (with("/kind", json!("program")), "/kind"),
        (with("/kind", json!("mcp")), "/settings"),
        (with("/description", json!(" ")), "/description"),
        (with("/settings/url", json!("https://{host}/")), "/settings/url"),
        (with("/settings/parameters", json!({"type": "array"})), "/settings/parameters"),
        (with("/secrets", json!({})), "/settings/headers/authorization"),
        (with("/secrets/token", json!("a\r\nx: y")), "/secrets/token"),
    ] {
        let problem = owner.post("/tools", tool).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], path, "{problem}");
    }
    assert_eq!(owner.get("/tools").await.json()["items"], json!([]));
}

async fn a_stranger_sees_and_calls_nothing(platform: Platform) {
    let Shop { owner, stranger, fetcher, platform: _platform } = Shop::of(platform);
    let id = owner.post("/tools", orders(URL)).await.expect(201).id();
    let path = format!("/tools/{id}");
    stranger.get(&path).await.problem(404, "not_found");
    stranger.delete(&path).await.problem(404, "not_found");
    for what in ["test", "refresh"] {
        stranger.post(&format!("{path}/{what}"), json!({})).await.problem(404, "not_found");
    }
    for list in ["/tools", "/tools/catalog"] {
        assert_eq!(stranger.get(list).await.expect(200).json()["items"], json!([]), "{list}");
    }
    assert!(fetcher.requests().is_empty());
    stranger.post("/tools", orders(URL)).await.expect(201);
}

async fn a_missing_tool_is_told_before_it_is_missed(platform: Platform) {
    let Shop { owner, platform: _platform, .. } = Shop::of(platform);
    let flow = json!({"name": "f", "draft": calling("orders")});
    let id = owner.post("/flows", flow).await.expect(201).id();
    let validate = format!("/flows/{id}/validate");
    let codes = |body: Value| body["findings"].to_string().contains("missing_tool");
    let validation = owner.post(&validate, json!({})).await.expect(200).json();
    assert!(codes(validation.clone()) && validation["ok"] == true, "{validation}");
    owner.post("/tools", orders(URL)).await.expect(201);
    let validation = owner.post(&validate, json!({})).await.expect(200).json();
    assert!(!codes(validation.clone()), "{validation}");
}

on_every_store!(
    a_tool_is_set_up_tried_and_removed,
    a_secret_stays_with_its_host,
    what_makes_no_sense_is_refused,
    a_stranger_sees_and_calls_nothing,
    a_missing_tool_is_told_before_it_is_missed,
);

/// A flow that looks up what the contact writes, by a tool.
fn calling(tool: &str) -> Value {
    let data = json!({
        "tool": tool, "arguments": {"id": 7, "note": "{{ message.text }}"}, "variable": "found"
    });
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "look", "type": "tool", "data": data},
            {"id": "ok", "type": "text", "data": {"text": "It is {{ found.state }}."}},
            {"id": "no", "type": "text", "data": {"text": "Sorry: {{ tool_error }}."}},
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "look"},
            {"id": "e2", "source": "look", "sourceHandle": "next", "target": "ok"},
            {"id": "e3", "source": "look", "sourceHandle": "error", "target": "no"},
        ],
    })
}

/// A shop that tells the state of orders to whoever knows its secret.
async fn shop() -> SocketAddr {
    let order = async |Path(id): Path<u32>, Query(query): Query<Value>, headers: HeaderMap| {
        let known = headers.get("authorization").is_some_and(|value| value == "Bearer s3cret");
        let state = if known { format!("{id} for {}", query["note"]) } else { "secret".to_owned() };
        Json(json!({"order": {"state": state}}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/orders/{id}", get(order));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_flow_calls_what_a_business_set_up_and_nothing_inside() {
    let shop = shop().await;
    let data = tempfile::tempdir().unwrap();
    let allowed = shop.to_string();
    let allowed = [("JUSTPING_HTTP_ALLOW", allowed.as_str())];
    let process = Process::start(data.path(), ANY_PORT, &allowed).await;
    let key = process.api_key.clone().expect("the first start prints a key");
    let owner = Owner { process: &process, key: &key };
    owner.create("/tools", orders(&format!("http://{shop}/orders/{{id}}"))).await;
    let chat = owner.chat_of(calling("orders")).await;
    assert_eq!(answer(&process, &chat, "tea").await, "It is 7 for \"tea\".");
    for url in ["http://127.0.0.1/{id}", "http://169.254.169.254/{id}", "file:///etc/passwd"] {
        let mut tool = orders(url);
        tool["name"] = json!("inside");
        let (status, problem) = owner.post("/tools", tool).await;
        assert_eq!((status, &problem["errors"][0]["path"]), (422, &json!("/settings/url")));
    }
    drop(process);
    // An address that may not be asked any more is not, whatever is stored.
    let process = Process::start(data.path(), ANY_PORT, &[]).await;
    let said = answer(&process, &chat, "tea").await;
    assert!(said.starts_with("Sorry: "), "{said}");
}
