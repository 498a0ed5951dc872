//! Months of messages made before they are needed and put aside when they are old, and what nobody
//! needs any more.

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use justping_core::model::{Cursor, Timestamp, day_of};
use justping_core::port::store::{
    Retention, StoreError, StoreResult, UPKEEP_LEASE, UpkeepOptions, UpkeepReport, UpkeepStore,
};
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Bound, Scope, Write, transaction};
use super::idempotency::EXPIRE_REQUESTS;
use super::row::{count, get, get_count, millis, parse_cursor, statements};
use crate::document::{day_column, second};

/// Months that have their partition before they begin.
pub const MONTHS_AHEAD: i32 = 3;
/// Businesses whose events one move looks at.
const BUSINESSES: i64 = 16;
/// How the partition of a month is called.
const PARTITION_NAME: &str = "messages_%Y_%m";
/// The same with the first day.
const FIRST_DAY: &str = "messages_%Y_%m_%d";

/// When a document says that it happened: the first `at` of a document is its own, and inside a
/// text the quotes would be escaped.
macro_rules! moment_of {
    ($doc:literal) => {
        concat!("substring(", $doc, " FROM '\"at\":\"([^\"]+)\"') COLLATE \"C\"")
    };
}

macro_rules! drop_references {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ctid = ANY(ARRAY(SELECT ctid FROM ",
            $table,
            " WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1"
        )
    };
}

