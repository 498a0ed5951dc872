//! Lines of plugins' logs on their way to the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use justping_core::model::PluginLine;
use justping_core::port::store::{PLUGIN_BATCH_MAX, PluginStore};
use tokio::sync::{mpsc, oneshot};

/// Most lines that wait for the store; more are lost, and counted.
pub const LINES_WAITING_MAX: usize = 10_000;

/// Takes lines and writes them in batches, in the background. It never waits: what is over
/// [`LINES_WAITING_MAX`] is lost. Clones share the queue; with the last one, what waits is still
/// written.
#[derive(Debug, Clone)]
pub struct LineSink {
    queue: mpsc::Sender<Item>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Item {
    Line(Box<PluginLine>),
    Flush(oneshot::Sender<()>),
}

impl LineSink {
    /// Starts writing to a store.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(store: Arc<dyn PluginStore>) -> Self {
        let (queue, items) = mpsc::channel(LINES_WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        drop(tokio::spawn(work(store, items, Arc::clone(&lost))));
        Self { queue, lost }
    }

    /// Takes a line.
    pub fn push(&self, line: PluginLine) {
        if self.queue.try_send(Item::Line(Box::new(line))).is_err() {
            lose(&self.lost, 1);
        }
    }

    /// Waits until all that was taken before is written or lost.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Item::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Lines that were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn lose(lost: &AtomicU64, lines: usize) {
    let lines = lines as u64;
    let _ = lost.fetch_add(lines, Ordering::Relaxed);
    metrics::counter!("justping_plugin_lines_lost_total").increment(lines);
}

/// While one batch is written, the next gathers.
async fn work(store: Arc<dyn PluginStore>, mut items: mpsc::Receiver<Item>, lost: Arc<AtomicU64>) {
    let mut batch = Vec::new();
    while items.recv_many(&mut batch, PLUGIN_BATCH_MAX).await > 0 {
        let mut lines = Vec::with_capacity(batch.len());
        let mut flushes = Vec::new();
        for item in batch.drain(..) {
            match item {
                Item::Line(line) => lines.push(*line),
                Item::Flush(done) => flushes.push(done),
            }
        }
        if !lines.is_empty()
            && let Err(error) = store.add_plugin_lines(&lines).await
        {
            tracing::warn!(%error, lines = lines.len(), "lines of plugins are lost");
            lose(&lost, lines.len());
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}
