//! Publishing: what it does to the sessions that live, and what changes between two versions.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::Json;
use justping::agents::diff::{Diff, diff};
use justping::engine::{
    Fate, FateGroup, PublishError, PublishOptions, SafetyReport, StrandedReason,
};
use justping::model::{
    BusinessId, FlowId, FlowVersionId, LiveCount, Publication, SessionPolicy, StrandedPolicy,
    Timestamp,
};
use justping::port::{FlowRuntime as _, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::flow::{FlowVersionView, check_plugins};
use super::schema;
use super::session::LiveSessionView;
use super::together::{self, WarningView};
use super::view::{PageQuery, PageView};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonOr, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(publish))
        .routes(routes!(publish_report))
        .routes(routes!(publish_again))
        .routes(routes!(publish_again_report))
        .routes(routes!(publications))
        .routes(routes!(compare))
        .routes(routes!(live))
        .routes(routes!(pending))
        .routes(routes!(live_sessions))
}

/// What becomes of the live sessions of other versions.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Publish {
    /// `finish` on the version they are on, unless given; `migrate` to the new one; `restart` in the
    /// new one; `end`. It is carried out when a session next has something to hear.
    #[schema(schema_with = schema::session_policy)]
    policy: Option<Policy>,
    /// With `migrate`: where sessions stand afterwards, by where they stood. A node that is not named
    /// stays itself if the new version has a node with its id and of its type.
    nodes: BTreeMap<String, String>,
    /// With `migrate`: what becomes of sessions that have nowhere to stand; they `finish`, unless
    /// given.
    #[schema(schema_with = schema::stranded)]
    stranded: Option<StrandedPolicy>,
    /// The revision of the draft that was looked at; another one is refused with 409.
    revision: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Finish,
    Migrate,
    Restart,
    End,
}

impl Publish {
    fn options(self, version: Option<FlowVersionId>) -> Result<PublishOptions, Problem> {
        let Self { policy, nodes, stranded, revision } = self;
        let stray = "goes with the policy `migrate` only";
        let policy = match policy.unwrap_or(Policy::Finish) {
            Policy::Migrate => {
                SessionPolicy::Migrate { nodes, stranded: stranded.unwrap_or_default() }
            }
            _ if !nodes.is_empty() => return Err(Problem::invalid_field("/nodes", stray)),
            _ if stranded.is_some() => return Err(Problem::invalid_field("/stranded", stray)),
            Policy::Finish => SessionPolicy::Finish,
            Policy::Restart => SessionPolicy::Restart,
            Policy::End => SessionPolicy::End,
        };
        Ok(PublishOptions { policy, version, revision })
    }
}

/// What a publication does to the sessions that live, counted at the moment of asking.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SafetyReport)]
struct ReportView {
    /// Sessions that wait, on any version of the flow.
    live: u64,
    /// Those that are on the version already.
    stays: u64,
    /// Those that finish on their version.
    finishes: u64,
    /// Those that go on in the new version.
    migrates: u64,
    /// Those that have nowhere to stand in it.
    stranded: u64,
    /// Those that begin again.
    restarts: u64,
    /// Those that end.
    ends: u64,
    /// The same by version, node and fate; the 1,000 largest.
    groups: Vec<GroupView>,
}

/// Sessions that share a fate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FateGroup)]
struct GroupView {
    #[schema(value_type = String)]
    version_id: FlowVersionId,
    /// The number of the version they are on.
    number: u32,
    /// The node they wait at.
    node: Option<String>,
    sessions: u64,
    /// `stays`, `finishes`, `migrates`, `stranded`, `restarts` or `ends`.
    fate: &'static str,
    /// Of those that migrate: the node they stand at then.
    to: Option<String>,
    /// Of those that migrate: whether the contact is asked again.
    again: Option<bool>,
    /// Of the stranded: `gone`, `other_type`, `caller_changed` or `unreadable`.
    reason: Option<&'static str>,
    /// Of the stranded: what becomes of them.
    #[schema(value_type = Option<String>)]
    then: Option<StrandedPolicy>,
}

impl From<FateGroup> for GroupView {
    fn from(group: FateGroup) -> Self {
        let FateGroup { version_id, number, node, sessions, fate } = group;
        let plain = |fate| Self {
            version_id,
            number,
            node: node.clone(),
            sessions,
            fate,
            to: None,
            again: None,
            reason: None,
            then: None,
        };
        match fate {
            Fate::Stays => plain("stays"),
            Fate::Finishes => plain("finishes"),
            Fate::Restarts => plain("restarts"),
            Fate::Ends => plain("ends"),
            Fate::Migrates { node: to, again } => {
                Self { to: Some(to), again: Some(again), ..plain("migrates") }
            }
            Fate::Stranded { reason, then } => {
                let reason = Some(reason_name(reason));
                Self { reason, then: Some(then), ..plain("stranded") }
            }
        }
    }
}

