use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::agents::ai::{StoredTools, ToolSettings, ToolSettingsError};
use justping::model::{
    CallId, ContactId, ConversationId, SessionId, Timestamp, ToolConfig, ToolId, ToolSecrets,
};
use justping::port::{CallScope, ToolContext, ToolError, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, DESCRIPTION_MAX_CHARS, LABEL_MAX_CHARS, SECRET_MAX_CHARS, SECRETS_MAX};
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(catalog))
        .routes(routes!(read, update, delete))
        .routes(routes!(refresh))
        .routes(routes!(test))
}

/// Something outside that models and flows may use: a request to a server, or a server with tools.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tool)]
struct ToolView {
    #[schema(value_type = String)]
    id: ToolId,
    /// What models and flows call it; the names of a server's tools begin with it and `__`.
    name: String,
    /// `http` or `mcp`.
    kind: String,
    description: String,
    /// `http`: `method`, `url`, `headers`, `parameters`, `answer`, `timeout_ms`. `mcp`: `url`,
    /// `headers`, `allow`, `timeout_ms`, and the `tools` that the server listed.
    #[schema(value_type = Object)]
    settings: Value,
    /// The names of the secrets that are set. Their values are never shown.
    secrets: Vec<String>,
    /// One that is disabled is as if it were not there.
    enabled: bool,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ToolView {
    fn new(tool: ToolConfig, secrets: &ToolSecrets) -> Self {
        Self {
            id: tool.id,
            name: tool.name,
            kind: tool.kind,
            description: tool.description,
            settings: tool.settings,
            secrets: secrets.names().map(str::to_owned).collect(),
            enabled: tool.enabled,
            revision: tool.revision,
            created_at: tool.created_at,
            updated_at: tool.updated_at,
        }
    }
}

/// A tool to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTool {
    /// A lowercase letter, then lowercase letters, digits and single `_`; at most 48, 24 for `mcp`.
    name: String,
    /// `http` or `mcp`.
    kind: String,
    /// What it is for, as models are told.
    description: String,
    /// `http`: `method`, `url` with arguments as `{name}`, `headers` with secrets as
    /// `{secret:name}`, `parameters` (JSON Schema), `answer` (a JSON pointer, or pointers by name),
    /// `timeout_ms`. `mcp`: `url`, `headers`, `allow`, `timeout_ms`.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Secrets by name; they can be replaced, never read.
    #[serde(default)]
    #[schema(write_only)]
    secrets: BTreeMap<String, String>,
    #[serde(default = "yes")]
    enabled: bool,
}

/// A tool as it shall be. Its kind never changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ToolUpdate {
    name: String,
    description: String,
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Secrets to set; those not named stay.
    #[serde(default)]
    #[schema(write_only)]
    secrets: BTreeMap<String, String>,
    enabled: bool,
    /// The revision that was read; another one is refused with 409.
    revision: u64,
}

/// A call to try a tool with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ToolCallBody {
    /// Which of a server's tools, by the name that models use.
    tool: Option<String>,
    /// The arguments.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
}

/// What a tool gave back.
#[derive(Debug, Serialize, ToSchema)]
struct ToolAnswer {
    /// Whether it did its work.
    ok: bool,
    /// What a model would be told.
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
    /// Why it did not: a stable code.
    code: Option<String>,
    /// Why it did not, for people.
    detail: Option<String>,
}

/// A tool that flows and agents of the business may name.
#[derive(Debug, Serialize, ToSchema)]
struct ToolEntry {
    name: String,
    description: String,
    /// JSON Schema of its arguments.
    #[schema(value_type = Object)]
    parameters: Value,
}

impl From<ToolSpec> for ToolEntry {
    fn from(ToolSpec { name, description, parameters }: ToolSpec) -> Self {
        Self { name, description, parameters }
    }
}

fn yes() -> bool {
    true
}

/// The setting that only a server fills in.
const LISTED: &str = "tools";

/// What was written, without what only a server fills in.
fn written(mut settings: Map<String, Value>) -> Value {
    settings.remove(LISTED);
    Value::Object(settings)
}

