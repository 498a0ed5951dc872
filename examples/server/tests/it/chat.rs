//! The chat socket, spoken to by a plain WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use justping::model::{Event, EventBody, Owner};
use justping_server::http;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::platform::Platform;

/// Longest wait for a frame: far longer than any needs, so that only a lost one runs into it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server on a port of its own.
struct Chat<'a> {
    platform: &'a Platform,
    channel: String,
    host: String,
}

impl<'a> Chat<'a> {
    async fn open(platform: &'a Platform, agent: Option<&str>) -> Self {
        let channel = platform.web_chat(agent).await;
        Self::at(platform, channel).await
    }

    async fn at(platform: &'a Platform, channel: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let router = platform.router.clone();
        let mut stopping = platform.app.stopping();
        tokio::spawn(async move {
            let stop = async move { drop(stopping.wait_for(|stop| *stop).await) };
            http::serve(listener, router, stop, PATIENCE).await;
        });
        Self { platform, channel, host }
    }

    async fn dial(&self, origin: Option<&str>) -> Result<Visitor, u16> {
        let url = format!("ws://{}/chat/{}/socket", self.host, self.channel);
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Visitor { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// A visitor who has said hello, and the welcome.
    async fn visit(&self, token: Option<&str>, after: u64) -> (Visitor, Value) {
        let mut visitor = self.dial(None).await.unwrap();
        visitor.say(json!({"type": "hello", "token": token, "after": after})).await;
        let welcome = visitor.hear("welcome").await;
        (visitor, welcome)
    }
}

struct Visitor {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Visitor {
    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn write(&mut self, text: &str) -> Uuid {
        let id = Uuid::from_u128(u128::from(rand()));
        self.say(json!({"type": "message", "id": id, "text": text})).await;
        id
    }

    /// The next frame; `None` when the socket is closed, with the code.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a frame");
            match frame {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |f| f.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// The next frame of a type; others are passed over.
    async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.expect("an open socket");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The texts of the next messages.
    async fn hear_texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let frame = self.hear("message").await;
            texts.push(frame["message"]["content"]["text"].as_str().unwrap().to_owned());
        }
        texts
    }
}

fn rand() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

async fn a_visitor_is_answered(platform: Platform) {
    let agent = platform.echo_agent().await;
    let chat = Chat::open(&platform, Some(&agent)).await;
    let (mut visitor, welcome) = chat.visit(None, 0).await;
    assert_eq!(welcome["messages"], json!([]));
    assert_eq!(welcome["name"], "Chat");
    let id = visitor.write("hello").await;
    let accepted = visitor.hear("accepted").await;
    assert_eq!(accepted["client_id"], json!(id));
    assert_eq!(accepted["seq"], 1);
    let stored = platform.only_conversation().await;
    platform.settle().await;
    assert_eq!(visitor.hear_texts(2).await, ["hello", "Say something."]);
    visitor.write("ping").await;
    visitor.hear("accepted").await;
    platform.settle().await;
    assert_eq!(visitor.hear_texts(3).await, ["ping", "You said ping.", "Say something."]);
    let path = format!("/conversations/{stored}/messages?order=oldest_first");
    let messages = platform.owner.get(&path).await.json();
    assert_eq!(messages["items"].as_array().unwrap().len(), 5);
}

async fn who_comes_back_misses_nothing(platform: Platform) {
    let agent = platform.echo_agent().await;
    let chat = Chat::open(&platform, Some(&agent)).await;
    let (mut visitor, welcome) = chat.visit(None, 0).await;
    let token = welcome["token"].as_str().unwrap().to_owned();
    visitor.write("hello").await;
    visitor.hear("accepted").await;
    drop(visitor);
    platform.settle().await;

    let (mut visitor, welcome) = chat.visit(Some(&token), 1).await;
    assert_eq!(welcome["token"], json!(token));
    let seqs: Vec<_> = welcome["messages"].as_array().unwrap().iter().map(|m| &m["seq"]).collect();
    assert_eq!(seqs, [2]);
    visitor.write("ping").await;
    platform.settle().await;
    let (_, welcome) = chat.visit(Some(&token), 0).await;
    assert!(welcome["messages"].as_array().unwrap().len() >= 2, "another window sees it all");
}

async fn a_repeated_frame_is_one_message(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut visitor, _) = chat.visit(None, 0).await;
    let frame = json!({"type": "message", "id": Uuid::from_u128(7), "text": "once"});
    for _ in 0..3 {
        visitor.say(frame.clone()).await;
        assert_eq!(visitor.hear("accepted").await["seq"], 1);
    }
    let id = platform.only_conversation().await;
    let messages = platform.owner.get(&format!("/conversations/{id}/messages")).await.json();
    assert_eq!(messages["items"].as_array().unwrap().len(), 1);
}

async fn two_windows_see_the_same_thread(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut one, welcome) = chat.visit(None, 0).await;
    let (mut two, _) = chat.visit(welcome["token"].as_str(), 0).await;
    one.write("first").await;
    one.hear("accepted").await;
    // The second window was open before there was a conversation; its next sign of life finds it.
    two.say(json!({"type": "ping"})).await;
    assert_eq!(two.hear_texts(1).await, ["first"]);
    two.write("second").await;
    assert_eq!(one.hear_texts(2).await, ["first", "second"]);
    let id = platform.only_conversation().await;
    let note = json!({"content": {"type": "text", "text": "secret"}, "kind": "note"});
    let path = format!("/conversations/{id}/messages");
    platform.owner.post(&path, note).await.expect(201);
    let reply = json!({"content": {"type": "text", "text": "a person"}});
    platform.owner.post(&path, reply).await.expect(201);
    assert_eq!(one.hear_texts(1).await, ["a person"], "a note is not for visitors");
    assert_eq!(two.hear_texts(2).await, ["second", "a person"]);
}

