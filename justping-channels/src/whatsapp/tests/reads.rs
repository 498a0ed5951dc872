use super::{PHONE_NUMBER_ID, events, hook, message_hook, read, whatsapp};
use justping_core::model::{
    Content, DeliveryStatus, Echo, FailureKind, Inbound, InboundMessage, MediaKind, MediaSource,
    StatusUpdate, Timestamp,
};
use serde_json::{Value, json};

fn message(document: &Value) -> InboundMessage {
    match read(document).as_slice() {
        [Inbound::Message(message)] => message.clone(),
        other => panic!("one message expected: {other:?}"),
    }
}

fn content(kind: &str, part: &Value) -> Content {
    message(&message_hook(json!({ "type": kind, kind: part }))).content
}

fn status(part: &Value) -> StatusUpdate {
    match read(&hook("messages", json!({ "statuses": [part] }))).as_slice() {
        [Inbound::Status(update)] => update.clone(),
        other => panic!("one status expected: {other:?}"),
    }
}

fn unsupported(document: &Value) -> (String, Value) {
    match read(document).as_slice() {
        [Inbound::Unsupported { kind, raw }] => (kind.clone(), raw.clone()),
        other => panic!("one unsupported event expected: {other:?}"),
    }
}

#[test]
fn a_text_with_all_around_it() {
    let document = message_hook(json!({
        "type": "text",
        "text": { "body": "Does it come in \"red\"? \u{1f534}" },
        "context": { "from": "15550783881", "id": "wamid.B" },
    }));
    let expected = InboundMessage {
        provider_ref: "wamid.A".to_owned(),
        from: vec![whatsapp("16505551234")],
        name: Some("Sheena Nelson".to_owned()),
        content: Content::text("Does it come in \"red\"? \u{1f534}"),
        reply_to: Some("wamid.B".to_owned()),
        sent_at: Some(Timestamp::from_second(1_749_416_383).unwrap()),
    };
    assert_eq!(message(&document), expected);
}

#[test]
fn every_kind_of_content() {
    assert_eq!(
        content("image", &json!({ "id": "1003", "mime_type": "image/jpeg", "caption": "Taj" })),
        Content::Media {
            kind: MediaKind::Image,
            source: MediaSource::ProviderId("1003".to_owned()),
            caption: Some("Taj".to_owned()),
            filename: None,
            mime: Some("image/jpeg".to_owned()),
        }
    );
    for (kind, expected) in [
        ("audio", MediaKind::Audio),
        ("video", MediaKind::Video),
        ("document", MediaKind::Document),
        ("sticker", MediaKind::Sticker),
    ] {
        let Content::Media { kind, source, .. } = content(kind, &json!({ "id": 7 })) else {
            panic!("media expected");
        };
        assert_eq!((kind, source), (expected, MediaSource::ProviderId("7".to_owned())));
    }
    assert_eq!(
        content("location", &json!({ "latitude": 37.5, "longitude": -122, "name": "Philz" })),
        Content::Location {
            latitude: 37.5,
            longitude: -122.0,
            name: Some("Philz".to_owned()),
            address: None,
        }
    );
    let cards = vec![json!({ "name": { "formatted_name": "Monica" } })];
    assert_eq!(content("contacts", &json!(cards)), Content::Contacts { contacts: cards });
    assert_eq!(
        content("reaction", &json!({ "message_id": "wamid.C" })),
        Content::Reaction { target: "wamid.C".to_owned(), emoji: String::new() }
    );
}

#[test]
fn every_kind_of_choice() {
    let chosen = |option: &str, title: &str| Content::Reply {
        option: option.to_owned(),
        title: title.to_owned(),
    };
    assert_eq!(content("button", &json!({ "payload": "no", "text": "No" })), chosen("no", "No"));
    assert_eq!(content("button", &json!({ "text": "No" })), chosen("No", "No"));
    for field in ["button_reply", "list_reply"] {
        let part = json!({ "type": field, field: { "id": "a", "title": "A" } });
        assert_eq!(content("interactive", &part), chosen("a", "A"));
    }
}

