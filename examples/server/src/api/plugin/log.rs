use axum::Json;
use justping::model::{
    ConversationId, Date, PluginDay, PluginId, PluginLevel, PluginLine, PluginLineKind,
    PluginSpend, Timestamp, day_of,
};
use justping::port::store::PluginDayFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::analytics::days;
use crate::api::schema;
use crate::api::view::PageView;
use crate::http::Problem;
use crate::http::access::{Allowed, Caller, perm};
use crate::http::extract::{self, Id, Query};

/// Which lines are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LineQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200; 50 unless given.
    limit: Option<u32>,
    /// Of this kind only.
    #[param(schema_with = schema::plugin_line_kind, required = false)]
    kind: Option<PluginLineKind>,
}

/// A line of a plugin's log, which is also its audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLine)]
pub(super) struct LineView {
    at: Timestamp,
    /// `log`: the plugin said it; `denied`: it tried what is not granted; `failed`: a call failed;
    /// `changed`: somebody, or the platform, changed it.
    #[schema(schema_with = schema::plugin_line_kind)]
    kind: PluginLineKind,
    #[schema(schema_with = schema::plugin_level)]
    level: PluginLevel,
    text: String,
    /// The conversation a call was made for.
    #[schema(value_type = Option<String>)]
    conversation_id: Option<ConversationId>,
}

impl From<PluginLine> for LineView {
    fn from(line: PluginLine) -> Self {
        let PluginLine { at, kind, level, text, conversation_id, .. } = line;
        Self { at, kind, level, text, conversation_id }
    }
}

/// Which days are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PluginDays {
    /// The first day in UTC, such as 2026-11-01; 29 days before the last unless given.
    from: Option<Date>,
    /// The last day in UTC; today unless given. At most 366 days are shown.
    to: Option<Date>,
}

/// What calls took.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = PluginSpend)]
struct SpendView {
    calls: u64,
    /// Those of them that failed.
    failures: u64,
    /// Time on a processor, in microseconds.
    cpu_micros: u64,
    /// The most memory that one call held, in bytes.
    peak_bytes: u64,
}

impl From<PluginSpend> for SpendView {
    fn from(spend: PluginSpend) -> Self {
        let PluginSpend { calls, failures, cpu_micros, peak_bytes } = spend;
        Self { calls, failures, cpu_micros, peak_bytes }
    }
}

/// What calls took on a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginDay)]
struct DayView {
    /// The day, in UTC.
    day: Date,
    #[serde(flatten)]
    spend: SpendView,
}

/// Days on which a plugin was called, and all of them together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginUsage)]
pub(super) struct UsageView {
    total: SpendView,
    days: Vec<DayView>,
}

/// Writes what this process has gathered, so that who asks finds what just happened. What cannot be
/// written waits on, and what is stored is told.
async fn write(caller: &Caller) -> Result<(), Problem> {
    if let Err(error) = caller.plugins()?.write().await {
        tracing::warn!(%error, "what plugins took cannot be written yet");
    }
    Ok(())
}

/// Lists the lines of a plugin's log, the newest first.
#[utoipa::path(get, path = "/plugins/{id}/logs", tag = "plugins",
    params(("id" = String, Path, description = "The plugin."), LineQuery),
    security(("api_key" = ["plugins_read"])),
    responses((status = 200, body = PageView<LineView>)))]
pub(super) async fn lines(
    caller: Allowed<perm::PluginsRead>,
    Id(id): Id<PluginId>,
    Query(query): Query<LineQuery>,
) -> Result<Json<PageView<LineView>>, Problem> {
    let page = extract::page(query.after, query.limit)?;
    write(&caller).await?;
    let lines = caller.store().plugin_lines(caller.business_id, id, query.kind, &page).await?;
    Ok(PageView::of(lines, LineView::from))
}

/// Tells what the calls of a plugin took, by day.
#[utoipa::path(get, path = "/plugins/{id}/usage", tag = "plugins",
    params(("id" = String, Path, description = "The plugin."), PluginDays),
    security(("api_key" = ["plugins_read"])),
    responses((status = 200, body = UsageView)))]
pub(super) async fn usage(
    caller: Allowed<perm::PluginsRead>,
    Id(id): Id<PluginId>,
    Query(query): Query<PluginDays>,
) -> Result<Json<UsageView>, Problem> {
    let (from, to) = days(query.from, query.to, day_of(caller.now()))?;
    write(&caller).await?;
    caller.store().plugin(caller.business_id, id).await?;
    let filter = PluginDayFilter { from, to, plugin_id: Some(id) };
    let found = caller.store().plugin_days(caller.business_id, &filter).await?;
    let mut total = PluginSpend::default();
    found.iter().for_each(|day| total.add(&day.spend));
    let view = |PluginDay { day, spend, .. }: PluginDay| DayView { day, spend: spend.into() };
    Ok(Json(UsageView { total: total.into(), days: found.into_iter().map(view).collect() }))
}
