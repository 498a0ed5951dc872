use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::model::{BusinessId, Counter, CounterKey, CounterKind, Date};
use crate::port::StoreResult;
use crate::port::store::{CounterFilter, CounterStore};

impl State {
    fn counters(&self, business: BusinessId, filter: &CounterFilter) -> Vec<Counter> {
        let wanted = |key: &CounterKey| {
            key.business_id == business
                && (filter.from..=filter.to).contains(&key.day)
                && filter.channel_id.is_none_or(|channel| channel == key.channel_id)
        };
        let mut sums: BTreeMap<(Date, CounterKind), u64> = BTreeMap::new();
        for (key, count) in self.counters.rows().filter(|(key, _)| wanted(key)) {
            *sums.entry((key.day, key.kind)).or_default() += count;
        }
        sums.into_iter().map(|((day, kind), count)| Counter { day, kind, count }).collect()
    }

    /// Drops the counters of days that are over for long.
    pub(super) fn trim_counters(&mut self, before: Date, limit: u32) -> u64 {
        let rows = &mut self.counters.0;
        let old = rows.keys().filter(|key| key.day < before).take(limit as usize);
        let old: Vec<CounterKey> = old.copied().collect();
        for key in &old {
            rows.remove(key);
        }
        old.len() as u64
    }
}

#[async_trait]
impl CounterStore for MemoryStore {
    async fn counters(
        &self,
        business: BusinessId,
        filter: &CounterFilter,
    ) -> StoreResult<Vec<Counter>> {
        filter.check()?;
        Ok(self.state().counters(business, filter))
    }
}
