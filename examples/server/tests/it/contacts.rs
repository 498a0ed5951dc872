//! Contacts, and with them what all nouns share: pages, bodies, errors.

use serde_json::{Value, json};

use crate::platform::Platform;

async fn a_contact_lives(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({
        "name": "Ann", "identities": [{"kind": "whatsapp", "id": "15551234567"}],
        "fields": {"plan": "pro"}, "tags": ["vip"], "time_zone": "Europe/Berlin",
    });
    let created = owner.post("/contacts", body.clone()).await.expect(201);
    let path = format!("/contacts/{}", created.id());
    assert_eq!(owner.get(&path).await.expect(200).json(), created.json());
    owner.post("/contacts", body).await.problem(409, "conflict");

    let change = json!({"name": "Anna", "fields": {"plan": null, "age": 7}, "add_tags": ["new"],
        "remove_tags": ["vip"], "opt_out": ["whatsapp"]});
    let changed = owner.patch(&path, change).await.expect(200).json();
    assert_eq!(changed["name"], "Anna");
    assert_eq!(changed["fields"], json!({"age": 7}));
    assert_eq!(changed["tags"], json!(["new"]));
    assert_eq!(changed["opted_out"], json!(["whatsapp"]));

    owner.delete(&path).await.expect(204);
    owner.get(&path).await.problem(404, "not_found");
}

async fn lists_come_in_pages(platform: Platform) {
    let owner = &platform.owner;
    let mut made = Vec::new();
    for number in 0..7 {
        let answer = owner.post("/contacts", json!({"name": format!("c{number}")})).await;
        made.push(answer.expect(201).id());
    }
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = owner.get(&format!("/contacts?limit=3{after}")).await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        found.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(found, made);
    for query in ["limit=0", "limit=201"] {
        owner.get(&format!("/contacts?{query}")).await.problem(422, "invalid");
    }
    for query in ["limit=x", "limit=-1", "wish=1"] {
        owner.get(&format!("/contacts?{query}")).await.problem(400, "malformed");
    }
    let strange = owner.get("/contacts?after=%00%27%22").await;
    assert!(strange.status.is_client_error(), "{strange:?}");
}

fn error_at(problem: &Value, path: &str) -> bool {
    problem["errors"].as_array().unwrap().iter().any(|error| error["path"] == path)
}

async fn every_refusal_says_where(platform: Platform) {
    let owner = &platform.owner;
    let refuse =
        |body: Value| async move { owner.post("/contacts", body).await.problem(422, "invalid") };
    assert!(error_at(&refuse(json!({"nme": "x"})).await, "/nme"));
    assert!(error_at(&refuse(json!({"name": 5})).await, "/name"));
    let deep = json!({"identities": [{"kind": "x", "id": "y"}, {"kind": "x", "id": 5}]});
    assert!(error_at(&refuse(deep).await, "/identities/1/id"));
    assert!(error_at(&refuse(json!({"time_zone": "Mars/Olympus"})).await, "/time_zone"));
    let two = refuse(json!({"name": " ", "locale": ""})).await;
    assert!(error_at(&two, "/name") && error_at(&two, "/locale"));
    let long = refuse(json!({"name": "x".repeat(201)})).await;
    assert!(error_at(&long, "/name"));
}

async fn whatever_is_no_json_is_refused(platform: Platform) {
    let ask = || platform.owner.ask("POST", "/api/v1/contacts");
    let json = "application/json";
    for text in [
        "",
        "{",
        "{\"name\":",
        "nul",
        "{\"name\":\"x\"} {}",
        "\u{feff}{}",
        "{\"name\":\"\\ud800\"}",
    ] {
        let answer = ask().header("content-type", json).bytes(text.to_owned()).send().await;
        answer.problem(400, "malformed");
    }
    let not_utf8 = ask().header("content-type", json).bytes(vec![b'"', 0xff, b'"']).send().await;
    assert!(not_utf8.status.is_client_error());
    let deep = "[".repeat(100_000);
    ask().header("content-type", json).bytes(deep).send().await.problem(400, "malformed");
    let wrong_top = ask().header("content-type", json).bytes("[]").send().await;
    assert!(wrong_top.status.is_client_error());
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let answer = ask().header("content-type", kind).bytes("{}").send().await;
        answer.problem(415, "unsupported_media_type");
    }
    ask().bytes("{}").send().await.problem(415, "unsupported_media_type");
    let utf8 = ask().header("content-type", "application/json; charset=utf-8").bytes("{}");
    utf8.send().await.expect(201);
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));
    ask().header("content-type", json).bytes(huge).send().await.problem(413, "too_large");
}

async fn every_error_is_a_problem(platform: Platform) {
    let owner = &platform.owner;
    owner.get("/nothing").await.problem(404, "no_route");
    owner.ask("GET", "/nothing").send().await.problem(404, "no_route");
    owner.ask("GET", "/api/v1").send().await.problem(404, "no_route");
    let answer = owner.ask("PATCH", "/api/v1/contacts").send().await;
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("POST")), "{answer:?}");
    answer.problem(405, "method_not_allowed");
    let brought = owner.ask("GET", "/api/v1/nothing").header("x-request-id", "abc-1").send().await;
    assert_eq!(brought.problem(404, "no_route")["request_id"], "abc-1");
    let harmful = owner.ask("GET", "/api/v1/me").header("x-request-id", "a\tb").send().await;
    assert_ne!(harmful.header("x-request-id"), Some("a\tb"));
}

async fn a_contact_with_a_conversation_stays(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hi").await;
    let contacts = platform.owner.get("/contacts").await.json();
    let id = contacts["items"][0]["id"].as_str().unwrap();
    platform.owner.delete(&format!("/contacts/{id}")).await.problem(409, "conflict");
}

on_every_store!(
    a_contact_lives,
    lists_come_in_pages,
    every_refusal_says_where,
    whatever_is_no_json_is_refused,
    every_error_is_a_problem,
    a_contact_with_a_conversation_stays,
);
