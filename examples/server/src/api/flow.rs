use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{Flow, FlowId, FlowVersion, FlowVersionId, Timestamp};
use justping::plugins::plugins::PluginNode;
use justping::port::{ExitDescriptor, Finding, NodeDescriptor, Patch, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, NAME_MAX_CHARS};
use super::together;
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody, Query};

/// Most kinds of channels that one validation looks at.
const CHANNELS_MAX: usize = 16;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(validate))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(nodes))
}

/// A graph that people edit. Contacts run its published versions only.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flow)]
pub(super) struct FlowView {
    #[schema(value_type = String)]
    id: FlowId,
    name: String,
    /// The document being edited (`justping.flow/1`); may be unfinished.
    draft: Value,
    /// The version that new sessions run.
    #[schema(value_type = Option<String>)]
    published: Option<FlowVersionId>,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Flow> for FlowView {
    fn from(flow: Flow) -> Self {
        let Flow { id, name, draft, published, revision, created_at, updated_at, .. } = flow;
        Self { id, name, draft, published, revision, created_at, updated_at }
    }
}

/// An immutable copy of a flow's document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowVersion)]
pub(super) struct FlowVersionView {
    #[schema(value_type = String)]
    id: FlowVersionId,
    #[schema(value_type = String)]
    flow_id: FlowId,
    /// 1, 2, 3 … within the flow.
    number: u32,
    /// SHA-256 of the document without its layout.
    content_hash: String,
    document: Value,
    created_at: Timestamp,
}

impl From<FlowVersion> for FlowVersionView {
    fn from(version: FlowVersion) -> Self {
        let FlowVersion { id, flow_id, number, content_hash, document, created_at, .. } = version;
        Self { id, flow_id, number, content_hash, document, created_at }
    }
}

/// A flow to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFlow {
    name: String,
    /// The document; may be unfinished.
    #[serde(default)]
    draft: Value,
}

/// A flow as it shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FlowUpdate {
    name: String,
    draft: Value,
    /// The revision that was read; another one is refused with 409.
    revision: u64,
}

/// Something about a document that its author should know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Finding)]
pub(super) struct FindingView {
    severity: SeverityView,
    /// A stable code such as `dangling_edge`.
    code: String,
    /// The node it is about.
    node: Option<String>,
    /// JSON pointer into the document.
    path: String,
    message: String,
    /// What would put it right, as operations of a JSON patch; empty when a person has to think.
    #[schema(value_type = Vec<Object>)]
    fix: Vec<Patch>,
}

/// How bad a finding is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Severity)]
enum SeverityView {
    /// Good to know, such as how a channel will show it.
    Note,
    /// Worth a look; the flow can be published.
    Warning,
    /// The flow cannot be published.
    Error,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let Finding { severity, code, node, path, message, fix } = finding;
        let severity = match severity {
            Severity::Note => SeverityView::Note,
            Severity::Warning => SeverityView::Warning,
            Severity::Error => SeverityView::Error,
        };
        Self { severity, code, node, path, message, fix }
    }
}

/// What is known about a draft.
#[derive(Debug, Serialize, ToSchema)]
struct Validation {
    /// Whether it can be published.
    ok: bool,
    findings: Vec<FindingView>,
}

/// Everything an editor needs to draw a node and its form.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeDescriptor)]
struct NodeView {
    /// The `type` in documents.
    kind: String,
    title: String,
    summary: String,
    /// JSON Schema of its `data`.
    schema: Value,
    exits: Vec<ExitView>,
    /// Whether it can wait for the contact, a timer or a call.
    suspends: bool,
    /// Whether it asks for work outside the step.
    calls: bool,
    /// The `data` that a new one begins with, where there is more to it than the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    preset: Option<Value>,
}

/// A way out of a node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeExit)]
struct ExitView {
    /// Its name in `sourceHandle`; `option:*` stands for one exit an option.
    name: String,
    title: String,
}

impl From<NodeDescriptor> for NodeView {
    fn from(node: NodeDescriptor) -> Self {
        let NodeDescriptor { kind, title, summary, schema, exits, suspends, calls } = node;
        let exit = |ExitDescriptor { name, title }| ExitView { name, title };
        let exits = exits.into_iter().map(exit).collect();
        Self { kind, title, summary, schema, exits, suspends, calls, preset: None }
    }
}

/// All types of nodes, and the nodes of plugins that run.
#[derive(Debug, Serialize, ToSchema)]
struct NodeList {
    items: Vec<NodeView>,
}

fn check_name(name: &str) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.text("/name", name, NAME_MAX_CHARS);
    checks.done()
}

/// Lists flows.
#[utoipa::path(get, path = "/flows", tag = "flows", params(PageQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<FlowView>)))]
async fn list(
    caller: Allowed<perm::AgentsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<FlowView>>, Problem> {
    let page = caller.store().flows(caller.business_id, &query.request()?).await?;
    Ok(PageView::of(page, FlowView::from))
}

/// Creates a flow.
#[utoipa::path(post, path = "/flows", tag = "flows", request_body = NewFlow,
    security(("api_key" = ["agents_write"])),
    responses((status = 201, body = FlowView)))]
