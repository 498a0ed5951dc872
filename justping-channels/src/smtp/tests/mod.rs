mod errors;
mod reads;
mod sends;
mod settings;
mod supplied;

use std::net::SocketAddr;
use std::sync::Arc;

use justping_core::conformance::ChannelSubject;
use justping_core::conformance::channel::Proof;
use justping_core::memory::ManualClock;
use justping_core::model::*;
use justping_core::port::{
    Channel, HttpMethod, Outbound, ReceiveError, Received, SendError, WebhookRequest,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::mac::MacKey;
use crate::testing::MailServer;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_767_603_600;
const KEY: &str = "cnv_01j00000000000000000000001.7.1767603600000";

/// A genuine mail.
const MAIL: &str = "From: \"Ada L.\" <Ada@Example.ORG>\r\n\
    To: hello@acme.example\r\n\
    Subject: Re: Your order\r\n\
    Message-ID: <m1@example.org>\r\n\
    In-Reply-To: <cnv_01j00000000000000000000001.7.1767603600000@acme.example>\r\n\
    Date: Mon, 05 Jan 2026 09:00:00 +0000\r\n\
    \r\n\
    Where is it?\r\n";

pub(super) fn config(settings: Value) -> ChannelConfig {
    ChannelConfig {
        id: ChannelId::from_uuid(Uuid::from_u128(1)),
        business_id: BusinessId::from_uuid(Uuid::from_u128(2)),
        provider: PROVIDER.to_owned(),
        name: "Acme".to_owned(),
        settings,
        agent_id: None,
        enabled: true,
        unknown_policy: UnknownPolicy::AtMostOnce,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn secrets(password: &str) -> ChannelSecrets {
    ChannelSecrets::from_iter([(WEBHOOK_SECRET, SECRET), (PASSWORD, password)])
}

pub(super) fn provider() -> SmtpProvider {
    let now = Timestamp::from_second(NOW).unwrap();
    SmtpProvider::new(Arc::new(ManualClock::new(now)))
}

/// Settings for a server on this machine, with more of them.
pub(super) fn settings(address: SocketAddr, security: &str, more: &Value) -> Value {
    let mut settings = json!({
        "host": address.ip().to_string(), "port": address.port(), "security": security,
        "from": "hello@acme.example", "from_name": "Acme"
    });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    settings
}

/// A channel that speaks to a server in the open.
pub(super) fn channel_at(address: SocketAddr, more: &Value) -> SmtpChannel {
    let config = config(settings(address, "none", more));
    provider().allowing([address]).open_channel(&config, &secrets("")).unwrap()
}

/// A channel that sends nowhere.
pub(super) fn deaf() -> SmtpChannel {
    channel_at(SocketAddr::from(([127, 0, 0, 1], 9)), &json!({}))
}

pub(super) fn to(address: &str, content: Content) -> Outbound {
    Outbound {
        to: vec![Identity::new(ChannelKind::EMAIL, address)],
        content,
        reply_to: None,
        idempotency_key: KEY.to_owned(),
    }
}

pub(super) fn sign(body: &[u8], at: i64) -> Vec<(String, String)> {
    let key = MacKey::new(SECRET).unwrap();
    let tag = key.tag(&[at.to_string().as_bytes(), b".", body]);
    let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        (TIMESTAMP_HEADER.to_owned(), at.to_string()),
        (SIGNATURE_HEADER.to_owned(), format!("v1={digits}")),
    ]
}

pub(super) async fn hand_on(
    channel: &SmtpChannel,
    body: &[u8],
    headers: &[(String, String)],
) -> Result<Received, ReceiveError> {
    let method = HttpMethod::Post;
    channel.receive(&WebhookRequest { method, query: &[], headers, body }).await
}

pub(super) async fn received(body: &[u8]) -> Vec<Inbound> {
    match hand_on(&deaf(), body, &sign(body, NOW)).await {
        Ok(Received::Events(news)) => news,
        other => panic!("{other:?}"),
    }
}

fn genuine() -> Inbound {
    Inbound::Message(InboundMessage {
        provider_ref: "m1@example.org".to_owned(),
        from: vec![Identity::new(ChannelKind::EMAIL, "Ada@example.org")],
        name: Some("Ada L.".to_owned()),
        content: Content::Email(Mail {
            address: Some("Ada@example.org".to_owned()),
            ..Mail::new("Re: Your order", "Where is it?")
        }),
        reply_to: Some(format!("{KEY}@acme.example")),
        sent_at: Timestamp::from_second(NOW).ok(),
    })
}

justping_core::channel_conformance!(async || {
    let server = MailServer::open();
    let channel = channel_at(server.address(), &json!({}));
    ChannelSubject {
        channel: Arc::new(channel),
        sign: Box::new(|body| sign(body, NOW)),
        proof: Proof::Body,
        body: MAIL.as_bytes().to_vec(),
        news: vec![genuine()],
        outbound: to("ada@example.org", Content::Email(Mail::new("Hello", "Hi"))),
        guard: Box::new(server),
    }
});
