//! What nobody needs any more goes, in bounded moves.
//!
//! Age is read from the messages and events themselves: no index by time that every accept would
//! have to keep. A move looks at a range of keys and hands on where it stopped.

use async_trait::async_trait;
use justping_core::model::{Cursor, Timestamp, day_of};
use justping_core::port::store::{
    Retention, StoreError, StoreResult, UPKEEP_LEASE, UpkeepOptions, UpkeepReport, UpkeepStore,
};
use serde::{Deserialize, Serialize};
use sqlx::query;
use uuid::Uuid;

use super::SqliteStore;
use super::connection::Write;
use super::idempotency::EXPIRE_REQUESTS;
use super::row::{after, count, get, millis, parse_doc, statements, to_doc};
use crate::document::{day_column, second};

/// Businesses whose events one move looks at.
const BUSINESSES: i64 = 16;

/// The end of a range of references, and what is old in it. A reference whose message is gone is
/// old too.
macro_rules! references {
    ($table:literal) => {
        (
            concat!(
                "SELECT channel_id, provider_ref FROM ( \
                    SELECT channel_id, provider_ref FROM ",
                $table,
                " WHERE (channel_id, provider_ref) > ($1, $2) \
                    ORDER BY channel_id, provider_ref LIMIT $3) \
                ORDER BY channel_id DESC, provider_ref DESC LIMIT 1"
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " AS r WHERE (channel_id, provider_ref) > ($1, $2) \
                    AND (channel_id, provider_ref) <= ($3, $4) \
                    AND coalesce((SELECT g.doc ->> '$.created_at' FROM channels h \
                        JOIN messages g ON g.business_id = h.business_id \
                            AND g.conversation_id = r.conversation_id AND g.seq = r.seq \
                        WHERE h.id = r.channel_id) < $5, 1) \
                RETURNING 1"
            ),
        )
    };
}

/// The values of plugins that went over first.
macro_rules! values_over {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM plugin_values INDEXED BY plugin_values_until WHERE until <= $1 \
                ORDER BY until, rowid LIMIT $2"
        )
    };
}

statements! {
    BEGIN_UPKEEP = "BEGIN IMMEDIATE; SELECT 1 FROM leases WHERE name = $1 AND fence = $2";
    END_UPKEEP = "COMMIT";
    DROP_PARKED = "DELETE FROM parked_statuses \
        WHERE id IN (SELECT id FROM parked_statuses ORDER BY id LIMIT $2) \
            AND doc ->> '$.at' < $1 RETURNING 1";
    DROP_COUNTERS = "DELETE FROM counters WHERE (business_id, day, channel_id, kind) IN ( \
            SELECT business_id, day, channel_id, kind FROM counters INDEXED BY counters_day \
            WHERE day < $1 ORDER BY day LIMIT $2) RETURNING 1";
    /// Values of plugins that are over, as far as one move goes; the counts first.
    DROP_VALUES = concat!(
        "UPDATE plugin_counts SET keys = keys - g.freed, bytes = bytes - g.size FROM ( \
            SELECT business_id, plugin_id, count(*) AS freed, \
                sum(length(key) + length(value)) AS size \
            FROM (", values_over!("business_id, plugin_id, key, value"), ") \
            GROUP BY business_id, plugin_id) g \
        WHERE plugin_counts.business_id = g.business_id \
            AND plugin_counts.plugin_id = g.plugin_id; \
        DELETE FROM plugin_values WHERE rowid IN (", values_over!("rowid"), ") RETURNING 1"
    );
    DROP_LINES = "DELETE FROM plugin_lines WHERE (business_id, plugin_id, number) IN ( \
            SELECT business_id, plugin_id, number FROM plugin_lines INDEXED BY plugin_lines_at \
            WHERE at < $1 ORDER BY at LIMIT $2) RETURNING 1";
    DROP_DAYS = "DELETE FROM plugin_days WHERE (business_id, plugin_id, day) IN ( \
            SELECT business_id, plugin_id, day FROM plugin_days INDEXED BY plugin_days_day \
            WHERE day < $1 ORDER BY day LIMIT $2) RETURNING 1";
    DROP_USAGE = "DELETE FROM usage_days WHERE (business_id, day, agent_id, model) IN ( \
            SELECT business_id, day, agent_id, model FROM usage_days INDEXED BY usage_days_day \
            WHERE day < $1 ORDER BY day LIMIT $2) RETURNING 1";
    /// Memberships of deleted groups, as far as one move goes; then the groups that are empty.
    DROP_MEMBERSHIPS = "DELETE FROM memberships WHERE (business_id, group_id, contact_id) IN ( \
            SELECT m.business_id, m.group_id, m.contact_id \
            FROM gone_groups q CROSS JOIN memberships m \
                ON m.business_id = q.business_id AND m.group_id = q.group_id LIMIT $1) \
        RETURNING 1; \
        DELETE FROM gone_groups AS q WHERE NOT EXISTS (SELECT 1 FROM memberships m \
            WHERE m.business_id = q.business_id AND m.group_id = q.group_id)";
    RECEIVED_END = references!("received_refs").0;
    DROP_RECEIVED = references!("received_refs").1;
    SENT_END = references!("sent_refs").0;
    DROP_SENT = references!("sent_refs").1;
    EVENTS_END = "SELECT id FROM ( \
            SELECT id FROM businesses WHERE id > $1 ORDER BY id LIMIT $2) \
        ORDER BY id DESC LIMIT 1";
    /// The newest stays: it holds the number that the next one continues.
    DROP_EVENTS = "DELETE FROM events WHERE (business_id, seq) IN ( \
            SELECT b.id, e.seq FROM businesses b CROSS JOIN events e ON e.business_id = b.id \
                AND e.seq < $3 + (SELECT min(x.seq) FROM events x WHERE x.business_id = b.id) \
                AND e.seq < (SELECT max(x.seq) FROM events x WHERE x.business_id = b.id) \
            WHERE b.id > $1 AND b.id <= $2 AND e.doc ->> '$.at' < $4) RETURNING 1";
}

