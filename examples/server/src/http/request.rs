//! The outermost layer: every request gets an id, a bound on its time, a line in the log, a count
//! in the metrics, and, if it fails, a body that says why.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::sync::Semaphore;

use super::Problem;
use super::header::secure;
use super::problem::{PROBLEM_JSON, REQUEST_ID};
use crate::app::App;
use crate::metric;

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

/// Room for a number of requests at once.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

impl Places {
    /// Room for `count` requests.
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }
}

/// Turns requests away while there is no room for them, instead of letting them pile up.
pub async fn limit(State(places): State<Places>, request: Request, next: Next) -> Response {
    match places.0.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::unavailable("the server is busy").into_response(),
    }
}

/// The outermost layer itself.
pub async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), &app);
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = finish(guarded(request, next).await, &id);
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    record(&method, route, response.status(), started.elapsed(), &id);
    response
}

/// Runs the rest with a bound on its time; a panic in a handler is one 500, not a lost connection.
async fn guarded(request: Request, next: Next) -> Response {
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal().into_response(),
        Err(_) => Problem::unavailable("the request took too long").into_response(),
    }
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
fn write_problem(mut response: Response, id: &RequestId) -> Response {
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::{from_fn, from_fn_with_state};
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn guard(request: Request, next: Next) -> Response {
        guarded(request, next).await
    }

    async fn ask(router: Router) -> Response {
        let request = Request::builder().uri("/").body(Body::empty()).expect("request");
        router.oneshot(request).await.expect("infallible")
    }

    fn breaks() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn who_finds_no_room_is_asked_to_come_back() {
        let router = Router::new().route("/", get(|| async { "ok" }));
        let full = router.clone().layer(from_fn_with_state(Places::new(0), limit));
        let response = write_problem(ask(full).await, &RequestId("id".into()));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        let free = router.layer(from_fn_with_state(Places::new(1), limit));
        assert_eq!(ask(free.clone()).await.status(), StatusCode::OK);
        assert_eq!(ask(free).await.status(), StatusCode::OK, "the place was given back");
    }

    #[tokio::test]
    async fn a_handler_that_breaks_is_an_answer() {
        let router = Router::new().route("/", get(|| async { breaks() })).layer(from_fn(guard));
        assert_eq!(ask(router).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_never_ends_is_an_answer() {
        let never = get(|| async { std::future::pending::<&'static str>().await });
        let router = Router::new().route("/", never).layer(from_fn(guard));
        assert_eq!(ask(router).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn only_harmless_ids_are_kept() {
        for text in ["a", "req-1_2.3", &"x".repeat(64)] {
            assert!(is_harmless(text), "{text}");
        }
        for text in ["", "a b", "a\nb", "é", "<x>", &"x".repeat(65)] {
            assert!(!is_harmless(text), "{text}");
        }
    }
}
