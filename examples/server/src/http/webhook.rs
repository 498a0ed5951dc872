//! Where providers deliver their news. The hottest route of all, so it has no layers: the bytes go
//! straight to the engine, and 200 means that they are durable.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode};
use justping::engine::{EngineError, WebhookError, WebhookReply};
use justping::model::ChannelId;
use justping::port::{HttpMethod, ReceiveError, StoreError, WebhookRequest};

use super::Problem;
use super::access::{AppState, Public};
use super::extract::read_body;
use super::request::RequestId;
use crate::app::App;

/// Most bytes of a webhook; the largest a provider documents is 3 MiB.
pub(crate) const WEBHOOK_MAX_BYTES: usize = 3 * 1024 * 1024;
/// How long a provider may take to hand over a body.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// The routes of all providers that call us.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/webhooks/whatsapp/{channel}", get(webhook).post(webhook).fallback(wrong_method))
}

async fn wrong_method(Public(app): Public) -> Response {
    Problem::method_not_allowed().render(RequestId::fresh(&app).as_str())
}

async fn webhook(Public(app): Public, Path(channel): Path<String>, request: Request) -> Response {
    let started = Instant::now();
    let response = match take(&app, &channel, request).await {
        Ok(WebhookReply::Accepted) => StatusCode::OK.into_response(),
        Ok(WebhookReply::Challenge(text)) => text.into_response(),
        Err(problem) => problem.render(RequestId::fresh(&app).as_str()),
    };
    app.webhook_metrics().record(response.status(), started.elapsed());
    response
}

async fn take(app: &App, channel: &str, request: Request) -> Result<WebhookReply, Problem> {
    let channel: ChannelId = channel.parse().map_err(|_| Problem::not_found())?;
    let (parts, body) = request.into_parts();
    let method = if parts.method == Method::POST { HttpMethod::Post } else { HttpMethod::Get };
    let body = tokio::time::timeout(BODY_PATIENCE, read_body(body, WEBHOOK_MAX_BYTES)).await;
    let body: Bytes = body.map_err(|_| Problem::malformed("the body came too slowly"))??;
    let query = pairs(parts.uri.query().unwrap_or_default())?;
    let headers = texts(&parts.headers);
    let request = WebhookRequest { method, query: &query, headers: &headers, body: &body };
    app.jp().webhook(channel, &request).await.map_err(refusal)
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    serde_urlencoded::from_str(query).map_err(|_| Problem::malformed("the query is wrong"))
}

/// The headers that are text; names are lowercase already.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

/// A channel that is missing, switched off or of another provider is simply not there.
fn refusal(error: WebhookError) -> Problem {
    match error {
        WebhookError::Refused(ReceiveError::Unauthorized) => {
            Problem::new(StatusCode::UNAUTHORIZED, "unsigned", "Unsigned")
                .detail("the request is not signed by the provider")
        }
        WebhookError::Refused(ReceiveError::Malformed(_)) => {
            Problem::malformed("the body is not a document of the provider's form")
        }
        WebhookError::Refused(ReceiveError::TooLarge) => Problem::too_large(),
        WebhookError::Refused(ReceiveError::Unsupported) => Problem::not_found(),
        WebhookError::Engine(error) => engine_refusal(error),
    }
}

fn engine_refusal(error: EngineError) -> Problem {
    match error {
        EngineError::Disabled
        | EngineError::UnknownProvider(_)
        | EngineError::Store(StoreError::NotFound(_)) => Problem::not_found(),
        EngineError::Channel(error) => {
            tracing::error!(field = error.field, "a channel cannot be opened");
            Problem::unavailable("the channel is misconfigured")
        }
        other => Problem::from(other),
    }
}
