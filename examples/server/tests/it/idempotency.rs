//! A POST that is repeated with the same key is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, post as post_to};
use jiff::SignedDuration;
use justping::JustPing;
use justping::agents::Flows;
use justping::store::envelope::MasterKey;
use justping::store::sqlite::{SqliteConfig, SqliteStore};
use justping_server::app::App;
use justping_server::http::idempotency::idempotent;
use justping_server::token;
use serde_json::{Value, json};

use crate::answer::{Actor, Answer};
use crate::platform::Platform;

async fn post(actor: &Actor, path: &str, key: &str, body: &Value) -> Answer {
    let asked = actor.ask("POST", &format!("/api/v1{path}")).header("idempotency-key", key);
    asked.json(body).send().await
}

async fn count(actor: &Actor, path: &str) -> usize {
    actor.get(path).await.expect(200).json()["items"].as_array().unwrap().len()
}

async fn the_same_key_is_done_once(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({"name": "Ann"});
    let first = post(owner, "/contacts", "k1", &body).await.expect(201);
    let again = post(owner, "/contacts", "k1", &body).await.expect(201);
    assert_eq!(again.text, first.text);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(count(owner, "/contacts").await, 1);
    post(owner, "/contacts", "k2", &body).await.expect(201);
    assert_eq!(count(owner, "/contacts").await, 2);
}

async fn the_same_key_for_something_else_is_refused(platform: Platform) {
    let owner = &platform.owner;
    post(owner, "/contacts", "k", &json!({"name": "Ann"})).await.expect(201);
    let other_body = post(owner, "/contacts", "k", &json!({"name": "Bob"})).await;
    other_body.problem(422, "idempotency_mismatch");
    post(owner, "/flows", "k", &json!({"name": "Ann"})).await.problem(422, "idempotency_mismatch");
    // Somebody else of the business does not get the answer, another business has its own keys.
    let support = post(&platform.support, "/contacts", "k", &json!({"name": "Ann"})).await;
    support.problem(422, "idempotency_mismatch");
    post(&platform.stranger, "/contacts", "k", &json!({"name": "Ann"})).await.expect(201);
}

async fn an_error_may_be_tried_again(platform: Platform) {
    let owner = &platform.owner;
    post(owner, "/contacts", "k", &json!({"name": 1})).await.problem(422, "invalid");
    post(owner, "/contacts", "k", &json!({"name": "Ann"})).await.expect(201);
    let viewer = &platform.viewer;
    post(viewer, "/contacts", "v", &json!({})).await.problem(403, "forbidden");
    post(&platform.anonymous, "/contacts", "v", &json!({})).await.problem(401, "unauthorized");
}

async fn a_key_has_bounds(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({});
    post(owner, "/contacts", &"k".repeat(255), &body).await.expect(201);
    post(owner, "/contacts", &"k".repeat(256), &body).await.problem(400, "malformed");
    post(owner, "/contacts", "", &body).await.problem(400, "malformed");
    // Only a POST needs a key; elsewhere it says nothing.
    let get = owner.ask("GET", "/api/v1/contacts").header("idempotency-key", "k").send().await;
    get.expect(200);
}

async fn a_token_is_not_shown_again(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({"name": "ci", "role": "viewer"});
    let first = post(owner, "/api-keys", "k", &body).await.expect(201).json();
    let again = post(owner, "/api-keys", "k", &body).await.expect(201).json();
    assert!(first["token"].is_string());
    assert_eq!(again["token"], Value::Null);
    assert_eq!(again["id"], first["id"]);
}

async fn a_message_is_sent_once(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hi").await;
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}/messages");
    let body = json!({"content": {"type": "text", "text": "x"}});
    for _ in 0..5 {
        post(&platform.support, &path, "k", &body).await.expect(201);
    }
    platform.settle().await;
    assert_eq!(platform.provider.channel(channel.parse().unwrap()).taken(), 1);
}

async fn of_many_at_once_one_is_done(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({"name": "Ann"});
    let posts = (0..16).map(|_| post(owner, "/contacts", "k", &body));
    let answers = futures_util::future::join_all(posts).await;
    for answer in answers {
        match answer.status.as_u16() {
            201 => {}
            _ => drop(answer.problem(409, "idempotency_in_flight")),
        }
    }
    assert_eq!(count(owner, "/contacts").await, 1);
}

async fn an_answer_is_forgotten_in_the_end(platform: Platform) {
    let owner = &platform.owner;
    post(owner, "/contacts", "k", &json!({})).await.expect(201);
    platform.clock.advance(SignedDuration::from_hours(25));
    let report = platform.jp().upkeep().await.unwrap().expect("nobody else leads");
    assert_eq!(report.requests, 1);
    let numbers = owner.ask("GET", "/metrics").send().await.expect(200).text;
    assert!(numbers.contains("justping_upkeep_total{what=\"request\"} 1"), "{numbers}");
    post(owner, "/contacts", "k", &json!({"name": "Bob"})).await.expect(201);
}

/// The layer alone, over a handler of the test's own.
fn layered(app: &Arc<App>, handler: MethodRouter) -> Router {
    let layer = from_fn_with_state(Arc::clone(app), idempotent);
    Router::new().route("/api/v1/work", handler).layer(layer)
}

#[tokio::test]
async fn without_the_store_nothing_is_done_without_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::load_or_create(folder.path().join("master.key")).unwrap();
    let config = SqliteConfig::new(folder.path().join("justping.db"), key);
    let store = Arc::new(SqliteStore::open(config).await.unwrap());
    let flows = Flows::new();
    let builder = JustPing::builder().store(Arc::clone(&store) as _);
    let jp = builder.flows(Arc::new(flows.clone())).build().unwrap();
    let token = token::mint(&**jp.entropy());
    let app = Arc::new(App::new(jp, flows));
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = post_to(move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let router = layered(&app, handler);
    let owner = Actor { name: "owner", router, token: Some(token) };
    // A token that nobody has is refused further in, where the handler would ask for it.
    post(&owner, "/work", "k", &json!({})).await.expect(200);
    store.close().await.unwrap();
    post(&owner, "/work", "k", &json!({})).await.expect(503);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn work_ends_before_it_counts_as_abandoned() {
    let platform = Platform::on_memory().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let handler = post_to(move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    });
    let owner = Actor { router: layered(&platform.app, handler), ..platform.owner.clone() };
    let body = json!({});
    let work = post(&owner, "/work", "k", &body);
    let answer = tokio::time::timeout(Duration::from_secs(60), work).await.expect("an answer");
    answer.expect(503);
    // What it did is unknown, so the key stays taken until the work counts as abandoned.
    post(&owner, "/work", "k", &body).await.expect(409);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    platform.clock.advance(SignedDuration::from_secs(61));
    post(&owner, "/work", "k", &body).await.expect(503);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

on_every_store!(
    the_same_key_is_done_once,
    the_same_key_for_something_else_is_refused,
    an_error_may_be_tried_again,
    a_key_has_bounds,
    a_token_is_not_shown_again,
    a_message_is_sent_once,
    of_many_at_once_one_is_done,
    an_answer_is_forgotten_in_the_end,
);
