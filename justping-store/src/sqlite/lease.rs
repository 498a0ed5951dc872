//! Leases by name.

use async_trait::async_trait;
use justping_core::model::{Timestamp, WorkerId};
use justping_core::port::store::{LeaseStore, StoreResult};
use sqlx::query;

use super::SqliteStore;
use super::row::{count, get_count, millis, statements};

statements! {
    /// No row while another worker holds it. A lease that ran out is a new one.
    TAKE_LEASE = "INSERT INTO leases AS l (name, worker, fence, lease_until) \
        VALUES ($1, $2, 1, $4) \
        ON CONFLICT (name) DO UPDATE SET worker = excluded.worker, \
            fence = l.fence + (l.lease_until <= $3), lease_until = excluded.lease_until \
            WHERE l.lease_until <= $3 OR l.worker = excluded.worker \
        RETURNING fence";
    RELEASE_LEASE = "UPDATE leases SET lease_until = $3 WHERE name = $1 AND fence = $2";
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn take_lease(
        &self,
        name: &str,
        worker: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Option<u64>> {
        let take = query(TAKE_LEASE)
            .bind(name.to_owned())
            .bind(worker.uuid())
            .bind(millis(now))
            .bind(millis(until));
        let rows = self.connections.change(take).await?;
        rows.first().map(|row| get_count(row, 0)).transpose()
    }

    async fn release_lease(&self, name: &str, fence: u64) -> StoreResult<()> {
        let release = query(RELEASE_LEASE).bind(name.to_owned()).bind(count(fence)).bind(i64::MIN);
        self.connections.change(release).await.map(drop)
    }
}
