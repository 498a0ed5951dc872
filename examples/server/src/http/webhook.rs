//! Where providers deliver their news. The hottest route of all, so it has no layers: the bytes go
//! straight to the engine, and 200 means that they are durable. What the layers do for other routes,
//! bounding how many there are and how long they take, the handler does itself.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::FutureExt;
use http::{HeaderMap, Method, StatusCode, header};
use justping::channels::smtp::MAIL_MAX_BYTES;
use justping::engine::{EngineError, WebhookError, WebhookReply};
use justping::model::ChannelId;
use justping::port::{HttpMethod, ReceiveError, StoreError, WebhookRequest};
use tokio::sync::Semaphore;

use super::Problem;
use super::access::{AppState, Public};
use super::extract::read_body;
use super::request::RequestId;
use crate::app::App;

/// Most bytes of a webhook; the largest a provider documents is 3 MiB.
pub(crate) const WEBHOOK_MAX_BYTES: usize = 3 * 1024 * 1024;
/// How long a provider may take to hand over a body.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// The longest a webhook may take, its body included; providers wait no longer.
const WEBHOOK_PATIENCE: Duration = Duration::from_secs(20);

/// The routes of all providers that call us.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/webhooks/whatsapp/{channel}", get(webhook).post(webhook).fallback(wrong_method))
        .route("/webhooks/email/{channel}", post(mail).fallback(wrong_method))
        .route("/webhooks/plugin/{channel}", get(webhook).post(webhook).fallback(wrong_method))
}

/// A mail that somebody hands on, as it is.
async fn mail(Public(app): Public, Path(channel): Path<String>, request: Request) -> Response {
    answer(&app, app.mail_places(), take(&app, &channel, request, MAIL_MAX_BYTES)).await
}

async fn wrong_method(Public(app): Public) -> Response {
    Problem::method_not_allowed().render(RequestId::fresh(&app).as_str())
}

async fn webhook(Public(app): Public, Path(channel): Path<String>, request: Request) -> Response {
    answer(&app, app.webhook_places(), take(&app, &channel, request, WEBHOOK_MAX_BYTES)).await
}

async fn answer(
    app: &App,
    places: &Semaphore,
    work: impl Future<Output = Result<WebhookReply, Problem>>,
) -> Response {
    let started = Instant::now();
    let response = match bounded(places, work).await {
        Ok(WebhookReply::Accepted) => StatusCode::OK.into_response(),
        Ok(WebhookReply::Challenge(text)) => {
            ([(header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text).into_response()
        }
        Err(problem) => problem.render(RequestId::fresh(app).as_str()),
    };
    app.webhook_metrics().record(response.status(), started.elapsed());
    response
}

/// Does the work if there is room for it, for as long as a provider waits; a panic in it is one
/// answer, not a lost connection. Whoever is turned away comes back: providers repeat what is not
/// answered 200.
async fn bounded<T>(
    places: &Semaphore,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let Ok(_place) = places.try_acquire() else {
        return Err(Problem::unavailable("too many webhooks at once"));
    };
    let guarded = AssertUnwindSafe(work).catch_unwind();
    match tokio::time::timeout(WEBHOOK_PATIENCE, guarded).await {
        Ok(Ok(taken)) => taken,
        Ok(Err(_)) => {
            tracing::error!("a webhook broke its handler");
            Err(Problem::internal())
        }
        Err(_) => Err(Problem::unavailable("the webhook took too long")),
    }
}

async fn take(
    app: &App,
    channel: &str,
    request: Request,
    max_bytes: usize,
) -> Result<WebhookReply, Problem> {
    let channel: ChannelId = channel.parse().map_err(|_| Problem::not_found())?;
    let (parts, body) = request.into_parts();
    let method = if parts.method == Method::POST { HttpMethod::Post } else { HttpMethod::Get };
    let body = tokio::time::timeout(BODY_PATIENCE, read_body(body, max_bytes)).await;
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
        WebhookError::Refused(ReceiveError::Unavailable(_)) => {
            Problem::unavailable("the channel cannot read the webhook now")
        }
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

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    async fn status(places: &Semaphore, work: impl Future<Output = Result<(), Problem>>) -> u16 {
        let problem = bounded(places, work).await.expect_err("refused");
        let answer = problem.render("id");
        let is_unavailable = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(answer.headers().contains_key(RETRY_AFTER), is_unavailable);
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn without_room_a_webhook_is_turned_away_unread() {
        let places = Semaphore::new(1);
        let outer = bounded(&places, async {
            let inner = async { panic!("the work was begun") };
            assert_eq!(status(&places, inner).await, 503);
            Ok(())
        });
        assert!(outer.await.is_ok());
        assert_eq!(places.available_permits(), 1, "the place was given back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_never_ends_is_answered() {
        let places = Semaphore::new(1);
        assert_eq!(status(&places, std::future::pending()).await, 503);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_webhook_that_breaks_its_handler_is_answered() {
        let places = Semaphore::new(1);
        assert_eq!(status(&places, async { panic!("on purpose") }).await, 500);
        assert_eq!(places.available_permits(), 1);
    }
}
