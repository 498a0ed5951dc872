use justping_core::model::Timestamp;
use justping_core::port::store::{LaneStats, QueueStats, StoreResult};

use crate::document::moment;

/// What is due later, as the statements name it where they name a lane by its rank.
const LATER: i64 = -1;
/// What is being sent.
const SENDING: i64 = -2;
/// Mail.
const MAIL: i64 = -3;

/// Puts the queues together: of each its name, its length, and when its oldest row was due.
pub(crate) fn queue_stats(
    queues: impl Iterator<Item = StoreResult<(i64, u64, Option<i64>)>>,
) -> StoreResult<QueueStats> {
    let mut stats = QueueStats::default();
    for queue in queues {
        let (name, count, oldest) = queue?;
        match name {
            LATER => stats.later = count,
            SENDING => stats.sending = count,
            MAIL => stats.mail = count,
            rank => {
                let lane = usize::try_from(rank).ok().and_then(|rank| stats.lanes.get_mut(rank));
                let oldest_due = oldest.map(moment).transpose()?;
                if let Some(lane) = lane {
                    *lane = LaneStats { due: count, oldest_due };
                }
            }
        }
    }
    Ok(stats)
}

/// The next moment of the queues, each of which tells its own; `now` when it has passed.
pub(crate) fn next_due(
    queues: impl Iterator<Item = StoreResult<Option<i64>>>,
    now: Timestamp,
) -> StoreResult<Option<Timestamp>> {
    let queues = queues.collect::<StoreResult<Vec<_>>>()?;
    let next = queues.into_iter().flatten().min();
    Ok(next.map(moment).transpose()?.map(|due| due.max(now)))
}
