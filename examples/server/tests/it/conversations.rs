//! Conversations: who answers, what is said, how it fared.

use justping::memory::MemoryAnswer;
use justping::model::ChannelId;
use justping::port::SendError;
use serde_json::{Value, json};

use crate::platform::Platform;

fn texts(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["content"]["text"].as_str().unwrap_or("?")).collect()
}

async fn a_bot_answers_and_a_person_takes_over(platform: Platform) {
    let agent = platform.echo_agent().await;
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    platform.settle().await;
    platform.hear(&channel, "ann", "2", "ping").await;
    platform.settle().await;
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}");
    let support = &platform.support;
    let messages = support.get(&format!("{path}/messages?order=oldest_first")).await.json();
    let said = ["hello", "Say something.", "ping", "You said ping.", "Say something."];
    assert_eq!(texts(&messages), said);
    let seqs: Vec<u64> =
        messages["items"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    assert_eq!(messages["items"][1]["author"]["type"], "bot");
    assert_eq!(messages["items"][1]["status"], "sent");
    assert_eq!(support.get(&path).await.json()["owner"], json!({"type": "bot"}));

    let me = support.get("/me").await.json()["member"]["id"].clone();
    let body = json!({"content": {"type": "text", "text": "A person here."}});
    let sent = support.post(&format!("{path}/messages"), body).await.expect(201).json();
    assert_eq!(sent["messages"][0]["status"], "queued");
    assert_eq!(sent["messages"][0]["author"], json!({"type": "member", "id": me}));
    assert_eq!(support.get(&path).await.json()["owner"], json!({"type": "member", "id": me}));
    platform.settle().await;
    platform.hear(&channel, "ann", "3", "are you a person?").await;
    platform.settle().await;
    let newest = support.get(&format!("{path}/messages?limit=2")).await.json();
    assert_eq!(texts(&newest), ["are you a person?", "A person here."], "the bot is silent");

    let bot = json!({"owner": {"type": "bot"}});
    assert_eq!(
        support.put(&format!("{path}/assign"), bot).await.expect(200).json()["status"],
        "pending"
    );
    let queue = json!({"owner": {"type": "queue"}});
    assert_eq!(
        support.put(&format!("{path}/assign"), queue).await.expect(200).json()["status"],
        "open"
    );
    assert_eq!(support.post(&format!("{path}/close"), json!({})).await.json()["status"], "closed");
    assert_eq!(support.post(&format!("{path}/reopen"), json!({})).await.json()["status"], "open");
    let urgent = support.put(&format!("{path}/priority"), json!({"priority": "urgent"})).await;
    assert_eq!(urgent.expect(200).json()["priority"], "urgent");
}

async fn a_note_never_leaves(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}/messages");
    let body = json!({"content": {"type": "text", "text": "Secret."}, "kind": "note"});
    let sent = platform.support.post(&path, body).await.expect(201).json();
    assert_eq!(sent["messages"][0]["direction"], "note");
    platform.settle().await;
    let wire: ChannelId = channel.parse().unwrap();
    assert_eq!(platform.provider.channel(wire).taken(), 0);
}

async fn a_refused_message_says_why(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    let wire: ChannelId = channel.parse().unwrap();
    let refusal = SendError::Rejected { code: Some("131".to_owned()), reason: "no".to_owned() };
    platform.provider.channel(wire).script(MemoryAnswer::Refuse(refusal));
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}/messages");
    let body = json!({"content": {"type": "text", "text": "x"}});
    platform.support.post(&path, body).await.expect(201);
    platform.settle().await;
    let newest = platform.support.get(&format!("{path}?limit=1")).await.json();
    assert_eq!(newest["items"][0]["status"], "failed");
    assert_eq!(newest["items"][0]["failure"]["kind"], "rejected");
    assert_eq!(newest["items"][0]["failure"]["code"], "131");
}

async fn lists_are_filtered(platform: Platform) {
    let agent = platform.echo_agent().await;
    let one = platform.memory_channel(Some(&agent)).await;
    let two = platform.memory_channel(None).await;
    platform.hear(&one, "ann", "1", "hello").await;
    platform.hear(&two, "bob", "1", "hello").await;
    let count = |query: String| {
        let owner = &platform.owner;
        async move {
            let page = owner.get(&format!("/conversations?{query}")).await.expect(200).json();
            page["items"].as_array().unwrap().len()
        }
    };
    assert_eq!(count(String::new()).await, 2);
    assert_eq!(count("owner=bot".to_owned()).await, 1);
    assert_eq!(count("owner=queue&status=open".to_owned()).await, 1);
    assert_eq!(count("status=closed".to_owned()).await, 0);
    assert_eq!(count(format!("channel_id={two}")).await, 1);
    let me = platform.owner.get("/me").await.json()["member"]["id"].clone();
    assert_eq!(count(format!("owner={}", me.as_str().unwrap())).await, 0);
    platform.owner.get("/conversations?owner=nobody").await.problem(422, "invalid");
    platform.owner.get("/conversations?status=asleep").await.problem(400, "malformed");
}

async fn what_cannot_be_sent_is_refused(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}/messages");
    for content in [
        json!({"type": "text", "text": " "}),
        json!({"type": "system", "text": "x"}),
        json!({"type": "reply", "option": "a", "title": "A"}),
        json!({"type": "media", "kind": "image"}),
        json!({"type": "nothing"}),
        json!({"type": "text", "text": "x", "wish": 1}),
        json!("text"),
    ] {
        platform.support.post(&path, json!({"content": content})).await.problem(422, "invalid");
    }
    let strange = json!({"owner": {"type": "somebody"}});
    platform
        .support
        .put(&format!("/conversations/{id}/assign"), strange)
        .await
        .problem(422, "invalid");
}

async fn a_session_leaves_its_trace(platform: Platform) {
    let agent = platform.echo_agent().await;
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    platform.settle().await;
    let id = platform.only_conversation().await;
    let viewer = &platform.viewer;
    let sessions = viewer.get(&format!("/conversations/{id}/sessions")).await.expect(200).json();
    assert_eq!(sessions["items"][0]["status"], "waiting");
    assert_eq!(sessions["items"][0]["agent_id"], json!(agent));
    let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        viewer.get(&format!("/sessions/{session}")).await.expect(200).json(),
        sessions["items"][0]
    );
    let trace = viewer.get(&format!("/sessions/{session}/trace")).await.expect(200).json();
    assert_eq!(trace["items"][0]["number"], 1);
    assert_eq!(trace["items"][0]["input"]["event"]["content"]["text"], "hello");
    assert!(trace["items"][0]["effects"].is_array(), "{trace}");
}

on_every_store!(
    a_bot_answers_and_a_person_takes_over,
    a_note_never_leaves,
    a_refused_message_says_why,
    lists_are_filtered,
    what_cannot_be_sent_is_refused,
    a_session_leaves_its_trace,
);
