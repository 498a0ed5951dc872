//! Search: what is found, by whom, and what is no question.

use serde_json::{Value, json};

use crate::platform::Platform;

fn excerpts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|hit| hit["excerpt"].as_str().unwrap()).collect()
}

async fn messages_are_found_with_an_excerpt(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "Where is my Bestellung?").await;
    platform.hear(&channel, "bob", "2", "bestellung 7 is here").await;
    platform.settle().await;
    let viewer = &platform.viewer;
    let found = viewer.get("/search/messages?q=BESTELL").await.expect(200).json();
    assert_eq!(excerpts(&found), ["bestellung 7 is here", "Where is my Bestellung?"]);
    let hit = &found["items"][1];
    assert_eq!(hit["message"]["direction"], "inbound");
    let id = hit["conversation_id"].as_str().unwrap();
    let note = json!({"content": {"type": "text", "text": "Bestellung checked"}, "kind": "note"});
    platform.support.post(&format!("/conversations/{id}/messages"), note).await.expect(201);
    platform.settle().await;
    let within = format!("/search/messages?q=bestellung&conversation_id={id}");
    let within = viewer.get(&within).await.expect(200).json();
    assert_eq!(excerpts(&within), ["Bestellung checked", "Where is my Bestellung?"]);
    let stranger = &platform.stranger;
    let theirs = stranger.get("/search/messages?q=bestellung").await.expect(200).json();
    assert_eq!(excerpts(&theirs), [""; 0]);
    for id in [id, "con_x", "%00"] {
        let path = format!("/search/messages?q=bestellung&conversation_id={id}");
        stranger.get(&path).await.problem(404, "not_found");
    }
}

async fn contacts_are_found_by_what_is_known(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({"name": "Änne Müller", "tags": ["vip"], "fields": {"plan": "gold"},
        "identities": [{"kind": "whatsapp", "id": "491701234567"}]});
    let id = owner.post("/contacts", body).await.expect(201).id();
    platform.settle().await;
    for query in ["anne", "M%C3%BCll", "vip+gold", "%2B49+170", "491701"] {
        let found = owner.get(&format!("/search/contacts?q={query}")).await.expect(200).json();
        assert_eq!(found["items"][0]["id"], id, "{query}");
    }
    let theirs = platform.stranger.get("/search/contacts?q=anne").await.expect(200).json();
    assert_eq!(theirs["items"], json!([]));
    owner.delete(&format!("/contacts/{id}")).await.expect(204);
    let gone = owner.get("/search/contacts?q=anne").await.expect(200).json();
    assert_eq!(gone["items"], json!([]));
}

async fn hits_come_in_pages(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    for n in 0..7 {
        platform.hear(&channel, "ann", &format!("{n}"), &format!("parcel {n}")).await;
    }
    platform.settle().await;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/search/messages?q=parcel&limit=3{after}");
        let page = platform.owner.get(&path).await.expect(200).json();
        found.extend(excerpts(&page).iter().map(|text| (*text).to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<String> = (0..7).rev().map(|n| format!("parcel {n}")).collect();
    assert_eq!(found, expected);
}

async fn what_is_no_question_is_refused(platform: Platform) {
    let owner = &platform.owner;
    for place in ["messages", "contacts"] {
        let path = |query: &str| format!("/search/{place}?{query}");
        for query in ["q=", "q=%00", "q=%22*%22", "q=x&limit=0", "q=x&limit=201"] {
            owner.get(&path(query)).await.problem(422, "invalid");
        }
        let long = format!("q={}", "x".repeat(501));
        let problem = owner.get(&path(&long)).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["path"], "q");
        for query in ["", "q=x&wish=1", "limit=1"] {
            owner.get(&path(query)).await.problem(400, "malformed");
        }
        let strange = owner.get(&path("q=x&after=%00%27%22")).await;
        assert!(strange.status.is_client_error(), "{strange:?}");
        for query in ["q=a+OR+b", "q=a%27%3B--", "q=NEAR(a+b)", "q=a%3A*+%26+!b", "q=%F0%9F%98%80a"]
        {
            owner.get(&path(query)).await.expect(200);
        }
    }
}

on_every_store!(
    messages_are_found_with_an_excerpt,
    contacts_are_found_by_what_is_known,
    hits_come_in_pages,
    what_is_no_question_is_refused,
);
