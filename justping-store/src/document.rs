//! How values are kept whatever the backend: documents as JSON, times as milliseconds, cursors.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use justping_core::model::{
    Content, Conversation, ConversationStatus, Counter, CounterKind, Cursor, Date, FlowVersionId,
    LiveCount, Owner, Session, SessionStatus, Timestamp,
};
use justping_core::port::store::{StoreError, StoreResult};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Of a message's document no more than what it says.
#[derive(Debug, Deserialize)]
pub(crate) struct ContentOf {
    /// What it says.
    pub(crate) content: Content,
}

/// Of a conversation's document no more than how often it has changed hands.
#[derive(Debug, Deserialize)]
pub(crate) struct GenerationOf {
    /// How often.
    pub(crate) generation: u64,
}

/// Writes a document.
pub(crate) fn to_doc<T: Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Invalid("document"))
}

/// Reads a document of a `noun`.
pub(crate) fn parse_doc<T: DeserializeOwned>(text: &str, noun: &'static str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(format!("a {noun}")))
}

/// A count as a column; `None` for one that no row can have.
pub(crate) fn count(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

/// The moment as a column.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The second of a moment as statements compare it with moments inside documents: what is before
/// the second is less, what is in it is more, fractions or not.
pub(crate) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The moment a column holds.
pub(crate) fn moment(millis: i64) -> StoreResult<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|_| StoreError::Corrupt("a moment".to_owned()))
}

/// The version on which a session lives, as a column; nothing once it has ended.
pub(crate) fn live_column(session: &Session) -> Option<String> {
    let lives = session.status == SessionStatus::Waiting;
    lives.then(|| session.flow_version_id.to_string())
}

/// Joins the versions of a flow with how many sessions live on each.
pub(crate) fn to_live_counts(
    versions: Vec<(FlowVersionId, u64)>,
    counts: impl Iterator<Item = StoreResult<u64>>,
) -> StoreResult<Vec<LiveCount>> {
    let mut found = Vec::new();
    for ((version_id, number), sessions) in versions.into_iter().zip(counts) {
        let (number, sessions) = (u32::try_from(number).unwrap_or(u32::MAX), sessions?);
        if sessions > 0 {
            found.push(LiveCount { version_id, number, sessions });
        }
    }
    Ok(found)
}

/// The day from which days are counted.
const FIRST_DAY: Date = Date::constant(1970, 1, 1);

/// The day as a column: how many days after 1 January 1970 it is.
pub(crate) fn day_column(day: Date) -> i64 {
    day.duration_since(FIRST_DAY).as_hours() / 24
}

/// The day a column holds.
pub(crate) fn day(column: i64) -> StoreResult<Date> {
    let day = Span::new().try_days(column).and_then(|days| FIRST_DAY.checked_add(days));
    day.map_err(|_| StoreError::Corrupt("a day".to_owned()))
}

/// Counters from their day, kind and count, in order.
pub(crate) fn to_counters<'a>(
    rows: impl Iterator<Item = StoreResult<(i64, &'a str, i64)>>,
) -> StoreResult<Vec<Counter>> {
    let corrupt = || StoreError::Corrupt("a counter".to_owned());
    let read = |row: StoreResult<(i64, &str, i64)>| {
        let (column, kind, count) = row?;
        let kind = CounterKind::from_name(kind).ok_or_else(corrupt)?;
        let count = u64::try_from(count).map_err(|_| corrupt())?;
        Ok(Counter { day: day(column)?, kind, count })
    };
    let mut counters: Vec<Counter> = rows.map(read).collect::<StoreResult<_>>()?;
    counters.sort_unstable_by_key(|counter| (counter.day, counter.kind));
    Ok(counters)
}

/// Reads a cursor made by a list of this kind.
pub(crate) fn parse_cursor<T: FromStr>(cursor: Option<&Cursor>) -> StoreResult<Option<T>> {
    cursor.map(|cursor| cursor.0.parse().map_err(|_| StoreError::Invalid("cursor"))).transpose()
}

/// The status as statements compare it.
pub(crate) fn status_column(status: ConversationStatus) -> &'static str {
    match status {
        ConversationStatus::Open => "open",
        ConversationStatus::Pending => "pending",
        ConversationStatus::Snoozed => "snoozed",
        ConversationStatus::Closed => "closed",
    }
}

/// The owner as statements compare it.
pub(crate) fn owner_column(owner: Owner) -> String {
    match owner {
        Owner::Bot => "bot".to_owned(),
        Owner::Queue => "queue".to_owned(),
        Owner::Member(id) => id.to_string(),
    }
}

/// Where the list of conversations goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecentCursor {
    /// Milliseconds of the last message.
    pub(crate) at: i64,
    /// The conversation.
    pub(crate) id: Uuid,
}

impl RecentCursor {
    /// Behind every conversation.
    pub(crate) const END: Self = Self { at: i64::MAX, id: Uuid::max() };

    pub(crate) fn of(conversation: &Conversation) -> Self {
        Self { at: millis(conversation.last_message_at), id: conversation.id.uuid() }
    }
}

impl fmt::Display for RecentCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.id.simple())
    }
}

impl FromStr for RecentCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('.').ok_or(())?;
        Ok(Self { at: at.parse().map_err(|_| ())?, id: Uuid::try_parse(id).map_err(|_| ())? })
    }
}
