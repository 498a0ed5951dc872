use crate::model::Lane;

/// How many lanes there are, and the fewest places a worker may have: each lane needs one.
pub const LANES: usize = Lane::ALL.len();
/// Of its reserve, the part that an urgent lane never lends to less urgent ones: one in this many.
/// It is what an urgent send finds free at any moment.
const KEPT: u32 = 8;

/// How the places of a worker are shared out between the lanes, in percent.
///
/// A lane's share is reserved: a place that becomes free goes first to a lane that has less than its
/// share and something to send. What a lane does not use is lent. Lent places come back as their
/// sends end, and a small part of the urgent lanes' shares is never lent to less urgent ones, so
/// that neither a million campaign messages delay an answer, nor do answers stop a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneShares {
    /// The share of [`Lane::Transactional`].
    pub transactional: u8,
    /// The share of [`Lane::Bulk`]. [`Lane::Interactive`] has the rest.
    pub bulk: u8,
}

impl Default for LaneShares {
    /// 50 / 30 / 20.
    fn default() -> Self {
        Self { transactional: 30, bulk: 20 }
    }
}

impl LaneShares {
    /// The places reserved for each lane out of `places`: at least one each, the sum is `places`.
    #[must_use]
    pub fn reserve(&self, places: u32) -> [u32; LANES] {
        let places = places.max(LANES as u32);
        let part = |percent: u8| {
            let part = u64::from(places) * u64::from(percent.min(100)) / 100;
            u32::try_from(part).unwrap_or(u32::MAX)
        };
        let transactional = part(self.transactional).clamp(1, places - 2);
        let bulk = part(self.bulk).clamp(1, places - 1 - transactional);
        [places - transactional - bulk, transactional, bulk]
    }

    /// What may be taken when `in_flight` of `places` are taken already.
    #[must_use]
    pub fn quota(&self, places: u32, in_flight: [u32; LANES]) -> LaneQuota {
        let places = places.max(LANES as u32);
        let shares = self.reserve(places);
        let [interactive, transactional, bulk] = in_flight;
        let [kept_interactive, kept_transactional, _] = shares.map(|share| share.div_ceil(KEPT));
        let used = |used: [u32; LANES]| used.into_iter().fold(0, u32::saturating_add);
        let left = |kept: u32, used: u32| places.saturating_sub(kept.saturating_add(used));
        let mut reserved = shares;
        for (share, taken) in reserved.iter_mut().zip(in_flight) {
            *share = share.saturating_sub(taken);
        }
        LaneQuota {
            reserved,
            room: [
                left(0, used([interactive, transactional, bulk])),
                left(kept_interactive, used([0, transactional, bulk])),
                left(kept_interactive + kept_transactional, bulk),
            ],
        }
    }
}

/// How much of each lane one claim may take, by [`Lane::rank`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneQuota {
    /// What each lane may take before any other borrows.
    pub reserved: [u32; LANES],
    /// What the lanes from this one on may take together: a lane and all that are less urgent.
    pub room: [u32; LANES],
}

impl Default for LaneQuota {
    /// No lane has a reserve, so the urgent go first, and there is no bound.
    fn default() -> Self {
        Self { reserved: [0; LANES], room: [u32::MAX; LANES] }
    }
}

impl LaneQuota {
    /// How many rows to take of each lane when `due` could be taken and `limit` places are free:
    /// first the reserves, then what is left, each time in the order of urgency.
    #[must_use]
    pub fn divide(&self, limit: u32, due: [u32; LANES]) -> [u32; LANES] {
        let mut room = self.room.map(|room| room.min(limit));
        let mut taken = [0; LANES];
        for most in [self.reserved, [u32::MAX; LANES]] {
            for (lane, (due, most)) in due.into_iter().zip(most).enumerate() {
                let Some(taken) = taken.get_mut(lane) else { continue };
                let nested = room.get_mut(..=lane).unwrap_or_default();
                let left = nested.iter().copied().min().unwrap_or(0);
                let more = due.min(most).saturating_sub(*taken).min(left);
                *taken += more;
                nested.iter_mut().for_each(|room| *room -= more);
            }
        }
        taken
    }
}

