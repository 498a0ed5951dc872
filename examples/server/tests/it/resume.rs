//! Flows that wait for the outside: links, events by name, and a process that begins again.

use futures_util::{SinkExt, StreamExt};
use justping::channels::webchat::TOKEN_SECRET;
use justping::engine::OUTSIDE_DATA_MAX_BYTES;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::platform::Platform;
use crate::process::{ANY_PORT, Process, client};

/// Gives a link away, waits for it, then for a payment.
fn form_then_payment() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "link", "type": "text", "data": {"text": "{{ resume_url }}"}},
            {"id": "form", "type": "wait_event", "data": {"event": "form", "variable": "form"}},
            {"id": "thanks", "type": "text", "data": {"text": "Thanks, {{ form.name }}."}},
            {"id": "pay", "type": "wait_event", "data":
                {"event": "payment.*", "variable": "paid", "link": "never"}},
            {"id": "done", "type": "text", "data": {"text": "Paid {{ paid.amount }}."}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "link"},
            {"id": "2", "source": "link", "target": "form"},
            {"id": "3", "source": "form", "target": "thanks"},
            {"id": "4", "source": "thanks", "target": "pay"},
            {"id": "5", "source": "pay", "target": "done"},
        ],
    })
}

/// What the bot said in the only conversation, in order.
async fn said(platform: &Platform) -> Vec<String> {
    let id = platform.only_conversation().await;
    let page =
        platform.owner.get(&format!("/conversations/{id}/messages?order=oldest_first")).await;
    let page = page.json();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let bot = items.iter().filter(|message| message["direction"] == "outbound");
    let mut said: Vec<(u64, String)> = bot
        .map(|message| {
            let text = message["content"]["text"].as_str().unwrap();
            (message["seq"].as_u64().unwrap(), text.to_owned())
        })
        .collect();
    said.sort_unstable();
    said.into_iter().map(|(_, text)| text).collect()
}

/// A conversation that waits, and the path of its link below the API.
async fn waiting(platform: &Platform) -> String {
    let flow = platform.flow(form_then_payment()).await;
    let agent = json!({"name": "Shop", "flows": [flow]});
    let agent = platform.owner.post("/agents", agent).await.expect(201).id();
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "m1", "hi").await;
    platform.settle().await;
    let link = said(platform).await.remove(0);
    link.strip_prefix("https://chat.example/api/v1").expect("a link").to_owned()
}

async fn a_link_is_good_for_one_wait(platform: Platform) {
    let link = waiting(&platform).await;
    let anybody = &platform.anonymous;
    let damaged =
        format!("{}{}", &link[..link.len() - 1], if link.ends_with('0') { '1' } else { '0' });
    anybody.post(&damaged, json!({})).await.problem(404, "unknown_link");
    anybody.post("/resume/none", json!({})).await.problem(404, "unknown_link");
    anybody.get(&link).await.problem(405, "method_not_allowed");
    anybody
        .ask("POST", &format!("/api/v1{link}"))
        .bytes("{")
        .send()
        .await
        .problem(400, "malformed");
    let large = format!("\"{}\"", "x".repeat(OUTSIDE_DATA_MAX_BYTES));
    anybody
        .ask("POST", &format!("/api/v1{link}"))
        .bytes(large)
        .send()
        .await
        .problem(413, "too_large");
    platform.settle().await;
    assert_eq!(said(&platform).await.len(), 1, "nothing of that was heard");

    // Another process takes it, and taking it twice is hearing it once.
    let elsewhere = crate::answer::Actor { token: None, ..platform.another_process() };
    let answer = elsewhere.post(&link, json!({"name": "Ann"})).await.expect(202).json();
    assert_eq!(answer, json!({"status": "awaited"}));
    anybody.post(&link, json!({"name": "Bob"})).await.expect(202);
    platform.settle().await;
    assert_eq!(said(&platform).await[1..], ["Thanks, Ann."]);
    anybody.post(&link, json!({"name": "Bob"})).await.problem(410, "not_awaited");
}

