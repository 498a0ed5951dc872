//! A flow on the web chat writes a mail, which a real server takes; the answer is handed on and comes into
//! the conversation of mails.

use hmac::{Hmac, KeyInit, Mac};
use justping::model::{ChannelId, ChannelKind, Content, Identity, Inbound, InboundMessage};
use justping_channels::testing::MailServer;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::answer::Answer;
use crate::platform::Platform;

const SECRET: &str = "fedcba9876543210fedcba9876543210";

/// Asks for an address, and writes to it.
fn flow() -> Value {
    json!({
        "schema": "justping.flow/1",
        "variables": [{"name": "email"}, {"name": "email_error"}],
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "ask", "type": "input", "data": {"prompt": "Your address?", "kind": "email", "variable": "email"}},
            {"id": "know", "type": "contact", "data": {"fields": {"email": "{{ email }}"}}},
            {"id": "mail", "type": "send_email", "data": {
                "subject": "Your order", "text": "It leaves today.", "html": "<p>It leaves <b>today</b>.</p>"
            }},
            {"id": "done", "type": "text", "data": {"text": "Look into your mail."}},
            {"id": "failed", "type": "text", "data": {"text": "No mail: {{ email_error }}"}}
        ],
        "edges": [
            {"id": "1", "source": "start", "sourceHandle": "next", "target": "ask"},
            {"id": "2", "source": "ask", "sourceHandle": "reply", "target": "know"},
            {"id": "3", "source": "know", "sourceHandle": "next", "target": "mail"},
            {"id": "4", "source": "mail", "sourceHandle": "next", "target": "done"},
            {"id": "5", "source": "mail", "sourceHandle": "error", "target": "failed"}
        ]
    })
}

async fn mailbox(platform: &Platform, server: &MailServer) -> String {
    let body = json!({
        "provider": "smtp", "name": "Shop",
        "settings": {
            "host": server.address().ip().to_string(), "port": server.address().port(),
            "security": "none", "from": "shop@acme.example"
        },
        "secrets": {"webhook_secret": SECRET},
    });
    let made = platform.owner.post("/channels", body).await.expect(201);
    assert!(!made.json().to_string().contains(SECRET));
    made.id()
}

/// A visitor of the web chat writes, and everything that follows happens.
async fn write(platform: &Platform, chat: &str, reference: &str, text: &str) {
    let message = InboundMessage {
        provider_ref: reference.to_owned(),
        from: vec![Identity::new(ChannelKind::WEBCHAT, "visitor-1")],
        name: None,
        content: Content::text(text),
        reply_to: None,
        sent_at: None,
    };
    let channel: ChannelId = chat.parse().unwrap();
    let news = vec![Inbound::Message(message)];
    platform.jp().receive(platform.business, channel, news).await.unwrap();
    platform.settle().await;
}

