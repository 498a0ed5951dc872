use axum::Json;
use jiff::ToSpan;
use justping::model::{
    AgentId, BusinessCaps, Cap, ChannelId, Counter, CounterKind, Date, Spend, UsageDay, day_of,
};
use justping::port::store::{COUNTER_DAYS_MAX, CounterFilter, UsageFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::Checks;
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, perm};
use crate::http::extract::{JsonBody, Query};

/// Days that are shown unless somebody asks for others.
const DAYS_DEFAULT: i64 = 30;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(messages))
        .routes(routes!(usage))
        .routes(routes!(caps, set_caps))
}

/// Which days are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessageDays {
    /// The first day in UTC, such as 2026-11-01; 29 days before the last unless given.
    from: Option<Date>,
    /// The last day in UTC; today unless given. At most 366 days are shown.
    to: Option<Date>,
    /// Of this channel only.
    channel_id: Option<String>,
}

/// What was counted on a day. A message that was read counts as delivered and sent too, and one that
/// failed after it was sent for both.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = MessageDay)]
struct DayView {
    /// The day, in UTC.
    day: Date,
    /// Messages of contacts.
    received: u64,
    /// Messages that the provider accepted.
    sent: u64,
    /// Messages that reached the contact's device.
    delivered: u64,
    /// Messages that the contact saw.
    read: u64,
    /// Messages that will not arrive.
    failed: u64,
    /// Conversations that began, or were opened again.
    conversations_opened: u64,
    /// Conversations that were closed.
    conversations_closed: u64,
}

/// Every day that was asked for, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageDays)]
struct DaysView {
    days: Vec<DayView>,
}

impl DayView {
    fn set(&mut self, counter: Counter) {
        let place = match counter.kind {
            CounterKind::Received => &mut self.received,
            CounterKind::Sent => &mut self.sent,
            CounterKind::Delivered => &mut self.delivered,
            CounterKind::Read => &mut self.read,
            CounterKind::Failed => &mut self.failed,
            CounterKind::ConversationsOpened => &mut self.conversations_opened,
            CounterKind::ConversationsClosed => &mut self.conversations_closed,
        };
        *place = counter.count;
    }
}

/// Counts messages and conversations by day: how many came, and how far those went that were written.
#[utoipa::path(get, path = "/analytics/messages", tag = "analytics", params(MessageDays),
    security(("api_key" = ["analytics_read"])),
    responses((status = 200, body = DaysView)))]
async fn messages(
    caller: Allowed<perm::AnalyticsRead>,
    Query(query): Query<MessageDays>,
) -> Result<Json<DaysView>, Problem> {
    let channel_id = query.channel_id.as_deref().map(str::parse::<ChannelId>);
    let channel_id = channel_id.transpose().map_err(|_| Problem::not_found())?;
    let (from, to) = days(query.from, query.to, day_of(caller.now()))?;
    if let Some(id) = channel_id {
        caller.store().channel(caller.business_id, id).await?;
    }
    let filter = CounterFilter { from, to, channel_id };
    let counters = caller.store().counters(caller.business_id, &filter).await?;
    Ok(Json(DaysView { days: by_day(from, to, counters) }))
}

/// Which usage is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageDays {
    /// The first day in UTC, such as 2026-11-01; 29 days before the last unless given.
    from: Option<Date>,
    /// The last day in UTC; today unless given. At most 366 days are shown.
    to: Option<Date>,
    /// Of this agent only.
    agent_id: Option<String>,
}

/// What models were used for and cost.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Spend)]
pub(super) struct SpendView {
    /// Answers.
    calls: u64,
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// Of those read, taken from the provider's cache.
    cached_tokens: u64,
    /// Money, in millionths of the price table's currency.
    micros: u64,
}

impl From<Spend> for SpendView {
    fn from(spend: Spend) -> Self {
        let Spend { calls, input_tokens, output_tokens, cached_tokens, micros } = spend;
        Self { calls, input_tokens, output_tokens, cached_tokens, micros }
    }
}

/// What an agent used of a model on a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageDay)]
struct UsageDayView {
    /// The day, in UTC.
    day: Date,
    /// The agent, where one is known.
    #[schema(value_type = Option<String>)]
    agent_id: Option<AgentId>,
    /// The model, as the provider named it.
    model: String,
    #[serde(flatten)]
    spend: SpendView,
}

/// Days on which models were used, and all of them together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageView {
    total: SpendView,
    days: Vec<UsageDayView>,
}

/// Tells what models were used for and cost, by day, agent and model.
#[utoipa::path(get, path = "/analytics/usage", tag = "analytics", params(UsageDays),
    security(("api_key" = ["analytics_read"])),
    responses((status = 200, body = UsageView)))]
async fn usage(
    caller: Allowed<perm::AnalyticsRead>,
    Query(query): Query<UsageDays>,
) -> Result<Json<UsageView>, Problem> {
    let agent_id = query.agent_id.as_deref().map(str::parse::<AgentId>);
    let agent_id = agent_id.transpose().map_err(|_| Problem::not_found())?;
    let (from, to) = days(query.from, query.to, day_of(caller.now()))?;
    let filter = UsageFilter { from, to, agent_id };
    let days = caller.store().usage(caller.business_id, &filter).await?;
    let total = days.iter().fold(Spend::default(), |total, day| total.and(&day.spend));
    let view = |day: UsageDay| {
        let UsageDay { day, agent_id, model, spend } = day;
        UsageDayView { day, agent_id, model, spend: spend.into() }
    };
    Ok(Json(UsageView { total: total.into(), days: days.into_iter().map(view).collect() }))
}

