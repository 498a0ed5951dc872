//! A call becomes a request, and its answer the result of the call.

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use http::{Request, Response, StatusCode, header};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::operation::{Body, IDEMPOTENCY_KEY, Operation};
use crate::http::access::Caller;

/// Most bytes of an answer: the largest page there is has room.
const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Calls an operation as whoever asks. Whatever the API refuses is a result too, an error with the
/// problem as its content, so that a model can read what was wrong and mend it.
pub(super) async fn call(
    api: &Router,
    operation: &Operation,
    caller: Caller,
    arguments: JsonObject,
) -> CallToolResult {
    let mut request = match request(operation, arguments) {
        Ok(request) => request,
        Err(detail) => return refused(&detail),
    };
    request.extensions_mut().insert(caller);
    // The router has no error of its own.
    let Ok(response) = api.clone().oneshot(request).await;
    result(response).await
}

/// The request of a call.
fn request(operation: &Operation, mut arguments: JsonObject) -> Result<Request<HttpBody>, String> {
    let mut path = operation.path.clone();
    if path.contains("{id}") {
        let id = arguments.remove("id").ok_or("`id` is missing")?;
        let id = id.as_str().ok_or("`id` must be a text")?;
        // Ids are letters, digits and `_`; anything else is none, and must not become part of a path.
        let is_harmless = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if id.is_empty() || !is_harmless {
            return Err("`id` is no id".to_owned());
        }
        path = path.replace("{id}", id);
    }
    let mut builder = Request::builder().method(operation.method.as_str());
    if let Some(key) = arguments.remove(IDEMPOTENCY_KEY) {
        builder = builder.header("idempotency-key", key.as_str().unwrap_or_default());
    }
    let mut query = Vec::new();
    for name in &operation.query {
        match arguments.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => query.push((name, text)),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                query.push((name, value.to_string()));
            }
            Some(_) => return Err(format!("`{name}` must be a text or a number")),
        }
    }
    if !query.is_empty() {
        path.push('?');
        path.push_str(&serde_urlencoded::to_string(query).map_err(|error| error.to_string())?);
    }
    let body = match &operation.body {
        Body::Rest => Some(Value::Object(std::mem::take(&mut arguments))),
        Body::Fixed(body) => Some(body.clone()),
        Body::None => None,
    };
    if let Some(unknown) = arguments.keys().next() {
        return Err(format!("there is no argument `{unknown}`"));
    }
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(HttpBody::empty, |body| HttpBody::from(body.to_string()));
    builder.uri(path).body(body).map_err(|error| error.to_string())
}

async fn result(response: Response<HttpBody>) -> CallToolResult {
    let status = response.status();
    let Ok(bytes) = to_bytes(response.into_body(), ANSWER_MAX_BYTES).await else {
        return refused("the answer is too large: ask for fewer rows");
    };
    if status == StatusCode::NO_CONTENT {
        return told(json!({"done": true}), false);
    }
    match serde_json::from_slice(&bytes) {
        Ok(value) => told(value, !status.is_success()),
        Err(_) => refused("the answer is not JSON"),
    }
}

/// A refusal of this side, in the form of the API's.
fn refused(detail: &str) -> CallToolResult {
    told(
        json!({"code": "invalid", "title": "Invalid request", "status": 422, "detail": detail}),
        true,
    )
}

fn told(value: Value, is_error: bool) -> CallToolResult {
    let content = vec![ContentBlock::text(value.to_string())];
    let mut result =
        if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(value);
    result
}