#[test]
fn what_a_person_wrote_is_a_message_even_when_nobody_understands_it() {
    let flow = json!({ "type": "nfm_reply", "nfm_reply": { "response_json": "{}" } });
    for (kind, named, part) in [
        ("interactive", "nfm_reply", flow),
        ("order", "order", json!({ "catalog_id": "1", "product_items": [] })),
        ("unsupported", "poll", json!({ "type": "poll" })),
        ("unsupported", "unsupported", json!(null)),
        ("hologram", "hologram", json!({ "url": "x" })),
        ("text", "text", json!({ "body": ["not text"] })),
        ("image", "image", json!("no object")),
        ("location", "location", json!({ "latitude": true })),
        ("contacts", "contacts", json!(null)),
    ] {
        let Content::Unsupported { kind: found, raw } = content(kind, &part) else {
            panic!("{kind} expected to be kept as it came");
        };
        assert_eq!((found.as_str(), &raw[kind]), (named, &part));
        assert_eq!(raw["id"], "wamid.A");
    }
}

#[test]
fn people_are_known_by_phone_by_user_id_or_by_both() {
    let phone = json!({ "wa_id": "16505551234", "profile": { "name": "S" } });
    let both = json!({ "wa_id": "16505551234", "user_id": "US.134", "parent_user_id": "US.ENT.9" });
    let user = json!({ "user_id": "US.134", "profile": { "username": "@sheena" } });
    let text = json!({ "id": "wamid.A", "type": "text", "text": { "body": "hi" } });
    let from = |ids: &[(&str, &str)], contact: &Value| {
        let mut text = text.clone();
        for (field, id) in ids {
            text[*field] = json!(id);
        }
        let found = message(&hook(
            "messages",
            json!({ "contacts": [{ "wa_id": "1" }, contact], "messages": [text] }),
        ));
        (found.from.into_iter().map(|identity| identity.id).collect::<Vec<_>>(), found.name)
    };
    let (by_phone, by_user) = (("from", "16505551234"), ("from_user_id", "US.134"));
    assert_eq!(from(&[by_phone], &phone), (vec!["16505551234".into()], Some("S".into())));
    let two = vec!["16505551234".to_owned(), "US.134".to_owned()];
    assert_eq!(from(&[by_phone], &both), (two.clone(), None));
    assert_eq!(from(&[by_user], &both), (two.clone(), None));
    assert_eq!(from(&[by_phone, by_user], &user), (two, Some("@sheena".into())));
    assert_eq!(from(&[by_user], &user), (vec!["US.134".into()], Some("@sheena".into())));
    assert_eq!(from(&[by_user], &phone), (vec!["US.134".into()], None), "a stranger's card");
}

#[test]
fn statuses_carry_our_key_and_the_failure() {
    let part = |status: &str| {
        json!({ "id": "wamid.A", "status": status, "timestamp": 1_749_416_383,
                "recipient_id": "1", "biz_opaque_callback_data": "cnv_x.3" })
    };
    for (name, expected) in [
        ("sent", DeliveryStatus::Sent),
        ("delivered", DeliveryStatus::Delivered),
        ("read", DeliveryStatus::Read),
        ("played", DeliveryStatus::Read),
    ] {
        let update = status(&part(name));
        assert_eq!((update.status, update.failure), (expected, None));
        assert_eq!(update.provider_ref, "wamid.A");
        assert_eq!(update.key.as_deref(), Some("cnv_x.3"));
        assert_eq!(update.at, Some(Timestamp::from_second(1_749_416_383).unwrap()));
    }
    let mut failed = part("failed");
    failed["errors"] = json!([{ "code": 131_047, "title": "Re-engagement message",
        "error_data": { "details": "More than 24 hours\nhave passed." } }]);
    let failure = status(&failed).failure.unwrap();
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (FailureKind::WindowClosed, Some("131047"))
    );
    assert!(failure.detail.ends_with("(More than 24 hourshave passed.)"), "{}", failure.detail);
    let bare = status(&part("failed")).failure.unwrap();
    assert_eq!((bare.kind, bare.code), (FailureKind::Rejected, None));
}