fn check(
    caller: &Caller,
    tool: &ToolConfig,
    secrets: &BTreeMap<String, String>,
) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.text("/description", &tool.description, DESCRIPTION_MAX_CHARS);
    checks.count("/secrets", secrets.len(), SECRETS_MAX);
    for (name, value) in secrets {
        checks.text("/secrets", name, LABEL_MAX_CHARS);
        let path = format!("/secrets/{name}");
        checks.text(&path, value, SECRET_MAX_CHARS);
        let plain = value.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        checks.require(plain, path, "must be plain characters, as it is sent in a header");
    }
    // Nobody can put his own in the place of what all count on.
    let taken = caller.flows().has_tool(&tool.name);
    checks.require(!taken, "/name", "is the name of a tool that everybody has");
    checks.done()
}

fn wrong(error: ToolSettingsError) -> Problem {
    Problem::invalid_field(error.path, error.message)
}

fn tools(caller: &Caller) -> Result<&StoredTools, Problem> {
    caller.tools().ok_or_else(|| Problem::unavailable("no server is asked from here"))
}

/// Lists tools.
#[utoipa::path(get, path = "/tools", tag = "tools", params(PageQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<ToolView>)))]
async fn list(
    caller: Allowed<perm::AgentsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<ToolView>>, Problem> {
    let page = caller.store().tools(caller.business_id, &query.request()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for tool in page.items {
        items.push(show(&caller, tool).await?);
    }
    Ok(Json(PageView { items, next: page.next.map(|cursor| cursor.0) }))
}

async fn show(caller: &Caller, tool: ToolConfig) -> Result<ToolView, Problem> {
    let secrets = caller.store().tool_secrets(caller.business_id, tool.id).await?;
    Ok(ToolView::new(tool, &secrets))
}

/// Lists every tool that flows and agents may name: what the business has set up and is enabled, and
/// what everybody has.
#[utoipa::path(get, path = "/tools/catalog", tag = "tools",
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<ToolEntry>)))]
async fn catalog(caller: Allowed<perm::AgentsRead>) -> Result<Json<PageView<ToolEntry>>, Problem> {
    let specs = caller.flows().tools(caller.business_id).await;
    let specs = specs.map_err(|_| Problem::unavailable("the tools cannot be looked up now"))?;
    Ok(Json(PageView { items: specs.into_iter().map(ToolEntry::from).collect(), next: None }))
}

/// Creates a tool. A server is asked for its tools at once.
#[utoipa::path(post, path = "/tools", tag = "tools", request_body = NewTool,
    security(("api_key" = ["agents_write"])),
    responses((status = 201, body = ToolView)))]
