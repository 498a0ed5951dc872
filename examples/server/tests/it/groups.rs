//! Groups: kept over the API, filled by people and by flows, asked for by conditions.

use serde_json::{Value, json};

use crate::platform::Platform;

async fn contacts(platform: &Platform, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let made = platform.owner.post("/contacts", json!({"name": format!("c{number}")})).await;
        ids.push(made.expect(201).id());
    }
    ids
}

async fn group(platform: &Platform, name: &str) -> String {
    platform.owner.post("/groups", json!({"name": name})).await.expect(201).id()
}

async fn a_group_lives(platform: Platform) {
    let owner = &platform.owner;
    let made = owner.post("/groups", json!({"name": "  Regulars\n"})).await.expect(201);
    assert_eq!(made.json()["name"], "Regulars");
    owner.post("/groups", json!({"name": "Regulars"})).await.problem(409, "conflict");
    let path = format!("/groups/{}", made.id());
    let mut read = owner.get(&path).await.expect(200).json();
    assert_eq!(read.as_object_mut().unwrap().remove("size"), Some(json!(0)));
    assert_eq!(read, made.json());

    let update = json!({"name": " Friends ", "revision": 1});
    let renamed = owner.put(&path, update.clone()).await.expect(200).json();
    assert_eq!((&renamed["name"], &renamed["revision"]), (&json!("Friends"), &json!(2)));
    owner.put(&path, update).await.problem(409, "stale");
    let other = group(&platform, "Regulars").await;
    let taken = json!({"name": "Friends", "revision": 1});
    owner.put(&format!("/groups/{other}"), taken).await.problem(409, "conflict");
    let listed = owner.get("/groups?limit=1").await.expect(200).json();
    assert_eq!(listed["items"], json!([renamed]));
    assert!(listed["next"].is_string());

    owner.delete(&path).await.expect(204);
    owner.get(&path).await.problem(404, "not_found");
    owner.delete(&path).await.problem(404, "not_found");
}

async fn contacts_come_and_go(platform: Platform) {
    let owner = &platform.owner;
    let (id, ids) = (group(&platform, "a").await, contacts(&platform, 3).await);
    let members = format!("/groups/{id}/members");
    let remove = format!("{members}/remove");
    let add = owner.post(&members, json!({"contacts": [ids[1], ids[0], ids[1]]})).await;
    assert_eq!(add.expect(200).json(), json!({"changed": 2}));
    let add = owner.post(&members, json!({"contacts": ids})).await.expect(200);
    assert_eq!(add.json(), json!({"changed": 1}));

    let first = owner.get(&format!("{members}?limit=2")).await.expect(200).json();
    let next = first["next"].as_str().unwrap();
    let second = owner.get(&format!("{members}?limit=2&after={next}")).await.expect(200).json();
    let rows = first["items"].as_array().unwrap().iter().chain(second["items"].as_array().unwrap());
    let found: Vec<&Value> = rows.map(|row| &row["contact_id"]).collect();
    assert_eq!(found, ids.iter().collect::<Vec<_>>());
    assert_eq!(second["next"], Value::Null);
    assert!(first["items"][0]["since"].is_string());
    assert_eq!(owner.get(&format!("/groups/{id}")).await.json()["size"], 3);

    let contact = format!("/contacts/{}", ids[0]);
    assert_eq!(owner.get(&contact).await.json()["groups"], json!([id]));
    let listed = owner.get("/contacts").await.json();
    assert!(listed["items"].as_array().unwrap().iter().all(|row| row["groups"] == json!([id])));
    let gone = owner.post(&remove, json!({"contacts": [ids[0], ids[1]]})).await.expect(200);
    assert_eq!(gone.json(), json!({"changed": 2}));
    owner.delete(&format!("/contacts/{}", ids[2])).await.expect(204);
    assert_eq!(owner.get(&members).await.json()["items"], json!([]));
    owner.delete(&format!("/groups/{id}")).await.expect(204);
    owner.get(&members).await.problem(404, "not_found");
    owner.post(&members, json!({"contacts": []})).await.problem(404, "not_found");
}

async fn a_contact_moves_between_groups(platform: Platform) {
    let owner = &platform.owner;
    let (a, b) = (group(&platform, "a").await, group(&platform, "b").await);
    let contact = format!("/contacts/{}", contacts(&platform, 1).await[0]);
    let joined = owner.patch(&contact, json!({"join_groups": [a]})).await.expect(200).json();
    assert_eq!((&joined["groups"], &joined["revision"]), (&json!([a]), &json!(1)));
    let change = json!({"name": "Ann", "join_groups": [b], "leave_groups": [a]});
    let moved = owner.patch(&contact, change).await.expect(200).json();
    assert_eq!((&moved["groups"], &moved["name"]), (&json!([b]), &json!("Ann")));
    owner.delete(&format!("/groups/{b}")).await.expect(204);
    assert_eq!(owner.get(&contact).await.json()["groups"], json!([]));
    for change in [json!({"join_groups": [b]}), json!({"name": "x", "leave_groups": [b]})] {
        let refused = owner.patch(&contact, change).await.problem(422, "invalid");
        assert_eq!(refused["errors"][0]["path"], "/join_groups");
    }
    assert_eq!(owner.get(&contact).await.json()["name"], "Ann");
}

