use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{Agent, AgentId, AgentSettings, FlowId, Timestamp};
use justping::port::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, FLOWS_MAX, INSTRUCTIONS_MAX_CHARS, NAME_MAX_CHARS};
use super::flow::FlowView;
use super::together::{self, WarningView};
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(flows))
}

/// An AI agent: how it speaks, which model it uses, and the flows it runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Agent)]
struct AgentView {
    #[schema(value_type = String)]
    id: AgentId,
    name: String,
    instructions: String,
    model: Option<String>,
    /// Of those that are published, the first whose trigger matches starts.
    #[schema(value_type = Vec<String>)]
    flows: Vec<FlowId>,
    /// Everything else about how it answers; what is left out has its default.
    #[schema(value_type = Object)]
    settings: AgentSettings,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// When it is saved: what its flows leave each other nothing to hear of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningView>,
}

impl From<Agent> for AgentView {
    fn from(agent: Agent) -> Self {
        let Agent {
            id,
            name,
            instructions,
            model,
            flows,
            settings,
            revision,
            created_at,
            updated_at,
            ..
        } = agent;
        Self {
            id,
            name,
            instructions,
            model,
            flows,
            settings,
            revision,
            created_at,
            updated_at,
            warnings: Vec::new(),
        }
    }
}

/// An agent to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAgent {
    name: String,
    /// What every AI node of its flows is told first.
    #[serde(default)]
    instructions: String,
    /// The model its AI nodes use unless they name one.
    model: Option<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    flows: Vec<FlowId>,
    /// Fallback models, tools, memory, guard, budget and prompts; what is left out has its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: AgentSettings,
}

/// An agent as it shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AgentUpdate {
    name: String,
    instructions: String,
    model: Option<String>,
    #[schema(value_type = Vec<String>)]
    flows: Vec<FlowId>,
    /// As in a new agent; left out, they stay as they are.
    #[schema(value_type = Option<Object>)]
    settings: Option<AgentSettings>,
    /// The revision that was read; another one is refused with 409.
    revision: u64,
}

async fn check(
    caller: &Caller,
    name: &str,
    instructions: &str,
    model: Option<&str>,
    flows: &[FlowId],
    settings: Option<&AgentSettings>,
) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.text("/name", name, NAME_MAX_CHARS);
    checks.at_most("/instructions", instructions, INSTRUCTIONS_MAX_CHARS);
    checks.at_most("/model", model.unwrap_or_default(), NAME_MAX_CHARS);
    checks.count("/flows", flows.len(), FLOWS_MAX);
    for (index, flow) in flows.iter().enumerate().take(FLOWS_MAX) {
        let exists = match caller.store().flow(caller.business_id, *flow).await {
            Ok(_) => true,
            Err(StoreError::NotFound(_)) => false,
            Err(error) => return Err(error.into()),
        };
        checks.require(exists, format!("/flows/{index}"), "there is no such flow");
    }
    for (path, problem) in settings.map(AgentSettings::problems).into_iter().flatten() {
        checks.require(false, format!("/settings{path}"), problem);
    }
    checks.done()
}

/// Lists agents.
#[utoipa::path(get, path = "/agents", tag = "agents", params(PageQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<AgentView>)))]
async fn list(
    caller: Allowed<perm::AgentsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<AgentView>>, Problem> {
    let page = caller.store().agents(caller.business_id, &query.request()?).await?;
    Ok(PageView::of(page, AgentView::from))
}

/// Creates an agent.
#[utoipa::path(post, path = "/agents", tag = "agents", request_body = NewAgent,
    security(("api_key" = ["agents_write"])),
    responses((status = 201, body = AgentView)))]
async fn create(
    caller: Allowed<perm::AgentsWrite>,
    JsonBody(new): JsonBody<NewAgent>,
) -> Result<Response, Problem> {
    let settings = Some(&new.settings);
    check(&caller, &new.name, &new.instructions, new.model.as_deref(), &new.flows, settings)
        .await?;
    let now = caller.now();
    let agent = Agent {
        id: AgentId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        name: new.name,
        instructions: new.instructions,
        model: new.model,
        flows: new.flows,
        settings: new.settings,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    caller.store().create_agent(&agent).await?;
    let warnings = together::of_agent(&caller, &agent).await?;
    Ok(created(AgentView { warnings, ..agent.into() }))
}

/// Reads an agent.
#[utoipa::path(get, path = "/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = AgentView)))]
async fn read(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<AgentId>,
) -> Result<Json<AgentView>, Problem> {
    Ok(Json(caller.store().agent(caller.business_id, id).await?.into()))
}

/// Replaces an agent.
#[utoipa::path(put, path = "/agents/{id}", tag = "agents", request_body = AgentUpdate,
    params(("id" = String, Path, description = "The agent.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = AgentView)))]
async fn update(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<AgentId>,
    JsonBody(new): JsonBody<AgentUpdate>,
) -> Result<Json<AgentView>, Problem> {
    let agent = caller.store().agent(caller.business_id, id).await?;
    let settings = new.settings.as_ref();
    check(&caller, &new.name, &new.instructions, new.model.as_deref(), &new.flows, settings)
        .await?;
    let AgentUpdate { name, instructions, model, flows, settings, revision } = new;
    let settings = settings.unwrap_or_else(|| agent.settings.clone());
    let updated_at = caller.now();
    let agent = Agent { name, instructions, model, flows, settings, revision, updated_at, ..agent };
    let agent = caller.store().update_agent(&agent).await?;
    let warnings = together::of_agent(&caller, &agent).await?;
    Ok(Json(AgentView { warnings, ..agent.into() }))
}

/// Deletes an agent; channels that named it name none.
#[utoipa::path(delete, path = "/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<AgentId>,
) -> Result<Response, Problem> {
    caller.store().delete_agent(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists the flows of an agent, in its order; one that was deleted is left out.
#[utoipa::path(get, path = "/agents/{id}/flows", tag = "agents",
    params(("id" = String, Path, description = "The agent.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<FlowView>)))]
async fn flows(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<AgentId>,
) -> Result<Json<PageView<FlowView>>, Problem> {
    let agent = caller.store().agent(caller.business_id, id).await?;
    let mut items = Vec::with_capacity(agent.flows.len());
    for flow in agent.flows {
        match caller.store().flow(caller.business_id, flow).await {
            Ok(flow) => items.push(FlowView::from(flow)),
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(PageView { items, next: None }))
}