statements! {
    HAS_PARTITION = "SELECT to_regclass($1) IS NOT NULL";
    ADD_PARTITION = "SELECT justping_add_messages($1, $2, $3)";
    PARTITIONS = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
        WHERE i.inhparent = 'messages'::regclass ORDER BY c.relname";
    DETACH_PARTITION = "SELECT justping_detach_messages($1, $2, $3)";
    /// Holds the lease as it is until the transaction ends.
    HOLD_LEASE = "SELECT 1 FROM leases WHERE name = $1 AND fence = $2 FOR SHARE";
    DROP_PARKED = concat!(
        "DELETE FROM parked_statuses p USING ( \
            SELECT id, doc FROM parked_statuses ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) v \
        WHERE p.id = v.id AND ", moment_of!("v.doc"), " < $1 RETURNING 1"
    );
    DROP_RECEIVED = drop_references!("received_refs");
    DROP_SENT = drop_references!("sent_refs");
    DROP_COUNTERS = "DELETE FROM counters WHERE ctid = ANY(ARRAY( \
            SELECT ctid FROM counters WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1";
    /// Plugins with values that are over, locked as by whoever writes values.
    LOCK_OVER = "SELECT c.business_id, c.plugin_id FROM ( \
            SELECT DISTINCT v.business_id, v.plugin_id FROM ( \
                SELECT business_id, plugin_id FROM plugin_values WHERE until <= $1 LIMIT $2) v) o \
            JOIN plugin_counts c ON c.business_id = o.business_id AND c.plugin_id = o.plugin_id \
        ORDER BY c.business_id, c.plugin_id FOR UPDATE OF c SKIP LOCKED";
    DROP_VALUES = "WITH gone AS (DELETE FROM plugin_values WHERE ctid = ANY(ARRAY( \
                SELECT v.ctid FROM unnest($1::uuid[], $2::uuid[]) o (business_id, plugin_id) \
                CROSS JOIN LATERAL (SELECT x.ctid FROM plugin_values x \
                    WHERE x.business_id = o.business_id AND x.plugin_id = o.plugin_id \
                        AND x.until <= $3 LIMIT $4) v LIMIT $4)) \
            RETURNING business_id, plugin_id, octet_length(key) + octet_length(value) AS bytes), \
        freed AS (SELECT business_id, plugin_id, count(*) AS keys, sum(bytes)::bigint AS bytes \
            FROM gone GROUP BY business_id, plugin_id) \
        UPDATE plugin_counts c SET keys = c.keys - f.keys, bytes = c.bytes - f.bytes FROM freed f \
            WHERE c.business_id = f.business_id AND c.plugin_id = f.plugin_id RETURNING f.keys";
    DROP_LINES = "DELETE FROM plugin_lines WHERE ctid = ANY(ARRAY( \
            SELECT ctid FROM plugin_lines WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) \
        RETURNING 1";
    DROP_USAGE = "DELETE FROM usage_days WHERE ctid = ANY(ARRAY( \
            SELECT ctid FROM usage_days WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) \
        RETURNING 1";
    DROP_DAYS = "DELETE FROM plugin_days WHERE ctid = ANY(ARRAY( \
            SELECT ctid FROM plugin_days WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) \
        RETURNING 1";
    /// Memberships of deleted groups, as far as one move goes, each group along its key.
    DROP_MEMBERSHIPS = "DELETE FROM memberships WHERE ctid = ANY(ARRAY( \
            SELECT x.ctid FROM gone_groups q CROSS JOIN LATERAL ( \
                SELECT m.ctid FROM memberships m \
                WHERE (m.business_id, m.group_id, m.contact_id) >= (q.business_id, q.group_id, \
                        '00000000-0000-0000-0000-000000000000'::uuid) \
                    AND (m.business_id, m.group_id, m.contact_id) <= (q.business_id, q.group_id, \
                        'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) \
                ORDER BY m.business_id, m.group_id, m.contact_id \
                LIMIT $1 FOR UPDATE SKIP LOCKED) x LIMIT $1)) RETURNING 1";
    /// Deleted groups that are empty. Nobody comes into a group that is gone.
    DROP_GONE_GROUPS = "DELETE FROM gone_groups q WHERE (SELECT count(*) FROM ( \
            SELECT 1 FROM memberships m \
            WHERE (m.business_id, m.group_id, m.contact_id) >= (q.business_id, q.group_id, \
                    '00000000-0000-0000-0000-000000000000'::uuid) \
                AND (m.business_id, m.group_id, m.contact_id) <= (q.business_id, q.group_id, \
                    'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) \
            ORDER BY m.business_id, m.group_id, m.contact_id LIMIT 1) x) = 0";
    /// The last of the businesses it looked at, and how many events went. The newest stays, as it
    /// does in the embedded store, which finds the next number by it.
    DROP_EVENTS = concat!(
        "WITH owners AS MATERIALIZED ( \
            SELECT b.id, least( \
                (SELECT y.seq FROM events y WHERE y.business_id = b.id ORDER BY y.seq LIMIT 1) + $3, \
                (SELECT k.last FROM event_counters k WHERE k.business_id = b.id)) AS until \
            FROM businesses b WHERE b.id > $1 ORDER BY b.id LIMIT $2), \
        gone AS (DELETE FROM events e USING owners o \
            WHERE e.business_id = o.id AND e.seq < o.until AND ", moment_of!("e.doc"), " < $4 \
            RETURNING 1) \
        SELECT (SELECT id FROM owners ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM gone)"
    );
}

impl PostgresStore {
    /// Makes the partitions of this month and the next [`MONTHS_AHEAD`] ones, where they are
    /// missing; returns how many it made. The upkeep does it too; a program without it calls this
    /// about daily, in any number of processes.
    ///
    /// A missing partition refuses nothing: its messages are in the default partition, and move
    /// when the partition is made.
    pub async fn make_partitions(&self, now: Timestamp) -> StoreResult<u32> {
        let today = now.to_zoned(TimeZone::UTC).date().first_of_month();
        let mut made = 0;
        for ahead in 0..=MONTHS_AHEAD {
            let month = month_after(today, ahead)?;
            made += self.make_partition(month).await?;
        }
        Ok(made)
    }

    async fn make_partition(&self, month: Date) -> StoreResult<u32> {
        let name = month.strftime(PARTITION_NAME).to_string();
        let (starts, ends) = (start_of(month)?, start_of(month_after(month, 1)?)?);
        transaction!(self, Scope::System, |write| add(write, &name, starts, ends))
    }

