//! Where providers deliver: 200 only for what is signed and stored.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::answer::Answer;
use crate::platform::Platform;

const APP_SECRET: &str = "app-secret";
const PHONE: &str = "106540352242922";

fn sign(body: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

fn message(id: &str) -> String {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550783881", "phone_number_id": PHONE},
            "contacts": [{"profile": {"name": "Ann"}, "wa_id": "15551234567"}],
            "messages": [{"from": "15551234567", "id": id, "timestamp": "1760000000",
                "type": "text", "text": {"body": "hi"}}],
        }}]}],
    })
    .to_string()
}

async fn whatsapp(platform: &Platform) -> String {
    let body = json!({
        "provider": "whatsapp", "name": "Shop", "settings": {"phone_number_id": PHONE},
        "secrets": {"access_token": "t", "app_secret": APP_SECRET, "verify_token": "v"},
    });
    platform.owner.post("/channels", body).await.expect(201).id()
}

async fn deliver(
    platform: &Platform,
    channel: &str,
    body: &str,
    signature: Option<&str>,
) -> Answer {
    let path = format!("/webhooks/whatsapp/{channel}");
    let mut asked =
        platform.anonymous.ask("POST", &path).header("content-type", "application/json");
    if let Some(signature) = signature {
        asked = asked.header("x-hub-signature-256", signature);
    }
    asked.bytes(body.to_owned()).send().await
}

async fn stored(platform: &Platform) -> usize {
    platform.owner.get("/conversations").await.json()["items"].as_array().map_or(0, Vec::len)
}

async fn what_is_signed_is_stored_once(platform: Platform) {
    let channel = whatsapp(&platform).await;
    let body = message("wamid.1");
    let signature = sign(&body, APP_SECRET);
    for _ in 0..3 {
        deliver(&platform, &channel, &body, Some(&signature)).await.expect(200);
    }
    let id = platform.only_conversation().await;
    let messages = platform.owner.get(&format!("/conversations/{id}/messages")).await.json();
    assert_eq!(messages["items"].as_array().unwrap().len(), 1);
    let contact = &platform.owner.get("/contacts").await.json()["items"][0];
    assert_eq!(contact["name"], "Ann");
}

async fn what_is_not_signed_leaves_no_trace(platform: Platform) {
    let channel = whatsapp(&platform).await;
    let body = message("wamid.1");
    let good = sign(&body, APP_SECRET);
    let foreign = sign(&body, "another-secret");
    let other_body = sign(&message("wamid.2"), APP_SECRET);
    let cases = [
        None,
        Some(""),
        Some("sha256="),
        Some(&good[..60]),
        Some(&good[7..]),
        Some(foreign.as_str()),
        Some(other_body.as_str()),
    ];
    for signature in cases {
        let answer = deliver(&platform, &channel, &body, signature).await.expect(401);
        let json: Value = answer.json();
        assert_eq!(json["code"], "unsigned");
    }
    let altered = body.replace("hi", "ho");
    deliver(&platform, &channel, &altered, Some(&good)).await.expect(401);
    assert_eq!(stored(&platform).await, 0);
    assert_eq!(platform.owner.get("/contacts").await.json()["items"], json!([]));
}

async fn a_challenge_is_answered(platform: Platform) {
    let channel = whatsapp(&platform).await;
    let get = |token: &'static str| {
        let path = format!(
            "/webhooks/whatsapp/{channel}?hub.mode=subscribe&hub.challenge=77%2B1\
            &hub.verify_token={token}"
        );
        let anyone = platform.anonymous.clone();
        async move { anyone.ask("GET", &path).send().await }
    };
    assert_eq!(get("v").await.expect(200).text, "77+1");
    get("wrong").await.expect(401);
}

async fn what_is_not_there_is_404(platform: Platform) {
    let channel = whatsapp(&platform).await;
    let chat = platform.web_chat(None).await;
    let body = message("wamid.1");
    let signature = sign(&body, APP_SECRET);
    let off = json!({"provider": "whatsapp", "name": "Off", "enabled": false,
        "settings": {"phone_number_id": PHONE},
        "secrets": {"access_token": "t", "app_secret": APP_SECRET, "verify_token": "v"}});
    let off = platform.owner.post("/channels", off).await.expect(201).id();
    for target in ["x", "chn_00000000000000000000000001", chat.as_str(), off.as_str()] {
        let answer = deliver(&platform, target, &body, Some(&signature)).await.expect(404);
        assert_eq!(answer.json()["code"], "not_found");
    }
    let path = format!("/webhooks/telegram/{channel}");
    platform.anonymous.ask("POST", &path).send().await.problem(404, "no_route");
    let put = platform.anonymous.ask("PUT", &format!("/webhooks/whatsapp/{channel}")).send().await;
    put.expect(405);
    assert_eq!(stored(&platform).await, 0);
}

async fn strange_bodies_are_refused_or_left_out(platform: Platform) {
    let channel = whatsapp(&platform).await;
    for body in ["", "{", "null", "[]", "{\"object\":1}", "{\"entry\":{}}", "\u{0}"] {
        let answer = deliver(&platform, &channel, body, Some(&sign(body, APP_SECRET))).await;
        assert!(!answer.status.is_server_error(), "{body:?}: {answer:?}");
    }
    let huge = "x".repeat(3 * 1024 * 1024 + 1);
    deliver(&platform, &channel, &huge, None).await.expect(413);
    assert_eq!(stored(&platform).await, 0);
}

on_every_store!(
    what_is_signed_is_stored_once,
    what_is_not_signed_leaves_no_trace,
    a_challenge_is_answered,
    what_is_not_there_is_404,
    strange_bodies_are_refused_or_left_out,
);
