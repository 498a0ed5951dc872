use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::port::{Loops, WakeSource};

/// A source that is told by hand.
#[derive(Debug, Default)]
pub struct MemoryWakes {
    waiting: AtomicU8,
    told: Notify,
}

impl MemoryWakes {
    /// A source that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the loops woken.
    pub fn tell(&self, loops: Loops) {
        self.waiting.fetch_or(loops.bits(), Ordering::AcqRel);
        self.told.notify_one();
    }
}

#[async_trait]
impl WakeSource for MemoryWakes {
    async fn next(&self) -> Loops {
        loop {
            let loops = Loops::from_bits(self.waiting.swap(0, Ordering::AcqRel));
            if !loops.is_empty() {
                return loops;
            }
            self.told.notified().await;
        }
    }
}
