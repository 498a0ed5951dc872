//! What plugins say, and what they take.

use justping_core::model::{
    BusinessId, PLUGIN_LINES_MAX, Page, PageRequest, PluginDay, PluginId, PluginLine,
    PluginLineKind, PluginSpend, Timestamp,
};
use justping_core::port::store::{PluginDayFilter, StoreResult, check_lines};
use sqlx::postgres::PgRow;
use sqlx::query;

use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{count, get, get_doc, millis, parse_cursor, statements, to_doc};
use crate::document::day_column;
use crate::plugin::{LastLines, SpendByDay, add_up, columns, number, owners, plugin_day};

statements! {
    LOCK_LINES = "SELECT c.business_id, c.plugin_id, c.lines \
        FROM unnest($1::uuid[], $2::uuid[]) v (business_id, plugin_id) \
            JOIN plugin_counts c ON c.business_id = v.business_id AND c.plugin_id = v.plugin_id \
        ORDER BY c.business_id, c.plugin_id FOR UPDATE OF c";
    ADD_LINES = "INSERT INTO plugin_lines (business_id, plugin_id, number, at, kind, doc) \
        SELECT * FROM unnest( \
            $1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[])";
    /// The oldest make room.
    KEEP_LINES = "WITH last AS ( \
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) \
                v (business_id, plugin_id, last)), \
        gone AS (DELETE FROM plugin_lines l USING last v \
            WHERE l.business_id = v.business_id AND l.plugin_id = v.plugin_id \
                AND l.number <= v.last - $4) \
        UPDATE plugin_counts c SET lines = v.last FROM last v \
            WHERE c.business_id = v.business_id AND c.plugin_id = v.plugin_id";
    LINES = "SELECT doc, number FROM plugin_lines \
        WHERE business_id = $1 AND plugin_id = $2 AND number < $3 \
            AND ($4::text IS NULL OR kind = $4) \
        ORDER BY number DESC LIMIT $5";
    ADD_DAYS = "INSERT INTO plugin_days AS d \
            (business_id, plugin_id, day, calls, failures, cpu_micros, peak_bytes) \
        SELECT p.business_id, p.id, v.day, v.calls, v.failures, v.cpu_micros, v.peak_bytes \
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], \
                $6::bigint[], $7::bigint[]) \
                v (business_id, plugin_id, day, calls, failures, cpu_micros, peak_bytes) \
            JOIN plugins p ON p.business_id = v.business_id AND p.id = v.plugin_id \
        ORDER BY p.business_id, p.id, v.day \
        ON CONFLICT (business_id, plugin_id, day) DO UPDATE SET \
            calls = d.calls + excluded.calls, failures = d.failures + excluded.failures, \
            cpu_micros = d.cpu_micros + excluded.cpu_micros, \
            peak_bytes = greatest(d.peak_bytes, excluded.peak_bytes)";
    DAYS = "SELECT plugin_id, day, calls, failures, cpu_micros, peak_bytes FROM plugin_days \
        WHERE business_id = $1 AND day BETWEEN $2 AND $3 \
            AND ($4::uuid IS NULL OR plugin_id = $4) \
        ORDER BY day, plugin_id";
}

impl PostgresStore {
    pub(super) async fn add_lines(&self, lines: &[PluginLine]) -> StoreResult<()> {
        check_lines(lines)?;
        transaction!(self, Scope::System, |write| add_lines(write, lines))
    }

    pub(super) async fn list_lines(
        &self,
        business: BusinessId,
        id: PluginId,
        kind: Option<PluginLineKind>,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginLine>> {
        let before = parse_cursor::<u64>(page.after.as_ref())?.and_then(count).unwrap_or(i64::MAX);
        let list = query(LINES)
            .bind(business.uuid())
            .bind(id.uuid())
            .bind(before)
            .bind(kind.map(PluginLineKind::name))
            .bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            self.check_plugin(business, id).await?;
        }
        let read = |row: &PgRow| Ok((get_doc(row, 0, "plugin line")?, get::<i64>(row, 1)?));
        let rows = rows.iter().map(read).collect::<StoreResult<_>>()?;
        let page = Page::from_rows(rows, page.rows(), |(_, number)| number.to_string());
        Ok(Page { items: page.items.into_iter().map(|(line, _)| line).collect(), next: page.next })
    }

    pub(super) async fn add_days(
        &self,
        spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()> {
        let days = add_up(spends)?;
        transaction!(self, Scope::System, |write| add_days(write, &days))
    }

    pub(super) async fn list_days(
        &self,
        business: BusinessId,
        filter: &PluginDayFilter,
    ) -> StoreResult<Vec<PluginDay>> {
        filter.check()?;
        let list = query(DAYS)
            .bind(business.uuid())
            .bind(day_column(filter.from))
            .bind(day_column(filter.to))
            .bind(filter.plugin_id.map(PluginId::uuid));
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let amounts = |row| Ok([get(row, 2)?, get(row, 3)?, get(row, 4)?, get(row, 5)?]);
        let day = |row| plugin_day(get(row, 0)?, get(row, 1)?, amounts(row)?);
        rows.iter().map(day).collect()
    }
}

async fn add_lines(write: &mut Write, lines: &[PluginLine]) -> StoreResult<()> {
    let (businesses, plugins): (Vec<Uuid>, Vec<Uuid>) = owners(lines).into_iter().unzip();
    let mut last = LastLines::new();
    for row in write.run(query(LOCK_LINES).bind(businesses).bind(plugins)).await? {
        let owner = (BusinessId::from_uuid(get(&row, 0)?), PluginId::from_uuid(get(&row, 1)?));
        last.insert(owner, get(&row, 2)?);
    }
    let rows = number(&mut last, lines);
    if rows.is_empty() {
        return Ok(());
    }
    let docs = rows.iter().map(|(_, line)| to_doc(line)).collect::<StoreResult<Vec<_>>>()?;
    let add = query(ADD_LINES)
        .bind(rows.iter().map(|(_, line)| line.business_id.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, line)| line.plugin_id.uuid()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, line)| millis(line.at)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, line)| line.kind.name()).collect::<Vec<_>>())
        .bind(docs);
    write.run(add).await?;
    let keep = query(KEEP_LINES)
        .bind(last.keys().map(|(business, _)| business.uuid()).collect::<Vec<_>>())
        .bind(last.keys().map(|(_, plugin)| plugin.uuid()).collect::<Vec<_>>())
        .bind(last.into_values().collect::<Vec<_>>());
    write.run(keep.bind(count(PLUGIN_LINES_MAX))).await.map(drop)
}

async fn add_days(write: &mut Write, days: &SpendByDay) -> StoreResult<()> {
    let mut amounts: [Vec<i64>; 4] = Default::default();
    for spend in days.values() {
        for (column, amount) in amounts.iter_mut().zip(columns(spend)) {
            column.push(amount);
        }
    }
    let mut add = query(ADD_DAYS)
        .bind(days.keys().map(|(business, ..)| business.uuid()).collect::<Vec<_>>())
        .bind(days.keys().map(|(_, plugin, _)| plugin.uuid()).collect::<Vec<_>>())
        .bind(days.keys().map(|(.., day)| day_column(*day)).collect::<Vec<_>>());
    for column in amounts {
        add = add.bind(column);
    }
    write.run(add).await.map(drop)
}
