//! Whether a component's calls are short, so that they may begin where they are asked for.
//!
//! Handing a call to the sandbox's threads and back costs several times what a short call takes. One
//! that is not short after all is moved there at the next tick, and its component must prove itself anew.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What makes a call short, and how many of them in a row a component must have behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortCalls {
    /// Longest time on a processor.
    pub cpu: Duration,
    /// Short calls in a row before one begins on its caller's thread. Twice as many after each one that
    /// was not short.
    pub after: u32,
}

impl Default for ShortCalls {
    fn default() -> Self {
        Self { cpu: Duration::from_micros(100), after: 1_000 }
    }
}

/// How a component's calls have been.
#[derive(Debug)]
pub(super) struct Record {
    rule: ShortCalls,
    in_a_row: AtomicU32,
    needed: AtomicU32,
}

impl Record {
    pub(super) fn new(rule: ShortCalls) -> Self {
        Self { rule, in_a_row: AtomicU32::new(0), needed: AtomicU32::new(rule.after) }
    }

    /// Whether the next call may be taken for short.
    pub(super) fn is_short(&self) -> bool {
        self.in_a_row.load(Ordering::Relaxed) >= self.needed.load(Ordering::Relaxed)
    }

    /// Takes note of a call that ended, or was broken off.
    pub(super) fn note(&self, cpu: Duration) {
        let needed = self.needed.load(Ordering::Relaxed);
        if cpu < self.rule.cpu {
            if self.in_a_row.load(Ordering::Relaxed) < needed {
                let _ = self.in_a_row.fetch_add(1, Ordering::Relaxed);
            }
        } else if self.in_a_row.swap(0, Ordering::Relaxed) >= needed {
            self.needed.store(needed.saturating_mul(2), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_taken_for_short_and_was_not_proves_itself_for_twice_as_long() {
        let record = Record::new(ShortCalls { cpu: Duration::from_millis(1), after: 2 });
        let (short, long) = (Duration::ZERO, Duration::from_millis(1));
        let mut taken = String::new();
        for cpu in [short, long, short, short, long, short, short, short, short, long, short] {
            taken.push(if record.is_short() { 'y' } else { 'n' });
            record.note(cpu);
        }
        assert_eq!(taken, "nnnnynnnnyn");
        assert_eq!(record.needed.load(Ordering::Relaxed), 8);
    }
}