#[test]
fn what_people_send_with_the_app_is_an_echo() {
    let part = json!({
        "from": "15550783881", "to": "16505551234", "to_user_id": "US.1", "id": "wamid.E",
        "timestamp": "1697043223", "type": "text", "text": { "body": "I will look." },
    });
    let echo =
        |part: &Value| read(&hook("smb_message_echoes", json!({ "message_echoes": [part] })));
    let expected = Echo {
        provider_ref: "wamid.E".to_owned(),
        to: vec![whatsapp("16505551234"), whatsapp("US.1")],
        content: Content::text("I will look."),
    };
    assert_eq!(echo(&part), [Inbound::Echo(expected.clone())]);
    let mut odd = part.clone();
    odd["type"] = json!("poll");
    let content = Content::Unsupported { kind: "poll".to_owned(), raw: odd.clone() };
    assert_eq!(echo(&odd), [Inbound::Echo(Echo { content, ..expected })]);
    for missing in [&["id"][..], &["to", "to_user_id"]] {
        let mut part = part.clone();
        missing.iter().for_each(|name| drop(part.as_object_mut().unwrap().remove(*name)));
        assert!(matches!(&echo(&part)[..], [Inbound::Unsupported { kind, .. }]
            if kind == "smb_message_echoes"));
    }
}

#[test]
fn changed_numbers_and_user_ids() {
    let changed = |known: &str, also: &[&str]| Inbound::IdentityChanged {
        known: whatsapp(known),
        also: also.iter().map(|id| whatsapp(id)).collect(),
    };
    let number = message_hook(json!({
        "type": "system",
        "system": { "type": "user_changed_number", "wa_id": "12195555358", "body": "…" },
    }));
    assert_eq!(read(&number), [changed("16505551234", &["12195555358"])]);
    let update = |part: Value| read(&hook("user_id_update", json!({ "user_id_update": [part] })));
    let ids = json!({ "previous": "US.1", "current": "US.2" });
    assert_eq!(
        update(json!({ "wa_id": "16505551234", "user_id": ids })),
        [changed("US.1", &["16505551234", "US.2"])]
    );
    assert_eq!(update(json!({ "user_id": ids })), [changed("US.1", &["US.2"])]);
    assert_eq!(
        update(json!({ "wa_id": "1", "user_id": { "current": "US.2" } })),
        [changed("1", &["US.2"])]
    );
    let (kind, raw) =
        unsupported(&hook("user_id_update", json!({ "user_id_update": [{ "a": 1 }] })));
    assert_eq!((kind.as_str(), raw), ("user_id_update", json!({ "a": 1 })));
}

#[test]
fn news_that_is_no_message_is_kept_as_it_came() {
    let of_message = |part: Value| unsupported(&message_hook(part)).0;
    let identity = json!({ "type": "system", "system": { "type": "customer_identity_changed" } });
    assert_eq!(of_message(identity), "system");
    assert_eq!(of_message(json!({ "type": "revoke", "revoke": {} })), "revoke");
    assert_eq!(of_message(json!({ "type": "edit", "edit": {} })), "edit");
    let group = json!({ "type": "text", "text": { "body": "hi" }, "group_id": "120@g.us" });
    assert_eq!(of_message(group), "group_message");
    let of_status = |part: Value| unsupported(&hook("messages", json!({ "statuses": [part] }))).0;
    let in_group = json!({ "id": "w", "status": "read", "recipient_type": "group" });
    assert_eq!(of_status(in_group), "group_status");
    assert_eq!(of_status(json!({ "id": "w", "status": "pending" })), "status");
    assert_eq!(of_status(json!({ "status": "read" })), "status");
    assert_eq!(of_status(json!("read")), "status");
    let field = |field: &str, value: Value| unsupported(&hook(field, value));
    assert_eq!(field("calls", json!({ "statuses": [{ "id": "w", "status": "read" }] })).0, "calls");
    assert_eq!(field("account_update", json!({ "event": "X" })).1["value"]["event"], "X");
    assert_eq!(field("", json!({})).0, "webhook");
    assert_eq!(field("messages", json!({})).0, "messages");
    let errors = field("messages", json!({ "errors": [{ "code": 131_000 }] }));
    assert_eq!(errors, ("errors".to_owned(), json!([{ "code": 131_000 }])));
    assert_eq!(unsupported(&json!({ "object": "page", "entry": [] })).0, "page");
    assert_eq!(unsupported(&json!([1])), ("webhook".to_owned(), json!([1])));
    let empty = json!({ "object": "whatsapp_business_account", "entry": [] });
    assert_eq!(unsupported(&empty), ("webhook".to_owned(), empty));
}

