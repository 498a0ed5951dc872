use std::collections::BTreeSet;

use justping_core::model::{
    Author, BusinessId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, Choice, Content,
    ConversationId, DeliveryStatus, Direction, EventBody, Failure, FailureKind, Identity,
    MediaKind, MediaSource, Message, MessageId, TemplateContent, Timeline, Timestamp,
    UnknownPolicy,
};
use justping_core::port::{
    Channel, ChannelProvider, HttpMethod, Outbound, Receipt, ReceiveError, SendError,
    WebhookRequest,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::protocol::{FRAME_MAX, OPTION_MAX, TEXT_MAX, TITLE_MAX};
use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CLIENT_ID: &str = "019a0000-0000-7000-8000-000000000001";

fn config(channel: u128, settings: Value) -> ChannelConfig {
    ChannelConfig {
        id: ChannelId::from_uuid(Uuid::from_u128(channel)),
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

fn open(channel: u128, secret: &str) -> WebChatChannel {
    let secrets = ChannelSecrets::from_iter([(TOKEN_SECRET, secret)]);
    WebChatChannel::open(&config(channel, json!({})), &secrets).unwrap()
}

fn with(settings: Value) -> WebChatChannel {
    let secrets = ChannelSecrets::from_iter([(TOKEN_SECRET, SECRET)]);
    WebChatChannel::open(&config(1, settings), &secrets).unwrap()
}

fn visitor(n: u128) -> VisitorId {
    VisitorId::from_uuid(Uuid::from_u128(n))
}

fn message(direction: Direction, content: Content) -> Message {
    Message {
        id: MessageId::from_uuid(Uuid::from_u128(9)),
        business_id: BusinessId::from_uuid(Uuid::from_u128(2)),
        conversation_id: ConversationId::from_uuid(Uuid::from_u128(7)),
        seq: 3,
        direction,
        author: Author::System,
        content,
        status: DeliveryStatus::Sent,
        timeline: Timeline::default(),
        failure: None,
        provider_ref: None,
        reply_to: None,
        created_at: Timestamp::from_millisecond(1_749_416_383_123).unwrap(),
    }
}

fn shown(content: Content) -> Value {
    let message = WebMessage::show(&message(Direction::Outbound, content)).unwrap();
    serde_json::to_value(message).unwrap()["content"].clone()
}

fn code(text: &str) -> (FrameErrorCode, Option<String>) {
    let error = ClientFrame::parse(text).unwrap_err();
    (error.code, error.client_id.map(|id| id.to_string()))
}

#[test]
fn settings_and_the_secret_are_checked() {
    let provider = WebChatProvider::new();
    assert_eq!((provider.name(), provider.kind()), (PROVIDER, ChannelKind::WEBCHAT));
    let fault = |settings: Value, secret: Option<&str>| {
        let secrets = secret.map(|secret| (TOKEN_SECRET, secret)).into_iter().collect();
        provider.open(&config(1, settings), &secrets).unwrap_err().field
    };
    assert_eq!(fault(json!({}), None), TOKEN_SECRET);
    assert_eq!(fault(json!({}), Some("")), TOKEN_SECRET);
    assert_eq!(fault(json!({}), Some(&SECRET[1..])), TOKEN_SECRET);
    assert_eq!(fault(json!({ "greeting": "hi" }), Some(SECRET)), "settings");
    assert_eq!(fault(json!({ "name": "x".repeat(NAME_MAX + 1) }), Some(SECRET)), "name");
    for origin in ["*", "shop.example", "https://", "https://a/b", "ftp://a", "https://a b", "null"]
    {
        let settings = json!({ "allowed_origins": [origin] });
        assert_eq!(fault(settings, Some(SECRET)), "allowed_origins", "{origin}");
    }
    let many = vec!["https://a.example"; ORIGINS_MAX + 1];
    assert_eq!(fault(json!({ "allowed_origins": many }), Some(SECRET)), "allowed_origins");
    assert_eq!(with(json!({})).name(), "Acme");
    assert_eq!(with(json!({ "name": "Help" })).name(), "Help");
    assert!(!format!("{:?}", open(1, SECRET)).contains(SECRET));
}

#[test]
fn pages_of_the_server_and_of_allowed_origins_may_open_the_chat() {
    let own = with(json!({}));
    for (origin, host, allowed) in [
        (Some("https://chat.example"), "chat.example", true),
        (Some("https://chat.example"), "chat.example:443", true),
        (Some("https://chat.example:443"), "Chat.Example", true),
        (Some("http://localhost:8080"), "localhost:8080", true),
        (Some("http://[::1]:8080"), "[::1]:8080", true),
        (None, "chat.example", true),
        (Some("https://chat.example"), "chat.example:80", false),
        (Some("http://localhost:8081"), "localhost:8080", false),
        (Some("https://chat.example.evil.test"), "chat.example", false),
        (Some("https://evil.test"), "chat.example", false),
        (Some("https://evil.test/chat.example"), "chat.example", false),
        (Some("https://chat.example@evil.test"), "chat.example", false),
        (Some("null"), "null", false),
        (Some(""), "", false),
        (Some("https://"), "", false),
    ] {
        assert_eq!(own.origin_allowed(origin, host), allowed, "{origin:?} on {host}");
    }
    let shop =
        with(json!({ "allowed_origins": ["https://Shop.example", "http://dev.example:80"] }));
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("https://SHOP.example:443", true),
        ("http://dev.example", true),
        ("http://shop.example", false),
        ("https://shop.example:8443", false),
        ("https://www.shop.example", false),
        ("https://chat.example", true),
    ] {
        assert_eq!(shop.origin_allowed(Some(origin), "chat.example"), allowed, "{origin}");
    }
}

#[test]
fn a_refused_token_makes_a_new_visitor() {
    let chat = open(1, SECRET);
    let first = chat.visit(None, || Uuid::from_u128(5));
    assert_eq!((first.visitor, first.returning), (visitor(5), false));
    let again = chat.visit(Some(&first.token), || Uuid::from_u128(6));
    assert_eq!(again, Visit { visitor: visitor(5), token: first.token.clone(), returning: true });
    for stranger in [open(2, SECRET), open(1, &SECRET.replace('0', "1"))] {
        let token = stranger.visit(None, || Uuid::from_u128(5)).token;
        assert_ne!(token, first.token);
        assert_eq!(chat.visitor(&token), None);
        let visit = chat.visit(Some(&token), || Uuid::from_u128(6));
        assert_eq!((visit.visitor, visit.returning), (visitor(6), false));
    }
}

#[test]
fn every_changed_or_cut_token_is_refused() {
    let chat = open(1, SECRET);
    let token = chat.visit(None, || Uuid::from_u128(0x0190_a0a0 << 96 | 0xabc)).token;
    assert_eq!(token.len(), 82);
    for at in 0..token.len() {
        assert_eq!(chat.visitor(&token[..at]), None, "cut at {at}");
        for new in ['0', 'A', 'a', '_', '.', '='] {
            let changed = format!("{}{new}{}", &token[..at], &token[at + 1..]);
            assert_eq!(chat.visitor(&changed).is_some(), changed == token, "{changed}");
        }
    }
    for text in [
        "",
        ".",
        "..",
        "...",
        &format!("{token}="),
        &format!(" {token}"),
        &token.to_uppercase(),
        &token.replace('-', ""),
        &"1".repeat(100_000),
    ] {
        assert_eq!(chat.visitor(text), None);
    }
}

#[test]
fn frames_of_clients() {
    let id = Uuid::parse_str(CLIENT_ID).unwrap();
    let cases = [
        (
            r#"{"type":"hello","token":null,"after":0}"#.to_owned(),
            ClientFrame::Hello { token: None, after: 0 },
        ),
        (
            r#"{"type":"hello","token":"t","after":7}"#.to_owned(),
            ClientFrame::Hello { token: Some("t".to_owned()), after: 7 },
        ),
        (
            format!(r#"{{"text":"h\u00e9","future":[1],"id":"{CLIENT_ID}","type":"message"}}"#),
            ClientFrame::Message { id, text: "h\u{e9}".to_owned() },
        ),
        (
            format!(r#"{{"type":"choice","id":"{CLIENT_ID}","option":"a","title":"A"}}"#),
            ClientFrame::Choice { id, option: "a".to_owned(), title: "A".to_owned() },
        ),
        (r#"{"type":"read","seq":9}"#.to_owned(), ClientFrame::Read { seq: 9 }),
        (r#"{"type":"ping"}"#.to_owned(), ClientFrame::Ping {}),
    ];
    for (text, frame) in cases {
        assert_eq!(ClientFrame::parse(&text).unwrap(), frame, "{text}");
        let again = serde_json::to_string(&frame).unwrap();
        assert_eq!(ClientFrame::parse(&again).unwrap(), frame);
    }
}

#[test]
fn refused_frames_have_stable_codes() {
    let named = |kind: &str, rest: &str| format!(r#"{{"type":"{kind}","id":"{CLIENT_ID}"{rest}}}"#);
    let own = Some(CLIENT_ID.to_owned());
    let long = |n: usize| "\u{e9}".repeat(n);
    assert_eq!(code("").0, FrameErrorCode::InvalidJson);
    assert_eq!(code("hello").0, FrameErrorCode::InvalidJson);
    assert_eq!(code("7").0, FrameErrorCode::InvalidJson);
    assert_eq!(code("{}"), (FrameErrorCode::UnknownType, None));
    assert_eq!(code(r#"{"type":7}"#).0, FrameErrorCode::UnknownType);
    assert_eq!(code(&named("shout", "")), (FrameErrorCode::UnknownType, own.clone()));
    assert_eq!(code(r#"{"type":"read"}"#).0, FrameErrorCode::InvalidField);
    assert_eq!(code(r#"{"type":"read","seq":-1}"#).0, FrameErrorCode::InvalidField);
    assert_eq!(code(r#"{"type":"message","id":"1","text":"x"}"#).0, FrameErrorCode::InvalidField);
    assert_eq!(code(&named("message", "")), (FrameErrorCode::InvalidField, own.clone()));
    assert_eq!(code(&named("message", r#","text":" \n""#)), (FrameErrorCode::Empty, own.clone()));
    let text = |n| named("message", &format!(r#","text":"{}""#, long(n)));
    assert!(ClientFrame::parse(&text(TEXT_MAX)).is_ok());
    assert_eq!(code(&text(TEXT_MAX + 1)), (FrameErrorCode::TooLong, own.clone()));
    assert_eq!(code(&text(FRAME_MAX)), (FrameErrorCode::FrameTooLarge, None));
    let choice = |option: &str, title: &str| {
        named("choice", &format!(r#","option":"{option}","title":"{title}""#))
    };
    assert!(ClientFrame::parse(&choice(&"o".repeat(OPTION_MAX), &long(TITLE_MAX))).is_ok());
    assert_eq!(code(&choice("", "A")).0, FrameErrorCode::Empty);
    assert_eq!(code(&choice("a", "")).0, FrameErrorCode::Empty);
    assert_eq!(code(&choice(&"o".repeat(OPTION_MAX + 1), "A")).0, FrameErrorCode::TooLong);
    assert_eq!(code(&choice(&long(OPTION_MAX / 2 + 1), "A")), (FrameErrorCode::TooLong, own));
    assert_eq!(code(&choice("a", &long(TITLE_MAX + 1))).0, FrameErrorCode::TooLong);
}

#[test]
fn errors_become_frames_with_their_code() {
    let codes = [
        FrameErrorCode::FrameTooLarge,
        FrameErrorCode::InvalidJson,
        FrameErrorCode::UnknownType,
        FrameErrorCode::InvalidField,
        FrameErrorCode::Empty,
        FrameErrorCode::TooLong,
    ];
    for code in codes {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        let error = FrameError { code, detail: "d".to_owned(), client_id: None };
        let frame: Value = serde_json::from_str(&ServerFrame::from(error).to_json()).unwrap();
        let expected =
            json!({ "type": "error", "code": code.as_str(), "detail": "d", "client_id": null });
        assert_eq!(frame, expected);
    }
    let names: BTreeSet<&str> = codes.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), codes.len());
}

#[test]
fn frames_become_messages_of_the_visitor() {
    let id = Uuid::parse_str(CLIENT_ID).unwrap();
    let text = ClientFrame::Message { id, text: "hi".to_owned() };
    let message = WebChatChannel::inbound(visitor(5), &text).unwrap();
    let name = "00000000-0000-0000-0000-000000000005";
    assert_eq!(message.provider_ref, format!("{name}:{CLIENT_ID}"));
    assert_eq!(message.from, [Identity::new(ChannelKind::WEBCHAT, name)]);
    assert_eq!(message.content, Content::text("hi"));
    assert_eq!(WebChatChannel::inbound(visitor(5), &text).unwrap(), message, "a repeat");
    assert_ne!(
        WebChatChannel::inbound(visitor(6), &text).unwrap().provider_ref,
        message.provider_ref
    );
    let choice = ClientFrame::Choice { id, option: "a".to_owned(), title: "A".to_owned() };
    let reply = Content::Reply { option: "a".to_owned(), title: "A".to_owned() };
    assert_eq!(WebChatChannel::inbound(visitor(5), &choice).unwrap().content, reply);
    let hello = ClientFrame::Hello { token: None, after: 0 };
    for silent in [hello, ClientFrame::Read { seq: 1 }, ClientFrame::Ping {}] {
        assert_eq!(WebChatChannel::inbound(visitor(5), &silent), None);
        assert_eq!(silent.client_id(), None);
    }
}

#[test]
fn messages_are_shown_as_a_visitor_may_see_them() {
    let mut own = message(Direction::Inbound, Content::text("hi"));
    own.provider_ref = Some(format!("{}:{CLIENT_ID}", visitor(5)));
    let frame: Value =
        serde_json::from_str(&ServerFrame::message(&own).unwrap().to_json()).unwrap();
    assert_eq!(
        frame,
        json!({
            "type": "message",
            "client_id": CLIENT_ID,
            "message": {
                "seq": 3,
                "id": own.id.to_string(),
                "direction": "inbound",
                "at": "2025-06-08T20:59:43.123Z",
                "status": "sent",
                "content": { "type": "text", "text": "hi" },
                "client_id": CLIENT_ID,
            },
        })
    );
    own.direction = Direction::Outbound;
    assert_eq!(WebMessage::show(&own).unwrap().client_id, None, "only the visitor's own");
    own.direction = Direction::Note;
    assert_eq!(WebMessage::show(&own), None);
    assert_eq!(ServerFrame::message(&own), None);
    assert_eq!(ServerFrame::event(&EventBody::MessageNew { message: own }), None);
}

#[test]
fn content_a_browser_cannot_show_is_named_only() {
    let media = |source| Content::Media {
        kind: MediaKind::Image,
        source,
        caption: Some("c".to_owned()),
        filename: None,
        mime: None,
    };
    let url = |text: &str| shown(media(MediaSource::Url(text.to_owned())))["url"].clone();
    assert_eq!(url("https://a.example/b"), "https://a.example/b");
    assert_eq!(url("HTTP://a.example/b"), "HTTP://a.example/b");
    assert_eq!(url("/files/7"), "/files/7");
    for unsafe_url in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "x", ""] {
        assert_eq!(url(unsafe_url), Value::Null, "{unsafe_url}");
    }
    let foreign = shown(media(MediaSource::ProviderId("7".to_owned())));
    let expected = json!({ "type": "media", "kind": "image", "url": null, "caption": "c",
                           "filename": null, "mime": null });
    assert_eq!(foreign, expected);
    let raw = json!({ "secret": 1 });
    let named = |kind: &str| json!({ "type": "unsupported", "kind": kind });
    let unknown = Content::Unsupported { kind: "order".to_owned(), raw: raw.clone() };
    assert_eq!(shown(unknown), named("order"));
    assert_eq!(shown(Content::Contacts { contacts: vec![raw.clone()] }), named("contacts"));
    let template = TemplateContent {
        name: "t".to_owned(),
        language: "en".to_owned(),
        parameters: Vec::new(),
        components: vec![raw],
    };
    assert_eq!(shown(Content::Template(template)), named("template"));
    let system = Content::System { text: "closed".to_owned() };
    assert_eq!(shown(system), json!({ "type": "system", "text": "closed" }));
    let option = Choice { id: "a".to_owned(), title: "A".to_owned(), description: None };
    let buttons = Content::Buttons {
        text: "t".to_owned(),
        header: None,
        footer: None,
        options: vec![option],
    };
    let expected = json!({ "type": "buttons", "text": "t", "header": null, "footer": null,
                           "options": [{ "id": "a", "title": "A" }] });
    assert_eq!(shown(buttons), expected);
}

#[test]
fn what_was_never_to_be_sent_is_not_shown() {
    let failed = |direction, kind| {
        let failure = Failure { kind, code: None, detail: String::new() };
        let mut message = message(direction, Content::text("hi"));
        message.status = DeliveryStatus::Failed;
        message.failure = Some(failure);
        message
    };
    for kind in [FailureKind::OptedOut, FailureKind::Superseded] {
        let silent = failed(Direction::Outbound, kind);
        assert_eq!(WebMessage::show(&silent), None, "{kind:?}");
        assert_eq!(ServerFrame::event(&EventBody::MessageNew { message: silent }), None);
    }
    // What did not get through is shown as not sent; what visitors said is always shown.
    assert!(WebMessage::show(&failed(Direction::Outbound, FailureKind::Exhausted)).is_some());
    assert!(WebMessage::show(&failed(Direction::Inbound, FailureKind::OptedOut)).is_some());
}

#[test]
fn events_and_answers_as_frames() {
    let json = |frame: ServerFrame| serde_json::from_str::<Value>(&frame.to_json()).unwrap();
    let status = EventBody::MessageStatus {
        message_id: MessageId::from_uuid(Uuid::from_u128(9)),
        seq: 4,
        status: DeliveryStatus::Read,
    };
    let status = json(ServerFrame::event(&status).unwrap());
    assert_eq!(status, json!({ "type": "status", "seq": 4, "status": "read" }));
    let delta = EventBody::MessageDelta { text: "par".to_owned() };
    let delta = json(ServerFrame::event(&delta).unwrap());
    assert_eq!(delta, json!({ "type": "delta", "text": "par" }));
    let custom = EventBody::Custom { name: "n".to_owned(), data: json!({}) };
    assert_eq!(ServerFrame::event(&custom), None);
    assert_eq!(json(ServerFrame::Typing {}), json!({ "type": "typing" }));
    assert_eq!(json(ServerFrame::Pong {}), json!({ "type": "pong" }));
    let accepted = ServerFrame::Accepted { client_id: Uuid::parse_str(CLIENT_ID).unwrap(), seq: 3 };
    assert_eq!(json(accepted), json!({ "type": "accepted", "client_id": CLIENT_ID, "seq": 3 }));
    let shown = message(Direction::Outbound, Content::text("hi"));
    let welcome = json(ServerFrame::Welcome {
        token: "t".to_owned(),
        name: "Acme".to_owned(),
        messages: WebMessage::show(&shown).into_iter().collect(),
        more: true,
    });
    assert_eq!((&welcome["type"], &welcome["name"]), (&json!("welcome"), &json!("Acme")));
    assert_eq!((&welcome["token"], &welcome["more"]), (&json!("t"), &json!(true)));
    assert_eq!(welcome["messages"][0]["seq"], 3);
}

#[tokio::test]
async fn the_channel_itself_does_nothing_and_says_so() {
    let chat = open(1, SECRET);
    let mut outbound = Outbound {
        to: vec![visitor(5).identity()],
        content: Content::text("hi"),
        reply_to: None,
        idempotency_key: "k".to_owned(),
    };
    assert_eq!(chat.send(&outbound).await, Ok(Receipt { provider_ref: None }));
    outbound.to = vec![Identity::new(ChannelKind::WHATSAPP, "1650")];
    assert_eq!(chat.send(&outbound).await, Err(SendError::InvalidRecipient { code: None }));
    assert_eq!(chat.mark_read("x").await, Ok(()));
    assert_eq!(chat.verify().await, Ok(()));
    for method in [HttpMethod::Get, HttpMethod::Post] {
        let request = WebhookRequest { method, query: &[], headers: &[], body: b"{}" };
        assert_eq!(chat.receive(&request).await, Err(ReceiveError::Unsupported));
    }
    assert_eq!(chat.capabilities(), &CAPABILITIES);
}

fn any_frame() -> impl Strategy<Value = ClientFrame> {
    let id = any::<u128>().prop_map(Uuid::from_u128);
    prop_oneof![
        (prop::option::of(any::<String>()), any::<u64>())
            .prop_map(|(token, after)| ClientFrame::Hello { token, after }),
        (id.clone(), ".{1,200}").prop_map(|(id, text)| ClientFrame::Message { id, text }),
        (id, ".{1,60}", ".{1,60}").prop_map(|(id, option, title)| ClientFrame::Choice {
            id,
            option,
            title
        }),
        any::<u64>().prop_map(|seq| ClientFrame::Read { seq }),
        Just(ClientFrame::Ping {}),
    ]
}

proptest! {
    #[test]
    fn frames_round_trip(frame in any_frame()) {
        let text = serde_json::to_string(&frame).unwrap();
        match ClientFrame::parse(&text) {
            Ok(again) => prop_assert_eq!(again, frame),
            Err(error) => {
                prop_assert_eq!(error.client_id, frame.client_id());
                prop_assert!(matches!(error.code, FrameErrorCode::Empty | FrameErrorCode::TooLong));
            }
        }
    }

    #[test]
    fn any_text_is_a_frame_or_an_error(text in any::<String>(), at in any::<usize>(), c in any::<char>()) {
        let _ = ClientFrame::parse(&text);
        let mut frame: Vec<char> =
            format!(r#"{{"type":"message","id":"{CLIENT_ID}","text":"hi"}}"#).chars().collect();
        let at = at % frame.len();
        frame[at] = c;
        let _ = ClientFrame::parse(&frame.into_iter().collect::<String>());
    }

    #[test]
    fn a_token_names_its_visitor_on_its_channel_only(
        id in any::<u128>(), mine in any::<u128>(), other in any::<u128>(),
    ) {
        let token = open(mine, SECRET).visit(None, || Uuid::from_u128(id)).token;
        prop_assert_eq!(open(mine, SECRET).visitor(&token), Some(visitor(id)));
        prop_assert_eq!(open(other, SECRET).visitor(&token).is_some(), other == mine);
    }

    #[test]
    fn any_text_as_a_token_is_survived(text in any::<String>()) {
        prop_assert_eq!(open(1, SECRET).visitor(&text), None);
        prop_assert!(text.parse::<VisitorId>().is_err() || text.len() == 36);
    }

    #[test]
    fn any_origin_is_survived(origin in any::<String>(), host in any::<String>()) {
        let _ = with(json!({})).origin_allowed(Some(&origin), &host);
    }
}