fn reason_name(reason: StrandedReason) -> &'static str {
    match reason {
        StrandedReason::Gone => "gone",
        StrandedReason::OtherType => "other_type",
        StrandedReason::CallerChanged => "caller_changed",
        StrandedReason::Unreadable => "unreadable",
    }
}

impl From<SafetyReport> for ReportView {
    fn from(report: SafetyReport) -> Self {
        let SafetyReport { live, stays, finishes, migrates, stranded, restarts, ends, groups } =
            report;
        let groups = groups.into_iter().map(GroupView::from).collect();
        Self { live, stays, finishes, migrates, stranded, restarts, ends, groups }
    }
}

/// A version that was published, with what that does to the sessions that lived just before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Published)]
struct PublishedView {
    #[serde(flatten)]
    version: FlowVersionView,
    report: ReportView,
    /// What will not happen as it is drawn, because of what else there is.
    warnings: Vec<WarningView>,
}

/// A decision to run a version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Publication)]
struct PublicationView {
    /// 1, 2, 3 … within the flow; the newest one counts.
    number: u32,
    #[schema(value_type = String)]
    version_id: FlowVersionId,
    /// What becomes of sessions on other versions: `policy`, and `nodes` and `stranded` of a move.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    policy: SessionPolicy,
    published_at: Timestamp,
}

impl From<Publication> for PublicationView {
    fn from(publication: Publication) -> Self {
        let Publication { number, version_id, policy, published_at, .. } = publication;
        Self { number, version_id, policy, published_at }
    }
}

/// How many sessions of a version live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveCount)]
struct LiveView {
    #[schema(value_type = String)]
    version_id: FlowVersionId,
    number: u32,
    sessions: u64,
}

/// The versions of a flow on which sessions live.
#[derive(Debug, Serialize, ToSchema)]
struct LiveCounts {
    items: Vec<LiveView>,
}

/// What to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// The id of a version, `published` or `draft`; `published` unless given.
    from: Option<String>,
    /// The same; `draft` unless given.
    to: Option<String>,
}

/// What changed between two documents. The drawing does not count.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowDiff)]
struct DiffView {
    /// Whether they mean the same.
    same: bool,
    /// `nodes`, `edges` and `variables`, each with `added`, `removed`, `changed` (`name`, and
    /// `changes` of `path`, `before`, `after`) and `reordered`; `rest`; and `flows` by key.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    diff: Diff,
}

/// Freezes the draft as the version that new sessions run, and decides what becomes of the others.
/// An unchanged draft gives the version there is. The answer is the version with the report.
#[utoipa::path(post, path = "/flows/{id}/publish", tag = "flows", request_body = Publish,
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = PublishedView)))]
async fn publish(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<FlowId>,
    JsonOr(body): JsonOr<Publish>,
) -> Result<Json<PublishedView>, Problem> {
    caller.store().flow(caller.business_id, id).await?;
    publish_now(&caller, id, &body.options(None)?).await
}

/// Tells what publishing the draft would do to the sessions that live. Changes nothing.
#[utoipa::path(post, path = "/flows/{id}/publish/report", tag = "flows", request_body = Publish,
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = ReportView)))]
async fn publish_report(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
    JsonOr(body): JsonOr<Publish>,
) -> Result<Json<ReportView>, Problem> {
    caller.store().flow(caller.business_id, id).await?;
    let options = body.options(None)?;
    let report = caller.jp().safety_report(caller.business_id, id, &options).await?;
    Ok(Json(report.into()))
}

/// Goes back to a version: makes it the one that new sessions run, and decides what becomes of the
/// others.
#[utoipa::path(post, path = "/flow-versions/{id}/publish", tag = "flows", request_body = Publish,
    params(("id" = String, Path, description = "The version.")),
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = PublishedView)))]
async fn publish_again(
    caller: Allowed<perm::AgentsWrite>,
    Id(id): Id<FlowVersionId>,
    JsonOr(body): JsonOr<Publish>,
) -> Result<Json<PublishedView>, Problem> {
    let version = caller.store().flow_version(caller.business_id, id).await?;
    publish_now(&caller, version.flow_id, &body.options(Some(id))?).await
}

