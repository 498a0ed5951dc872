//! Input that nobody sends in good faith, under a valid signature: nothing panics, every JSON
//! document gives an event, everything else is refused.

use super::super::webhook::{BODY_MAX, DEPTH_MAX, OBJECTS_MAX, parse};
use super::{PHONE_NUMBER_ID, RECEIVER, SECRET, events, hook, message_hook, post, sign};
use justping_core::model::{Content, Inbound};
use justping_core::port::ReceiveError;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names and values that mean something to the parser, so that arbitrary documents reach it.
const WORDS: &[&str] = &[
    "object",
    "whatsapp_business_account",
    "entry",
    "changes",
    "field",
    "value",
    "messages",
    "metadata",
    "phone_number_id",
    PHONE_NUMBER_ID,
    "contacts",
    "wa_id",
    "user_id",
    "profile",
    "name",
    "id",
    "from",
    "type",
    "text",
    "body",
    "image",
    "statuses",
    "status",
    "failed",
    "read",
    "errors",
    "code",
    "error_data",
    "details",
    "context",
    "interactive",
    "button_reply",
    "title",
    "list_reply",
    "system",
    "user_id_update",
    "previous",
    "current",
    "reaction",
    "location",
    "latitude",
    "timestamp",
    "1749416383",
    "referral",
    "group_id",
    "contacts",
    "button",
    "131047",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 96, 8, |inner| {
        let name = prop_oneof![3 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A real webhook with a message of every kind and a status.
fn full() -> Value {
    let message = |kind: &str, part: Value| {
        json!({ "id": format!("wamid.{kind}"), "from": "1650", "from_user_id": "US.1",
                "timestamp": "1749416383", "type": kind, kind: part,
                "context": { "id": "wamid.Z" } })
    };
    hook(
        "messages",
        json!({
            "contacts": [{ "profile": { "name": "S" }, "wa_id": "1650", "user_id": "US.1" }],
            "messages": [
                message("text", json!({ "body": "hi" })),
                message("image", json!({ "id": "1", "caption": "c" })),
                message("location", json!({ "latitude": 1.5, "longitude": 2 })),
                message("contacts", json!([{ "name": {} }])),
                message("reaction", json!({ "message_id": "w", "emoji": "x" })),
                message("button", json!({ "payload": "p", "text": "t" })),
                message("interactive", json!({ "list_reply": { "id": "a", "title": "b" } })),
                message("system", json!({ "wa_id": "7" })),
            ],
            "statuses": [{ "id": "w", "status": "failed", "timestamp": 1,
                           "errors": [{ "code": 131_026 }] }],
        }),
    )
}

/// Puts `new` in place of the value that `path` leads to, each step taken modulo what is there.
fn replace(value: &mut Value, path: &[usize], new: Value) {
    let Some((step, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    let inner = match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step % items.len();
            items.get_mut(at)
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = step % fields.len();
            fields.values_mut().nth(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) => replace(inner, rest, new),
        None => *value = new,
    }
}

fn check_total(events: &[Inbound]) -> Result<(), TestCaseError> {
    prop_assert!(!events.is_empty());
    for event in events {
        match event {
            Inbound::Message(message) => {
                prop_assert!(!message.provider_ref.is_empty() && !message.from.is_empty());
                prop_assert!(message.from.iter().all(|identity| !identity.id.is_empty()));
            }
            Inbound::Status(update) => {
                prop_assert!(!update.provider_ref.is_empty());
            }
            Inbound::IdentityChanged { known, also } => {
                prop_assert!(!known.id.is_empty() && !also.is_empty());
            }
            Inbound::Echo(echo) => {
                prop_assert!(!echo.provider_ref.is_empty() && !echo.to.is_empty());
            }
            Inbound::Unsupported { kind, .. } => prop_assert!(!kind.is_empty()),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(events) = events(&body) {
            check_total(&events)?;
        }
    }

    #[test]
    fn any_document(document in any_json()) {
        check_total(&events(document.to_string().as_bytes()).unwrap())?;
    }

    #[test]
    fn any_change(field in prop::sample::select(WORDS), value in any_json()) {
        let value = if value.is_object() { value } else { json!({ "messages": [value] }) };
        check_total(&events(hook(field, value).to_string().as_bytes()).unwrap())?;
    }

    #[test]
    fn one_value_replaced(
        path in prop::collection::vec(any::<usize>(), 0..10),
        new in any_json(),
    ) {
        let mut document = full();
        replace(&mut document, &path, new);
        check_total(&events(document.to_string().as_bytes()).unwrap())?;
    }

    #[test]
    fn bytes_changed(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut body = full().to_string().into_bytes();
        for (at, byte) in changes {
            let at = at % body.len();
            body[at] = byte;
        }
        if let Ok(events) = events(&body) {
            check_total(&events)?;
        }
    }

    #[test]
    fn one_strange_message_costs_no_other(strange in any_json()) {
        let mut document = full();
        let list = document["entry"][0]["changes"][0]["value"]["messages"].as_array_mut().unwrap();
        list.insert(0, strange);
        let after = events(document.to_string().as_bytes()).unwrap();
        let before = events(full().to_string().as_bytes()).unwrap();
        prop_assert!(after.ends_with(&before));
    }
}

#[test]
fn every_truncation_is_refused() {
    let body = full().to_string();
    for length in 0..body.len() {
        let cut = &body.as_bytes()[..length];
        assert!(matches!(events(cut), Err(ReceiveError::Malformed(_))), "{length}");
    }
}

#[test]
fn malformed_bodies_are_not_repeated_in_the_error() {
    match events(br#"{"object": secret}"#) {
        Err(ReceiveError::Malformed(text)) => assert!(!text.contains("secret"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn depth_is_limited_everywhere_and_not_counted_in_texts() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(events(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(events(nested(DEPTH_MAX + 1).as_bytes()), Err(ReceiveError::TooLarge));
    assert_eq!(events(nested(OBJECTS_MAX).as_bytes()), Err(ReceiveError::TooLarge));
    assert_eq!(events("[".repeat(BODY_MAX).as_bytes()), Err(ReceiveError::TooLarge));
    let hidden = format!(r#"{{"object":"x","unknown":{{"a":{}}}}}"#, nested(DEPTH_MAX));
    assert_eq!(events(hidden.as_bytes()), Err(ReceiveError::TooLarge));
    let brackets = "[{\\\"".repeat(200);
    let text = message_hook(json!({ "type": "text", "text": { "body": "BODY" } })).to_string();
    match events(text.replace("BODY", &brackets).as_bytes()).unwrap().as_slice() {
        [Inbound::Message(message)] => {
            assert_eq!(message.content, Content::text("[{\"".repeat(200)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_largest_body_is_read() {
    let filler = "x".repeat(BODY_MAX - 1000);
    let body = message_hook(json!({ "type": "text", "text": { "body": filler } })).to_string();
    assert!(body.len() <= BODY_MAX);
    assert_eq!(events(body.as_bytes()).unwrap().len(), 1);
    let list = vec![json!({}); OBJECTS_MAX - 100];
    let many = hook("messages", json!({ "messages": list }));
    assert_eq!(events(many.to_string().as_bytes()).unwrap().len(), OBJECTS_MAX - 100);
}

#[test]
fn numbers_that_no_float_holds_are_kept_as_text() {
    let body = br#"{"object":"whatsapp_business_account","entry":1e999}"#;
    match parse(body, PHONE_NUMBER_ID).unwrap().as_slice() {
        [Inbound::Unsupported { raw: Value::String(text), .. }] => assert!(text.contains("1e999")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_replayed_webhook_says_the_same() {
    let body = full().to_string();
    let header = sign(SECRET, body.as_bytes());
    let once = post(&RECEIVER, body.as_bytes(), &header);
    assert_eq!(once, post(&RECEIVER, body.as_bytes(), &header));
}
