//! The contract that every channel keeps, with a mock of the provider behind this one.

use std::sync::Arc;

use justping_core::channel_conformance;
use justping_core::conformance::ChannelSubject;
use justping_core::conformance::channel::Proof;
use justping_core::model::{Content, DeliveryStatus, Inbound, InboundMessage, StatusUpdate};
use serde_json::json;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{PHONE_NUMBER_ID, SECRET, channel_with, hook, outbound, sign, whatsapp};

async fn subject() -> ChannelSubject {
    let server = MockServer::start().await;
    let accepted = ResponseTemplate::new(200).set_body_json(json!({ "messages": [{ "id": "w" }] }));
    Mock::given(method("POST")).respond_with(accepted).mount(&server).await;
    let number = ResponseTemplate::new(200).set_body_json(json!({ "id": PHONE_NUMBER_ID }));
    Mock::given(method("GET")).respond_with(number).mount(&server).await;
    let settings = json!({ "phone_number_id": PHONE_NUMBER_ID, "base_url": server.uri() });
    let body = hook(
        "messages",
        json!({
            "messages": [{ "id": "m", "from": "1650", "type": "text", "text": { "body": "hi" } }],
            "statuses": [{ "id": "s", "status": "read" }],
        }),
    );
    ChannelSubject {
        channel: Arc::new(channel_with(settings)),
        sign: Box::new(|body| vec![("x-hub-signature-256".to_owned(), sign(SECRET, body))]),
        proof: Proof::Body,
        body: body.to_string().into_bytes(),
        news: vec![
            Inbound::Message(InboundMessage {
                provider_ref: "m".to_owned(),
                from: vec![whatsapp("1650")],
                name: None,
                content: Content::text("hi"),
                reply_to: None,
                sent_at: None,
            }),
            Inbound::Status(StatusUpdate {
                provider_ref: "s".to_owned(),
                key: None,
                status: DeliveryStatus::Read,
                at: None,
                failure: None,
            }),
        ],
        outbound: outbound(Content::text("hi")),
        guard: Box::new(server),
    }
}

channel_conformance!(subject);
