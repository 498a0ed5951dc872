//! A channel: SMS through a gateway that takes JSON and signs its webhooks.

use justping_plugin::{
    Channel, ChannelInfo, Outbound, Received, Refusal, SendError, Webhook, config, http, secrets,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const GATEWAY: &str = "https://sms.example.com/messages";
/// The header with the signature: hexadecimal HMAC-SHA-256 of the body.
const SIGNATURE: &str = "x-signature";
/// Most characters of a message, which the gateway cuts into parts.
const TEXT_MAX_CHARS: u32 = 1_600;

struct Sms;

#[derive(Deserialize)]
struct Config {
    sender: String,
}

/// What the gateway tells.
#[derive(Deserialize)]
#[serde(untagged)]
enum Notice {
    /// A message that came in.
    Received { id: String, from: String, text: String },
    /// What became of one: `sent`, `delivered` or `failed`.
    Status { id: String, status: Status },
    /// Something else.
    Other(Value),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Sent,
    Delivered,
    Failed,
}

impl Channel for Sms {
    fn describe() -> ChannelInfo {
        ChannelInfo {
            kind: "sms".to_owned(),
            title: "SMS gateway".to_owned(),
            capabilities: json!({"text_max": TEXT_MAX_CHARS}),
        }
    }

    fn receive(webhook: &Webhook) -> Result<Received, Refusal> {
        verify(webhook)?;
        let notice = serde_json::from_slice(&webhook.body)
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        Ok(Received { inbound: vec![inbound(notice)], reply: Vec::new() })
    }

    fn send(outbound: &Outbound) -> Result<Option<String>, SendError> {
        let Config { sender } =
            config().map_err(|failure| SendError::Rejected(failure.to_string()))?;
        let text = outbound.content.get("text").and_then(Value::as_str);
        let text = text.ok_or_else(|| SendError::Rejected("only texts can be sent".to_owned()))?;
        let request = http::Request::post(GATEWAY)
            .secret("authorization", "Bearer ", "gateway_token")
            .header("idempotency-key", outbound.idempotency_key.as_str())
            .json(&json!({"from": sender, "to": outbound.to, "text": text}))
            .map_err(|failure| SendError::Rejected(failure.to_string()))?;
        sent(&request.send().map_err(|error| undelivered(&error))?)
    }
}

fn verify(webhook: &Webhook) -> Result<(), Refusal> {
    let header = webhook.headers.iter().find(|(name, _)| name == SIGNATURE);
    let signature = header.and_then(|(_, value)| unhex(value)).ok_or(Refusal::Unauthorized)?;
    match secrets::verify_hmac_sha256("webhook_key", &webhook.body, &signature) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Refusal::Unauthorized),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    pairs.then(|| (0..text.len()).step_by(2).map(byte).collect()).flatten()
}

fn inbound(notice: Notice) -> Value {
    match notice {
        Notice::Received { id, from, text } => json!({
            "type": "message", "provider_ref": id, "from": [{"kind": "sms", "id": from}],
            "content": {"type": "text", "text": text}
        }),
        Notice::Status { id, status } => {
            json!({"type": "status", "provider_ref": id, "status": status})
        }
        Notice::Other(raw) => {
            let kind = raw.get("event").and_then(Value::as_str).unwrap_or_default();
            json!({"type": "unsupported", "kind": kind, "raw": raw})
        }
    }
}

/// What the gateway's answer means.
fn sent(reply: &http::Response) -> Result<Option<String>, SendError> {
    let retry_ms =
        || reply.header("retry-after")?.parse().ok().map(|s: u64| s.saturating_mul(1_000));
    match reply.status {
        200..=299 => {
            let body: Value = reply.json().unwrap_or_default();
            Ok(body.get("id").and_then(Value::as_str).map(str::to_owned))
        }
        401 | 403 => Err(SendError::Unauthorized),
        404 | 422 => Err(SendError::InvalidRecipient),
        429 => Err(SendError::RateLimited(retry_ms())),
        503 => Err(SendError::Retry(retry_ms())),
        500..=599 => Err(SendError::Unknown(format!("the gateway answered {}", reply.status))),
        status => Err(SendError::Rejected(format!("the gateway answered {status}"))),
    }
}

/// Why a request had no answer: after a timeout the gateway may have heard it.
fn undelivered(error: &http::Error) -> SendError {
    match error {
        http::Error::Denied(why) | http::Error::Invalid(why) => SendError::Rejected(why.clone()),
        http::Error::Timeout | http::Error::TooLarge => SendError::Unknown("no answer".to_owned()),
        http::Error::Failed(why) => SendError::Unknown(why.clone()),
    }
}

justping_plugin::export_channel!(Sms);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_or_refused() {
        assert_eq!(unhex("00ff").as_deref(), Some([0, 255].as_slice()));
        for wrong in ["0", "0g", "é1", "+1"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_may_have_left_is_not_sent_again() {
        let reply = |status| http::Response { status, ..http::Response::default() };
        assert!(matches!(sent(&reply(500)), Err(SendError::Unknown(_))));
        assert!(matches!(sent(&reply(503)), Err(SendError::Retry(None))));
        assert!(matches!(sent(&reply(401)), Err(SendError::Unauthorized)));
        assert!(matches!(sent(&reply(202)), Ok(None)));
    }
}
