use axum::Json;
use justping::agents::replay_record;
use justping::engine::SessionRecord;
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
        .routes(routes!(record))
        .routes(routes!(replay))
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

/// A session that waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveSession)]
pub(super) struct LiveSessionView {
    #[serde(flatten)]
    session: SessionView,
    /// The nodes it stands at: the one that waits comes last, before it those whose called flows it
    /// is inside of.
    position: Vec<String>,
}

impl From<(Session, Vec<String>)> for LiveSessionView {
    fn from((session, position): (Session, Vec<String>)) -> Self {
        Self { session: session.into(), position }
    }
}

/// Everything it takes to run a session again: `justping flow replay` reads it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionRecord)]
struct RecordView {
    /// `session`, `versions` (documents by id) and `steps`, whose `input`, `effects` and `state` are
    /// texts, so that no byte is lost.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    record: SessionRecord,
}

/// Whether a session does the same again.
#[derive(Debug, Serialize, ToSchema)]
struct Replayed {
    /// Whether every step gives the recorded bytes.
    same: bool,
    /// How many steps it took.
    steps: usize,
    /// The first difference, if there is one.
    difference: Option<String>,
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

/// Reads a session with all its steps and the documents they ran.
#[utoipa::path(get, path = "/sessions/{id}/record", tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = RecordView)))]
async fn record(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<SessionId>,
) -> Result<Json<RecordView>, Problem> {
    let record = caller.jp().session_record(caller.business_id, id).await?;
    Ok(Json(RecordView { record }))
}

/// Runs the steps of a session again, in memory, and compares every byte with the record.
#[utoipa::path(post, path = "/sessions/{id}/replay", tag = "sessions",
    params(("id" = String, Path, description = "The session.")),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = Replayed)))]
async fn replay(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<SessionId>,
) -> Result<Json<Replayed>, Problem> {
    let record = caller.jp().session_record(caller.business_id, id).await?;
    let steps = record.steps.len();
    let difference = replay_record(caller.flows(), record).err().map(|error| error.to_string());
    Ok(Json(Replayed { same: difference.is_none(), steps, difference }))
}
