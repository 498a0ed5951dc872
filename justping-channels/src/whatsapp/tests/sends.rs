//! Requests against a mock of the provider on loopback.

use std::io::Read;
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use super::super::WhatsAppChannel;
use super::{PHONE_NUMBER_ID, channel_with, outbound, whatsapp};
use justping_core::model::{
    ChannelKind, Choice, Content, Identity, ListSection, MediaKind, MediaSource, TemplateContent,
    TemplateParameter,
};
use justping_core::port::{Channel, SendError};
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Milliseconds after which a request is given up, where a test waits for that.
const SHORT_MS: u64 = 200;
/// Milliseconds that no test waits for.
const LONG_MS: u64 = 20_000;

fn channel_at(base: &str, timeout_ms: u64) -> WhatsAppChannel {
    channel_with(json!({
        "phone_number_id": PHONE_NUMBER_ID, "base_url": base, "timeout_ms": timeout_ms,
    }))
}

async fn answering(status: u16, body: &str) -> (MockServer, WhatsAppChannel) {
    let server = MockServer::start().await;
    let reply = ResponseTemplate::new(status).set_body_raw(body, "application/json");
    Mock::given(wiremock::matchers::any()).respond_with(reply).mount(&server).await;
    let channel = channel_at(&server.uri(), LONG_MS);
    (server, channel)
}

async fn sent(content: Content) -> Value {
    let (server, channel) = answering(200, r#"{"messages":[{"id":"wamid.A"}]}"#).await;
    channel.send(&outbound(content)).await.unwrap();
    server.received_requests().await.unwrap()[0].body_json().unwrap()
}

async fn error_of(status: u16, body: &str) -> SendError {
    let (_server, channel) = answering(status, body).await;
    channel.send(&outbound(Content::text("hi"))).await.unwrap_err()
}

#[tokio::test]
async fn a_text_is_one_authorised_request() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/v23.0/{PHONE_NUMBER_ID}/messages")))
        .and(header("authorization", "Bearer EAAtoken"))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "16505551234",
            "type": "text",
            "text": { "body": "hi" },
            "context": { "message_id": "wamid.B" },
            "biz_opaque_callback_data": "cnv_00000000000000000000000007.3",
        })))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "messaging_product": "whatsapp",
            "contacts": [{ "input": "16505551234", "wa_id": "16505551234" }],
            "messages": [{ "id": "wamid.A", "message_status": "accepted" }],
        })))
        .expect(1)
        .mount(&server)
        .await;
    let mut message = outbound(Content::text("hi"));
    message.reply_to = Some("wamid.B".to_owned());
    let receipt = channel_at(&server.uri(), LONG_MS).send(&message).await.unwrap();
    assert_eq!(receipt.provider_ref.as_deref(), Some("wamid.A"));
}

