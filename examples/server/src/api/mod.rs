//! The API under `/api/v1`: one module a noun. Handlers read a request, ask the library, and write
//! an answer; what they need of the domain is in the library.

mod agent;
mod analytics;
mod api_key;
mod channel;
mod check;
mod contact;
mod content;
mod conversation;
mod flow;
mod group;
mod import;
mod knowledge;
mod me;
mod openapi;
mod plugin;
mod publish;
mod sandbox;
mod schema;
mod search;
mod session;
mod together;
mod tool;
mod view;

pub(crate) use openapi::{PREFIX, complete, document};

use utoipa_axum::router::OpenApiRouter;

use crate::http::access::AppState;

/// All routes, relative to [`PREFIX`], with their descriptions.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(me::routes())
        .merge(agent::routes())
        .merge(flow::routes())
        .merge(import::routes())
        .merge(publish::routes())
        .merge(sandbox::routes())
        .merge(knowledge::routes())
        .merge(tool::routes())
        .merge(channel::routes())
        .merge(contact::routes())
        .merge(group::routes())
        .merge(conversation::routes())
        .merge(search::routes())
        .merge(session::routes())
        .merge(analytics::routes())
        .merge(plugin::routes())
        .merge(api_key::routes())
}
