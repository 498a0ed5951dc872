//! Asking the server, outside the step.

use std::time::Duration;

use justping_core::model::CallResult;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Wanted;
use crate::VARIABLES_MAX_BYTES;
use crate::fetch::{FetchError, FetchReply, FetchRequest, Fetcher};
use crate::size;

/// Requests made for one call at most; more than one only where twice is the same as once.
const ATTEMPTS_MAX: u32 = 3;
/// The pause before the second request; it doubles.
const BACKOFF: Duration = Duration::from_millis(250);
/// Statuses of servers that may do better soon.
const PASSING: [u16; 3] = [502, 503, 504];

/// What a call comes back with: of the answer only what is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// By variable.
    pub(super) values: Map<String, Value>,
}

/// Asks, and asks again while that may help, within the time of the request.
pub(super) async fn ask(
    fetcher: &dyn Fetcher,
    request: &FetchRequest,
    wanted: &Wanted,
) -> CallResult {
    let time = Duration::from_millis(request.timeout_ms);
    let reply = tokio::time::timeout(time, attempts(fetcher, request)).await;
    match reply.unwrap_or(Err(FetchError::Timeout)) {
        Ok(reply) => answer(&reply, wanted),
        Err(error) => refused(error.code(), &error.to_string()),
    }
}

async fn attempts(fetcher: &dyn Fetcher, request: &FetchRequest) -> Result<FetchReply, FetchError> {
    let mut pause = BACKOFF;
    for _ in 1..ATTEMPTS_MAX {
        let reply = fetcher.fetch(request).await;
        if !request.method.is_idempotent() || !may_pass(&reply) {
            return reply;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
    fetcher.fetch(request).await
}

fn may_pass(reply: &Result<FetchReply, FetchError>) -> bool {
    match reply {
        Ok(reply) => PASSING.contains(&reply.status),
        Err(error) => matches!(error, FetchError::Failed { .. }),
    }
}

fn answer(reply: &FetchReply, wanted: &Wanted) -> CallResult {
    let values = saved(reply, wanted);
    if size::weight(&values) > VARIABLES_MAX_BYTES {
        return refused("answer_too_large", "what is saved of the answer takes too much room");
    }
    match serde_json::to_value(Answer { status: reply.status, values }) {
        Ok(value) => CallResult::Ok(value),
        Err(_) => refused("malformed", "the answer is not JSON"),
    }
}

/// What is saved; what the answer does not have is `null`.
fn saved(reply: &FetchReply, wanted: &Wanted) -> Map<String, Value> {
    let mut values = Map::new();
    if let Some(variable) = &wanted.status_variable {
        values.insert(variable.clone(), reply.status.into());
    }
    // A body that is not JSON is a text.
    let body = (!wanted.save.is_empty()).then(|| {
        serde_json::from_slice(&reply.body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&reply.body)))
    });
    for save in &wanted.save {
        let part = body.as_ref().and_then(|body| body.pointer(&save.pointer));
        values.insert(save.variable.clone(), part.cloned().unwrap_or_default());
    }
    for save in &wanted.save_headers {
        let is_meant = |name: &str| name.eq_ignore_ascii_case(&save.header);
        let value = reply.headers.iter().find(|(name, _)| is_meant(name)).map(|(_, value)| value);
        values.insert(save.variable.clone(), value.cloned().map_or(Value::Null, Value::from));
    }
    values
}

pub(super) fn refused(code: &str, detail: &str) -> CallResult {
    CallResult::Error { code: code.to_owned(), detail: detail.to_owned() }
}
