//! What a failure means.
//!
//! Source: Anthropic's documentation, "Errors".

use std::time::Duration;

use justping_core::port::AiError;
use serde::Deserialize;

use crate::provider::link;

/// The `error` object of an answer or an event.
#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

/// An answer, or an event, that reports an error.
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Said,
}

/// What an answer with a status other than success means.
pub(super) fn of_status(status: u16, after: Option<Duration>, body: &[u8]) -> AiError {
    let said = serde_json::from_slice::<Body>(body).unwrap_or_default().error;
    match status {
        401 => AiError::Unauthorized,
        403 if said.kind.is_empty() || said.kind == "permission_error" => AiError::Unauthorized,
        413 => AiError::TooLong,
        429 => AiError::RateLimited { after },
        // 529 is "overloaded".
        408 | 409 | 425 | 500.. => {
            AiError::Unavailable { after, detail: format!("status {status}") }
        }
        _ if is_too_long(&said.message) => AiError::TooLong,
        _ => rejected(said, &format!("status_{status}")),
    }
}

/// What an event of the type `error` means; the status of its answer was success.
pub(super) fn of_event(data: &str) -> AiError {
    let said = serde_json::from_str::<Body>(data).unwrap_or_default().error;
    match said.kind.as_str() {
        "authentication_error" | "permission_error" => AiError::Unauthorized,
        "request_too_large" => AiError::TooLong,
        "rate_limit_error" => AiError::RateLimited { after: None },
        "overloaded_error" | "api_error" | "timeout_error" => {
            AiError::Unavailable { after: None, detail: said.kind }
        }
        _ if is_too_long(&said.message) => AiError::TooLong,
        _ => rejected(said, "stream_error"),
    }
}

/// There is no code for it.
fn is_too_long(message: &str) -> bool {
    message.contains("prompt is too long") || message.contains("exceed context limit")
}

fn rejected(said: Said, otherwise: &str) -> AiError {
    let code = if said.kind.is_empty() { otherwise.to_owned() } else { said.kind };
    AiError::Rejected { code, reason: link::reason(&said.message) }
}
