use std::fmt::Debug;

use async_trait::async_trait;

use super::{StoreError, StoreResult};
use crate::model::{BusinessId, ChannelId, Counter, Date};

/// Most days that are read at once.
pub const COUNTER_DAYS_MAX: i64 = 366;

/// Which counters are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterFilter {
    /// The first day, in UTC.
    pub from: Date,
    /// The last day; it is read too.
    pub to: Date,
    /// Those of this channel; `None` is all channels together.
    pub channel_id: Option<ChannelId>,
}

impl CounterFilter {
    /// Refuses days that go backwards or are more than [`COUNTER_DAYS_MAX`].
    pub fn check(&self) -> StoreResult<()> {
        let days = self.to.duration_since(self.from).as_hours() / 24 + 1;
        if (1..=COUNTER_DAYS_MAX).contains(&days) {
            Ok(())
        } else {
            Err(StoreError::Invalid("days"))
        }
    }
}

/// Daily counters, so that nobody has to look through messages to know how many there were.
///
/// # Contract
/// The moves count what they change, in the same transaction, as
/// [`Rollup`](crate::model::Rollup) says: a duplicate, or news that changes nothing, counts nothing.
/// Counters outlive what they counted, until the upkeep drops them
/// ([`Retention::counters`](super::Retention::counters)).
///
/// # Ordering and idempotency
/// Rows come by day, then by kind as [`CounterKind`](crate::model::CounterKind) lists them. What
/// never happened has no row.
///
/// # Errors
/// What [`CounterFilter::check`] refuses is [`StoreError::Invalid`]. A channel of another business is
/// one on which nothing happened.
///
/// # Implementing
/// A move adds all of its batch in one statement, in the order of
/// [`Rollup::rows`](crate::model::Rollup::rows). A row that many processes add to at once is better
/// kept as several, which a read sums.
#[async_trait]
pub trait CounterStore: Send + Sync + Debug + 'static {
    /// Reads counters.
    async fn counters(
        &self,
        business: BusinessId,
        filter: &CounterFilter,
    ) -> StoreResult<Vec<Counter>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_bounded() {
        let check = |from: &str, to: &str| {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            CounterFilter { from, to, channel_id: None }.check()
        };
        assert_eq!(check("2026-11-25", "2026-11-25"), Ok(()));
        assert_eq!(check("2024-01-01", "2024-12-31"), Ok(()), "a leap year");
        for (from, to) in [
            ("2026-11-25", "2026-11-24"),
            ("2024-01-01", "2025-01-01"),
            ("-009999-01-01", "9999-12-31"),
        ] {
            assert_eq!(check(from, to), Err(StoreError::Invalid("days")), "{from} to {to}");
        }
    }
}
