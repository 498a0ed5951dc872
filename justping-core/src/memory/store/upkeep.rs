use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::model::{Cursor, Timestamp, WorkerId, day_of};
use crate::port::store::{
    LeaseStore, Retention, UPKEEP_LEASE, UpkeepOptions, UpkeepReport, UpkeepStore,
};
use crate::port::{StoreError, StoreResult};

/// Leases by name.
pub(super) type Leases = BTreeMap<String, Lease>;

/// A lease, held or not: its fence is never given out again.
#[derive(Debug)]
pub(super) struct Lease {
    worker: WorkerId,
    fence: u64,
    until: Timestamp,
}

#[async_trait]
impl LeaseStore for MemoryStore {
    async fn take_lease(
        &self,
        name: &str,
        worker: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Option<u64>> {
        let mut state = self.state();
        let Some(lease) = state.leases.get_mut(name) else {
            state.leases.insert(name.to_owned(), Lease { worker, fence: 1, until });
            return Ok(Some(1));
        };
        if lease.until > now && lease.worker != worker {
            return Ok(None);
        }
        if lease.until <= now {
            lease.fence += 1;
        }
        (lease.worker, lease.until) = (worker, until);
        Ok(Some(lease.fence))
    }

    async fn release_lease(&self, name: &str, fence: u64) -> StoreResult<()> {
        if let Some(lease) = self.state().leases.get_mut(name).filter(|one| one.fence == fence) {
            lease.until = Timestamp::MIN;
        }
        Ok(())
    }
}

#[async_trait]
impl UpkeepStore for MemoryStore {
    async fn upkeep(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        self.state().upkeep(options)
    }
}

impl State {
    fn upkeep(&mut self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        let holder = self.leases.get(UPKEEP_LEASE).map(|lease| lease.fence);
        if holder != Some(options.fence) {
            return Err(StoreError::Stale("lease"));
        }
        let before = |kept| Retention::before(kept, options.now).unwrap_or(Timestamp::MIN);
        let (keep, limit) = (&options.keep, options.limit);
        let references = before(keep.references);
        let usage = keep.usage_before(options.now).unwrap_or(Timestamp::MIN);
        let mut report = UpkeepReport {
            requests: self.requests.expire(before(keep.requests), limit),
            parked: self.references.trim_parked(before(keep.parked), limit),
            received: self.trim_received(references, limit),
            sent: self.trim_sent(references, limit),
            events: self.trim_events(before(keep.events), limit),
            counters: self.trim_counters(day_of(before(keep.counters)), limit),
            plugin_values: self.plugins.trim_values(options.now, limit),
            plugin_lines: self.plugins.trim_lines(before(keep.plugin_lines), limit),
            plugin_days: self.plugins.trim_days(day_of(before(keep.plugin_days)), limit),
            usage_days: self.accounts.trim(day_of(usage), limit),
            memberships: self.groups.trim(limit),
            ..UpkeepReport::default()
        };
        let UpkeepReport { requests, parked, received, sent, events, counters, .. } = report;
        let UpkeepReport { plugin_values, plugin_lines, plugin_days, usage_days, .. } = report;
        let memberships = report.memberships;
        let counts = [
            [requests, parked, received],
            [sent, events, counters],
            [plugin_values, plugin_lines, plugin_days],
            [usage_days, memberships, 0],
        ];
        if counts.as_flattened().contains(&u64::from(limit)) {
            report.next = Some(Cursor(String::new()));
        }
        Ok(report)
    }

    /// Drops the oldest events of each business.
    fn trim_events(&mut self, before: Timestamp, limit: u32) -> u64 {
        let mut left = u64::from(limit);
        for events in self.events.values_mut() {
            left -= events.trim(before, left);
        }
        u64::from(limit) - left
    }
}
