//! What one WhatsApp webhook costs: signature and parsing.
//!
//! `cargo bench -p justping-channels --features whatsapp --bench webhook`

use std::error::Error;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::Criterion;
use hmac::{Hmac, KeyInit, Mac};
use justping_channels::whatsapp::{ACCESS_TOKEN, APP_SECRET, VERIFY_TOKEN, WhatsAppProvider};
use justping_core::model::{
    BusinessId, ChannelConfig, ChannelId, ChannelSecrets, Timestamp, UnknownPolicy,
};
use justping_core::port::{Channel, HttpMethod, WebhookRequest};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

const PHONE_NUMBER_ID: &str = "106540352242922";
const SECRET: &str = "bench-app-secret";

/// What a future gives that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
    }
}

fn hook(messages: &[Value], statuses: &[Value]) -> String {
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550783881", "phone_number_id": PHONE_NUMBER_ID },
        "contacts": [{ "profile": { "name": "Sheena Nelson" }, "wa_id": "16505551234",
                       "user_id": "US.13491208655302741918" }],
        "messages": messages,
        "statuses": statuses,
    });
    let change = json!({ "value": value, "field": "messages" });
    let entry = json!({ "id": "419561257915477", "changes": [change] });
    json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string()
}

fn text(body: &str) -> Value {
    json!({
        "from": "16505551234",
        "from_user_id": "US.13491208655302741918",
        "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
        "timestamp": "1749416383",
        "type": "text",
        "text": { "body": body },
    })
}

fn status() -> Value {
    json!({
        "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MEM2RUJFNkI0RENGQTVDRjUA",
        "status": "delivered",
        "timestamp": "1750030073",
        "recipient_id": "16505551234",
        "biz_opaque_callback_data": "cnv_01jx5k3x8vfk2s0000000000aa.42",
        "conversation": { "id": "7270432eae37498234f4444b35ffc5", "origin": { "type": "service" } },
        "pricing": { "billable": true, "pricing_model": "PMP", "category": "service" },
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = ChannelConfig {
        id: ChannelId::from_uuid(Uuid::from_u128(1)),
        business_id: BusinessId::from_uuid(Uuid::from_u128(2)),
        provider: "whatsapp".to_owned(),
        name: "Bench".to_owned(),
        settings: json!({ "phone_number_id": PHONE_NUMBER_ID }),
        agent_id: None,
        enabled: true,
        unknown_policy: UnknownPolicy::AtMostOnce,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let secrets =
        ChannelSecrets::from_iter([(ACCESS_TOKEN, "t"), (APP_SECRET, SECRET), (VERIFY_TOKEN, "v")]);
    let channel = WhatsAppProvider::new().open_channel(&config, &secrets)?;
    let long = "Does it come in another color? ".repeat(16);
    let cases = [
        ("text", hook(&[text("Does it come in another color?")], &[])),
        ("text of 1 KiB", hook(&[text(&long)], &[])),
        ("status", hook(&[], &[status()])),
        ("50 messages and 50 statuses", hook(&vec![text("Hi"); 50], &vec![status(); 50])),
    ];
    let mut criterion = Criterion::default().configure_from_args();
    for (name, body) in &cases {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(body.as_bytes());
        let digits: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = [("x-hub-signature-256".to_owned(), format!("sha256={digits}"))];
        let request = WebhookRequest {
            method: HttpMethod::Post,
            query: &[],
            headers: &headers,
            body: body.as_bytes(),
        };
        at_once(channel.receive(&request))?;
        let name = format!("webhook/{name} ({} bytes)", body.len());
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| at_once(channel.receive(black_box(&request))));
        });
    }
    criterion.final_summary();
    Ok(())
}