/// How far a table was looked through.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place<K> {
    #[default]
    Start,
    After(K),
    End,
}

/// How far the upkeep got.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Sweep {
    received: Place<(Uuid, String)>,
    sent: Place<(Uuid, String)>,
    events: Place<Uuid>,
    /// Whether queues of old rows are empty.
    queues: bool,
}

impl Sweep {
    fn parse(cursor: Option<&Cursor>) -> StoreResult<Self> {
        let Some(cursor) = cursor else { return Ok(Self::default()) };
        parse_doc(&cursor.0, "cursor").map_err(|_| StoreError::Invalid("cursor"))
    }

    fn next(&self) -> StoreResult<Option<Cursor>> {
        let done = self.received == Place::End
            && self.sent == Place::End
            && self.events == Place::End
            && self.queues;
        if done { Ok(None) } else { Ok(Some(Cursor(to_doc(self)?))) }
    }
}

#[async_trait]
impl UpkeepStore for SqliteStore {
    async fn upkeep(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        let mut write = self.connections.write().await?;
        let result = run(&mut write, options).await;
        write.settle(result).await
    }
}

async fn run(write: &mut Write<'_>, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
    let mut sweep = Sweep::parse(options.after.as_ref())?;
    let begin = query(BEGIN_UPKEEP).bind(UPKEEP_LEASE).bind(count(options.fence));
    if write.begin(begin).await?.is_empty() {
        return Err(StoreError::Stale("lease"));
    }
    let mut report = UpkeepReport::default();
    queues(write, options, &mut sweep, &mut report).await?;
    let (keep, limit) = (&options.keep, i64::from(options.limit));
    let before = |kept| Retention::before(kept, options.now);
    if let Some(before) = before(keep.references) {
        let (received, sent) = ((RECEIVED_END, DROP_RECEIVED), (SENT_END, DROP_SENT));
        report.received = references(write, received, &mut sweep.received, before, limit).await?;
        report.sent = references(write, sent, &mut sweep.sent, before, limit).await?;
    } else {
        (sweep.received, sweep.sent) = (Place::End, Place::End);
    }
    match before(keep.events) {
        Some(before) => report.events = events(write, &mut sweep.events, before, limit).await?,
        None => sweep.events = Place::End,
    }
    write.commit(query(END_UPKEEP)).await?;
    report.next = sweep.next()?;
    Ok(report)
}