/// The value of a lane in a list that has one for each.
pub(crate) fn of<T: Copy>(values: &[T; LANES], lane: Lane) -> T {
    let [interactive, transactional, bulk] = *values;
    match lane {
        Lane::Interactive => interactive,
        Lane::Transactional => transactional,
        Lane::Bulk => bulk,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MUCH: u32 = 1_000_000;

    fn shares() -> LaneShares {
        LaneShares::default()
    }

    #[test]
    fn the_default_is_half_a_third_and_a_fifth() {
        assert_eq!(shares().reserve(100), [50, 30, 20]);
        assert_eq!(shares().reserve(128), [65, 38, 25]);
        assert_eq!(shares().reserve(0), [1, 1, 1], "each lane has a place");
    }

    #[test]
    fn an_idle_worker_lends_everything_but_what_is_kept() {
        let quota = shares().quota(100, [0; 3]);
        assert_eq!(quota.divide(100, [MUCH, 0, 0]), [100, 0, 0]);
        assert_eq!(quota.divide(100, [0, MUCH, 0]), [0, 93, 0]);
        assert_eq!(quota.divide(100, [0, 0, MUCH]), [0, 0, 89]);
        assert_eq!(quota.divide(100, [0, MUCH, MUCH]), [0, 73, 20]);
        assert_eq!(quota.divide(100, [MUCH; 3]), [50, 30, 20]);
    }

    #[test]
    fn a_lane_that_lent_gets_the_next_free_place() {
        let quota = shares().quota(100, [99, 0, 0]);
        assert_eq!(quota.divide(1, [MUCH, 0, MUCH]), [0, 0, 1]);
        assert_eq!(quota.divide(1, [MUCH, MUCH, MUCH]), [0, 1, 0]);
        let quota = shares().quota(100, [0, 0, 89]);
        assert_eq!(quota.divide(11, [1, 0, MUCH]), [1, 0, 0], "an answer finds a place");
        let quota = shares().quota(100, [0, 93, 0]);
        assert_eq!(quota.divide(7, [1, MUCH, MUCH]), [1, 0, 0]);
    }

    #[test]
    fn without_a_quota_the_urgent_go_first() {
        assert_eq!(LaneQuota::default().divide(5, [2, 9, 9]), [2, 3, 0]);
    }

    proptest! {
        #[test]
        fn no_place_is_given_twice_and_none_is_wasted(
            shares in (0u8..=110, 0u8..=110), places in 0u32..300, taken in any::<[u8; 3]>(),
            due in any::<[u16; 3]>(),
        ) {
            let shares = LaneShares { transactional: shares.0, bulk: shares.1 };
            let reserve = shares.reserve(places);
            prop_assert_eq!(reserve.iter().sum::<u32>(), places.max(3));
            prop_assert!(reserve.iter().all(|share| *share >= 1));
            let taken = taken.map(u32::from);
            let due = due.map(u32::from);
            let free = places.max(3).saturating_sub(taken.iter().sum());
            let given = shares.quota(places, taken).divide(free, due);
            prop_assert!(given.iter().zip(due).all(|(given, due)| *given <= due));
            let sum: u32 = given.iter().sum();
            prop_assert!(sum <= free);
            // Whatever is free and wanted is given, but for what urgent lanes keep.
            let kept = reserve[0].div_ceil(8) + reserve[1].div_ceil(8);
            prop_assert!(sum >= due.iter().sum::<u32>().min(free).min(free.saturating_sub(kept)));
            if due[0] <= free {
                // Never less than its reserve and what nobody less urgent has reserved.
                prop_assert!(given[0] >= due[0].min(reserve[0].saturating_sub(taken[0])));
            }
        }

        /// Sends that end one after the other, in any order, whatever the others do: each lane
        /// comes to have its share.
        #[test]
        fn no_lane_starves(
            places in 3u32..60, hungry in 0usize..3, ends in prop::collection::vec(0usize..3, 400),
        ) {
            let shares = shares();
            let mut flying = shares.quota(places, [0; 3]).divide(places, {
                let mut due = [MUCH; 3];
                due[hungry] = 0;
                due
            });
            for lane in ends {
                let Some(lane) = (0..3).map(|n| (lane + n) % 3).find(|lane| flying[*lane] > 0)
                else { break };
                flying[lane] -= 1;
                let free = places - flying.iter().sum::<u32>();
                let given = shares.quota(places, flying).divide(free, [MUCH; 3]);
                for (flying, given) in flying.iter_mut().zip(given) {
                    *flying += given;
                }
                prop_assert!(flying.iter().sum::<u32>() <= places);
            }
            for (lane, flying) in flying.iter().enumerate() {
                prop_assert!(*flying >= 1, "lane {} of {:?}", lane, flying);
            }
            prop_assert!(flying[hungry] >= shares.reserve(places)[hungry].min(1));
        }
    }
}
