//! How much a plugin may take.

use std::ops::Not;
use std::time::Duration;

use justping_core::model::{Capability, PLUGIN_LINE_MAX_BYTES};
use serde::{Deserialize, Serialize};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Most bytes of a call's memory.
pub const MEMORY_MAX_BYTES: usize = 32 * MIB;
/// Most elements of each table.
pub const TABLE_MAX_ELEMENTS: usize = 10_000;
/// Longest time of a call on a processor, what the platform computes for it included.
pub const CPU_MAX: Duration = Duration::from_millis(50);
/// Longest time from the start of a call to its end, host calls included.
pub const WALL_MAX: Duration = Duration::from_secs(5);
/// Longest time that a call waits for its start.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
/// Most bytes of a guest's stack.
pub const STACK_MAX_BYTES: usize = 512 * KIB;
/// Most bytes of what a call is told.
pub const INPUT_MAX_BYTES: usize = 256 * KIB;
/// Most bytes of what a call returns.
pub const OUTPUT_MAX_BYTES: usize = 256 * KIB;
/// Most log lines of a call.
pub const LOG_MAX_LINES: u32 = 64;
/// Most bytes of a log line.
pub const LOG_LINE_MAX_BYTES: usize = PLUGIN_LINE_MAX_BYTES;
/// Most calls of a business that run or wait at once.
pub const CONCURRENT_MAX: u32 = 100;
/// Most bytes of a component.
pub const UPLOAD_MAX_BYTES: usize = 8 * MIB;
/// What an operator may raise [`UPLOAD_MAX_BYTES`] to, as guests in Python need.
pub const UPLOAD_CEILING_BYTES: usize = 24 * MIB;
/// Most core instances of a component; guests in Python have 38.
pub const CORE_INSTANCES_MAX: u32 = 100;
/// Most memories of a component.
pub const MEMORIES_MAX: u32 = 8;
/// Most tables of a component.
pub const TABLES_MAX: u32 = 100;
/// Most bytes that one host call may bring out of a guest.
pub const HOST_CALL_MAX_BYTES: usize = 512 * KIB;

/// Most host calls of one kind that one call may make. A guest waits for each: at most one is
/// outstanding in a call.
pub const fn host_calls_max(capability: Capability) -> u32 {
    match capability {
        Capability::Http | Capability::Messaging | Capability::ContactsWrite => 16,
        Capability::Contacts => 32,
        Capability::Kv | Capability::Secrets | Capability::Random => 100,
        Capability::Clock => 1_000,
    }
}

/// How much one call may take. The default is what this module's constants say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of memory.
    pub memory_bytes: usize,
    /// Most elements of each table.
    pub table_elements: usize,
    /// Longest time on a processor. It is looked at every 10 ms.
    pub cpu: Duration,
    /// Longest time from start to end.
    pub wall: Duration,
    /// Longest time of waiting for the start.
    pub wait: Duration,
    /// Most bytes of the stack. The same for every call of a sandbox.
    pub stack_bytes: usize,
    /// Most bytes of what a call is told.
    pub input_bytes: usize,
    /// Most bytes of what a call returns.
    pub output_bytes: usize,
    /// Most log lines.
    pub log_lines: u32,
    /// Most calls of a business at once.
    pub concurrent: u32,
    /// Whether an instance waits for the next call of its plugin, instead of a fresh one for each.
    pub keep_warm: bool,
    /// Most bytes of a component.
    pub upload_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: MEMORY_MAX_BYTES,
            table_elements: TABLE_MAX_ELEMENTS,
            cpu: CPU_MAX,
            wall: WALL_MAX,
            wait: WAIT_MAX,
            stack_bytes: STACK_MAX_BYTES,
            input_bytes: INPUT_MAX_BYTES,
            output_bytes: OUTPUT_MAX_BYTES,
            log_lines: LOG_MAX_LINES,
            concurrent: CONCURRENT_MAX,
            keep_warm: false,
            upload_bytes: UPLOAD_MAX_BYTES,
        }
    }
}

/// What a plugin's manifest says it needs: never more than it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsWish {
    /// MiB of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Milliseconds on a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u32>,
    /// Milliseconds from start to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u32>,
    /// Whether one instance may serve many calls, one after another, of one business: faster where a
    /// start is slow. What a call leaves in memory the next one finds.
    #[serde(skip_serializing_if = "Not::not")]
    pub keep_warm: bool,
}

impl Limits {
    /// These limits, or less where the wish is less, for instances as the wish has them. A wish of
    /// nothing is as good as one of 1.
    #[must_use]
    pub fn tightened(&self, wish: &LimitsWish) -> Self {
        let memory = wish.memory_mib.map(|mib| (mib.max(1) as usize).saturating_mul(MIB));
        let millis = |ms: u32| Duration::from_millis(u64::from(ms.max(1)));
        Self {
            memory_bytes: memory.map_or(self.memory_bytes, |wish| wish.min(self.memory_bytes)),
            cpu: wish.cpu_ms.map_or(self.cpu, |ms| millis(ms).min(self.cpu)),
            wall: wish.wall_ms.map_or(self.wall, |ms| millis(ms).min(self.wall)),
            keep_warm: wish.keep_warm,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_only_tightens() {
        let limits = Limits::default();
        let wish = LimitsWish {
            memory_mib: Some(4),
            cpu_ms: Some(20),
            wall_ms: Some(60_000),
            ..LimitsWish::default()
        };
        let tight = limits.tightened(&wish);
        assert_eq!(tight.memory_bytes, 4 * MIB);
        assert_eq!(tight.cpu, Duration::from_millis(20));
        assert_eq!(tight.wall, WALL_MAX);
        assert_eq!(limits.tightened(&LimitsWish::default()), limits);
    }

    #[test]
    fn a_wish_of_nothing_still_runs() {
        let none = Some(0);
        let wish =
            LimitsWish { memory_mib: none, cpu_ms: none, wall_ms: none, ..LimitsWish::default() };
        let tight = Limits::default().tightened(&wish);
        assert_eq!(tight.memory_bytes, MIB);
        assert_eq!((tight.cpu, tight.wall), (Duration::from_millis(1), Duration::from_millis(1)));
    }
}