/// Tells what going back to a version would do to the sessions that live. Changes nothing.
#[utoipa::path(post, path = "/flow-versions/{id}/publish/report", tag = "flows",
    request_body = Publish,
    params(("id" = String, Path, description = "The version.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = ReportView)))]
async fn publish_again_report(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowVersionId>,
    JsonOr(body): JsonOr<Publish>,
) -> Result<Json<ReportView>, Problem> {
    let version = caller.store().flow_version(caller.business_id, id).await?;
    let options = body.options(Some(id))?;
    let report = caller.jp().safety_report(caller.business_id, version.flow_id, &options).await?;
    Ok(Json(report.into()))
}

async fn publish_now(
    caller: &Caller,
    flow: FlowId,
    options: &PublishOptions,
) -> Result<Json<PublishedView>, Problem> {
    let document = match options.version {
        Some(version) => caller.store().flow_version(caller.business_id, version).await?.document,
        None => caller.store().flow(caller.business_id, flow).await?.draft,
    };
    let findings = check_plugins(caller, &document).await?;
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        // What else is wrong is told with it.
        let mut all = caller.flows().check(&document);
        all.extend(findings);
        return Err(PublishError::Invalid(all).into());
    }
    let published = caller.jp().publish(caller.business_id, flow, options).await?;
    let warnings = together::of_flow(caller, flow, &published.version.document).await?;
    let (version, report) = (published.version.into(), published.report.into());
    Ok(Json(PublishedView { version, report, warnings }))
}

/// Lists the publications of a flow by number.
#[utoipa::path(get, path = "/flows/{id}/publications", tag = "flows",
    params(("id" = String, Path, description = "The flow."), PageQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = PageView<PublicationView>)))]
async fn publications(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<PublicationView>>, Problem> {
    let request = query.request()?;
    let page = caller.store().publications(caller.business_id, id, &request).await?;
    Ok(PageView::of(page, PublicationView::from))
}

/// Compares two versions of a flow, or one with the draft.
#[utoipa::path(get, path = "/flows/{id}/diff", tag = "flows",
    params(("id" = String, Path, description = "The flow."), DiffQuery),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = DiffView)))]
async fn compare(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<DiffView>, Problem> {
    let from = query.from.as_deref().unwrap_or("published");
    let before = document(&caller, caller.business_id, id, from).await?;
    let after = document(&caller, caller.business_id, id, query.to.as_deref().unwrap_or("draft"));
    let diff = diff(&before, &after.await?);
    Ok(Json(DiffView { same: diff.is_empty(), diff }))
}

async fn document(
    caller: &Caller,
    business: BusinessId,
    id: FlowId,
    which: &str,
) -> Result<Value, Problem> {
    let flow = caller.store().flow(business, id).await?;
    let version = match which {
        "draft" => return Ok(flow.draft),
        "published" => flow.published.ok_or_else(Problem::not_found)?,
        other => FlowVersionId::from_str(other).map_err(|_| Problem::not_found())?,
    };
    let version = caller.store().flow_version(business, version).await?;
    if version.flow_id != id {
        return Err(Problem::not_found());
    }
    Ok(version.document)
}

/// Counts the sessions of a flow that wait, version by version.
#[utoipa::path(get, path = "/flows/{id}/live", tag = "flows",
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = LiveCounts)))]
async fn live(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
) -> Result<Json<LiveCounts>, Problem> {
    let counts = caller.store().live_counts(caller.business_id, id).await?;
    let view =
        |LiveCount { version_id, number, sessions }| LiveView { version_id, number, sessions };
    Ok(Json(LiveCounts { items: counts.into_iter().map(view).collect() }))
}

/// Tells what the newest publication has yet to do: what becomes of the sessions that live now, each
/// when it next has something to hear.
#[utoipa::path(get, path = "/flows/{id}/live/report", tag = "flows",
    params(("id" = String, Path, description = "The flow.")),
    security(("api_key" = ["agents_read"])),
    responses((status = 200, body = ReportView)))]
async fn pending(
    caller: Allowed<perm::AgentsRead>,
    Id(id): Id<FlowId>,
) -> Result<Json<ReportView>, Problem> {
    Ok(Json(caller.jp().pending_report(caller.business_id, id).await?.into()))
}

/// Lists the sessions of a version that wait, by id, and where.
#[utoipa::path(get, path = "/flow-versions/{id}/sessions", tag = "sessions",
    params(("id" = String, Path, description = "The version."), PageQuery),
    security(("api_key" = ["conversations_read"])),
    responses((status = 200, body = PageView<LiveSessionView>)))]
async fn live_sessions(
    caller: Allowed<perm::ConversationsRead>,
    Id(id): Id<FlowVersionId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<LiveSessionView>>, Problem> {
    let request = query.request()?;
    let page = caller.jp().live_sessions(caller.business_id, id, &request).await?;
    Ok(PageView::of(page, LiveSessionView::from))
}
