//! Tests of the WhatsApp adapter: own fixtures, arbitrary input, a mock of the provider, and the
//! payloads written by others where their folder is at hand.

mod contract;
mod errors;
mod hostile;
mod reads;
mod sends;
mod settings;
mod signs;
mod supplied;

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use justping_core::model::{
    BusinessId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, Content, Identity, Inbound,
    Timestamp, UnknownPolicy,
};
use justping_core::port::{Channel, HttpMethod, Outbound, ReceiveError, Received, WebhookRequest};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN, WhatsAppChannel, WhatsAppProvider};
use crate::mac::MacKey;

pub(super) const PHONE_NUMBER_ID: &str = "106540352242922";
pub(super) const SECRET: &str = "7d1f0f2e0b1c4d5aa6b7c8d9e0f10213";

pub(super) fn config(settings: Value) -> ChannelConfig {
    ChannelConfig {
        id: ChannelId::from_uuid(Uuid::from_u128(1)),
        business_id: BusinessId::from_uuid(Uuid::from_u128(2)),
        provider: super::PROVIDER.to_owned(),
        name: "Shop".to_owned(),
        settings,
        agent_id: None,
        enabled: true,
        unknown_policy: UnknownPolicy::AtMostOnce,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn secrets() -> ChannelSecrets {
    [(ACCESS_TOKEN, "EAAtoken"), (APP_SECRET, SECRET), (VERIFY_TOKEN, "open sesame")]
        .into_iter()
        .collect()
}

pub(super) fn channel_with(settings: Value) -> WhatsAppChannel {
    WhatsAppProvider::new().open_channel(&config(settings), &secrets()).unwrap()
}

pub(super) fn channel() -> WhatsAppChannel {
    channel_with(json!({ "phone_number_id": PHONE_NUMBER_ID }))
}

/// The signature of a body.
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    let tag = MacKey::new(secret).unwrap().tag(&[body]);
    let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Delivers a body with this signature header.
pub(super) fn post(
    channel: &WhatsAppChannel,
    body: &[u8],
    signature: &str,
) -> Result<Received, ReceiveError> {
    let headers = [("x-hub-signature-256".to_owned(), signature.to_owned())];
    at_once(channel.receive(&WebhookRequest {
        method: HttpMethod::Post,
        query: &[],
        headers: &headers,
        body,
    }))
}

/// What a future gives that waits for nothing.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

/// One channel for all tests that send nothing: opening one reads the machine's certificates.
static RECEIVER: LazyLock<WhatsAppChannel> = LazyLock::new(channel);

/// Delivers a signed body and gives its events.
pub(super) fn events(body: &[u8]) -> Result<Vec<Inbound>, ReceiveError> {
    match post(&RECEIVER, body, &sign(SECRET, body))? {
        Received::Events(events) => Ok(events),
        Received::Challenge(text) => panic!("a challenge: {text}"),
    }
}

/// A webhook of one change.
pub(super) fn hook(field: &str, mut value: Value) -> Value {
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] =
        json!({ "display_phone_number": "15550783881", "phone_number_id": PHONE_NUMBER_ID });
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "419561257915477", "changes": [{ "value": value, "field": field }] }],
    })
}

/// A webhook of one message of a known contact.
pub(super) fn message_hook(mut message: Value) -> Value {
    message["from"] = json!("16505551234");
    message["id"] = json!("wamid.A");
    message["timestamp"] = json!("1749416383");
    hook(
        "messages",
        json!({
            "contacts": [{ "profile": { "name": "Sheena Nelson" }, "wa_id": "16505551234" }],
            "messages": [message],
        }),
    )
}

pub(super) fn read(document: &Value) -> Vec<Inbound> {
    events(document.to_string().as_bytes()).unwrap()
}

pub(super) fn whatsapp(id: &str) -> Identity {
    Identity::new(ChannelKind::WHATSAPP, id)
}

pub(super) fn outbound(content: Content) -> Outbound {
    Outbound {
        to: vec![whatsapp("16505551234")],
        content,
        reply_to: None,
        idempotency_key: "cnv_00000000000000000000000007.3".to_owned(),
    }
}