/// Drops what stands in the order of its age.
async fn queues(
    write: &mut Write<'_>,
    options: &UpkeepOptions,
    sweep: &mut Sweep,
    report: &mut UpkeepReport,
) -> StoreResult<()> {
    let (keep, limit) = (&options.keep, i64::from(options.limit));
    let before = |kept| Retention::before(kept, options.now);
    if let Some(before) = before(keep.requests) {
        let expire = query(EXPIRE_REQUESTS).bind(millis(before)).bind(limit);
        report.requests = write.run(expire).await?.len() as u64;
    }
    if let Some(before) = before(keep.parked) {
        let drop = query(DROP_PARKED).bind(second(before)).bind(limit);
        report.parked = write.run(drop).await?.len() as u64;
    }
    if let Some(before) = before(keep.counters) {
        let drop = query(DROP_COUNTERS).bind(day_column(day_of(before))).bind(limit);
        report.counters = write.run(drop).await?.len() as u64;
    }
    if let Some(before) = keep.usage_before(options.now) {
        let drop = query(DROP_USAGE).bind(day_column(day_of(before))).bind(limit);
        report.usage_days = write.run(drop).await?.len() as u64;
    }
    let drop = query(DROP_MEMBERSHIPS).bind(limit);
    report.memberships = write.run(drop).await?.len() as u64;
    plugins(write, options, report).await?;
    let most = u64::from(options.limit);
    let dropped = [
        [report.requests, report.parked, report.counters],
        [report.plugin_values, report.plugin_lines, report.plugin_days],
        [report.usage_days, report.memberships, 0],
    ];
    sweep.queues = dropped.as_flattened().iter().all(|rows| *rows < most);
    Ok(())
}

/// Drops what plugins keep, said and took, where it is over or old.
async fn plugins(
    write: &mut Write<'_>,
    options: &UpkeepOptions,
    report: &mut UpkeepReport,
) -> StoreResult<()> {
    let (keep, limit) = (&options.keep, i64::from(options.limit));
    let before = |kept| Retention::before(kept, options.now);
    let over = query(DROP_VALUES).bind(millis(options.now)).bind(limit);
    report.plugin_values = write.run(over).await?.len() as u64;
    if let Some(before) = before(keep.plugin_lines) {
        let drop = query(DROP_LINES).bind(millis(before)).bind(limit);
        report.plugin_lines = write.run(drop).await?.len() as u64;
    }
    if let Some(before) = before(keep.plugin_days) {
        let drop = query(DROP_DAYS).bind(day_column(day_of(before))).bind(limit);
        report.plugin_days = write.run(drop).await?.len() as u64;
    }
    Ok(())
}

/// Looks through the next range of references.
async fn references(
    write: &mut Write<'_>,
    (end, drop): (&'static str, &'static str),
    place: &mut Place<(Uuid, String)>,
    before: Timestamp,
    limit: i64,
) -> StoreResult<u64> {
    let (channel, reference) = match place {
        Place::Start => (after(None), String::new()),
        Place::After((channel, reference)) => (after(Some(*channel)), reference.clone()),
        Place::End => return Ok(0),
    };
    let find = query(end).bind(channel.clone()).bind(reference.clone()).bind(limit);
    let rows = write.run(find).await?;
    let Some(row) = rows.first() else {
        *place = Place::End;
        return Ok(0);
    };
    let last: (Uuid, String) = (get(row, 0)?, get(row, 1)?);
    let drop = query(drop).bind(channel).bind(reference);
    let drop = drop.bind(last.0).bind(last.1.clone()).bind(second(before));
    let dropped = write.run(drop).await?.len() as u64;
    *place = Place::After(last);
    Ok(dropped)
}

/// Looks at the oldest events of the next businesses, and at the same ones again when there may be
/// more.
async fn events(
    write: &mut Write<'_>,
    place: &mut Place<Uuid>,
    before: Timestamp,
    limit: i64,
) -> StoreResult<u64> {
    let start = match place {
        Place::Start => after(None),
        Place::After(business) => after(Some(*business)),
        Place::End => return Ok(0),
    };
    let rows = write.run(query(EVENTS_END).bind(start.clone()).bind(BUSINESSES)).await?;
    let Some(row) = rows.first() else {
        *place = Place::End;
        return Ok(0);
    };
    let last: Uuid = get(row, 0)?;
    let drop = query(DROP_EVENTS).bind(start).bind(last).bind(limit).bind(second(before));
    let dropped = write.run(drop).await?.len() as u64;
    if dropped < limit.unsigned_abs() {
        *place = Place::After(last);
    }
    Ok(dropped)
}
