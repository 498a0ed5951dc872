//! How much of everything a run does.

/// The sizes of a run.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) name: &'static str,
    pub(crate) runs: usize,
    /// Contacts of a seeded database, three messages each.
    pub(crate) contacts: usize,
    /// Webhooks of a closed loop, and its connections.
    pub(crate) ingest: usize,
    pub(crate) connections: &'static [usize],
    /// Webhooks a second of the open loops, and their seconds.
    pub(crate) open_rates: &'static [usize],
    pub(crate) open_s: usize,
    /// Messages that wait when the workers start.
    pub(crate) flow: usize,
    pub(crate) reply_rates: &'static [usize],
    pub(crate) reply_s: usize,
    /// Batch and items of the queue.
    pub(crate) queue: &'static [(usize, usize)],
    /// Batches of the insert, and about how many seconds each takes.
    pub(crate) insert: &'static [usize],
    pub(crate) insert_s: f64,
    /// Messages into a database that nobody analysed.
    pub(crate) trap: usize,
    /// Rows at which the cost of an item is measured, over how many items.
    pub(crate) growth: Vec<usize>,
    pub(crate) growth_window: usize,
    pub(crate) idle_s: u64,
}

impl Scale {
    pub(crate) fn full() -> Self {
        Self {
            name: "full",
            runs: 3,
            contacts: 50_000,
            ingest: 20_000,
            connections: &[64, 256],
            open_rates: &[1_000, 3_300],
            open_s: 8,
            flow: 10_000,
            reply_rates: &[200, 500, 1_000],
            reply_s: 6,
            queue: &[(1, 500), (100, 10_000)],
            insert: &[1, 10, 100, 1_000, 5_000],
            insert_s: 1.0,
            trap: 50_000,
            growth: vec![1_000, 10_000, 100_000],
            growth_window: 2_000,
            idle_s: 5,
        }
    }

    /// Small counts, to see that all works.
    pub(crate) fn quick() -> Self {
        Self {
            name: "quick",
            runs: 1,
            contacts: 10_000,
            ingest: 4_000,
            open_s: 3,
            flow: 2_000,
            reply_s: 3,
            queue: &[(1, 100), (100, 2_000)],
            insert: &[1, 100, 1_000],
            insert_s: 0.3,
            trap: 10_000,
            growth: vec![1_000, 10_000],
            growth_window: 1_000,
            idle_s: 2,
            ..Self::full()
        }
    }

    /// So little that it says nothing about speed, only that the program works.
    pub(crate) fn smoke() -> Self {
        Self {
            name: "smoke",
            runs: 1,
            contacts: 100,
            ingest: 200,
            connections: &[8],
            open_rates: &[200],
            open_s: 1,
            flow: 60,
            reply_rates: &[50],
            reply_s: 1,
            queue: &[(1, 10), (100, 100)],
            insert: &[1, 100],
            insert_s: 0.02,
            trap: 200,
            growth: vec![100, 300],
            growth_window: 64,
            idle_s: 0,
        }
    }
}
