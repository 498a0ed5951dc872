//! API keys and channels' secrets: what goes in and never comes out.

use serde_json::json;

use crate::answer::Actor;
use crate::platform::Platform;

async fn a_key_works_until_it_is_revoked(platform: Platform) {
    let owner = &platform.owner;
    let made = owner.post("/api-keys", json!({"name": "ci", "role": "viewer"})).await;
    let made = made.expect(201);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("jp_") && token.len() == 46, "{token}");
    let robot = Actor { token: Some(token.clone()), ..owner.clone() };
    assert_eq!(robot.get("/me").await.expect(200).json()["role"], "viewer");
    robot.post("/contacts", json!({})).await.problem(403, "forbidden");
    let list = owner.get("/api-keys").await.expect(200);
    assert!(!list.text.contains(&token) && !list.text.contains("sha256"), "{}", list.text);

    let path = format!("/api-keys/{}", made.id());
    owner.delete(&path).await.expect(204);
    owner.delete(&path).await.expect(204);
    robot.get("/me").await.problem(401, "unauthorized");
}

async fn a_key_holds_no_more_than_its_member(platform: Platform) {
    let members = platform.owner.get("/members").await.json();
    let viewer = members["items"].as_array().unwrap().iter().find(|m| m["role"] == "viewer");
    let body = json!({"name": "x", "role": "owner", "member_id": viewer.unwrap()["id"]});
    let refused = platform.owner.post("/api-keys", body).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["path"], "/role");
}

async fn secrets_go_in_and_stay(platform: Platform) {
    let owner = &platform.owner;
    let body = json!({
        "provider": "whatsapp", "name": "Shop", "settings": {"phone_number_id": "106540352242922"},
        "secrets": {"access_token": "EAAG-canary", "app_secret": "app-canary", "verify_token": "v-canary"},
    });
    let made = owner.post("/channels", body).await.expect(201);
    let path = format!("/channels/{}", made.id());
    assert_eq!(made.json()["secrets"], json!(["access_token", "app_secret", "verify_token"]));
    let mut update = json!({
        "name": "Shop 2", "settings": {"phone_number_id": "106540352242922"}, "enabled": true,
        "unknown_policy": "at_least_once", "secrets": {"app_secret": "new-canary"}, "revision": 1,
    });
    let updated = owner.put(&path, update.clone()).await.expect(200);
    assert_eq!(updated.json()["revision"], 2);
    for answer in [made, updated, owner.get(&path).await, owner.get("/channels").await] {
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    owner.put(&path, update.clone()).await.problem(409, "stale");

    // A stored token is never sent to a host it was not given for.
    update["revision"] = json!(2);
    update["settings"]["base_url"] = json!("http://127.0.0.1:9");
    let refused = owner.put(&path, update).await.problem(422, "invalid");
    assert!(refused["errors"].to_string().contains("/secrets/access_token"), "{refused}");
    owner.delete(&path).await.expect(204);
}

async fn a_channel_that_cannot_open_is_not_enabled(platform: Platform) {
    let owner = &platform.owner;
    let mut body =
        json!({"provider": "whatsapp", "name": "x", "settings": {"phone_number_id": "1"}});
    owner.post("/channels", body.clone()).await.problem(422, "invalid");
    body["enabled"] = json!(false);
    owner.post("/channels", body).await.expect(201);
    let nobody = json!({"provider": "pigeon", "name": "x"});
    let refused = owner.post("/channels", nobody).await.problem(422, "invalid");
    assert_eq!(refused["errors"][0]["path"], "/provider");
}

async fn a_channel_is_verified(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    let path = format!("/channels/{channel}/verify");
    let answer = platform.owner.post(&path, json!({})).await.expect(200).json();
    assert_eq!(answer, json!({"ok": true, "detail": null}));
    platform.support.post(&path, json!({})).await.problem(403, "forbidden");
}

on_every_store!(
    a_key_works_until_it_is_revoked,
    a_key_holds_no_more_than_its_member,
    secrets_go_in_and_stay,
    a_channel_that_cannot_open_is_not_enabled,
    a_channel_is_verified,
);