async fn create(
    caller: Allowed<perm::AgentsWrite>,
    JsonBody(new): JsonBody<NewFlow>,
) -> Result<Response, Problem> {
    check_name(&new.name)?;
    let now = caller.now();
    let flow = Flow {
        id: FlowId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        name: new.name,
        draft: new.draft,
        published: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    caller.store().create_flow(&flow).await?;
    Ok(created(FlowView::from(flow)))
}

/// Reads a flow.
#[utoipa::path(get, path = "/flows/{id}", tag = "flows",
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = FlowView)))]
async fn read(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
) -> Result<Json<FlowView>, Problem> {
    Ok(Json(caller.store().flow(caller.business_id, id).await?.into()))
}

/// Replaces a flow's name and draft. Published versions stay what they are.
#[utoipa::path(put, path = "/flows/{id}", tag = "flows", request_body = FlowUpdate,
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = FlowView)))]
async fn update(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<FlowId>,
    JsonBody(new): JsonBody<FlowUpdate>,
) -> Result<Json<FlowView>, Problem> {
    let flow = caller.store().flow(caller.business_id, id).await?;
    check_name(&new.name)?;
    let FlowUpdate { name, draft, revision } = new;
    let flow = Flow { name, draft, revision, updated_at: caller.now(), ..flow };
    Ok(Json(caller.store().update_flow(&flow).await?.into()))
}

/// Deletes a flow that was never published.
#[utoipa::path(delete, path = "/flows/{id}", tag = "flows",
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<FlowId>,
) -> Result<Response, Problem> {
    caller.store().delete_flow(caller.business_id, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Kinds of channels to be looked at.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChannelQuery {
    /// Kinds such as `whatsapp`, `sms`, `email`, `webchat`, with commas between; each adds notes on
    /// what it will show otherwise than it is written.
    channels: Option<String>,
}

/// Looks a draft over.
#[utoipa::path(post, path = "/flows/{id}/validate", tag = "flows",
    params(("id" = String, Path, description = "The flow."), ChannelQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = Validation)))]
async fn validate(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
    Query(query): Query<ChannelQuery>,
) -> Result<Json<Validation>, Problem> {
    let named = query.channels.unwrap_or_default();
    let kinds = named.split(',').filter(|kind| !kind.is_empty()).take(CHANNELS_MAX);
    let kinds: Vec<String> = kinds.map(str::to_owned).collect();
    let mut findings = caller.jp().check_flow(caller.business_id, id).await?;
    let draft = caller.store().flow(caller.business_id, id).await?.draft;
    findings.extend(check_plugins(&caller, &draft).await?);
    for kind in &kinds {
        findings.extend(caller.flows().channel_notes(&draft, kind));
    }
    findings.extend(together::missing_tools(&caller, &draft).await);
    findings.extend(together::missing_groups(&caller, &draft).await?);
    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    let findings = findings.into_iter().map(FindingView::from).collect();
    Ok(Json(Validation { ok, findings }))
}

/// Lists the published versions of a flow by number.
#[utoipa::path(get, path = "/flows/{id}/versions", tag = "flows",
    params(("id" = String, Path, description = "The flow."), PageQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<FlowVersionView>)))]
async fn versions(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<FlowVersionView>>, Problem> {
    let request = query.request()?;
    caller.store().flow(caller.business_id, id).await?;
    let page = caller.store().flow_versions(caller.business_id, id, &request).await?;
    Ok(PageView::of(page, FlowVersionView::from))
}

/// Reads a published version.
#[utoipa::path(get, path = "/flow-versions/{id}", tag = "flows",
    params(("id" = String, Path, description = "The version.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = FlowVersionView)))]
async fn version(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowVersionId>,
) -> Result<Json<FlowVersionView>, Problem> {
    Ok(Json(caller.store().flow_version(caller.business_id, id).await?.into()))
}

/// Lists the types of nodes that flows are made of, and the nodes of plugins that run.
#[utoipa::path(get, path = "/nodes", tag = "flows",
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = NodeList)))]
async fn nodes(caller: Allowed<perm::AgentsRead>) -> Result<Json<NodeList>, Problem> {
    let mut items: Vec<_> = caller.flows().descriptors().into_iter().map(NodeView::from).collect();
    if let Ok(plugins) = caller.plugins() {
        let nodes = plugins.nodes(caller.business_id).await?;
        let view = |node: PluginNode| NodeView {
            preset: Some(node.preset),
            ..NodeView::from(node.descriptor)
        };
        items.extend(nodes.into_iter().map(view));
    }
    Ok(Json(NodeList { items }))
}

/// Looks at what a document wants of plugins. Where they are off, nothing is known of them.
pub(super) async fn check_plugins(
    caller: &Caller,
    document: &Value,
) -> Result<Vec<Finding>, Problem> {
    match caller.plugins() {
        Ok(plugins) => Ok(plugins.check_flow(caller.business_id, document).await?),
        Err(_) => Ok(Vec::new()),
    }
}