async fn an_event_is_sent_by_who_may(platform: Platform) {
    waiting(&platform).await;
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}/events");
    let paid = json!({"name": "payment.succeeded", "data": {"amount": 36}});
    platform.viewer.post(&path, paid.clone()).await.problem(403, "forbidden");
    platform.stranger.post(&path, paid.clone()).await.problem(404, "not_found");
    let owner = &platform.owner;
    owner.post(&path, json!({"name": "no blanks"})).await.problem(422, "invalid");
    owner.post(&path, json!({"name": "refund"})).await.problem(410, "not_awaited");
    let large = json!({"name": "form", "data": "x".repeat(OUTSIDE_DATA_MAX_BYTES)});
    owner.post(&path, large).await.problem(413, "too_large");
    // The payment is quicker than the form: it is kept until its turn comes.
    let answer = owner.post(&path, paid.clone()).await.expect(202).json();
    assert_eq!(answer, json!({"status": "early"}));
    owner.post(&path, json!({"name": "form", "data": {"name": "Ann"}})).await.expect(202);
    platform.settle().await;
    assert_eq!(said(&platform).await[1..], ["Thanks, Ann.", "Paid 36."]);
    owner.post(&path, paid).await.problem(409, "no_session");
}

on_every_store!(a_link_is_good_for_one_wait, an_event_is_sent_by_who_may);

/// The next frame that has a message of the bot.
async fn hear(
    socket: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> Value {
    loop {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(30), socket.next()).await;
        let text = frame.expect("an answer").unwrap().unwrap().into_text().unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap_or_default();
        if frame["type"] == "welcome" || frame["message"]["direction"] == "outbound" {
            return frame;
        }
    }
}

#[tokio::test]
async fn a_link_outlives_the_process_that_made_it() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path(), ANY_PORT, &[]).await;
    let key = process.api_key.clone().expect("the first start prints a key");
    let create = async |path: &str, body: Value, status: u16| {
        let asked = client().post(format!("{}/api/v1{path}", process.base)).bearer_auth(&key);
        let answer = asked.json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let made: Value = answer.json().await.unwrap();
        made["id"].as_str().unwrap_or_default().to_owned()
    };
    let flow = create("/flows", json!({"name": "f", "draft": form_then_payment()}), 201).await;
    create(&format!("/flows/{flow}/publish"), json!({}), 200).await;
    let agent = create("/agents", json!({"name": "Shop", "flows": [flow]}), 201).await;
    let secrets = json!({TOKEN_SECRET: "0123456789abcdef0123456789abcdef"});
    let chat = json!({"provider": "webchat", "name": "c", "agent_id": agent, "secrets": secrets});
    let chat = create("/channels", chat, 201).await;
    let socket = |process: &Process| {
        format!("{}/chat/{chat}/socket", process.base.replace("http://", "ws://"))
    };
    let (mut visit, _) = connect_async(socket(&process)).await.unwrap();
    visit.send(Message::text(json!({"type": "hello"}).to_string())).await.unwrap();
    let token = hear(&mut visit).await["token"].clone();
    let hi = json!({"type": "message", "id": uuid::Uuid::from_u128(7), "text": "hi"});
    visit.send(Message::text(hi.to_string())).await.unwrap();
    let frame = hear(&mut visit).await;
    let (link, seq) =
        (frame["message"]["content"]["text"].clone(), frame["message"]["seq"].clone());
    let link =
        link.as_str().unwrap().strip_prefix(&process.base).expect("its own address").to_owned();
    let mut process = process;
    process.kill();

    let process = Process::start(data.path(), ANY_PORT, &[]).await;
    let (mut visit, _) = connect_async(socket(&process)).await.unwrap();
    let hello = json!({"type": "hello", "token": token, "after": seq});
    visit.send(Message::text(hello.to_string())).await.unwrap();
    assert_eq!(hear(&mut visit).await["type"], "welcome");
    let asked = client().post(format!("{}{link}", process.base)).json(&json!({"name": "Ann"}));
    assert_eq!(asked.send().await.unwrap().status().as_u16(), 202);
    assert_eq!(hear(&mut visit).await["message"]["content"]["text"], "Thanks, Ann.");
}
