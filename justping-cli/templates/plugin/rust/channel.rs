//! A channel: receives webhooks and hands messages over.

use justping_plugin::{
    Channel, ChannelInfo, Outbound, Received, Refusal, SendError, Webhook, http, secrets,
};
use serde::Deserialize;
use serde_json::{Value, json};

const GATEWAY: &str = "https://gateway.example.com/messages";

struct Gateway;

#[derive(Deserialize)]
struct Note {
    id: String,
    from: String,
    text: String,
}

impl Channel for Gateway {
    fn describe() -> ChannelInfo {
        ChannelInfo {
            kind: "sms".to_owned(),
            title: "My gateway".to_owned(),
            capabilities: json!({"text_max": 1600}),
        }
    }

    fn receive(webhook: &Webhook) -> Result<Received, Refusal> {
        let header = webhook.headers.iter().find(|(name, _)| name == "x-signature");
        let signature = header.and_then(|(_, value)| unhex(value)).ok_or(Refusal::Unauthorized)?;
        match secrets::verify_hmac_sha256("webhook_key", &webhook.body, &signature) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(Refusal::Unauthorized),
        }
        let Note { id, from, text } = serde_json::from_slice(&webhook.body)
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        let message = json!({
            "type": "message", "provider_ref": id, "from": [{"kind": "sms", "id": from}],
            "content": {"type": "text", "text": text}
        });
        Ok(Received { inbound: vec![message], reply: Vec::new() })
    }

    fn send(outbound: &Outbound) -> Result<Option<String>, SendError> {
        let text = outbound.content.get("text").and_then(Value::as_str);
        let body = json!({"to": outbound.to, "text": text, "key": outbound.idempotency_key});
        let rejected = |why: justping_plugin::Failure| SendError::Rejected(why.to_string());
        let request = http::Request::post(GATEWAY)
            .secret("authorization", "Bearer ", "token")
            .json(&body)
            .map_err(rejected)?;
        let reply = request.send().map_err(|error| SendError::Unknown(error.to_string()))?;
        match reply.status {
            200..=299 => {
                let body: Value = reply.json().map_err(rejected)?;
                Ok(body.get("id").and_then(Value::as_str).map(str::to_owned))
            }
            status @ 500.. => Err(SendError::Unknown(format!("the gateway answered {status}"))),
            status => Err(SendError::Rejected(format!("the gateway answered {status}"))),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    is_hex.then(|| (0..text.len()).step_by(2).map(byte).collect()).flatten()
}

justping_plugin::export_channel!(Gateway);
