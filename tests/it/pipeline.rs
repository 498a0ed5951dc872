//! A signed WhatsApp webhook becomes a reply at the Graph API, on SQLite, in one process.

use std::sync::Arc;

use justping::JustPing;
use justping::agents::Flows;
use justping::channels::whatsapp::WhatsAppProvider;
use justping::model::*;
use justping::port::{HttpMethod, WebhookRequest};
use justping::store::{MasterKey, SqliteConfig, SqliteStore};
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRET: &str = "7d1f0f2e0b1c4d5aa6b7c8d9e0f10213";

struct World {
    engine: JustPing,
    business: BusinessId,
    channel: ChannelId,
    folder: TempDir,
}

fn greeting() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "hello", "type": "buttons", "data": {"text": "Hello {{ contact.name }}!",
                "options": [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]}},
            {"id": "thanks", "type": "text", "data": {"text": "Thanks!"}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "hello"},
            {"id": "2", "source": "hello", "sourceHandle": "option:yes", "target": "thanks"},
        ],
    })
}

async fn world(graph: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let key = MasterKey::load_or_create(folder.path().join("master.key")).unwrap();
    let config = SqliteConfig::new(folder.path().join("justping.db"), key);
    let store = Arc::new(SqliteStore::open(config).await.unwrap());
    let engine = JustPing::builder()
        .store(store)
        .provider(Arc::new(WhatsAppProvider::new()))
        .flows(Arc::new(Flows::new()))
        .build()
        .unwrap();
    let (store, ids, now) = (engine.store(), engine.ids(), engine.clock().now());
    let business_id = BusinessId::from_uuid(ids.uuid());
    let name = || "shop".to_owned();
    store
        .create_business(&Business { id: business_id, name: name(), created_at: now })
        .await
        .unwrap();
    let flow = Flow {
        id: FlowId::from_uuid(ids.uuid()),
        business_id,
        name: name(),
        draft: greeting(),
        published: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    store.create_flow(&flow).await.unwrap();
    engine.publish_flow(business_id, flow.id).await.unwrap();
    let agent = Agent {
        id: AgentId::from_uuid(ids.uuid()),
        business_id,
        name: name(),
        instructions: String::new(),
        model: None,
        flows: vec![flow.id],
        settings: Default::default(),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    store.create_agent(&agent).await.unwrap();
    let channel = ChannelConfig {
        id: ChannelId::from_uuid(ids.uuid()),
        business_id,
        provider: "whatsapp".to_owned(),
        name: name(),
        settings: json!({"phone_number_id": "106540352242922", "base_url": graph}),
        agent_id: Some(agent.id),
        enabled: true,
        unknown_policy: UnknownPolicy::AtMostOnce,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let secrets = [("access_token", "graph-token"), ("app_secret", SECRET), ("verify_token", "v")];
    store.create_channel(&channel, &ChannelSecrets::from_iter(secrets)).await.unwrap();
    World { business: business_id, channel: channel.id, engine, folder }
}

fn body(value: &Value) -> String {
    let mut value = value.clone();
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({"display_phone_number": "15550783881", "phone_number_id": "106540352242922"});
    json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "messages", "value": value}]}]})
    .to_string()
}