/// What may be spent; what is `null` has no limit.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Cap)]
struct CapBody {
    /// Tokens, read and written.
    tokens: Option<u64>,
    /// Money, in millionths of the price table's currency.
    micros: Option<u64>,
}

impl From<Cap> for CapBody {
    fn from(Cap { tokens, micros }: Cap) -> Self {
        Self { tokens, micros }
    }
}

impl From<CapBody> for Cap {
    fn from(CapBody { tokens, micros }: CapBody) -> Self {
        Self { tokens, micros }
    }
}

/// What the business may spend on models, whatever its agents may. The operator of the server may
/// have set limits of his own: of two the lower one holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsageCaps)]
struct CapsBody {
    /// On one day, in UTC.
    day: CapBody,
    /// In one month, in UTC.
    month: CapBody,
}

impl From<BusinessCaps> for CapsBody {
    fn from(BusinessCaps { day, month }: BusinessCaps) -> Self {
        Self { day: day.into(), month: month.into() }
    }
}

/// Tells what the business lets be spent on models.
#[utoipa::path(get, path = "/usage/caps", tag = "analytics",
    security(("api_key" = ["analytics_read"])),
    responses((status = 200, body = CapsBody)))]
async fn caps(caller: Allowed<perm::AnalyticsRead>) -> Result<Json<CapsBody>, Problem> {
    Ok(Json(caller.store().business_caps(caller.business_id).await?.into()))
}

/// Says what the business lets be spent on models. It is in force with the next answer: a budget that
/// is used up already lets nothing more be asked.
#[utoipa::path(put, path = "/usage/caps", tag = "analytics", request_body = CapsBody,
    security(("api_key" = ["agents_write"])),
    responses((status = 200, body = CapsBody)))]
async fn set_caps(
    caller: Allowed<perm::AgentsWrite>,
    JsonBody(body): JsonBody<CapsBody>,
) -> Result<Json<CapsBody>, Problem> {
    let caps = BusinessCaps { day: body.day.into(), month: body.month.into() };
    caller.store().set_business_caps(caller.business_id, &caps).await?;
    Ok(Json(caps.into()))
}

/// The first and the last day that are wanted.
pub(super) fn days(
    from: Option<Date>,
    to: Option<Date>,
    today: Date,
) -> Result<(Date, Date), Problem> {
    let to = to.unwrap_or(today);
    let from = from.unwrap_or_else(|| to.saturating_sub((DAYS_DEFAULT - 1).days()));
    let mut checks = Checks::default();
    checks.require(from <= to, "from", "must not be after `to`");
    let fits = from > to || CounterFilter { from, to, channel_id: None }.check().is_ok();
    checks.require(fits, "from", format!("must be at most {COUNTER_DAYS_MAX} days, `to` included"));
    checks.done()?;
    Ok((from, to))
}

/// A view of every day, those without any counter too.
fn by_day(from: Date, to: Date, counters: Vec<Counter>) -> Vec<DayView> {
    let mut counters = counters.into_iter().peekable();
    let days = from.series(1.day()).take_while(|day| *day <= to);
    let view = |day| {
        let mut view = DayView { day, ..DayView::default() };
        while let Some(counter) = counters.next_if(|counter| counter.day == day) {
            view.set(counter);
        }
        view
    };
    days.map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: Option<&str>, to: Option<&str>) -> Option<(String, String)> {
        let read = |day: Option<&str>| day.map(|day| day.parse().unwrap());
        let days = days(read(from), read(to), Date::constant(2026, 3, 1)).ok()?;
        Some((days.0.to_string(), days.1.to_string()))
    }

    #[test]
    fn thirty_days_are_shown_unless_others_are_asked_for() {
        let some = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
        assert_eq!(range(None, None), some("2026-01-31", "2026-03-01"));
        assert_eq!(range(None, Some("2025-12-30")), some("2025-12-01", "2025-12-30"));
        assert_eq!(range(Some("2026-02-28"), None), some("2026-02-28", "2026-03-01"));
        assert_eq!(range(Some("2026-03-02"), None), None);
        assert_eq!(range(Some("2025-03-01"), None), some("2025-03-01", "2026-03-01"));
        assert_eq!(range(Some("2025-02-28"), None), None);
        assert!(range(None, Some("-009999-01-01")).is_some());
        assert!(range(Some("9999-12-31"), Some("9999-12-31")).is_some());
    }

    #[test]
    fn every_day_is_there() {
        let (from, to) = (Date::constant(2026, 2, 27), Date::constant(2026, 3, 2));
        let counter = |day, kind, count| Counter { day: Date::constant(2026, 2, day), kind, count };
        let counters =
            vec![counter(27, CounterKind::Read, 3), counter(28, CounterKind::Received, 5)];
        let views = by_day(from, to, counters);
        let shown: Vec<_> =
            views.iter().map(|view| (view.day.day(), view.read, view.received)).collect();
        assert_eq!(shown, [(27, 3, 0), (28, 0, 5), (1, 0, 0), (2, 0, 0)]);
        assert_eq!(by_day(Date::MAX, Date::MAX, Vec::new()).len(), 1);
    }
}