#[tokio::test]
async fn the_phone_is_preferred_and_the_last_one_learnt() {
    let (server, channel) = answering(200, r#"{"messages":[{"id":"wamid.A"}]}"#).await;
    let cases: [(&[&str], &str, &str); 5] = [
        (&["US.134"], "recipient", "US.134"),
        (&["US.134", "US.ENT.9"], "recipient", "US.ENT.9"),
        (&["US.134", "4917012345"], "to", "4917012345"),
        (&["4917012345", "US.134"], "to", "4917012345"),
        (&["1650", "1651"], "to", "1651"),
    ];
    for (ids, _, _) in cases {
        let mut message = outbound(Content::text("hi"));
        message.to = ids.iter().map(|id| whatsapp(id)).collect();
        channel.send(&message).await.unwrap();
    }
    for (request, (_, field, id)) in server.received_requests().await.unwrap().iter().zip(cases) {
        let body: Value = request.body_json().unwrap();
        assert_eq!(body[field], id);
        assert_eq!(body.get("to").is_some(), field == "to");
    }
    let mut nowhere = outbound(Content::text("hi"));
    nowhere.to = vec![Identity::new(ChannelKind::WEBCHAT, "v"), whatsapp("")];
    let error = channel.send(&nowhere).await.unwrap_err();
    assert_eq!(error, SendError::InvalidRecipient { code: None });
}

#[tokio::test]
async fn buttons_lists_and_templates_take_the_providers_form() {
    let option = |id: &str, description: Option<&str>| Choice {
        id: id.to_owned(),
        title: id.to_uppercase(),
        description: description.map(str::to_owned),
    };
    let buttons = sent(Content::Buttons {
        text: "Sure?".to_owned(),
        header: Some("Order".to_owned()),
        footer: Some("7".to_owned()),
        options: vec![option("yes", Some("never shown"))],
    });
    assert_eq!(
        buttons.await["interactive"],
        json!({
            "type": "button",
            "header": { "type": "text", "text": "Order" },
            "body": { "text": "Sure?" },
            "footer": { "text": "7" },
            "action": { "buttons": [{ "type": "reply", "reply": { "id": "yes", "title": "YES" } }] },
        })
    );
    let list = sent(Content::List {
        text: "Where?".to_owned(),
        button: "Places".to_owned(),
        sections: vec![ListSection {
            title: None,
            options: vec![option("a", Some("first")), option("b", None)],
        }],
    });
    assert_eq!(
        list.await["interactive"]["action"],
        json!({ "button": "Places", "sections": [{ "rows": [
            { "id": "a", "title": "A", "description": "first" }, { "id": "b", "title": "B" },
        ] }] })
    );
    let header = json!({ "type": "header", "parameters": [] });
    let button = json!({ "type": "button", "sub_type": "url", "index": 0, "parameters": [] });
    let parameter = |name: Option<&str>| TemplateParameter {
        name: name.map(str::to_owned),
        text: "x".to_owned(),
    };
    let template = sent(Content::Template(TemplateContent {
        name: "hello".to_owned(),
        language: "en_US".to_owned(),
        parameters: vec![parameter(None), parameter(Some("who"))],
        components: vec![header.clone(), button.clone()],
    }));
    let body = json!({ "type": "body", "parameters": [
        { "type": "text", "text": "x" }, { "type": "text", "text": "x", "parameter_name": "who" },
    ] });
    assert_eq!(
        template.await["template"],
        json!({ "name": "hello", "language": { "code": "en_US" },
                "components": [header, body, button] })
    );
}

#[tokio::test]
async fn media_takes_only_what_its_kind_knows() {
    let media = |kind, source| Content::Media {
        kind,
        source,
        caption: Some("c".to_owned()),
        filename: Some("f".to_owned()),
        mime: Some("m".to_owned()),
    };
    let id = MediaSource::ProviderId("7".to_owned());
    let url = MediaSource::Url("https://a.example/b".to_owned());
    let cases = [
        (MediaKind::Image, "image", json!({ "id": "7", "caption": "c" })),
        (MediaKind::Video, "video", json!({ "id": "7", "caption": "c" })),
        (MediaKind::Document, "document", json!({ "id": "7", "caption": "c", "filename": "f" })),
        (MediaKind::Audio, "audio", json!({ "id": "7" })),
        (MediaKind::Sticker, "sticker", json!({ "id": "7" })),
    ];
    for (kind, field, expected) in cases {
        let body = sent(media(kind, id.clone())).await;
        assert_eq!((&body["type"], &body[field]), (&json!(field), &expected));
    }
    let linked = sent(media(MediaKind::Audio, url)).await;
    assert_eq!(linked["audio"], json!({ "link": "https://a.example/b" }));
}

#[tokio::test]
async fn the_rest_of_the_content() {
    let place = sent(Content::Location {
        latitude: 37.5,
        longitude: -122.0,
        name: Some("n".to_owned()),
        address: None,
    });
    let expected = json!({ "latitude": 37.5, "longitude": -122.0, "name": "n" });
    assert_eq!(place.await["location"], expected);
    let cards = vec![json!({ "name": { "formatted_name": "M" } })];
    assert_eq!(sent(Content::Contacts { contacts: cards.clone() }).await["contacts"], json!(cards));
    let (server, channel) = answering(200, r#"{"messages":[{"id":"wamid.A"}]}"#).await;
    let reaction =
        Content::Reaction { target: "wamid.C".to_owned(), emoji: "\u{1f44d}".to_owned() };
    let mut message = outbound(reaction);
    message.reply_to = Some("wamid.C".to_owned());
    channel.send(&message).await.unwrap();
    let body: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    assert_eq!(body["reaction"], json!({ "message_id": "wamid.C", "emoji": "\u{1f44d}" }));
    assert_eq!(body.get("context"), None, "a reaction names its message itself");
    let reply = Content::Reply { option: "a".to_owned(), title: "A".to_owned() };
    let system = Content::System { text: "s".to_owned() };
    let unknown = Content::Unsupported { kind: "k".to_owned(), raw: json!({}) };
    for unsendable in [reply, system, unknown] {
        let error = channel.send(&outbound(unsendable)).await.unwrap_err();
        assert!(matches!(error, SendError::Rejected { code: None, .. }), "{error:?}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn links_are_shown_when_the_settings_say_so() {
    let server = MockServer::start().await;
    let ok = ResponseTemplate::new(200).set_body_json(json!({ "messages": [{ "id": "w" }] }));
    Mock::given(wiremock::matchers::any()).respond_with(ok).mount(&server).await;
    let channel = channel_with(json!({
        "phone_number_id": PHONE_NUMBER_ID, "base_url": server.uri(), "link_preview": true,
    }));
    channel.send(&outbound(Content::text("https://a.example"))).await.unwrap();
    let body: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    assert_eq!(body["text"], json!({ "body": "https://a.example", "preview_url": true }));
}

#[tokio::test]
async fn reading_is_told_with_a_typing_indicator() {
    let (server, channel) = answering(200, r#"{"success":true}"#).await;
    channel.mark_read("wamid.A").await.unwrap();
    let body: Value = server.received_requests().await.unwrap()[0].body_json().unwrap();
    let expected = json!({ "messaging_product": "whatsapp", "status": "read",
                           "message_id": "wamid.A", "typing_indicator": { "type": "text" } });
    assert_eq!(body, expected);
    let (_server, channel) = answering(400, r#"{"error":{"code":100}}"#).await;
    assert!(matches!(channel.mark_read("x").await, Err(SendError::Rejected { .. })));
}

#[tokio::test]
async fn verifying_reads_the_number() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(format!("/v23.0/{PHONE_NUMBER_ID}")))
        .and(query_param("fields", "id"))
        .and(header("authorization", "Bearer EAAtoken"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "id": PHONE_NUMBER_ID })))
        .expect(1)
        .mount(&server)
        .await;
    channel_at(&server.uri(), LONG_MS).verify().await.unwrap();
    let verify = async |status, body: &str| answering(status, body).await.1.verify().await;
    let expired = verify(401, r#"{"error":{"code":190,"type":"OAuthException"}}"#).await;
    assert_eq!(expired, Err(SendError::Unauthorized { code: Some("190".to_owned()) }));
    assert!(matches!(verify(200, r#"{"id":"7"}"#).await, Err(SendError::Rejected { .. })));
    assert!(matches!(verify(200, "<html>").await, Err(SendError::Unknown { .. })));
}

#[tokio::test]
async fn each_class_of_error_over_the_wire() {
    let coded = |code: i64| json!({ "error": { "code": code, "message": "m" } }).to_string();
    let code = |code: i64| Some(code.to_string());
    assert!(matches!(error_of(500, &coded(131_016)).await, SendError::Retry { .. }));
    assert!(matches!(error_of(400, &coded(130_429)).await, SendError::RateLimited { .. }));
    let closed = SendError::WindowClosed { code: code(131_047) };
    assert_eq!(error_of(400, &coded(131_047)).await, closed);
    let nobody = SendError::InvalidRecipient { code: code(131_026) };
    assert_eq!(error_of(400, &coded(131_026)).await, nobody);
    assert!(matches!(error_of(400, &coded(132_001)).await, SendError::Rejected { .. }));
    assert_eq!(error_of(401, &coded(190)).await, SendError::Unauthorized { code: code(190) });
    assert!(matches!(error_of(502, "<html>").await, SendError::Unknown { .. }));
    assert!(matches!(error_of(200, &coded(131_009)).await, SendError::Rejected { .. }));
}

#[tokio::test]
async fn success_without_an_id_is_unknown() {
    let giant = format!(r#"{{"messages":[{{"id":"w"}}],"x":"{}"}}"#, "x".repeat(300_000));
    for body in ["", "{}", "[]", "<html>", r#"{"messages":[{"id":""}]}"#, &giant] {
        assert!(matches!(error_of(200, body).await, SendError::Unknown { .. }), "{:.40}", body);
    }
}

#[tokio::test]
async fn the_provider_names_the_wait() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(429).insert_header("retry-after", "7");
    Mock::given(wiremock::matchers::any()).respond_with(slow).mount(&server).await;
    let error = channel_at(&server.uri(), LONG_MS).send(&outbound(Content::text("hi"))).await;
    assert_eq!(error, Err(SendError::RateLimited { after: Some(Duration::from_secs(7)) }));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = MockServer::start().await;
    let server = MockServer::start().await;
    let there = ResponseTemplate::new(307).insert_header("location", other.uri());
    Mock::given(wiremock::matchers::any()).respond_with(there).mount(&server).await;
    let error = channel_at(&server.uri(), LONG_MS).send(&outbound(Content::text("hi"))).await;
    assert!(matches!(error, Err(SendError::Rejected { .. })), "{error:?}");
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_millis(LONG_MS));
    Mock::given(wiremock::matchers::any()).respond_with(late).mount(&server).await;
    let error = channel_at(&server.uri(), SHORT_MS).send(&outbound(Content::text("hi"))).await;
    assert!(matches!(error, Err(SendError::Unknown { .. })), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 64];
        let read = stream.read(&mut request).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
        read
    });
    let error = channel_at(&base, LONG_MS).send(&outbound(Content::text("hi"))).await;
    assert!(matches!(error, Err(SendError::Unknown { .. })), "{error:?}");
    assert!(server.join().unwrap() > 0, "the request had left");
}

#[tokio::test]
async fn a_refused_connection_can_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = channel_at(&base, LONG_MS).send(&outbound(Content::text("hi"))).await;
    assert!(matches!(&error, Err(SendError::Retry { .. })), "{error:?}");
    let printed = format!("{error:?}");
    assert!(!printed.contains(PHONE_NUMBER_ID) && !printed.contains("EAAtoken"), "{printed}");
}
