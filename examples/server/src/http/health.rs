//! For whoever keeps the process running.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use justping::model::PageRequest;

use super::Problem;
use super::access::{AppState, Public};
use crate::metric;

/// How long the store may take to prove that it is there.
const STORE_PATIENCE: Duration = Duration::from_secs(2);
/// The media type of Prometheus' text form.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers))
}

async fn alive(_: Public) -> &'static str {
    "ok\n"
}

/// Ready means: not about to stop, and the store answers.
async fn ready(Public(app): Public) -> Result<&'static str, Problem> {
    if app.is_stopping() {
        return Err(Problem::unavailable("the server is about to stop"));
    }
    let first = PageRequest::first(1);
    let probe = app.store().businesses(&first);
    match tokio::time::timeout(STORE_PATIENCE, probe).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Problem::unavailable("the store does not answer")),
    }
}

async fn numbers(Public(app): Public) -> Response {
    metric::upkeep(&app.jp().upkept());
    app.queues().refresh(app.store(), app.now()).await;
    match metric::install() {
        Some(handle) => {
            ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], handle.render()).into_response()
        }
        None => Problem::unavailable("this process does not count").into_response(),
    }
}
