//! `Idempotency-Key`: a POST that is repeated with the same key is done once.
//!
//! Only successes are kept. An error changed nothing, so the same key may simply try again.
//!
//! The work and its answer are not one transaction. Where the process dies, or the work is cut off,
//! after the effect and before the answer is kept, the same key does the work again once the first
//! try counts as abandoned. The description of the API says so.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::SignedDuration;
use justping::model::{SOURCE_BYTES_MAX, Timestamp};
use justping::plugins::blob::BLOB_MAX_BYTES;
use justping::port::store::{IdempotencyRecord, IdempotencyStart};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Problem;
use super::access::Caller;
use super::extract::{BODY_MAX_BYTES, read_body};
use super::problem::RETRY_AFTER;
use super::request::{REQUEST_TIMEOUT, RequestId};
use crate::app::App;

/// The header that names a request.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Most characters of a key.
pub const KEY_MAX_CHARS: usize = 255;
/// For how long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// After this time a started request without an answer died with its process. Longer than any
/// request may take.
const ABANDONED_AFTER: Duration = Duration::from_secs(REQUEST_TIMEOUT.as_secs() * 2);
/// The longest that work goes on, counted from its start: it must be over, its answer kept, before
/// anybody else may take it for abandoned.
const WORK_MAX: Duration = Duration::from_secs(REQUEST_TIMEOUT.as_secs() + 15);
/// Most bytes of an answer that is kept.
const ANSWER_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What to keep of an answer that carries a secret, instead of the answer itself.
#[derive(Debug, Clone)]
pub struct ReplayBody(pub String);

/// The layer of all routes under `/api/v1`.
pub async fn idempotent(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(&IDEMPOTENCY_KEY).cloned() else {
        return next.run(request).await;
    };
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let known = parts.extensions.get::<Caller>().cloned();
    let caller = match known {
        Some(caller) => Ok(caller),
        None => Caller::authenticate(&app, &parts).await,
    };
    let caller = match caller {
        Ok(caller) => caller,
        // Whoever has no live key is refused further in, like without this header.
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            return next.run(Request::from_parts(parts, body)).await;
        }
        // Further in the store may answer again, and the work would be done without its key.
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(caller.clone());
    match begin(&caller, &key, &parts, body).await {
        Ok(Begun::New(begun, bytes)) => {
            let request = Request::from_parts(parts, Body::from(bytes));
            run_to_end(caller, begun, request, next).await
        }
        Ok(Begun::Answered(response)) => response,
        Err(problem) => problem.into_response(),
    }
}

/// Work that nobody else does now.
struct Begin {
    key: String,
    /// When it must be over.
    until: Instant,
}

enum Begun {
    New(Begin, Bytes),
    Answered(Response),
}

async fn begin(
    caller: &Caller,
    key: &HeaderValue,
    parts: &Parts,
    body: Body,
) -> Result<Begun, Problem> {
    let key = readable(key)?;
    let bytes = read_body(body, body_max(parts)).await?;
    let (now, until) = (caller.clock().now(), Instant::now() + WORK_MAX);
    let record =
        IdempotencyRecord { key: key.clone(), request_sha256: digest(caller, parts, &bytes), now };
    let abandoned = before(now, ABANDONED_AFTER);
    match caller.store().start_request(caller.business_id, &record, abandoned).await? {
        IdempotencyStart::Started => Ok(Begun::New(Begin { key, until }, bytes)),
        IdempotencyStart::Done { status, body } => Ok(Begun::Answered(replay(status, body))),
        IdempotencyStart::InFlight => {
            Err(Problem::new(StatusCode::CONFLICT, "idempotency_in_flight", "Still being done")
                .detail("a request with this Idempotency-Key is still being done")
                .retry_after(RETRY_AFTER))
        }
        IdempotencyStart::Mismatch => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_mismatch",
            "Key used before",
        )
        .detail("this Idempotency-Key was used for another request")),
    }
}

/// Most bytes of a request's body: files and packages may be larger than anything else.
fn body_max(parts: &Parts) -> usize {
    let path = parts.uri.path();
    if path.ends_with("/files") {
        SOURCE_BYTES_MAX
    } else if path.ends_with("/plugins/packages") || path.ends_with("/plugins/packages/verify") {
        BLOB_MAX_BYTES
    } else {
        BODY_MAX_BYTES
    }
}

fn readable(key: &HeaderValue) -> Result<String, Problem> {
    let text = key.to_str().unwrap_or_default();
    if (1..=KEY_MAX_CHARS).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Problem::malformed("Idempotency-Key must be 1 to 255 visible ASCII characters"))
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| now.checked_sub(span).ok())
        .unwrap_or(Timestamp::MIN)
}

/// The API key is part of the request: nobody is given the answer to somebody else's request.
fn digest(caller: &Caller, parts: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    for part in [caller.key_id.to_string().as_str(), parts.method.as_str(), target] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(body);
    hash.finalize().into()
}

/// Does the work in a task of its own, so that a caller who hangs up does not leave it half done
/// with nobody to store the answer. Work that is cut off keeps its key: what it did is unknown.
async fn run_to_end(caller: Caller, begun: Begin, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let work = async move {
        let answer = next.run(request).await;
        keep(&caller, &begun.key, answer).await
    };
    match tokio::spawn(tokio::time::timeout_at(begun.until, work)).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::unavailable("the request took too long").into_response(),
        Err(error) => {
            let request_id = id.as_ref().map(RequestId::as_str);
            tracing::error!(%error, request_id, "a handler broke");
            Problem::internal().into_response()
        }
    }
}

async fn keep(caller: &Caller, key: &str, answer: Response) -> Response {
    if !answer.status().is_success() {
        forget(caller, key).await;
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_MAX_BYTES).await else {
        forget(caller, key).await;
        return Problem::internal().into_response();
    };
    let text = match parts.extensions.get::<ReplayBody>() {
        Some(ReplayBody(text)) => text.clone(),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let status = parts.status.as_u16();
    if let Err(error) = caller.store().finish_request(caller.business_id, key, status, &text).await
    {
        tracing::warn!(%error, "an answer could not be kept for its Idempotency-Key");
    }
    Response::from_parts(parts, Body::from(bytes))
}

async fn forget(caller: &Caller, key: &str) {
    if let Err(error) = caller.store().forget_request(caller.business_id, key).await {
        tracing::warn!(%error, "an Idempotency-Key could not be freed");
    }
}

fn replay(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}