async fn create(
    caller: Allowed<perm::AgentsWrite>,
    JsonBody(new): JsonBody<NewTool>,
) -> Result<Response, Problem> {
    let now = caller.now();
    let mut tool = ToolConfig {
        id: ToolId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        name: new.name,
        kind: new.kind,
        description: new.description,
        settings: written(new.settings),
        enabled: new.enabled,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    check(&caller, &tool, &new.secrets)?;
    let secrets: ToolSecrets = new.secrets.into_iter().collect();
    tools(&caller)?.learn(&mut tool, &secrets).await.map_err(wrong)?;
    caller.store().create_tool(&tool, &secrets).await?;
    Ok(created(ToolView::new(tool, &secrets)))
}

/// Reads a tool.
#[utoipa::path(get, path = "/tools/{id}", tag = "tools",
    params(("id" = String, Path, description = "The tool.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = ToolView)))]
async fn read(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<ToolId>,
) -> Result<Json<ToolView>, Problem> {
    let tool = caller.store().tool(caller.business_id, id).await?;
    Ok(Json(show(&caller, tool).await?))
}

/// Replaces a tool's settings. Where they say to ask another host, the secrets must be given again:
/// a secret is never sent to a host it was not given for. A server is asked for its tools again.
#[utoipa::path(put, path = "/tools/{id}", tag = "tools", request_body = ToolUpdate,
    params(("id" = String, Path, description = "The tool.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = ToolView)))]
async fn update(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<ToolId>,
    JsonBody(new): JsonBody<ToolUpdate>,
) -> Result<Json<ToolView>, Problem> {
    let before = caller.store().tool(caller.business_id, id).await?;
    let known = caller.store().tool_secrets(caller.business_id, id).await?;
    let mut tool = ToolConfig {
        name: new.name,
        description: new.description,
        settings: written(new.settings),
        enabled: new.enabled,
        revision: new.revision,
        updated_at: caller.now(),
        ..before.clone()
    };
    check(&caller, &tool, &new.secrets)?;
    let given: ToolSecrets = new.secrets.into_iter().collect();
    check_origin(&before, &tool, &known, &given)?;
    let all: ToolSecrets = known.expose().chain(given.expose()).collect();
    tools(&caller)?.learn(&mut tool, &all).await.map_err(wrong)?;
    let tool = caller.store().update_tool(&tool, Some(&given)).await?;
    Ok(Json(ToolView::new(tool, &all)))
}

fn check_origin(
    before: &ToolConfig,
    after: &ToolConfig,
    known: &ToolSecrets,
    given: &ToolSecrets,
) -> Result<(), Problem> {
    let origin = |tool: &ToolConfig| ToolSettings::read(tool).ok()?.origin();
    if origin(before).is_some_and(|before| Some(before) == origin(after)) {
        return Ok(());
    }
    let mut checks = Checks::default();
    for name in known.names() {
        let message = "must be given again, because the host changes";
        checks.require(given.get(name).is_some(), format!("/secrets/{name}"), message);
    }
    checks.done()
}

/// Deletes a tool. Flows that name it take their `error` exit; models are no longer offered it.
#[utoipa::path(delete, path = "/tools/{id}", tag = "tools",
    params(("id" = String, Path, description = "The tool.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<ToolId>,
) -> Result<Response, Problem> {
    caller.store().delete_tool(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Asks a server again which tools it has.
#[utoipa::path(post, path = "/tools/{id}/refresh", tag = "tools",
    params(("id" = String, Path, description = "The tool.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = ToolView)))]
async fn refresh(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<ToolId>,
) -> Result<Json<ToolView>, Problem> {
    let mut tool = caller.store().tool(caller.business_id, id).await?;
    let secrets = caller.store().tool_secrets(caller.business_id, id).await?;
    tools(&caller)?.learn(&mut tool, &secrets).await.map_err(wrong)?;
    tool.updated_at = caller.now();
    let tool = caller.store().update_tool(&tool, None).await?;
    Ok(Json(ToolView::new(tool, &secrets)))
}

/// Calls an enabled tool, really: what it changes is changed.
#[utoipa::path(post, path = "/tools/{id}/test", tag = "tools", request_body = ToolCallBody,
    params(("id" = String, Path, description = "The tool.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = ToolAnswer)))]
async fn test(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<ToolId>,
    JsonBody(body): JsonBody<ToolCallBody>,
) -> Result<Json<ToolAnswer>, Problem> {
    let tool = caller.store().tool(caller.business_id, id).await?;
    let known = StoredTools::specs(&tool);
    let name = body.tool.unwrap_or_else(|| tool.name.clone());
    if !known.iter().any(|spec| spec.name == name) {
        return Err(Problem::invalid_field("/tool", "there is no such tool"));
    }
    let id = || caller.ids().uuid();
    let scope = CallScope {
        business_id: caller.business_id,
        conversation_id: ConversationId::from_uuid(id()),
        session_id: SessionId::from_uuid(id()),
        call_id: CallId::from_uuid(id()),
    };
    let context = ToolContext { scope, contact_id: ContactId::from_uuid(id()) };
    let arguments = Value::Object(body.arguments);
    let called = caller.flows().call_tool(&name, &arguments, &context).await;
    let answer = |ok, content, error: Option<ToolError>| ToolAnswer {
        ok,
        content,
        code: error.as_ref().map(|error| error.code().to_owned()),
        detail: error.map(|error| error.to_string()),
    };
    Ok(Json(match called {
        Ok(output) => answer(true, Some(output.content), None),
        Err(error) => answer(false, None, Some(error)),
    }))
}
