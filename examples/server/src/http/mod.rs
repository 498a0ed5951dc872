//! HTTP: routing, access, errors, and the routes that are not part of the API.

pub mod access;
mod docs;
pub mod extract;
mod header;
mod health;
pub mod idempotency;
pub mod mcp;
mod page;
pub mod problem;
pub mod request;
pub(crate) mod resume;
mod serve;
pub mod socket;
mod webhook;

pub use problem::Problem;
pub use resume::RESUME_PATH;
pub use serve::serve;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::api;
use crate::app::App;
use access::{AppState, Public};
use request::{Places, REQUESTS_MAX};

/// Everything the server answers.
pub fn router(app: &Arc<App>) -> Router {
    let (api, mut document) = described_api();
    api::complete(&mut document);
    let api = api.layer(from_fn_with_state(Arc::clone(app), idempotency::idempotent));
    let state = AppState::new(Arc::clone(app));
    // What an assistant calls is observed as the request it becomes.
    let called = api.clone().layer(from_fn_with_state(Arc::clone(app), request::observe));
    let assistants = mcp::routes(app, &document, called.with_state(state.clone()));
    let served = Router::new()
        .merge(api)
        .merge(assistants)
        .merge(page::routes())
        .merge(socket::routes())
        .merge(docs::routes(&document))
        .merge(resume::routes())
        .fallback(nowhere)
        .layer(from_fn_with_state(Places::new(REQUESTS_MAX), request::limit));
    // Health is told even when there is no room for anything else.
    let observed =
        served.merge(health::routes()).layer(from_fn_with_state(Arc::clone(app), request::observe));
    observed.merge(webhook::routes()).with_state(state)
}

async fn nowhere(_: Public) -> Problem {
    Problem::no_route()
}

/// The description of the API.
pub fn openapi() -> OpenApi {
    let (_, mut document) = described_api();
    api::complete(&mut document);
    document
}

fn described_api() -> (Router<AppState>, OpenApi) {
    let described = OpenApiRouter::with_openapi(api::document()).nest(api::PREFIX, api::routes());
    described.split_for_parts()
}