    /// Puts aside the months that ended before a moment, but for those on whose messages work
    /// waits; how many went, and how many did not.
    async fn detach_partitions(&self, fence: u64, before: Timestamp) -> StoreResult<(u64, u64)> {
        let (mut gone, mut held) = (0, 0);
        for row in self.connections.read(Scope::System, query(PARTITIONS)).await? {
            let name = get::<&str>(&row, 0)?;
            let Some(month) = month_of(name) else { continue };
            let (starts, ends) = (start_of(month)?, start_of(month_after(month, 1)?)?);
            if ends > millis(before) {
                break;
            }
            match self.detach_partition(fence, name, (starts, ends)).await? {
                Some(true) => gone += 1,
                Some(false) => held += 1,
                None => {}
            }
        }
        Ok((gone, held))
    }

    async fn detach_partition(
        &self,
        fence: u64,
        name: &str,
        month: (i64, i64),
    ) -> StoreResult<Option<bool>> {
        transaction!(self, Scope::System, |write| detach(write, fence, name, month))
    }

    async fn hold_lease(&self, fence: u64) -> StoreResult<()> {
        transaction!(self, Scope::System, |write| hold(write, fence))
    }

    async fn trim(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        transaction!(self, Scope::System, |write| trim(write, options))
    }

    /// What is done once an upkeep, before anything else.
    async fn turn_months(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        let made = self.make_partitions(options.now).await?;
        let before = Retention::before(options.keep.messages, options.now);
        let (detached, held) = match before {
            Some(before) => self.detach_partitions(options.fence, before).await?,
            None => (0, 0),
        };
        Ok(UpkeepReport {
            months_made: u64::from(made),
            months_detached: detached,
            months_held: held,
            ..UpkeepReport::default()
        })
    }
}

#[async_trait]
impl UpkeepStore for PostgresStore {
    async fn upkeep(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        self.hold_lease(options.fence).await?;
        let mut report = match options.after {
            None => self.turn_months(options).await?,
            Some(_) => UpkeepReport::default(),
        };
        report.add(self.trim(options).await?);
        Ok(report)
    }
}

/// Insists on the lease: until the transaction ends nobody else takes it.
async fn hold(write: &mut Write, fence: u64) -> StoreResult<()> {
    let hold = query(HOLD_LEASE).bind(UPKEEP_LEASE).bind(count(fence));
    if write.run(hold).await?.is_empty() { Err(StoreError::Stale("lease")) } else { Ok(()) }
}

async fn trim(write: &mut Write, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
    hold(write, options.fence).await?;
    let (keep, limit) = (&options.keep, i64::from(options.limit));
    let before = |kept| Retention::before(kept, options.now);
    let mut report = UpkeepReport::default();
    if let Some(before) = before(keep.requests) {
        report.requests = rows(write, query(EXPIRE_REQUESTS).bind(millis(before)), limit).await?;
    }
    if let Some(before) = before(keep.parked) {
        report.parked = rows(write, query(DROP_PARKED).bind(second(before)), limit).await?;
    }
    if let Some(before) = before(keep.references) {
        report.received = rows(write, query(DROP_RECEIVED).bind(millis(before)), limit).await?;
        report.sent = rows(write, query(DROP_SENT).bind(millis(before)), limit).await?;
    }
    if let Some(before) = before(keep.counters) {
        let drop = query(DROP_COUNTERS).bind(day_column(day_of(before)));
        report.counters = rows(write, drop, limit).await?;
    }
    if let Some(before) = keep.usage_before(options.now) {
        let drop = query(DROP_USAGE).bind(day_column(day_of(before)));
        report.usage_days = rows(write, drop, limit).await?;
    }
    report.memberships = rows(write, query(DROP_MEMBERSHIPS), limit).await?;
    write.run(query(DROP_GONE_GROUPS)).await?;
    trim_plugins(write, options, &mut report).await?;
    let most = u64::from(options.limit);
    let full = [report.requests, report.parked, report.received, report.sent, report.counters];
    let plugins = [report.plugin_values, report.plugin_lines, report.plugin_days];
    let others = [report.usage_days, report.memberships];
    let is_full = full.iter().chain(&plugins).chain(&others).any(|rows| *rows >= most);
    let mut from = parse_cursor::<Uuid>(options.after.as_ref())?.unwrap_or(Uuid::nil());
    if let Some(before) = before(keep.events) {
        let drop = query(DROP_EVENTS).bind(from).bind(BUSINESSES).bind(limit).bind(second(before));
        let answer = write.run(drop).await?;
        let row = answer.first().ok_or(StoreError::Corrupt("an answer".to_owned()))?;
        report.events = get_count(row, 1)?;
        if report.events < most {
            from = get::<Option<Uuid>>(row, 0)?.unwrap_or(Uuid::max());
        }
    } else {
        from = Uuid::max();
    }
    let is_done = from == Uuid::max() && !is_full;
    report.next = (!is_done).then(|| Cursor(from.to_string()));
    Ok(report)
}

