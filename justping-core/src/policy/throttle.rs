use crate::model::Timestamp;
use crate::port::Rate;

/// The whole limit, in thousandths.
const FULL: i64 = 1_000;
/// No refusal makes a channel slower than this part of its limit, in thousandths.
const FLOOR: i64 = 50;
/// What comes back of the limit every second, in thousandths: after one halving all of it is back
/// in 25 seconds.
const BACK_PER_SECOND: i64 = 20;
const MS_PER_SECOND: i64 = 1_000;

/// How much of its limit a channel uses: half of it after its provider said that it was too fast,
/// then a little more every second (additive increase, multiplicative decrease).
///
/// Every process keeps its own and learns from the refusals it gets itself. Several that share a
/// limiter are bound by it together, whatever each thinks; as all of them halve and add alike, their
/// shares become equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// The share at `since`, in thousandths.
    share: i64,
    since: Timestamp,
    /// When it was last halved.
    halved_at: Timestamp,
}

impl Default for Throttle {
    /// At full speed.
    fn default() -> Self {
        Self { share: FULL, since: Timestamp::MIN, halved_at: Timestamp::MIN }
    }
}

impl Throttle {
    /// The rate to keep now: never more than the limit, and of a bucket no deeper than its speed
    /// allows, so that whoever changes between these rates never passes more than the limit would.
    #[must_use]
    pub fn rate(&self, limit: Rate, now: Timestamp) -> Rate {
        let share = self.share(now);
        if share == FULL {
            return limit;
        }
        let part = |whole: u32, share: u64, of: u64| {
            u32::try_from(u64::from(whole) * share / of.max(1)).unwrap_or(whole).max(1)
        };
        let per_second = part(limit.per_second, share.unsigned_abs(), FULL.unsigned_abs());
        let burst = part(limit.burst, u64::from(per_second), u64::from(limit.per_second));
        Rate { per_second, burst }
    }

    /// The provider refused a send that began then, and asks to wait until `resume`. A send that
    /// began before the last halving tells nothing new: it was on its way already.
    pub fn refused(&mut self, began: Timestamp, now: Timestamp, resume: Timestamp) {
        if began < self.halved_at {
            self.since = self.since.max(resume);
            return;
        }
        self.share = (self.share(now) / 2).max(FLOOR);
        self.since = resume.max(now);
        self.halved_at = now;
    }

    /// Whether it is at full speed.
    #[must_use]
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.share(now) == FULL
    }

    fn share(&self, now: Timestamp) -> i64 {
        let passed = now.as_millisecond().saturating_sub(self.since.as_millisecond()).max(0);
        let back = passed.saturating_mul(BACK_PER_SECOND) / MS_PER_SECOND;
        self.share.saturating_add(back).min(FULL)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::memory::{ManualClock, MemoryLimiter};
    use crate::port::{Clock, Grant, RateLimiter};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    const LIMIT: Rate = Rate { per_second: 100, burst: 10 };

    #[test]
    fn a_refusal_halves_and_time_gives_back() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.rate(LIMIT, at(0)), LIMIT);
        throttle.refused(at(0), at(10), at(5_000));
        assert_eq!(throttle.rate(LIMIT, at(10)), Rate { per_second: 50, burst: 5 });
        assert_eq!(throttle.rate(LIMIT, at(5_000)).per_second, 50, "nothing while it waits");
        assert_eq!(throttle.rate(LIMIT, at(6_000)).per_second, 52);
        assert_eq!(throttle.rate(LIMIT, at(29_999)).per_second, 99);
        assert!(!throttle.is_full(at(29_999)) && throttle.is_full(at(30_000)));
        assert_eq!(throttle.rate(LIMIT, at(90_000)), LIMIT);
    }

    #[test]
    fn a_crowd_that_is_refused_together_halves_once() {
        let mut throttle = Throttle::default();
        for now in 10..60 {
            throttle.refused(at(5), at(now), at(now + 100));
        }
        assert_eq!(throttle.rate(LIMIT, at(60)).per_second, 50);
        throttle.refused(at(60), at(61), at(61));
        assert_eq!(throttle.rate(LIMIT, at(61)).per_second, 25);
    }

    #[test]
    fn the_floor_holds_and_the_slowest_still_move() {
        let mut throttle = Throttle::default();
        for now in 0..50 {
            throttle.refused(at(now), at(now), at(now));
        }
        assert_eq!(throttle.rate(LIMIT, at(49)), Rate { per_second: 5, burst: 1 });
        let slow = Rate { per_second: 1, burst: 1 };
        assert_eq!(throttle.rate(slow, at(49)), slow);
    }

    #[test]
    fn a_limit_is_what_any_second_may_hold() {
        assert_eq!(Rate::within(80), Rate { per_second: 75, burst: 5 });
        assert_eq!(Rate::within(2), Rate { per_second: 1, burst: 1 });
        for limit in [0, 1] {
            assert_eq!(Rate::within(limit), Rate { per_second: 1, burst: 1 });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Two processes over one limiter, each with its own refusals: no window of a second ever
        /// holds more than the limit.
        #[test]
        fn no_window_of_a_second_holds_more_than_the_limit(
            limit in 1u32..60,
            steps in prop::collection::vec((0i64..400, 0usize..2, 0u8..12, 0i64..3_000), 1..120),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let clock = Arc::new(ManualClock::new(at(1_000_000)));
            let limiter = MemoryLimiter::new(Arc::clone(&clock) as Arc<dyn Clock>);
            let rate = Rate::within(limit);
            let mut processes = [(Throttle::default(), Timestamp::MIN); 2];
            let mut granted: Vec<i64> = Vec::new();
            for (pass, who, refusal, retry_after) in steps {
                clock.advance(SignedDuration::from_millis(pass));
                let now = clock.now();
                let (throttle, paused_until) = &mut processes[who];
                // As many as the limiter lets through, at most a crowd.
                for _ in 0..100 {
                    if *paused_until > now {
                        break;
                    }
                    let allowed = throttle.rate(rate, now);
                    prop_assert!(allowed.per_second <= rate.per_second);
                    prop_assert!(allowed.burst <= rate.burst);
                    match runtime.block_on(limiter.take("sender", allowed)) {
                        Grant::Allowed => granted.push(now.as_millisecond()),
                        Grant::Wait(wait) => {
                            prop_assert!(wait <= Duration::from_secs(1) + Duration::from_millis(1));
                            break;
                        }
                    }
                }
                if refusal == 0 {
                    let resume = at(now.as_millisecond() + retry_after);
                    throttle.refused(now, now, resume);
                    *paused_until = (*paused_until).max(resume);
                }
            }
            for (first, begin) in granted.iter().enumerate() {
                let inside = granted[first..].iter().take_while(|end| **end - begin < 1_000).count();
                prop_assert!(inside <= limit as usize, "{inside} in a second, limit {limit}");
            }
        }
    }
}
