//! Nobody learns anything about another business: every route, every place an id can stand.

use serde_json::{Value, json};

use crate::access::operations;
use crate::answer::{Actor, Answer};
use crate::platform::{Platform, echo};
use crate::plugins::{release, uploaded};
use crate::tools::{URL, orders};

/// One of everything, in our business.
pub(crate) struct Belongings {
    ids: Vec<(&'static str, String)>,
}

impl Belongings {
    pub(crate) async fn of(platform: &Platform) -> Self {
        let owner = &platform.owner;
        let flow = platform.flow(echo()).await;
        let agent = owner.post("/agents", json!({"name": "A", "flows": [&flow]})).await;
        let agent = agent.expect(201).id();
        let channel = platform.memory_channel(Some(&agent)).await;
        platform.hear(&channel, "ann", "1", "hi").await;
        platform.settle().await;
        let conversation = platform.only_conversation().await;
        let first = |page: Value| page["items"][0]["id"].as_str().unwrap().to_owned();
        let session = owner.get(&format!("/conversations/{conversation}/sessions")).await.json();
        let version = owner.get(&format!("/flows/{flow}/versions")).await.json();
        let contact = owner.get("/contacts").await.json();
        let key = owner.get("/api-keys").await.json();
        let member = owner.get("/members").await.json();
        let base = owner.post("/knowledge", json!({"name": "Help"})).await.expect(201).id();
        let source = json!({"title": "Hours", "text": "We open at nine."});
        let source = owner.post(&format!("/knowledge/{base}/sources"), source).await;
        let digest = uploaded(platform, &release("1.0.0", &["kv", "clock"])).await;
        let plugin = owner.post("/plugins", json!({"digest": digest})).await.expect(201).id();
        let tool = owner.post("/tools", orders(URL)).await.expect(201).id();
        let group = owner.post("/groups", json!({"name": "Regulars"})).await.expect(201).id();
        let ids = vec![
            ("/plugins/packages/", digest),
            ("/plugins/", plugin),
            ("/tools/", tool),
            ("/groups/", group),
            ("/knowledge/", base),
            ("/sources/", source.expect(201).id()),
            ("/agents/", agent),
            ("/flows/", flow),
            ("/flow-versions/", first(version)),
            ("/channels/", channel),
            ("/contacts/", first(contact)),
            ("/conversations/", conversation),
            ("/sessions/", first(session)),
            ("/api-keys/", first(key)),
            ("/members/", first(member)),
        ];
        Self { ids }
    }