async fn what_was_seen_is_read(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut visitor, _) = chat.visit(None, 0).await;
    visitor.write("hello").await;
    visitor.hear("accepted").await;
    let id = platform.only_conversation().await;
    let path = format!("/conversations/{id}/messages");
    let reply = json!({"content": {"type": "text", "text": "hi"}});
    platform.owner.post(&path, reply).await.expect(201);
    platform.settle().await;
    assert_eq!(visitor.hear_texts(2).await, ["hello", "hi"]);
    visitor.say(json!({"type": "read", "seq": 2})).await;
    while visitor.hear("status").await["status"] != "read" {}
    let messages = platform.owner.get(&path).await.json();
    assert_eq!(messages["items"][0]["status"], "read");
}

async fn what_another_process_records_is_shown(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut visitor, _) = chat.visit(None, 0).await;
    visitor.write("hello").await;
    assert_eq!(visitor.hear_texts(1).await, ["hello"]);
    let id = platform.only_conversation().await;
    let reply = json!({"content": {"type": "text", "text": "from elsewhere"}});
    let elsewhere = platform.another_process();
    elsewhere.post(&format!("/conversations/{id}/messages"), reply).await.expect(201);
    assert_eq!(visitor.hear_texts(1).await, ["from elsewhere"]);
}

async fn an_answer_stops_growing_when_a_person_takes_over(platform: Platform) {
    let agent = platform.echo_agent().await;
    let chat = Chat::open(&platform, Some(&agent)).await;
    let (mut visitor, _) = chat.visit(None, 0).await;
    visitor.write("hello").await;
    assert_eq!(visitor.hear_texts(1).await, ["hello"]);
    let id = platform.only_conversation().await.parse().unwrap();
    let jp = platform.jp();
    let mut conversation = jp.store().conversation(platform.business, id).await.unwrap();
    let event = |body| Event {
        business_id: platform.business,
        conversation_id: Some(id),
        at: platform.app.now(),
        body,
    };
    let delta = |text: &str| event(EventBody::MessageDelta { text: text.to_owned() });
    let mut owned = |owner| {
        conversation.owner = owner;
        event(EventBody::ConversationUpdated { conversation: conversation.clone() })
    };
    let (taken, given_back) = (owned(Owner::Queue), owned(Owner::Bot));
    let told = vec![delta("heard"), taken, delta("unheard"), given_back, delta("heard again")];
    jp.bus().publish(told).await;
    assert_eq!(visitor.hear("delta").await["text"], "heard");
    assert_eq!(visitor.hear("delta").await["text"], "heard again");
}

async fn a_long_thread_comes_in_parts(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut visitor, welcome) = chat.visit(None, 0).await;
    let token = welcome["token"].as_str().unwrap().to_owned();
    visitor.write("hello").await;
    visitor.hear("accepted").await;
    let id = platform.only_conversation().await;
    for number in 0..120 {
        let kind = if number % 3 == 0 { "note" } else { "outbound" };
        let body = json!({"content": {"type": "text", "text": number.to_string()}, "kind": kind});
        platform.owner.post(&format!("/conversations/{id}/messages"), body).await.expect(201);
    }
    let (mut visitor, mut welcome) = chat.visit(Some(&token), 0).await;
    let mut seqs: Vec<u64> = Vec::new();
    loop {
        let messages = welcome["messages"].as_array().unwrap();
        seqs.extend(messages.iter().map(|m| m["seq"].as_u64().unwrap()));
        if welcome["more"] == false {
            break;
        }
        let after = seqs.last().unwrap();
        visitor.say(json!({"type": "hello", "token": token, "after": after})).await;
        welcome = visitor.hear("welcome").await;
    }
    assert_eq!(seqs.len(), 81);
    assert!(seqs.is_sorted());
}

