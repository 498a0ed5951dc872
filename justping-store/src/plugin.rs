//! What plugins take and keep, whatever the backend.

use std::collections::BTreeMap;

use justping_core::model::{
    BusinessId, Date, PluginDay, PluginId, PluginLine, PluginSpend, Timestamp, day_of,
};
use justping_core::port::store::{PLUGIN_BATCH_MAX, PluginWrite, StoreError, StoreResult};
use uuid::Uuid;

use crate::account::amount;
use crate::document::{day, moment};

/// A value that is there, and how much there is.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// How many values.
    pub(crate) keys: u64,
    /// Bytes of their keys and values.
    pub(crate) bytes: u64,
    /// The value that is to be written, and when it is over.
    pub(crate) value: Option<(Vec<u8>, Option<i64>)>,
}

impl Kept {
    /// When the value is over that is there, if ever.
    pub(crate) fn until(&self) -> StoreResult<Option<Timestamp>> {
        self.value.as_ref().and_then(|(_, until)| *until).map(moment).transpose()
    }

    /// How much there is once the value is replaced, or gone.
    pub(crate) fn with(&self, write: &PluginWrite<'_>, value: Option<&[u8]>) -> (u64, u64) {
        let size = |value: &[u8]| write.bytes(value);
        let before = self.value.as_ref().map(|(value, _)| size(value));
        let keys = self.keys + u64::from(value.is_some()) - u64::from(before.is_some());
        (keys, self.bytes + value.map_or(0, size) - before.unwrap_or(0))
    }
}

/// Where plugins stand that lines are added to: the number of the newest line of each.
pub(crate) type LastLines = BTreeMap<(BusinessId, PluginId), i64>;

/// Lines with their numbers; those of plugins that are not there are left out.
pub(crate) fn number<'a>(
    last: &mut LastLines,
    lines: &'a [PluginLine],
) -> Vec<(i64, &'a PluginLine)> {
    let mut numbered = Vec::with_capacity(lines.len());
    for line in lines {
        if let Some(last) = last.get_mut(&(line.business_id, line.plugin_id)) {
            *last += 1;
            numbered.push((*last, line));
        }
    }
    numbered
}

/// The plugins that lines are of, each once and in order.
pub(crate) fn owners(lines: &[PluginLine]) -> Vec<(Uuid, Uuid)> {
    let mut owners: Vec<(Uuid, Uuid)> =
        lines.iter().map(|line| (line.business_id.uuid(), line.plugin_id.uuid())).collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}

/// What calls took together, by plugin and day.
pub(crate) type SpendByDay = BTreeMap<(BusinessId, PluginId, Date), PluginSpend>;

/// Adds up what calls took.
pub(crate) fn add_up(
    spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
) -> StoreResult<SpendByDay> {
    if spends.len() > PLUGIN_BATCH_MAX {
        return Err(StoreError::Invalid("batch"));
    }
    let mut days = SpendByDay::new();
    for (business, plugin, at, spend) in spends {
        days.entry((*business, *plugin, day_of(*at))).or_default().add(spend);
    }
    Ok(days)
}

/// The columns of what was taken.
pub(crate) fn columns(spend: &PluginSpend) -> [i64; 4] {
    [spend.calls, spend.failures, spend.cpu_micros, spend.peak_bytes].map(amount)
}

/// A day of a plugin from its columns.
pub(crate) fn plugin_day(plugin: Uuid, column: i64, columns: [i64; 4]) -> StoreResult<PluginDay> {
    let corrupt = |_| StoreError::Corrupt("what a plugin took".to_owned());
    let [calls, failures, cpu, peak] = columns.map(u64::try_from);
    let spend = PluginSpend {
        calls: calls.map_err(corrupt)?,
        failures: failures.map_err(corrupt)?,
        cpu_micros: cpu.map_err(corrupt)?,
        peak_bytes: peak.map_err(corrupt)?,
    };
    Ok(PluginDay { day: day(column)?, plugin_id: PluginId::from_uuid(plugin), spend })
}
