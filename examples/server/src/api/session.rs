use axum::Json;
use justping::model::{
    AgentId, ConversationId, FlowVersionId, Session, SessionId, SessionStatus, Timestamp, TraceStep,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::schema;
use super::view::{PageQuery, PageView};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, perm};
use crate::http::extract::{Id, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(of_conversation))
        .routes(routes!(read))
        .routes(routes!(trace))
}

/// One contact's walk through one version of a flow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    #[schema(value_type = String)]
    id: SessionId,
    #[schema(value_type = String)]
    conversation_id: ConversationId,
    #[schema(value_type = String)]
    agent_id: AgentId,
    #[schema(value_type = String)]
    flow_version_id: FlowVersionId,
    #[schema(schema_with = schema::session_status)]
    status: SessionStatus,
    /// Steps taken.
    steps: u32,
    /// Why it failed, if it did.
    failure: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            conversation_id: session.conversation_id,
            agent_id: session.agent_id,
            flow_version_id: session.flow_version_id,
            status: session.status,
            steps: session.steps,
            failure: session.failure,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

/// What went into one step of a session and what came out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TraceStep)]
pub(crate) struct TraceStepView {
    /// 1, 2, 3 … within the session.
    number: u32,
    /// What happened, and everything else the step depended on.
    input: Value,
    /// What the step decided.
    effects: Value,
    /// The state afterwards.
    state: Value,
}

impl From<TraceStep> for TraceStepView {
    fn from(step: TraceStep) -> Self {
        let TraceStep { number, input, effects, state } = step;
        Self { number, input: json(input), effects: json(effects), state: json(state) }
    }
}

/// A state is any text an interpreter likes; where it is JSON, it is shown as such.
fn json(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Lists the sessions of a conversation.
#[utoipa::path(get, path = "/conversations/{id}/sessions", tag = "sessions",
    params(("id" = String, Path, description = "The conversation."), PageQuery),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<SessionView>)))]
async fn of_conversation(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<ConversationId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<SessionView>>, Problem> {
    let request = query.request()?;
    caller.store().conversation(caller.business_id, id).await?;
    let page = caller.store().sessions(caller.business_id, id, &request).await?;
    Ok(PageView::of(page, SessionView::from))
}

/// Reads a session.
#[utoipa::path(get, path = "/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = SessionView)))]
async fn read(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<SessionId>,
) -> Result<Json<SessionView>, Problem> {
    Ok(Json(caller.store().session(caller.business_id, id).await?.into()))
}

/// Lists the steps a session took.
#[utoipa::path(get, path = "/sessions/{id}/trace", tag = "sessions",
    params(("id" = String, Path, description = "The session."), PageQuery),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<TraceStepView>)))]
async fn trace(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<SessionId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<TraceStepView>>, Problem> {
    let request = query.request()?;
    caller.store().session(caller.business_id, id).await?;
    let page = caller.store().trace(caller.business_id, id, &request).await?;
    Ok(PageView::of(page, TraceStepView::from))
}
