//! Tells the other processes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use justping_core::model::Event;
use tokio::sync::mpsc;

use super::{Shared, wire};

/// Events that wait to be told to other processes; beyond it they are missed there.
pub const OUTGOING_MAX: usize = 8_192;
/// Most events of one message of the channel.
pub const PER_MESSAGE_MAX: usize = 256;

/// Tells until the bus is gone. What comes while one message is under way goes into the next.
pub(super) async fn speak(shared: Arc<Shared>, mut queued: mpsc::Receiver<Arc<Event>>) {
    let mut events = Vec::with_capacity(PER_MESSAGE_MAX);
    loop {
        if shared.unsaid.load(Ordering::Relaxed) == 0 {
            if queued.recv_many(&mut events, PER_MESSAGE_MAX).await == 0 {
                return;
            }
        } else {
            // They must hear of what they missed even when nothing more happens.
            tokio::select! {
                count = queued.recv_many(&mut events, PER_MESSAGE_MAX) => if count == 0 { return },
                () = tokio::time::sleep(shared.link.breather()) => {}
            }
        }
        tell(&shared, &events).await;
        events.clear();
    }
}

async fn tell(shared: &Shared, events: &[Arc<Event>]) {
    let missed = shared.unsaid.swap(0, Ordering::Relaxed);
    let lost = missed.saturating_add(events.len() as u64);
    let payload = match wire::say(shared.own, missed, events) {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(%error, "events cannot be written");
            shared.unsaid.fetch_add(lost, Ordering::Relaxed);
            return;
        }
    };
    let mut connection = shared.link.connection();
    let publish = async {
        let mut command = redis::cmd("PUBLISH");
        command.arg(&shared.channel).arg(payload).query_async::<()>(&mut connection).await
    };
    if shared.link.ask(publish).await.is_err() {
        shared.unsaid.fetch_add(lost, Ordering::Relaxed);
    }
}