/// Drops what plugins keep, said and took, where it is over or old.
async fn trim_plugins(
    write: &mut Write,
    options: &UpkeepOptions,
    report: &mut UpkeepReport,
) -> StoreResult<()> {
    let (keep, limit) = (&options.keep, i64::from(options.limit));
    let before = |kept| Retention::before(kept, options.now);
    let now = millis(options.now);
    let (mut businesses, mut plugins): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
    for row in write.run(query(LOCK_OVER).bind(now).bind(limit)).await? {
        businesses.push(get(&row, 0)?);
        plugins.push(get(&row, 1)?);
    }
    if !plugins.is_empty() {
        let drop = query(DROP_VALUES).bind(businesses).bind(plugins).bind(now).bind(limit);
        for row in write.run(drop).await? {
            report.plugin_values += get_count(&row, 0)?;
        }
    }
    if let Some(before) = before(keep.plugin_lines) {
        report.plugin_lines = rows(write, query(DROP_LINES).bind(millis(before)), limit).await?;
    }
    if let Some(before) = before(keep.plugin_days) {
        let drop = query(DROP_DAYS).bind(day_column(day_of(before)));
        report.plugin_days = rows(write, drop, limit).await?;
    }
    Ok(())
}

/// Runs a statement that removes a bounded number of rows; how many it removed.
async fn rows(write: &mut Write, statement: Bound, limit: i64) -> StoreResult<u64> {
    Ok(write.run(statement.bind(limit)).await?.len() as u64)
}

async fn add(write: &mut Write, name: &str, starts: i64, ends: i64) -> StoreResult<u32> {
    // Adding a partition locks the whole table, looking does not.
    if ask(write, query(HAS_PARTITION).bind(name.to_owned())).await? {
        return Ok(0);
    }
    let add = query(ADD_PARTITION).bind(name.to_owned()).bind(starts).bind(ends);
    ask(write, add).await.map(u32::from)
}

async fn detach(
    write: &mut Write,
    fence: u64,
    name: &str,
    (starts, ends): (i64, i64),
) -> StoreResult<Option<bool>> {
    hold(write, fence).await?;
    let detach = query(DETACH_PARTITION).bind(name.to_owned()).bind(starts).bind(ends);
    let answer = write.run(detach).await?;
    get(answer.first().ok_or(StoreError::Invalid("month"))?, 0)
}

async fn ask(write: &mut Write, question: Bound) -> StoreResult<bool> {
    let rows = write.run(question).await?;
    get(rows.first().ok_or(StoreError::Invalid("month"))?, 0)
}

fn month_after(month: Date, months: i32) -> StoreResult<Date> {
    let span = jiff::Span::new().months(months);
    month.checked_add(span).map_err(|_| StoreError::Invalid("month"))
}

/// The first moment of a month, in the time of UTC.
fn start_of(month: Date) -> StoreResult<i64> {
    let zoned = month.to_zoned(TimeZone::UTC).map_err(|_| StoreError::Invalid("month"))?;
    Ok(millis(zoned.timestamp()))
}

/// The first day of the month whose partition has this name; `None` for the default one.
fn month_of(name: &str) -> Option<Date> {
    Date::strptime(FIRST_DAY, format!("{name}_01")).ok()
}