async fn bad_groups_are_refused(platform: Platform) {
    let owner = &platform.owner;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": " \n "}),
        json!({"name": 5}),
        json!({"name": "x".repeat(101)}),
        json!({"name": "x", "size": 3}),
    ] {
        owner.post("/groups", body).await.problem(422, "invalid");
    }
    assert_eq!(owner.get("/groups").await.json()["items"], json!([]));
    let (id, ids) = (group(&platform, "a").await, contacts(&platform, 1).await);
    let members = format!("/groups/{id}/members");
    let absent = format!("{}{}", &ids[0][..29], if ids[0].ends_with('0') { "1" } else { "0" });
    for (contacts, path) in [
        (json!([ids[0], absent]), "/contacts"),
        (json!([id]), "/contacts/0"),
        (json!([ids[0], 7]), "/contacts/1"),
        (json!("x"), "/contacts"),
    ] {
        for path_of in [members.clone(), format!("{members}/remove")] {
            let body = json!({"contacts": contacts});
            let refused = owner.post(&path_of, body).await.problem(422, "invalid");
            assert_eq!(refused["errors"][0]["path"], path, "{refused}");
        }
    }
    assert_eq!(owner.get(&members).await.json()["items"], json!([]));
    owner.get(&format!("{members}?after=%00")).await.problem(400, "malformed");
}

/// Joins a group with the first message and says with the next whether the contact is in it.
fn club(group: &str) -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "known", "type": "condition", "data": {"condition":
                {"field": "contact.groups", "op": "contains", "value": group}}},
            {"id": "join", "type": "contact", "data": {"join_groups": [group]}},
            {"id": "new", "type": "text", "data": {"text": "Welcome!"}},
            {"id": "old", "type": "text", "data": {"text": "Welcome back!"}}
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "known"},
            {"id": "2", "source": "known", "sourceHandle": "false", "target": "join"},
            {"id": "3", "source": "join", "sourceHandle": "next", "target": "new"},
            {"id": "4", "source": "known", "sourceHandle": "true", "target": "old"}
        ]
    })
}

async fn a_flow_puts_contacts_into_a_group(platform: Platform) {
    let owner = &platform.owner;
    let id = group(&platform, "Club").await;
    let flow = platform.flow(club(&id)).await;
    let agent = owner.post("/agents", json!({"name": "A", "flows": [flow]})).await.expect(201).id();
    let channel = platform.memory_channel(Some(&agent)).await;
    for reference in ["1", "2"] {
        platform.hear(&channel, "ann", reference, "hi").await;
        platform.settle().await;
    }
    let conversation = platform.only_conversation().await;
    let said = owner.get(&format!("/conversations/{conversation}/messages")).await.expect(200);
    assert!(said.text.contains("Welcome!") && said.text.contains("Welcome back!"), "{said:?}");
    let members = owner.get(&format!("/groups/{id}/members")).await.json();
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
    // The group goes, and the turn goes on without it.
    owner.delete(&format!("/groups/{id}")).await.expect(204);
    platform.hear(&channel, "ann", "3", "hi").await;
    platform.settle().await;
    let said = owner.get(&format!("/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(said.text.matches("Welcome!").count(), 2, "{said:?}");
    let contact = owner.get("/contacts").await.json()["items"][0].clone();
    assert_eq!(contact["groups"], json!([]));
}

async fn a_flow_that_names_no_group_of_ours_is_warned_of(platform: Platform) {
    let owner = &platform.owner;
    let id = group(&platform, "Club").await;
    let made = owner.post("/flows", json!({"name": "club", "draft": club(&id)})).await.expect(201);
    let path = format!("/flows/{}", made.id());
    let told = async || {
        let check = owner.post(&format!("{path}/validate"), json!({})).await.expect(200).json();
        assert_eq!(check["ok"], true, "{check}");
        let findings = check["findings"].as_array().unwrap().clone();
        findings.iter().filter(|one| one["code"] == "missing_group").count()
    };
    assert_eq!(told().await, 0);
    let script = json!({"lines": [{"say": "hi"}, {"say": "hi"}]});
    let run = owner.post(&format!("{path}/test"), script).await.expect(200);
    assert!(run.text.contains("Welcome back!"), "groups are there in a test: {run:?}");
    owner.delete(&format!("/groups/{id}")).await.expect(204);
    assert_eq!(told().await, 2);
    let published = owner.post(&format!("{path}/publish"), json!({})).await.expect(200).json();
    let warnings = published["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|one| one["code"] == "missing_group"), "{published}");
    let wrong = club("vip");
    let made = owner.post("/flows", json!({"name": "x", "draft": wrong})).await.expect(201).id();
    let refused = owner.post(&format!("/flows/{made}/publish"), json!({})).await;
    refused.problem(422, "invalid_flow");
}

async fn the_same_key_adds_once(platform: Platform) {
    let (id, ids) = (group(&platform, "a").await, contacts(&platform, 1).await);
    let add = async || {
        let path = format!("/api/v1/groups/{id}/members");
        let asked = platform.owner.ask("POST", &path).header("idempotency-key", "k");
        asked.json(&json!({"contacts": ids})).send().await.expect(200)
    };
    assert_eq!(add().await.json(), json!({"changed": 1}));
    let again = add().await;
    assert_eq!(again.json(), json!({"changed": 1}));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

on_every_store!(
    a_group_lives,
    contacts_come_and_go,
    a_contact_moves_between_groups,
    bad_groups_are_refused,
    a_flow_puts_contacts_into_a_group,
    a_flow_that_names_no_group_of_ours_is_warned_of,
    the_same_key_adds_once,
);