    pub(crate) fn id(&self, path: &str) -> &str {
        let found =
            self.ids.iter().find(|(prefix, _)| path.starts_with(&format!("/api/v1{prefix}")));
        &found.unwrap_or_else(|| panic!("no belonging for {path}")).1
    }
}

/// An id of the same kind that nobody has.
fn missing(id: &str) -> String {
    let (rest, last) = id.split_at(id.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

/// A body that the operation would take.
fn body(method: &str, path: &str) -> Value {
    let tail = path.rsplit('/').next().unwrap();
    match (method, path.strip_prefix("/api/v1").unwrap(), tail) {
        ("PUT", "/agents/{id}", _) => {
            json!({"name": "x", "instructions": "", "flows": [], "revision": 1})
        }
        ("PUT", "/flows/{id}", _) => json!({"name": "x", "draft": {}, "revision": 1}),
        ("PUT", "/channels/{id}", _) => json!({"name": "x", "settings": {}, "enabled": false,
            "unknown_policy": "at_most_once", "revision": 1}),
        ("PUT", "/knowledge/{id}", _) => json!({"name": "x", "description": "", "revision": 1}),
        ("PUT", "/tools/{id}", _) => json!({"name": "x", "description": "x", "enabled": true,
            "settings": orders(URL)["settings"], "secrets": {"token": "x"}, "revision": 1}),
        ("POST", "/plugins/{id}/upgrade", _) => json!({"digest": "0".repeat(64)}),
        ("POST", "/knowledge/{id}/sources", _) => json!({"title": "x", "text": "x"}),
        ("PUT", "/groups/{id}", _) => json!({"name": "x", "revision": 1}),
        ("POST", "/groups/{id}/members" | "/groups/{id}/members/remove", _) => {
            json!({"contacts": []})
        }
        ("PATCH", "/contacts/{id}", _) | ("POST", _, "events") => json!({"name": "x"}),
        ("POST", _, "messages") => json!({"content": {"type": "text", "text": "x"}}),
        ("PUT", _, "assign") => json!({"owner": {"type": "queue"}}),
        ("PUT", _, "priority") => json!({"priority": "high"}),
        _ => json!({}),
    }
}

async fn ask(actor: &Actor, method: &str, path: &str, id: &str) -> Answer {
    let asked = actor.ask(method, &path.replace("{id}", id)).header("x-request-id", "same");
    asked.json(&body(method, path)).send().await
}

async fn a_foreign_id_is_a_missing_id(platform: Platform) {
    let platform = platform.plugged();
    let belongings = Belongings::of(&platform).await;
    let mut seen = 0;
    for (method, path, _) in operations() {
        if !path.contains("{id}") {
            continue;
        }
        let id = belongings.id(&path);
        let foreign = ask(&platform.stranger, &method, &path, id).await;
        let absent = ask(&platform.stranger, &method, &path, &missing(id)).await;
        assert_eq!(foreign, absent, "{method} {path}");
        foreign.clone().problem(404, "not_found");
        for malformed in ["x", "con_", "%00", "..", "0", &id.to_uppercase(), "con_é"] {
            let encoded = malformed.replace('é', "%C3%A9");
            let answer = ask(&platform.stranger, &method, &path, &encoded).await;
            assert_eq!(answer, foreign, "{method} {path} {malformed}");
        }
        seen += 1;
    }
    assert!(seen >= 30, "only {seen} operations with an id");
    // Nothing of it has changed anything, and to its owner everything is there.
    for (prefix, id) in
        belongings.ids.iter().filter(|(p, _)| !["/api-keys/", "/members/"].contains(p))
    {
        platform.owner.get(&format!("{prefix}{id}")).await.expect(200);
    }
    assert_eq!(platform.owner.get("/api-keys").await.json()["items"][0]["revoked_at"], Value::Null);
}

async fn a_foreign_id_in_a_body_is_a_missing_id(platform: Platform) {
    let platform = platform.plugged();
    let belongings = Belongings::of(&platform).await;
    let id = |kind: &str| belongings.id(&format!("/api/v1/{kind}/")).to_owned();
    let (agent, flow, member) = (id("agents"), id("flows"), id("members"));
    let (contact, group) = (id("contacts"), id("groups"));
    let own = platform.stranger.post("/groups", json!({"name": "x"})).await.expect(201).id();
    let members = format!("/groups/{own}/members");
    let removed = format!("{members}/remove");
    let channel = |agent: &str| {
        json!({"provider": "memory", "name": "x", "secrets": {"webhook_secret": "s"},
            "agent_id": agent})
    };
    let key = |member: &str| json!({"name": "x", "role": "viewer", "member_id": member});
    let cases = [
        (
            "/agents",
            json!({"name": "x", "flows": [&flow]}),
            json!({"name": "x", "flows": [missing(&flow)]}),
        ),
        ("/channels", channel(&agent), channel(&missing(&agent))),
        (
            members.as_str(),
            json!({"contacts": [&contact]}),
            json!({"contacts": [missing(&contact)]}),
        ),
        (
            removed.as_str(),
            json!({"contacts": [&contact]}),
            json!({"contacts": [missing(&contact)]}),
        ),
        ("/api-keys", key(&member), key(&missing(&member))),
    ];
    for (path, foreign, absent) in cases {
        let post = |body: Value| {
            let path = format!("/api/v1{path}");
            let stranger = &platform.stranger;
            async move {
                stranger.ask("POST", &path).header("x-request-id", "s").json(&body).send().await
            }
        };
        let foreign = post(foreign).await;
        assert_eq!(foreign, post(absent).await, "{path}");
        foreign.problem(422, "invalid");
    }
    let theirs = platform.stranger.post("/contacts", json!({"name": "x"})).await.expect(201).id();
    for group in [missing(&group), group] {
        let change = json!({"name": "y", "join_groups": [group]});
        let path = format!("/contacts/{theirs}");
        platform.stranger.patch(&path, change).await.problem(422, "invalid");
        assert_eq!(platform.stranger.get(&path).await.json()["name"], "x");
    }
    let assign = |member: String| json!({"owner": {"type": "member", "id": member}});
    let conversation = id("conversations");
    let stranger = platform.stranger.get("/members").await.json()["items"][0]["id"].clone();
    let path = format!("/conversations/{conversation}/assign");
    let foreign = platform.owner.put(&path, assign(stranger.as_str().unwrap().to_owned())).await;
    foreign.problem(422, "invalid");
    platform.owner.put(&path, assign(member)).await.expect(200);
}

async fn lists_hold_nothing_foreign(platform: Platform) {
    let platform = platform.plugged();
    let belongings = Belongings::of(&platform).await;
    for (method, path, _) in operations() {
        if method != "GET" || path.contains("{id}") || path.ends_with("/nodes") {
            continue;
        }
        // A search needs a question; `a` is in most names.
        let path = if path.contains("/search/") { format!("{path}?q=a") } else { path };
        let answer = platform.stranger.ask("GET", &path).send().await.expect(200);
        for (_, id) in &belongings.ids {
            assert!(!answer.text.contains(id.as_str()), "{path} shows {id}");
        }
    }
    let channel = belongings.id("/api/v1/channels/");
    let path = format!("/conversations?channel_id={channel}");
    assert_eq!(platform.stranger.get(&path).await.expect(200).json()["items"], json!([]));
}

async fn a_business_in_a_body_is_refused(platform: Platform) {
    let theirs = platform.business.to_string();
    for (path, mut body) in [
        ("/contacts", json!({"name": "x"})),
        ("/agents", json!({"name": "x"})),
        ("/flows", json!({"name": "x"})),
        ("/api-keys", json!({"name": "x", "role": "viewer"})),
    ] {
        body["business_id"] = json!(theirs);
        platform.stranger.post(path, body).await.problem(422, "invalid");
    }
}

on_every_store!(
    a_foreign_id_is_a_missing_id,
    a_foreign_id_in_a_body_is_a_missing_id,
    lists_hold_nothing_foreign,
    a_business_in_a_body_is_refused,
);
