//! Where the links lead that flows give away: a POST ends the wait the link was made for.
//!
//! Whoever holds a link may use it, so nothing but its signature is asked for. GET is refused: what
//! only looks at a link, such as a preview or a scanner of mail, must not use it.

use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use justping::engine::{OUTSIDE_DATA_MAX_BYTES, OutsideError};
use justping::port::Expectation;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Problem;
use super::access::{AppState, Public};
use super::extract::read_body;
use super::problem::FieldError;

/// Where links lead, before their tokens.
pub const RESUME_PATH: &str = "/api/v1/resume/";

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/api/v1/resume/{token}", post(resume).fallback(wrong_method))
}

async fn wrong_method(_: Public) -> Problem {
    Problem::method_not_allowed()
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventTaken)]
pub(crate) struct Taken {
    /// `awaited` when the session waits for it, `early` when it is kept until it does.
    status: &'static str,
}

impl Taken {
    /// The answer once the event is stored.
    pub(crate) fn response(expected: Expectation) -> Response {
        let status = match expected {
            Expectation::Awaited => "awaited",
            Expectation::Early | Expectation::Over => "early",
        };
        (StatusCode::ACCEPTED, Json(Self { status })).into_response()
    }
}

async fn resume(
    Public(app): Public,
    Path(token): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_body(request.into_body(), OUTSIDE_DATA_MAX_BYTES).await?;
    let data = match body.trim_ascii() {
        [] => Value::Null,
        body => serde_json::from_slice(body)
            .map_err(|_| Problem::malformed("the body is neither empty nor JSON"))?,
    };
    let expected = app.jp().resume_by_link(&token, data).await.map_err(refusal)?;
    Ok(Taken::response(expected))
}

/// Says why an event was not taken.
pub(crate) fn refusal(error: OutsideError) -> Problem {
    match error {
        OutsideError::UnknownLink => {
            Problem::new(StatusCode::NOT_FOUND, "unknown_link", "Unknown link")
                .detail("the link was not made here, or not all of it arrived")
        }
        OutsideError::NoSession => Problem::new(StatusCode::CONFLICT, "no_session", "Nobody waits")
            .detail("no session waits in the conversation"),
        OutsideError::Over => Problem::new(StatusCode::GONE, "not_awaited", "Not awaited")
            .detail("it was used, its time is over, or the session went on without it"),
        OutsideError::Name => {
            let message = error.to_string();
            Problem::invalid(vec![FieldError::new("/name", message)])
        }
        OutsideError::TooLarge => Problem::too_large(),
        OutsideError::Engine(error) => Problem::from(error),
    }
}