async fn a_forged_token_is_a_stranger(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut victim, welcome) = chat.visit(None, 0).await;
    let token = welcome["token"].as_str().unwrap().to_owned();
    victim.write("my secret").await;
    victim.hear("accepted").await;
    let mut cut = token.clone();
    cut.pop();
    let other = Chat::open(&platform, None).await;
    for (chat, token) in
        [(&chat, "x"), (&chat, cut.as_str()), (&chat, ""), (&other, token.as_str())]
    {
        let (_, welcome) = chat.visit(Some(token), 0).await;
        assert_eq!(welcome["messages"], json!([]));
        assert_ne!(welcome["token"], json!(token));
    }
}

async fn strange_frames_are_answered(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let mut visitor = chat.dial(None).await.unwrap();
    let id = Uuid::from_u128(1);
    visitor.say(json!({"type": "message", "id": id, "text": "hi"})).await;
    assert_eq!(visitor.hear("error").await["code"], "hello_first");
    for (frame, code) in [
        ("{", "invalid_json"),
        ("{\"type\":\"dance\"}", "unknown_type"),
        ("{\"type\":\"message\"}", "invalid_field"),
    ] {
        visitor.socket.send(Message::text(frame)).await.unwrap();
        assert_eq!(visitor.hear("error").await["code"], code, "{frame}");
    }
    visitor.socket.send(Message::binary(vec![0, 1])).await.unwrap();
    assert_eq!(visitor.hear("error").await["code"], "invalid_frame");
    visitor.say(json!({"type": "hello"})).await;
    visitor.hear("welcome").await;
    visitor.say(json!({"type": "message", "id": id, "text": "x".repeat(5000)})).await;
    let error = visitor.hear("error").await;
    assert_eq!((&error["code"], &error["client_id"]), (&json!("too_long"), &json!(id)));
    visitor.socket.send(Message::text("x".repeat(20_000))).await.unwrap();
    assert!(visitor.next().await.is_err(), "a frame beyond the cap ends the socket");
}

async fn a_flood_is_cut_off(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut visitor, _) = chat.visit(None, 0).await;
    for _ in 0..40 {
        visitor.write("spam").await;
    }
    assert_eq!(visitor.hear("error").await["code"], "rate_limited");
    let id = platform.only_conversation().await;
    for _ in 0..200 {
        if visitor.socket.send(Message::text("{\"type\":\"ping\"}")).await.is_err() {
            break;
        }
    }
    let code = loop {
        if let Err(code) = visitor.next().await {
            break code;
        }
    };
    assert!([0, 1008].contains(&code), "{code}");
    let messages = platform.owner.get(&format!("/conversations/{id}/messages?limit=200")).await;
    assert!(messages.json()["items"].as_array().unwrap().len() <= 40);
}

async fn only_known_origins_may_open_it(platform: Platform) {
    let body = json!({"provider": "webchat", "name": "Chat",
        "settings": {"allowed_origins": ["https://shop.example"]},
        "secrets": {"token_secret": "0123456789abcdef0123456789abcdef"}});
    let channel = platform.owner.post("/channels", body).await.expect(201).id();
    let chat = Chat::at(&platform, channel).await;
    let own = format!("http://{}", chat.host);
    for origin in [None, Some(own.as_str()), Some("https://shop.example")] {
        assert!(chat.dial(origin).await.is_ok(), "{origin:?}");
    }
    for origin in
        ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"]
    {
        assert_eq!(chat.dial(Some(origin)).await.err(), Some(403), "{origin}");
    }
}

async fn only_a_chat_can_be_opened(platform: Platform) {
    let memory = platform.memory_channel(None).await;
    let mut chat = Chat::open(&platform, None).await;
    for channel in [memory.as_str(), "x", "chn_00000000000000000000000001"] {
        chat.channel = channel.to_owned();
        assert_eq!(chat.dial(None).await.err(), Some(404), "{channel}");
    }
    let plain = platform.anonymous.ask("GET", &format!("/chat/{memory}/socket")).send().await;
    assert!(plain.status.is_client_error());
    assert_eq!(plain.header("content-type"), Some("application/problem+json"));
}

async fn a_stop_closes_the_sockets(platform: Platform) {
    let chat = Chat::open(&platform, None).await;
    let (mut visitor, _) = chat.visit(None, 0).await;
    chat.platform.app.stop();
    assert_eq!(visitor.next().await, Err(1001));
}

on_every_store!(
    a_visitor_is_answered,
    who_comes_back_misses_nothing,
    a_repeated_frame_is_one_message,
    two_windows_see_the_same_thread,
    what_was_seen_is_read,
    an_answer_stops_growing_when_a_person_takes_over,
    what_another_process_records_is_shown,
    a_long_thread_comes_in_parts,
    a_forged_token_is_a_stranger,
    strange_frames_are_answered,
    a_flood_is_cut_off,
    only_known_origins_may_open_it,
    only_a_chat_can_be_opened,
    a_stop_closes_the_sockets,
);
