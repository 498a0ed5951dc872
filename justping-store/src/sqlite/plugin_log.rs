//! What plugins say, and what they take.

use justping_core::model::{
    BusinessId, PLUGIN_LINES_MAX, Page, PageRequest, PluginDay, PluginId, PluginLine,
    PluginLineKind, PluginSpend, Timestamp,
};
use justping_core::port::store::{PluginDayFilter, StoreResult, check_lines};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::connection::Write;
use super::row::{Hex, batch, count, get, get_doc, millis, parse_cursor, statements, to_doc};
use crate::document::day_column;
use crate::plugin::{LastLines, add_up, columns, number, owners, plugin_day};

statements! {
    LAST_LINES = "BEGIN IMMEDIATE; SELECT c.business_id, c.plugin_id, c.lines \
        FROM json_each($1) v CROSS JOIN plugin_counts c \
            ON c.business_id = unhex(v.value ->> 0) AND c.plugin_id = unhex(v.value ->> 1)";
    /// The oldest make room.
    ADD_LINES = "INSERT INTO plugin_lines (business_id, plugin_id, number, at, kind, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, \
                value ->> 5 FROM json_each($1); \
        UPDATE plugin_counts SET lines = v.value ->> 2 FROM json_each($2) v \
            WHERE business_id = unhex(v.value ->> 0) AND plugin_id = unhex(v.value ->> 1); \
        DELETE FROM plugin_lines WHERE (business_id, plugin_id, number) IN ( \
            SELECT l.business_id, l.plugin_id, l.number FROM json_each($2) v \
            CROSS JOIN plugin_lines l ON l.business_id = unhex(v.value ->> 0) \
                AND l.plugin_id = unhex(v.value ->> 1) AND l.number <= (v.value ->> 2) - $3); \
        COMMIT";
    LINES = "SELECT doc, number FROM plugin_lines \
        WHERE business_id = $1 AND plugin_id = $2 AND number < $3 AND ($4 IS NULL OR kind = $4) \
        ORDER BY number DESC LIMIT $5";
    ADD_DAYS = "INSERT INTO plugin_days \
            (business_id, plugin_id, day, calls, failures, cpu_micros, peak_bytes) \
        SELECT p.business_id, p.id, v.value ->> 2, v.value ->> 3, v.value ->> 4, v.value ->> 5, \
            v.value ->> 6 \
        FROM json_each($1) v CROSS JOIN plugins p \
            ON p.business_id = unhex(v.value ->> 0) AND p.id = unhex(v.value ->> 1) \
        WHERE true ON CONFLICT (business_id, plugin_id, day) DO UPDATE SET \
            calls = calls + excluded.calls, failures = failures + excluded.failures, \
            cpu_micros = cpu_micros + excluded.cpu_micros, \
            peak_bytes = max(peak_bytes, excluded.peak_bytes)";
    DAYS = "SELECT plugin_id, day, calls, failures, cpu_micros, peak_bytes FROM plugin_days \
        WHERE business_id = $1 AND day BETWEEN $2 AND $3 AND ($4 IS NULL OR plugin_id = $4) \
        ORDER BY day, plugin_id";
}

impl SqliteStore {
    pub(super) async fn add_lines(&self, lines: &[PluginLine]) -> StoreResult<()> {
        check_lines(lines)?;
        let mut write = self.connections.write().await?;
        let result = add_lines(&mut write, lines).await;
        write.settle(result).await
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
        let rows = self.connections.read(list).await?;
        if rows.is_empty() {
            self.check_plugin(business, id).await?;
        }
        let read = |row: &SqliteRow| Ok((get_doc(row, 0, "plugin line")?, get::<i64>(row, 1)?));
        let rows = rows.iter().map(read).collect::<StoreResult<_>>()?;
        let page = Page::from_rows(rows, page.rows(), |(_, number)| number.to_string());
        Ok(Page { items: page.items.into_iter().map(|(line, _)| line).collect(), next: page.next })
    }

    pub(super) async fn add_days(
        &self,
        spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()> {
        let days = add_up(spends)?;
        let rows = days.iter().map(|((business, plugin, day), spend)| {
            let [calls, failures, cpu, peak] = columns(spend);
            let owner = (Hex(business.uuid()), Hex(plugin.uuid()));
            (owner.0, owner.1, day_column(*day), calls, failures, cpu, peak)
        });
        let rows: Vec<_> = rows.collect();
        self.connections.change(query(ADD_DAYS).bind(batch(&rows)?)).await.map(drop)
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
        let rows = self.connections.read(list).await?;
        let amounts = |row| Ok([get(row, 2)?, get(row, 3)?, get(row, 4)?, get(row, 5)?]);
        let day = |row| plugin_day(get(row, 0)?, get(row, 1)?, amounts(row)?);
        rows.iter().map(day).collect()
    }
}

async fn add_lines(write: &mut Write<'_>, lines: &[PluginLine]) -> StoreResult<()> {
    let owners = owners(lines);
    let owners: Vec<_> = owners.into_iter().map(|(one, other)| (Hex(one), Hex(other))).collect();
    let mut last = LastLines::new();
    for row in write.begin(query(LAST_LINES).bind(batch(&owners)?)).await? {
        let owner = (BusinessId::from_uuid(get(&row, 0)?), PluginId::from_uuid(get(&row, 1)?));
        last.insert(owner, get(&row, 2)?);
    }
    let rows = number(&mut last, lines).into_iter().map(|(number, line)| {
        let owner = (Hex(line.business_id.uuid()), Hex(line.plugin_id.uuid()));
        Ok((owner.0, owner.1, number, millis(line.at), line.kind.name(), to_doc(line)?))
    });
    let rows = rows.collect::<StoreResult<Vec<_>>>()?;
    let last = last.into_iter();
    let last =
        last.map(|((business, plugin), last)| (Hex(business.uuid()), Hex(plugin.uuid()), last));
    let last: Vec<_> = last.collect();
    let add = query(ADD_LINES).bind(batch(&rows)?).bind(batch(&last)?);
    write.commit(add.bind(count(PLUGIN_LINES_MAX))).await.map(drop)
}
