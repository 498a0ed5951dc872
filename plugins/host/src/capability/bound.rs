//! How large a guest's memories and tables may grow.

use wasmtime::ResourceLimiter;

use crate::limits::{CORE_INSTANCES_MAX, Limits, MEMORIES_MAX, TABLES_MAX};
use crate::sandbox::Share;

/// Watches how a call's memories and tables grow. What is over a limit is refused as any machine
/// does that has no more; most guests give up then.
#[derive(Debug)]
pub(crate) struct Bounds {
    memory_max: usize,
    table_max: usize,
    /// Bytes of all memories of the call together.
    memory: usize,
    /// What it holds of what all calls may hold.
    share: Share,
    pub(crate) peak: usize,
    /// Whether anything was refused because of the call's own limits.
    pub(crate) is_hit: bool,
    /// Whether anything was refused because others hold too much.
    pub(crate) is_crowded: bool,
}

impl Bounds {
    pub(crate) fn new(limits: &Limits, share: Share) -> Self {
        let (memory_max, table_max) = (limits.memory_bytes, limits.table_elements);
        Self { memory_max, table_max, memory: 0, share, peak: 0, is_hit: false, is_crowded: false }
    }
}

impl Bounds {
    /// Whether what is held now is within the limits of another call.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        self.memory <= limits.memory_bytes
    }

    /// Begins with another call of the same instance.
    pub(crate) fn begin_again(&mut self, limits: &Limits) {
        let Self { memory_max, table_max, memory, share: _, peak, is_hit, is_crowded } = self;
        (*memory_max, *table_max) = (limits.memory_bytes, limits.table_elements);
        (*peak, *is_hit, *is_crowded) = (*memory, false, false);
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let all = self.memory.saturating_sub(current).saturating_add(desired);
        if all > self.memory_max {
            self.is_hit = true;
            return Ok(false);
        }
        if !self.share.resize(all) {
            self.is_crowded = true;
            return Ok(false);
        }
        self.memory = all;
        self.peak = self.peak.max(all);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= self.table_max;
        self.is_hit |= !fits;
        Ok(fits)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}
