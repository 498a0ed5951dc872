//! What calls took, gathered and written in batches: a call does not wait for the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use justping_core::model::{BusinessId, Date, PluginId, PluginSpend, Timestamp};
use justping_core::port::StoreResult;
use justping_core::port::store::{PLUGIN_BATCH_MAX, PluginStore};

/// Most sums that wait to be written, one a plugin and day; what more plugins take is lost, and
/// counted.
const SUMS_WAITING_MAX: usize = 10_000;

/// Counts calls that are accounted for nowhere.
const CALLS_LOST_METRIC: &str = "justping_plugin_calls_lost_total";

type Key = (BusinessId, PluginId, Date);
type Sums = HashMap<Key, (Timestamp, PluginSpend)>;

/// Gathers until it is told to write. What is not written yet is lost with the process.
#[derive(Debug)]
pub(crate) struct Ledger {
    store: Arc<dyn PluginStore>,
    waiting: Mutex<Sums>,
}

impl Ledger {
    pub(crate) fn new(store: Arc<dyn PluginStore>) -> Self {
        Self { store, waiting: Mutex::default() }
    }

    /// Adds what a call took.
    pub(crate) fn add(
        &self,
        business: BusinessId,
        plugin: PluginId,
        at: Timestamp,
        spend: &PluginSpend,
    ) {
        let day = at.to_zoned(TimeZone::UTC).date();
        add(&mut self.waiting(), (business, plugin, day), at, spend);
    }

    /// Writes everything that waits. What the store does not take waits on.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn write(&self) -> StoreResult<()> {
        let sums: Vec<_> = std::mem::take(&mut *self.waiting()).into_iter().collect();
        let mut batches = sums.chunks(PLUGIN_BATCH_MAX);
        let mut written = Ok(());
        for batch in batches.by_ref() {
            let entry = |(key, sum): &(Key, (Timestamp, PluginSpend))| (key.0, key.1, sum.0, sum.1);
            let entries: Vec<_> = batch.iter().map(entry).collect();
            written = self.store.add_plugin_spend(&entries).await;
            if written.is_err() {
                self.put_back(batch);
                break;
            }
        }
        batches.for_each(|batch| self.put_back(batch));
        written
    }

    fn put_back(&self, sums: &[(Key, (Timestamp, PluginSpend))]) {
        let mut waiting = self.waiting();
        for (key, (at, spend)) in sums {
            add(&mut waiting, *key, *at, spend);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Sums> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sums: &mut Sums, key: Key, at: Timestamp, spend: &PluginSpend) {
    if sums.len() >= SUMS_WAITING_MAX && !sums.contains_key(&key) {
        metrics::counter!(CALLS_LOST_METRIC).increment(spend.calls);
        return;
    }
    sums.entry(key).or_insert((at, PluginSpend::default())).1.add(spend);
}
