//! What a failure means.

use std::time::Duration;

use justping_core::port::AiError;
use serde::Deserialize;
use serde_json::Value;

use crate::provider::link;

/// Codes of requests that do not fit the model.
const TOO_LONG: [&str; 3] =
    ["context_length_exceeded", "string_above_max_length", "request_too_large"];
/// Codes of a rate limit that waiting does not lift.
const NO_CREDIT: [&str; 3] =
    ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];
/// Codes of errors that come without a status, in the middle of a stream.
const OVERLOADED: [&str; 6] = [
    "server_error",
    "internal_error",
    "internal_server_error",
    "overloaded_error",
    "service_unavailable",
    "timeout",
];
const RATE_LIMITED: [&str; 4] = ["rate_limit_exceeded", "rate_limit_error", "requests", "tokens"];

/// The `error` object of an answer, as far as servers agree on it.
#[derive(Debug, Default)]
struct Said {
    code: String,
    kind: String,
    message: String,
}

impl Said {
    /// Reads an `error` member: an object, or a mere text.
    fn of(error: &Value) -> Self {
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = error.as_str().map_or_else(|| text("message"), str::to_owned);
        Self { code: text("code"), kind: text("type"), message }
    }

    /// The code, else the type, else `otherwise`.
    fn code(&self, otherwise: &str) -> String {
        let mut codes = [&self.code, &self.kind].into_iter();
        codes.find(|code| !code.is_empty()).map_or_else(|| otherwise.to_owned(), Clone::clone)
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str()) || codes.contains(&self.kind.as_str())
    }

    /// Some servers have no code for it and say it in words.
    fn is_too_long(&self) -> bool {
        self.is_one_of(&TOO_LONG) || self.message.contains("maximum context length")
    }

    fn rejected(&self, otherwise: &str) -> AiError {
        AiError::Rejected { code: self.code(otherwise), reason: link::reason(&self.message) }
    }
}

/// What an answer with a status other than success means.
pub(super) fn of_status(status: u16, after: Option<Duration>, body: &[u8]) -> AiError {
    #[derive(Default, Deserialize)]
    struct Body {
        #[serde(default)]
        error: Value,
    }
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let said = Said::of(&body.error);
    match status {
        401 => AiError::Unauthorized,
        403 if said.code.is_empty() => AiError::Unauthorized,
        413 => AiError::TooLong,
        429 if said.is_one_of(&NO_CREDIT) => said.rejected("insufficient_quota"),
        429 => AiError::RateLimited { after },
        408 | 409 | 425 | 500.. => {
            AiError::Unavailable { after, detail: format!("status {status}") }
        }
        _ if said.is_too_long() => AiError::TooLong,
        _ => said.rejected(&format!("status_{status}")),
    }
}

/// What an `error` object in the middle of a stream means.
pub(super) fn of_stream(error: &Value) -> AiError {
    let said = Said::of(error);
    // Some servers put the status where the code belongs.
    if let Ok(status) = said.code.parse::<u16>() {
        let body = serde_json::json!({"error": {"type": said.kind, "message": said.message}});
        return of_status(status, None, body.to_string().as_bytes());
    }
    if said.is_too_long() {
        AiError::TooLong
    } else if said.is_one_of(&NO_CREDIT) {
        said.rejected("insufficient_quota")
    } else if said.is_one_of(&RATE_LIMITED) {
        AiError::RateLimited { after: None }
    } else if said.is_one_of(&OVERLOADED) {
        AiError::Unavailable { after: None, detail: said.code("server_error") }
    } else {
        said.rejected("stream_error")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, code: &str, message: &str) -> AiError {
        let body = json!({"error": {"code": code, "type": "t", "message": message}}).to_string();
        of_status(status, Some(Duration::from_secs(7)), body.as_bytes())
    }

    #[test]
    fn statuses_and_codes_have_meanings() {
        let after = Some(Duration::from_secs(7));
        assert_eq!(of(401, "invalid_api_key", ""), AiError::Unauthorized);
        assert_eq!(of(429, "rate_limit_exceeded", ""), AiError::RateLimited { after });
        assert_eq!(of(429, "insufficient_quota", "").code(), "rejected");
        assert_eq!(of(413, "", ""), AiError::TooLong);
        assert_eq!(of(400, "context_length_exceeded", ""), AiError::TooLong);
        assert_eq!(of(400, "", "the maximum context length is 10 tokens"), AiError::TooLong);
        let detail = "status 503".to_owned();
        assert_eq!(of(503, "", ""), AiError::Unavailable { after, detail });
        let (code, reason) = ("bad".to_owned(), "no".to_owned());
        assert_eq!(of(400, "bad", "no"), AiError::Rejected { code, reason });
        let (code, reason) = ("status_404".to_owned(), String::new());
        assert_eq!(of_status(404, None, b"<html>"), AiError::Rejected { code, reason });
        assert_eq!(of_status(403, None, b""), AiError::Unauthorized);
    }

    #[test]
    fn errors_in_a_stream_have_meanings() {
        let code = |error: Value| of_stream(&error).code();
        assert_eq!(code(json!({"type": "server_error"})), "unavailable");
        assert_eq!(code(json!({"code": 503, "message": "x"})), "unavailable");
        assert_eq!(code(json!({"code": "rate_limit_exceeded"})), "rate_limited");
        assert_eq!(code(json!({"code": "context_length_exceeded"})), "too_long");
        assert_eq!(code(json!("something")), "rejected");
        assert_eq!(code(json!(null)), "rejected");
    }

    #[test]
    fn reasons_are_short() {
        let AiError::Rejected { reason, .. } = of(400, "x", &"é".repeat(1_000)) else { panic!() };
        assert_eq!(reason.len(), 300);
    }
}