#[test]
fn senders_and_ids_are_needed() {
    let text = json!({ "type": "text", "text": { "body": "hi" } });
    for ids in [json!({ "id": "w" }), json!({ "from": "1" }), json!({})] {
        let mut text = text.clone();
        text.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        let (kind, raw) = unsupported(&hook("messages", json!({ "messages": [text] })));
        assert_eq!((kind.as_str(), raw), ("message", text));
    }
}

#[test]
fn another_numbers_news_is_not_ours() {
    let mut document = message_hook(json!({ "type": "text", "text": { "body": "hi" } }));
    for foreign in [json!("99"), json!(null), json!([PHONE_NUMBER_ID])] {
        document["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = foreign;
        let (kind, raw) = unsupported(&document);
        assert_eq!(kind, "other_phone_number");
        assert_eq!(raw, document["entry"][0]["changes"][0]);
    }
}

#[test]
fn an_advertisement_follows_its_message() {
    let document = message_hook(json!({
        "type": "text", "text": { "body": "hi" }, "referral": { "source_id": "AD" },
    }));
    match read(&document).as_slice() {
        [Inbound::Message(_), Inbound::Unsupported { kind, raw }] => {
            assert_eq!((kind.as_str(), &raw["referral"]["source_id"]), ("referral", &json!("AD")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_entries_changes_messages_and_statuses_keep_their_order() {
    let one = |n: u32| json!({ "id": format!("m{n}"), "from": "1", "type": "text", "text": { "body": "x" } });
    let seen = |n: u32| json!({ "id": format!("s{n}"), "status": "read" });
    let first = hook("messages", json!({ "messages": [one(0), "junk", one(1)] }));
    let second = hook("messages", json!({ "messages": [one(2)], "statuses": [seen(3), seen(4)] }));
    let third = hook("messages", json!({ "messages": [one(5)] }));
    let changes = |of: &Value| of["entry"][0]["changes"][0].clone();
    let document = json!({
        "object": "whatsapp_business_account",
        "entry": [
            { "id": "a", "changes": [changes(&first), null, changes(&second)] },
            7,
            { "id": "b", "changes": [changes(&third)] },
        ],
    });
    let order: Vec<String> = read(&document)
        .into_iter()
        .map(|event| match event {
            Inbound::Message(message) => message.provider_ref,
            Inbound::Status(update) => update.provider_ref,
            Inbound::Unsupported { kind, .. } => kind,
            Inbound::IdentityChanged { .. } => "identity".to_owned(),
            Inbound::Echo(echo) => echo.provider_ref,
        })
        .collect();
    assert_eq!(order, ["m0", "message", "m1", "webhook", "m2", "s3", "s4", "m5"]);
}

#[test]
fn a_name_twice_or_half_a_character_costs_nothing_else() {
    let document = message_hook(json!({ "type": "text", "text": { "body": "BODY" } })).to_string();
    let twice = document.replace("\"type\":\"text\"", "\"type\":\"image\",\"type\":\"text\"");
    let half = document.replace("BODY", "a\\ud83d b");
    let deep_half = document.replace("\"BODY\"", "\"a\",\"x\":[{\"y\":\"\\udc00\"}]");
    for (body, text) in [(&twice, "BODY"), (&half, "a\u{fffd} b"), (&deep_half, "a")] {
        match events(body.as_bytes()).unwrap().as_slice() {
            [Inbound::Message(message)] => assert_eq!(message.content, Content::text(text)),
            other => panic!("{other:?}"),
        }
    }
    let mut cut = document.into_bytes();
    let at = cut.windows(4).position(|window| window == b"BODY").unwrap();
    cut[at] = 0xff;
    match events(&cut).unwrap().as_slice() {
        [Inbound::Message(message)] => assert_eq!(message.content, Content::text("\u{fffd}ODY")),
        other => panic!("{other:?}"),
    }
}
