//! Payloads written by others. They are not part of this repository: the folder is found by
//! `JUSTPING_CONFORMANCE_DIR`, or as `../shared/conformance` beside the workspace. Without it these
//! tests say so, and the other tests of this module stand alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::error::send_error;
use super::super::map::{LinkPreview, inbound_content, send_request};
use super::super::webhook::{is_signed, parse};
use super::super::wire::{Maybe, Message};
use super::{outbound, whatsapp};
use crate::http::Answer;
use crate::mac::MacKey;
use justping_core::model::{
    Choice, Content, Inbound, ListSection, TemplateContent, TemplateParameter,
};
use justping_core::port::SendError;
use serde_json::{Value, json};

fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let root = std::env::var_os("JUSTPING_CONFORMANCE_DIR").map_or_else(beside, PathBuf::from);
    let folder = root.join("whatsapp");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{} is missing: only own fixtures ran", folder.display());
    None
}

/// Every JSON file of the folder with its path inside it, in order.
fn files(folder: &Path) -> Vec<(String, String)> {
    let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The number a webhook is for, so that its news counts as ours.
fn number_of(document: &Value) -> String {
    let id = document.pointer("/entry/0/changes/0/value/metadata/phone_number_id");
    id.and_then(Value::as_str).unwrap_or("0").to_owned()
}

fn outcome(event: &Inbound) -> String {
    match event {
        Inbound::Message(message) => match &message.content {
            Content::Unsupported { kind, .. } => format!("message kept as it came: {kind}"),
            content => {
                let json = serde_json::to_value(content).unwrap();
                format!("message: {}", json["type"].as_str().unwrap())
            }
        },
        Inbound::Status(update) => format!("status: {}", update.status.as_str()),
        Inbound::IdentityChanged { .. } => "identity changed".to_owned(),
        Inbound::Echo(_) => "echo".to_owned(),
        Inbound::Unsupported { kind, .. } => format!("unsupported: {kind}"),
    }
}

fn is_webhook_file(name: &str) -> bool {
    name.starts_with("official-openapi-examples/webhooks/")
        || name.starts_with("pywa/updates/")
        || name.starts_with("restfb/webhook-")
        || name.starts_with("whatsapp-business-java-api/deserialization/")
}

#[test]
fn webhooks_become_the_events_they_tell_of() {
    let Some(folder) = folder() else {
        return;
    };
    let (mut files_read, mut events_read) = (0, BTreeMap::<String, usize>::new());
    for (name, text) in files(&folder).into_iter().filter(|(name, _)| is_webhook_file(name)) {
        let document: Value = serde_json::from_str(&text).unwrap();
        let events = parse(text.as_bytes(), &number_of(&document)).unwrap();
        let compact = parse(document.to_string().as_bytes(), &number_of(&document)).unwrap();
        assert_eq!(events, compact, "{name}: white space changes nothing");
        let value = &document["entry"][0]["changes"][0]["value"];
        let count = |list: &str| value[list].as_array().map_or(0, Vec::len);
        let told = count("messages") + count("statuses") + count("user_id_update");
        assert!(events.len() >= told.max(1), "{name}: {events:?}");
        for event in &events {
            let foreign = matches!(event, Inbound::Unsupported { kind, .. }
                if kind == "other_phone_number");
            assert!(!foreign, "{name}");
            *events_read.entry(outcome(event)).or_default() += 1;
        }
        files_read += 1;
    }
    println!("{files_read} webhooks gave {events_read:#?}");
    assert!(files_read > 0);
}

#[test]
fn the_samples_that_matter_most_are_fully_understood() {
    let Some(folder) = folder() else {
        return;
    };
    let understood = [
        ("official-openapi-examples/webhooks/button-message.json", "message: reply"),
        ("official-openapi-examples/webhooks/image-message.json", "message: media"),
        (
            "official-openapi-examples/webhooks/interactive-button-reply-message.json",
            "message: reply",
        ),
        (
            "official-openapi-examples/webhooks/interactive-list-reply-message.json",
            "message: reply",
        ),
        ("official-openapi-examples/webhooks/location-message.json", "message: location"),
        ("official-openapi-examples/webhooks/order-message.json", "message kept as it came: order"),
        ("official-openapi-examples/webhooks/reaction-message.json", "message: reaction"),
        ("official-openapi-examples/webhooks/system-message.json", "identity changed"),
        ("official-openapi-examples/webhooks/text-message.json", "message: text"),
        ("pywa/updates/message/contacts.json", "message: contacts"),
        ("pywa/updates/message/unreaction_empty.json", "message: reaction"),
        ("pywa/updates/message/voice.json", "message: media"),
        ("pywa/updates/message_status/with_tracker.json", "status: sent"),
        ("pywa/updates/message_status/played.json", "status: read"),
        ("pywa/updates/flow_completion/completion.json", "message kept as it came: nfm_reply"),
        ("restfb/webhook-incoming-message-status-bsuid.json", "status: delivered"),
        ("restfb/webhook-incoming-message-status-errors.json", "status: failed"),
        ("restfb/webhook-userIdUpdate.json", "identity changed"),
        ("restfb/webhook-incoming-message-text-bsuid.json", "unsupported: group_message"),
        ("restfb/webhook-incoming-message-ads.json", "message: text"),
    ];
    let files: BTreeMap<String, String> = files(&folder).into_iter().collect();
    for (name, expected) in understood {
        let text = &files[name];
        let document = serde_json::from_str(text).unwrap();
        let events = parse(text.as_bytes(), &number_of(&document)).unwrap();
        assert_eq!(outcome(&events[0]), expected, "{name}");
    }
    println!("{} samples checked one by one", understood.len());
}

#[test]
fn every_other_file_is_survived() {
    let Some(folder) = folder() else {
        return;
    };
    let all = files(&folder);
    let mut refused = 0;
    for (name, text) in &all {
        let document: Value = serde_json::from_str(text).unwrap();
        match parse(text.as_bytes(), &number_of(&document)) {
            Ok(events) => assert!(!events.is_empty(), "{name}"),
            // Only the specification itself is larger than any webhook may be.
            Err(error) => {
                assert!(text.len() > 300_000, "{name}: {error}");
                refused += 1;
            }
        }
        // The same file as the value of a change, as a message and as a status.
        for part in ["/", "messages", "statuses", "contacts", "user_id_update"] {
            let mut value = json!({ "metadata": { "phone_number_id": "1" } });
            match part {
                "/" => value = document.clone(),
                list => value[list] = json!([document]),
            }
            let hook = json!({ "object": "whatsapp_business_account",
                               "entry": [{ "changes": [{ "field": "messages", "value": value }] }] });
            if let Ok(events) = parse(hook.to_string().as_bytes(), "1") {
                assert!(!events.is_empty(), "{name} as {part}");
            }
        }
    }
    println!("{} files thrown at the parser in 6 forms, {refused} refused for size", all.len());
}

#[test]
fn signatures_made_by_others() {
    let Some(folder) = folder() else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("vectors/x-hub-signature-256.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let field = |name: &str| case[name].as_str().unwrap();
        let key = MacKey::new(field("app_secret")).unwrap();
        let signed = is_signed(&key, field("header"), field("body").as_bytes());
        assert_eq!(signed, case["valid"].as_bool().unwrap(), "{}", field("name"));
    }
    println!("{} signatures", cases.len());
}

/// The fields of a request that we know beside the one named by its type.
const FIELDS: [&str; 6] =
    ["messaging_product", "recipient_type", "to", "recipient", "type", "context"];

/// Reads a request for sending as content, where content can express it.
fn content_of(request: &Value) -> Option<Content> {
    let kind = request["type"].as_str().unwrap_or("text");
    let known = |name: &String| name == kind || FIELDS.contains(&name.as_str());
    if !request.as_object()?.keys().all(known) {
        return None;
    }
    match kind {
        "interactive" => interactive(&request["interactive"]),
        "template" => Some(Content::Template(template(&request["template"])?)),
        "text" if request["text"].is_object() => {
            Some(Content::text(request["text"]["body"].as_str()?))
        }
        _ => {
            let text = request.to_string();
            let message: Maybe<Message<'_>> = serde_json::from_str(&text).unwrap();
            let cards = || request["contacts"].as_array().cloned().unwrap_or_default();
            inbound_content(message.0.as_ref()?, cards)
        }
    }
}

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn choice(value: &Value) -> Option<Choice> {
    Some(Choice {
        id: text_at(value, "/id")?,
        title: text_at(value, "/title")?,
        description: text_at(value, "/description"),
    })
}

fn interactive(body: &Value) -> Option<Content> {
    let text = text_at(body, "/body/text")?;
    let header = body.get("header");
    match body["type"].as_str()? {
        "button" if header.is_none_or(|header| header["type"] == "text") => {
            Some(Content::Buttons {
                text,
                header: text_at(body, "/header/text"),
                footer: text_at(body, "/footer/text"),
                options: body["action"]["buttons"]
                    .as_array()?
                    .iter()
                    .map(|button| choice(&button["reply"]))
                    .collect::<Option<_>>()?,
            })
        }
        "list" if header.is_none() && body.get("footer").is_none() => Some(Content::List {
            text,
            button: text_at(body, "/action/button")?,
            sections: body["action"]["sections"]
                .as_array()?
                .iter()
                .map(|section| {
                    let rows = section["rows"].as_array()?.iter().map(choice);
                    let title = text_at(section, "/title");
                    Some(ListSection { title, options: rows.collect::<Option<_>>()? })
                })
                .collect::<Option<_>>()?,
        }),
        _ => None,
    }
}

fn template(body: &Value) -> Option<TemplateContent> {
    let mut components = body["components"].as_array().cloned().unwrap_or_default();
    let is_plain = |component: &Value| {
        let parameters = component["parameters"].as_array();
        component["type"] == "body"
            && parameters.is_some_and(|list| list.iter().all(|one| one["type"] == "text"))
    };
    let plain = components.iter().position(is_plain).map(|at| components.remove(at));
    let parameters = plain.as_ref().and_then(|plain| plain["parameters"].as_array());
    let parameter = |one: &Value| {
        Some(TemplateParameter {
            name: text_at(one, "/parameter_name"),
            text: text_at(one, "/text")?,
        })
    };
    Some(TemplateContent {
        name: text_at(body, "/name")?,
        language: text_at(body, "/language/code")?,
        parameters: parameters
            .map_or(Some(Vec::new()), |list| list.iter().map(parameter).collect())?,
        components,
    })
}

/// Fills in what the provider takes for granted.
fn with_defaults(mut request: Value) -> Value {
    request["recipient_type"] = json!("individual");
    if request.get("type").is_none() {
        request["type"] = json!("text");
    }
    if request.pointer("/text/preview_url") == Some(&json!(false)) {
        request["text"].as_object_mut().unwrap().remove("preview_url");
    }
    request
}

#[test]
fn requests_survive_the_way_through_content() {
    let Some(folder) = folder() else {
        return;
    };
    let (mut equal, mut beyond) = (0, Vec::new());
    for (name, text) in files(&folder) {
        let request: Value = serde_json::from_str(&text).unwrap();
        let address = request.get("to").or(request.get("recipient")).and_then(Value::as_str);
        let is_send = request["messaging_product"] == "whatsapp" && address.is_some();
        let Some(address) = address.filter(|_| is_send) else {
            continue;
        };
        let Some(content) = content_of(&request) else {
            beyond.push(name);
            continue;
        };
        let mut message = outbound(content);
        let user = request.get("to").and(request.get("recipient")).and_then(Value::as_str);
        message.to = user.into_iter().chain([address]).map(whatsapp).collect();
        message.reply_to = text_at(&request, "/context/message_id");
        let preview = request.pointer("/text/preview_url") == Some(&json!(true));
        let links = if preview { LinkPreview::Shown } else { LinkPreview::Hidden };
        let mut ours = send_request(&message, links).unwrap();
        ours.as_object_mut().unwrap().remove("biz_opaque_callback_data").unwrap();
        let mut theirs = with_defaults(request.clone());
        // Where both are known we send the phone alone, which is what the provider would use.
        if user.is_some() {
            theirs.as_object_mut().unwrap().remove("recipient");
        }
        assert_eq!(ours, theirs, "{name}");
        equal += 1;
    }
    println!(
        "{equal} requests mapped there and back, {} beyond our content: {beyond:#?}",
        beyond.len()
    );
    assert!(equal > 0);
}

#[test]
fn error_answers_are_sorted() {
    let Some(folder) = folder() else {
        return;
    };
    let mut sorted = BTreeMap::<&str, usize>::new();
    for (name, text) in files(&folder) {
        let document: Value = serde_json::from_str(&text).unwrap();
        if !document["error"].is_object() {
            continue;
        }
        let file = name.rsplit('/').next().unwrap();
        let status = file.split('-').next().unwrap().parse().unwrap_or(400);
        let answer = Answer { status, retry_after: None, body: Some(text.into_bytes()) };
        let error = send_error(&answer);
        let class = match (&error, status) {
            (SendError::RateLimited { .. }, 429) => "rate limited",
            (SendError::Retry { .. }, 500..) => "retry",
            (SendError::Unauthorized { .. }, 401 | 403) => "unauthorized",
            (SendError::Rejected { reason, .. }, 400..=422) if !reason.is_empty() => "rejected",
            (other, status) => panic!("{name}: {status} {other:?}"),
        };
        *sorted.entry(class).or_default() += 1;
    }
    println!("error answers: {sorted:?}");
    assert!(!sorted.is_empty());
}

#[test]
fn success_answers_carry_their_id() {
    let Some(folder) = folder() else {
        return;
    };
    let mut accepted = 0;
    for (name, text) in files(&folder) {
        let sends = name.contains("responses/post-phone-number-id-messages/200")
            || name.starts_with("restfb/message-response");
        let document: Value = serde_json::from_str(&text).unwrap();
        if sends && document["messages"].is_array() {
            let reply: Maybe<super::super::wire::Reply<'_>> = serde_json::from_str(&text).unwrap();
            let id = reply.0.unwrap().messages.iter().find_map(|message| message.id.owned());
            assert!(id.is_some(), "{name}");
            accepted += 1;
        }
    }
    println!("{accepted} answers with an id");
}