fn sign(platform: &Platform, body: &str) -> [(&'static str, String); 2] {
    let now = platform.jp().clock().now().as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{now}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    [("x-justping-timestamp", now), ("x-justping-signature", format!("v1={hex}"))]
}

async fn hand_on(platform: &Platform, mailbox: &str, body: &str) -> Answer {
    let path = format!("/webhooks/email/{mailbox}");
    let mut asked = platform.anonymous.ask("POST", &path).header("content-type", "message/rfc822");
    for (name, value) in sign(platform, body) {
        asked = asked.header(name, &value);
    }
    asked.bytes(body.to_owned()).send().await
}

/// The one conversation of a channel.
async fn conversation(platform: &Platform, channel: &str) -> String {
    let page = platform.owner.get(&format!("/conversations?channel_id={channel}")).await.json();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{page}");
    items[0]["id"].as_str().unwrap().to_owned()
}

async fn thread(platform: &Platform, channel: &str) -> Vec<Value> {
    let id = conversation(platform, channel).await;
    let page = platform.owner.get(&format!("/conversations/{id}/messages")).await.json();
    let mut messages = page["items"].as_array().unwrap().clone();
    messages.sort_by_key(|message| message["seq"].as_u64());
    messages
}

async fn talked(platform: &Platform, server: &MailServer) -> (String, String) {
    let flow = platform.flow(flow()).await;
    let agent = platform.owner.post("/agents", json!({"name": "Shop", "flows": [flow]})).await;
    let chat = platform.web_chat(Some(&agent.expect(201).id())).await;
    let mailbox = mailbox(platform, server).await;
    write(platform, &chat, "w1", "hi").await;
    write(platform, &chat, "w2", "Ada@Example.org").await;
    (chat, mailbox)
}

async fn a_mail_goes_out_and_its_answer_comes_in(platform: Platform) {
    let server = MailServer::open();
    let platform = platform.mailing(server.address());
    let (chat, mailbox) = talked(&platform, &server).await;
    let said = thread(&platform, &chat).await;
    assert_eq!(said.last().unwrap()["content"]["text"], "Look into your mail.", "{said:?}");
    let taken = server.next();
    assert_eq!(
        (&*taken.from, &*taken.to),
        ("shop@acme.example", &["Ada@example.org".to_owned()][..])
    );
    assert_eq!(taken.header("auto-submitted").as_deref(), Some("auto-generated"));
    let mails = thread(&platform, &mailbox).await;
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (&mails[0]["status"], &mails[0]["content"]["type"]),
        (&json!("sent"), &json!("email"))
    );

    let id = taken.header("message-id").unwrap();
    let answer = format!(
        "From: Ada <Ada@example.org>\r\nTo: shop@acme.example\r\nSubject: Re: Your order\r\n\
        Message-ID: <a1@example.org>\r\nIn-Reply-To: {id}\r\n\r\nThank you!\r\n"
    );
    for _ in 0..2 {
        hand_on(&platform, &mailbox, &answer).await.expect(200);
    }
    platform.settle().await;
    let mails = thread(&platform, &mailbox).await;
    assert_eq!(mails.len(), 2, "a repeat enters once: {mails:?}");
    assert_eq!(
        (&mails[1]["direction"], &mails[1]["content"]["text"]),
        (&json!("inbound"), &json!("Thank you!"))
    );
    let sent = id.trim_start_matches('<').trim_end_matches('>');
    assert_eq!(mails[1]["reply_to"], json!(sent));
    // One contact, known in both places.
    let contacts = platform.owner.get("/contacts").await.json();
    assert_eq!(contacts["items"].as_array().unwrap().len(), 1, "{contacts}");

    // A member answers in the thread.
    let path = format!("/conversations/{}/messages", conversation(&platform, &mailbox).await);
    let body = json!({"content": {"type": "text", "text": "You are welcome."}});
    platform.owner.post(&path, body).await.expect(201);
    // Mails leave one after the other, ten in a second.
    platform.clock.advance(jiff::SignedDuration::from_secs(1));
    platform.settle().await;
    let mails = thread(&platform, &mailbox).await;
    assert_eq!(mails[2]["status"], "sent", "{mails:?}");
    let taken = server.next();
    assert_eq!(taken.header("subject").as_deref(), Some("Re: Your order"));
    assert_eq!(taken.header("in-reply-to").as_deref(), Some("<a1@example.org>"));
    assert_eq!(taken.header("auto-submitted"), None);
}

async fn what_is_not_signed_is_refused_and_what_is_no_mail_too(platform: Platform) {
    let server = MailServer::open();
    let platform = platform.mailing(server.address());
    let mailbox = mailbox(&platform, &server).await;
    let body = "From: ada@example.org\r\n\r\nHi\r\n";
    let path = format!("/webhooks/email/{mailbox}");
    platform.anonymous.ask("POST", &path).bytes(body.to_owned()).send().await.expect(401);
    hand_on(&platform, &mailbox, "no mail at all").await.expect(400);
    platform.anonymous.ask("GET", &path).send().await.expect(405);
    let foreign = json!({
        "provider": "smtp", "name": "x", "secrets": {"webhook_secret": SECRET},
        "settings": {"host": "169.254.169.254", "from": "a@b.example"}
    });
    platform.owner.post("/channels", foreign).await.expect(422);
    let conversations = platform.owner.get("/conversations").await.json();
    assert_eq!(conversations["items"], json!([]));
}

async fn a_mail_that_comes_back_is_failed_and_its_address_is_written_to_no_more(
    platform: Platform,
) {
    let server = MailServer::open();
    let platform = platform.mailing(server.address());
    let (chat, mailbox) = talked(&platform, &server).await;
    let id = server.next().header("message-id").unwrap();
    let report = format!(
        "From: MAILER-DAEMON@mx.example\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
        Final-Recipient: rfc822; Ada@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\
        --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {id}\r\n\r\n--b--\r\n"
    );
    hand_on(&platform, &mailbox, &report).await.expect(200);
    let mails = thread(&platform, &mailbox).await;
    assert_eq!(
        (&mails[0]["status"], &mails[0]["failure"]["kind"]),
        (&json!("failed"), &json!("invalid_recipient"))
    );
    write(&platform, &chat, "w3", "hi").await;
    write(&platform, &chat, "w4", "Ada@Example.org").await;
    let said = thread(&platform, &chat).await;
    assert_eq!(said.last().unwrap()["content"]["text"], "No mail: denied", "{said:?}");
    assert_eq!(server.rest(), []);
}

on_every_store!(
    a_mail_goes_out_and_its_answer_comes_in,
    what_is_not_signed_is_refused_and_what_is_no_mail_too,
    a_mail_that_comes_back_is_failed_and_its_address_is_written_to_no_more,
);
