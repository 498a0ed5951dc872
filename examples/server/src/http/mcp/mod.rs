//! The API for assistants: a server of the Model Context Protocol, over streamable HTTP, at `/mcp`.
//!
//! Each tool is one operation of the API. Its arguments are described by the description of the API,
//! and a call becomes the request that anybody else would send, answered by the same router under the
//! same key: there is no second way to do anything, and no second set of rights.
//!
//! `operation` the tools, and what they are made of · `call` from a call to a request and back.

mod call;
mod operation;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use utoipa::openapi::OpenApi;

use self::operation::Operations;
use super::access::{AppState, Caller};
use super::extract::BODY_MAX_BYTES;
use crate::app::App;

/// Where it is.
pub const PATH: &str = "/mcp";

const INSTRUCTIONS: &str = "Operates one business on JustPing: its contacts, conversations, agents, \
    flows and knowledge. Lists come in pages: give `next` of a page as `after` for the one behind it. \
    Writing to a contact takes the conversation over from the bot; hand_back_conversation gives it back.";

/// The routes, given the API's description and the router that answers it.
pub(super) fn routes(app: &Arc<App>, document: &OpenApi, api: Router) -> Router<AppState> {
    let operator = Operator { operations: Arc::new(Operations::of(document)), api };
    // The key of each request says who asks: whatever the host is called and wherever the page is from,
    // without it there is nothing to be had. No session is kept, so that any process may answer.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_MAX_BYTES);
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(operator.clone()), sessions, config);
    Router::new()
        .route_service(PATH, service)
        .layer(from_fn_with_state(Arc::clone(app), authenticated))
}

/// Refuses whoever has no live key, before the protocol begins.
async fn authenticated(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match Caller::authenticate(&app, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Does what assistants ask for.
#[derive(Debug, Clone)]
struct Operator {
    operations: Arc<Operations>,
    api: Router,
}

/// Who sent the request that a call came with.
fn caller(context: &RequestContext<RoleServer>) -> Result<&Caller, ErrorData> {
    let parts = context.extensions.get::<http::request::Parts>();
    let caller = parts.and_then(|parts| parts.extensions.get::<Caller>());
    caller.ok_or_else(|| ErrorData::internal_error("nobody is calling", None))
}

impl ServerHandler for Operator {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("justping", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    /// The tools whose right the caller holds.
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        Ok(ListToolsResult::with_all_items(self.operations.tools(caller)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?.clone();
        let unknown = || ErrorData::invalid_params("there is no such tool", None);
        let operation = self.operations.find(&request.name).ok_or_else(unknown)?;
        let arguments = request.arguments.unwrap_or_default();
        Ok(call::call(&self.api, operation, caller, arguments).await.into())
    }
}
