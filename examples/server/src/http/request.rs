//! The outermost layer: every request gets an id, a bound on its time, a line in the log, a count
//! in the metrics, and, if it fails, a body that says why.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::sync::Semaphore;

use super::Problem;
use super::header::secure;
use super::problem::PROBLEM_JSON;
use crate::app::App;
use crate::metric;

/// The header that carries the id of a request, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Most characters of an id that a caller brings.
const REQUEST_ID_MAX_CHARS: usize = 64;
/// The longest a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Most requests being served at once; more are told to come back.
pub const REQUESTS_MAX: usize = 1024;
/// What metrics call a request to an address without a route.
const UNMATCHED: &str = "unmatched";

/// The id under which the log knows a request.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id the caller brought, if it is harmless in a log, else a fresh one.
    fn of(headers: &HeaderMap, app: &App) -> Self {
        let brought = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        match brought.filter(|text| is_harmless(text)) {
            Some(text) => Self(text.into()),
            None => Self::fresh(app),
        }
    }

    /// A new id.
    pub fn fresh(app: &App) -> Self {
        Self(app.ids().uuid().simple().to_string().into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_harmless(text: &str) -> bool {
    (1..=REQUEST_ID_MAX_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// What the layer needs.
#[derive(Debug, Clone)]
pub struct RequestLayer {
    app: Arc<App>,
    places: Arc<Semaphore>,
}

impl RequestLayer {
    /// A layer with room for [`REQUESTS_MAX`] requests at once.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, places: Arc::new(Semaphore::new(REQUESTS_MAX)) }
    }
}

/// The layer itself.
pub async fn observe(
    State(layer): State<RequestLayer>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), &layer.app);
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = match layer.places.try_acquire() {
        Ok(_place) => guarded(request, next).await,
        Err(_) => respond(Problem::unavailable("the server is busy")),
    };
    let response = finish(response, &id);
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    record(&method, route, response.status(), started.elapsed(), &id);
    response
}

/// Runs the rest with a bound on its time; a panic in a handler is one 500, not a lost connection.
async fn guarded(request: Request, next: Next) -> Response {
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => respond(Problem::internal()),
        Err(_) => respond(Problem::unavailable("the request took too long")),
    }
}

fn respond(problem: Problem) -> Response {
    axum::response::IntoResponse::into_response(problem)
}

/// Writes the body of an error and the headers of every response.
fn finish(response: Response, id: &RequestId) -> Response {
    let mut response = write_problem(response, id);
    secure(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Gives an error its body; whatever made it, it leaves in one form.
pub fn write_problem(mut response: Response, id: &RequestId) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || has_problem_body(&response) {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::from_status(status));
    let mut rendered = problem.render(id.as_str());
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    rendered
}

fn has_problem_body(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes() == PROBLEM_JSON.as_bytes())
}

/// Counts and logs a request: its route, never its path, query or body, which may name people.
fn record(method: &Method, route: &str, status: StatusCode, took: Duration, id: &RequestId) {
    metric::http_request(method, route, status, took);
    let (status, ms) = (status.as_u16(), took.as_secs_f64() * 1000.0);
    let request_id = id.as_str();
    if status >= 500 {
        tracing::warn!(%method, route, status, ms, request_id, "request failed");
    } else {
        tracing::debug!(%method, route, status, ms, request_id, "request");
    }
}
