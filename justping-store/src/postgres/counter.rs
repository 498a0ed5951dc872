//! Daily counters.

use async_trait::async_trait;
use justping_core::model::{BusinessId, ChannelId, Counter};
use justping_core::port::store::{CounterFilter, CounterStore, StoreResult};
use sqlx::query;

use super::PostgresStore;
use super::row::{get, statements};
use crate::document::{day_column, to_counters};

statements! {
    COUNTERS = "SELECT day, kind, sum(count)::bigint FROM counters \
        WHERE business_id = $1 AND day BETWEEN $2 AND $3 \
            AND ($4::uuid IS NULL OR channel_id = $4) \
        GROUP BY day, kind";
}

#[async_trait]
impl CounterStore for PostgresStore {
    async fn counters(
        &self,
        business: BusinessId,
        filter: &CounterFilter,
    ) -> StoreResult<Vec<Counter>> {
        filter.check()?;
        let read = || {
            query(COUNTERS)
                .bind(business.uuid())
                .bind(day_column(filter.from))
                .bind(day_column(filter.to))
                .bind(filter.channel_id.map(ChannelId::uuid))
        };
        let rows = self.connections.list(business, read).await?;
        to_counters(rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?))))
    }
}