fn signature(body: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

async fn post(world: &World, body: &str, signature: &str) -> Result<(), String> {
    let headers = [("x-hub-signature-256".to_owned(), signature.to_owned())];
    let request = WebhookRequest {
        method: HttpMethod::Post,
        query: &[],
        headers: &headers,
        body: body.as_bytes(),
    };
    world.engine.webhook(world.channel, &request).await.map(|_| ()).map_err(|e| e.to_string())
}

fn message(id: &str, content: &Value) -> Value {
    let mut message = content.clone();
    message["from"] = json!("16505551234");
    message["id"] = json!(id);
    message["timestamp"] = json!("1750091045");
    json!({
        "contacts": [{"profile": {"name": "Sheena"}, "wa_id": "16505551234"}],
        "messages": [message],
    })
}

#[tokio::test]
async fn a_signed_webhook_becomes_a_reply_and_its_statuses_come_home() {
    let graph = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("POST"))
        .and(wiremock::matchers::header("authorization", "Bearer graph-token"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(json!({
            "messaging_product": "whatsapp",
            "contacts": [{"input": "16505551234", "wa_id": "16505551234"}],
            "messages": [{"id": "wamid.reply"}],
        })))
        .mount(&graph)
        .await;
    let world = world(&graph.uri()).await;
    let text = body(&message("wamid.1", &json!({"type": "text", "text": {"body": "hi"}})));
    post(&world, &text, &signature(&text)).await.unwrap();
    post(&world, &text, &signature(&text)).await.unwrap();
    world.engine.settle().await.unwrap();
    let asked = graph.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1, "one message, one reply");
    let sent: Value = asked[0].body_json().unwrap();
    assert_eq!(sent["interactive"]["body"]["text"], "Hello Sheena!");
    let option = sent["interactive"]["action"]["buttons"][0]["reply"]["id"].as_str().unwrap();

    let pressed = json!({"type": "interactive", "interactive": {
        "type": "button_reply", "button_reply": {"id": option, "title": "Yes"}}});
    let pressed = body(&message("wamid.2", &pressed));
    post(&world, &pressed, &signature(&pressed)).await.unwrap();
    world.engine.settle().await.unwrap();
    let asked = graph.received_requests().await.unwrap();
    let sent: Value = asked[1].body_json().unwrap();
    assert_eq!(sent["text"]["body"], "Thanks!");

    let key = sent["biz_opaque_callback_data"].as_str().unwrap();
    let read = body(&json!({"statuses": [{"id": "wamid.reply", "status": "read",
        "timestamp": "1750091046", "recipient_id": "16505551234",
        "biz_opaque_callback_data": key}]}));
    post(&world, &read, &signature(&read)).await.unwrap();
    let conversation = conversation(&world).await;
    let thread = thread(&world, &conversation).await;
    let last = thread.last().unwrap();
    assert_eq!((last.content.plain(), last.status), ("Thanks!", DeliveryStatus::Read));
    assert_eq!(thread.len(), 4);
}

#[tokio::test]
async fn bad_webhooks_store_nothing() {
    let world = world("http://127.0.0.1:9").await;
    let good = body(&message("wamid.1", &json!({"type": "text", "text": {"body": "hi"}})));
    let good_signature = signature(&good);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let giant = "x".repeat(8 * 1024 * 1024);
    let truncated = &good[..good.len() / 2];
    for (what, body, signature) in [
        ("unsigned", good.as_str(), String::new()),
        ("altered", &good.replace("hi", "ho"), good_signature.clone()),
        ("wrongly signed", &good, format!("sha256={}", "0".repeat(64))),
        ("truncated", truncated, good_signature.clone()),
        ("truncated and signed", truncated, signature(truncated)),
        ("deep and signed", &deep, signature(&deep)),
        ("giant and signed", &giant, signature(&giant)),
        ("no JSON and signed", "hello", signature("hello")),
    ] {
        assert!(post(&world, body, &signature).await.is_err(), "{what}");
    }
    let unknown = json!({"object": "page", "entry": []}).to_string();
    post(&world, &unknown, &signature(&unknown)).await.unwrap_or_default();
    let store = world.engine.store();
    let page = PageRequest::default();
    assert!(store.contacts(world.business, &page).await.unwrap().items.is_empty());
    assert!(world.folder.path().join("justping.db").exists());
}

async fn conversation(world: &World) -> Conversation {
    let store = world.engine.store();
    let page = PageRequest::default();
    let found = store.conversations(world.business, &Default::default(), &page).await.unwrap();
    assert_eq!(found.items.len(), 1);
    found.items[0].clone()
}

async fn thread(world: &World, conversation: &Conversation) -> Vec<Message> {
    let order = justping::port::store::MessageOrder::OldestFirst;
    let page = PageRequest::default();
    let store = world.engine.store();
    store.messages(world.business, conversation.id, order, &page).await.unwrap().items
}
