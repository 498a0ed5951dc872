use std::collections::BTreeMap;

use super::lane;
use crate::model::{BusinessId, ChannelId, Lane, MessageId, Timestamp};
use crate::port::store::SendQuota;

/// Due rows of one lane, business and channel, oldest first, of which a claim has read some.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<K> {
    /// Their lane.
    pub lane: Lane,
    /// Their business.
    pub business: BusinessId,
    /// Their channel.
    pub channel: ChannelId,
    /// Their age, by which they are ordered, and what names them.
    pub rows: Vec<((Timestamp, MessageId), K)>,
}

/// How many rows of each line to read first, so that `limit` rows out of `lines` are most often
/// enough; when they are not, twice as many.
#[must_use]
pub fn first_depth(limit: u32, lines: usize) -> u32 {
    limit.div_ceil(u32::try_from(lines).unwrap_or(u32::MAX).max(1)).max(1)
}

/// Chooses which due sends a worker takes: what the lanes' quota allows, within a lane one row of
/// each business in turn, beginning behind the one that was last, within a business the oldest, and
/// never more of a business or a channel than it may have at once.
///
/// `None` when the first `depth` rows of each line do not tell; a line with fewer has no more.
#[must_use]
pub fn choose_sends<K>(
    limit: u32,
    quota: &SendQuota,
    lines: Vec<Line<K>>,
    depth: u32,
) -> Option<Vec<K>> {
    let mut by_lane: [Vec<Line<K>>; lane::LANES] = Default::default();
    let [interactive, transactional, bulk] = &mut by_lane;
    for line in lines {
        match line.lane {
            Lane::Interactive => interactive.push(line),
            Lane::Transactional => transactional.push(line),
            Lane::Bulk => bulk.push(line),
        }
    }
    let [interactive, transactional, bulk] = by_lane;
    let mut chosen = [
        of_lane(limit, quota, Lane::Interactive, interactive, depth)?,
        of_lane(limit, quota, Lane::Transactional, transactional, depth)?,
        of_lane(limit, quota, Lane::Bulk, bulk, depth)?,
    ];
    let due = chosen.each_ref().map(|rows| u32::try_from(rows.len()).unwrap_or(u32::MAX));
    for (rows, count) in chosen.iter_mut().zip(quota.lanes.divide(limit, due)) {
        rows.truncate(count as usize);
    }
    Some(chosen.into_iter().flatten().collect())
}

/// The rows of one lane in the order in which they would be taken.
fn of_lane<K>(
    limit: u32,
    quota: &SendQuota,
    lane: Lane,
    lines: Vec<Line<K>>,
    depth: u32,
) -> Option<Vec<K>> {
    let mut businesses: BTreeMap<BusinessId, (Vec<_>, Reach)> = BTreeMap::new();
    for line in lines {
        let room = quota.channel_room(lane, line.business, line.channel);
        let (rows, reach) = businesses.entry(line.business).or_insert((Vec::new(), Reach::End));
        if line.rows.len() >= depth as usize && room > depth {
            *reach = Reach::Depth;
        }
        rows.extend(line.rows.into_iter().take(room as usize));
    }
    let queues = businesses.into_iter().map(|(business, (mut rows, reach))| {
        rows.sort_unstable_by_key(|(age, _)| *age);
        let room = quota.business_room(lane, business);
        rows.truncate(room as usize);
        let reach = if room <= depth { Reach::End } else { reach };
        (business, rows.into_iter().map(|(_, key)| key).collect(), reach)
    });
    take_turns(limit, lane::of(&quota.after, lane), queues.collect(), depth)
}

/// How far the rows of a business were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// There are no more.
    End,
    /// The first of them, as many as the depth says, are known to be the first.
    Depth,
}

/// Takes one row of each business in turn, beginning behind `after`, until there are `limit`.
///
/// `None` when rows that were not read might come before some of those that were.
#[must_use]
pub fn take_turns<K>(
    limit: u32,
    after: Option<BusinessId>,
    mut queues: Vec<(BusinessId, Vec<K>, Reach)>,
    depth: u32,
) -> Option<Vec<K>> {
    let limit = limit as usize;
    queues.sort_by_key(|(business, _, _)| (after.is_some_and(|last| *business <= last), *business));
    let known = queues.iter().all(|(_, _, reach)| *reach == Reach::End);
    let rounds = if known { usize::MAX } else { depth as usize };
    let mut rows: Vec<_> =
        queues.into_iter().map(|(_, rows, _)| rows.into_iter().take(rounds)).collect();
    let mut taken = Vec::new();
    while taken.len() < limit {
        let before = taken.len();
        taken.extend(rows.iter_mut().filter_map(Iterator::next).take(limit - before));
        if taken.len() == before {
            return known.then_some(taken);
        }
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::policy::LaneQuota;
    use crate::port::store::Held;

    fn business(n: u8) -> BusinessId {
        BusinessId::from_uuid(Uuid::from_u128(u128::from(n)))
    }

    fn channel(n: u8) -> ChannelId {
        ChannelId::from_uuid(Uuid::from_u128(u128::from(n)))
    }

    fn age(n: usize) -> (Timestamp, MessageId) {
        let id = MessageId::from_uuid(Uuid::from_u128(n as u128));
        (Timestamp::from_millisecond(n as i64).unwrap(), id)
    }

    fn line(lane: Lane, b: u8, c: u8, ages: std::ops::Range<usize>) -> Line<(u8, usize)> {
        let rows = ages.map(|n| (age(n), (b, n))).collect();
        Line { lane, business: business(b), channel: channel(c), rows }
    }

    fn businesses(rows: &[(u8, usize)]) -> Vec<u8> {
        rows.iter().map(|(business, _)| *business).collect()
    }

    #[test]
    fn businesses_take_turns_behind_the_last() {
        let lines = || {
            vec![
                line(Lane::Bulk, 1, 1, 0..100),
                line(Lane::Bulk, 2, 2, 500..502),
                line(Lane::Bulk, 3, 3, 900..901),
            ]
        };
        let quota = SendQuota::default();
        let taken = choose_sends(7, &quota, lines(), 1_000).unwrap();
        assert_eq!(businesses(&taken), [1, 2, 3, 1, 2, 1, 1]);
        let quota = SendQuota { after: [None, None, Some(business(1))], ..quota };
        let taken = choose_sends(4, &quota, lines(), 1_000).unwrap();
        assert_eq!(businesses(&taken), [2, 3, 1, 2]);
    }

    #[test]
    fn within_a_business_the_oldest_of_all_channels_go_first() {
        let lines = vec![line(Lane::Bulk, 1, 1, 5..9), line(Lane::Bulk, 1, 2, 0..7)];
        let taken = choose_sends(8, &SendQuota::default(), lines, 100).unwrap();
        let ages: Vec<_> = taken.iter().map(|(_, age)| *age).collect();
        assert_eq!(ages, [0, 1, 2, 3, 4, 5, 5, 6]);
    }

    #[test]
    fn what_is_on_its_way_counts_against_the_bounds_of_its_lane() {
        let held = |lane, channel, count| Held { lane, business: business(1), channel, count };
        let quota = SendQuota {
            per_business: 5,
            per_channel: 3,
            held: vec![held(Lane::Bulk, channel(1), 2), held(Lane::Interactive, channel(1), 9)],
            ..SendQuota::default()
        };
        let lines = vec![line(Lane::Bulk, 1, 1, 0..9), line(Lane::Bulk, 1, 2, 20..29)];
        let taken = choose_sends(9, &quota, lines, 100).unwrap();
        let ages: Vec<_> = taken.iter().map(|(_, age)| *age).collect();
        assert_eq!(ages, [0, 20, 21], "one of the first channel, three of the business");
        let lines = vec![line(Lane::Interactive, 1, 2, 0..9)];
        assert_eq!(choose_sends(9, &quota, lines, 100), Some(vec![]), "nine are on their way");
    }

    #[test]
    fn lanes_are_divided_by_their_quota() {
        let lines = vec![line(Lane::Interactive, 1, 1, 0..9), line(Lane::Bulk, 2, 2, 0..9)];
        let lanes = LaneQuota { reserved: [1, 1, 2], room: [4, 4, 4] };
        let quota = SendQuota { lanes, ..SendQuota::default() };
        let taken = choose_sends(4, &quota, lines, 100).unwrap();
        assert_eq!(businesses(&taken), [1, 1, 2, 2]);
    }

    #[test]
    fn rows_that_were_not_read_are_asked_for() {
        let cut = vec![line(Lane::Bulk, 1, 1, 0..2), line(Lane::Bulk, 2, 2, 0..1)];
        let quota = SendQuota::default();
        assert_eq!(choose_sends(4, &quota, cut.clone(), 2), None);
        assert_eq!(businesses(&choose_sends(3, &quota, cut, 2).unwrap()), [1, 2, 1]);
        assert_eq!(first_depth(10, 3), 4);
        assert_eq!(first_depth(10, 0), 10);
    }

    type Lines = Vec<(u8, u8, u8, u8)>;

    fn some_lines() -> impl Strategy<Value = Lines> {
        prop::collection::btree_map((0u8..3, 1u8..5, 0u8..3), 0u8..12, 0..16)
            .prop_map(|all| all.into_iter().map(|((a, b, c), n)| (a, b, c, n)).collect())
    }

    fn read(lines: &Lines, depth: u32) -> Vec<Line<(u8, usize)>> {
        let lanes = [Lane::Interactive, Lane::Transactional, Lane::Bulk];
        let read = |(lane, b, c, n): &(u8, u8, u8, u8)| {
            let first = usize::from(*c) * 4;
            let count = usize::from(*n).min(depth as usize);
            let c = b * 10 + c;
            line(lanes[usize::from(*lane)], *b, c, first..first + count)
        };
        lines.iter().map(read).collect()
    }

    proptest! {
        /// Reading little at first and more when asked chooses the same as reading everything.
        #[test]
        fn the_depth_does_not_matter(
            lines in some_lines(), limit in 0u32..30, per_business in 1u32..9, per_channel in 1u32..6,
            held in prop::collection::vec((1u8..5, 0u8..3, 0u32..3), 0..4), after in 0u8..6,
        ) {
            let held = held.into_iter().map(|(b, c, count)| Held {
                lane: Lane::Bulk, business: business(b), channel: channel(b * 10 + c), count,
            });
            let quota = SendQuota {
                lanes: LaneQuota { reserved: [3, 2, 1], room: [25, 20, 15] },
                per_business,
                per_channel,
                held: held.collect(),
                after: [Some(business(after)), None, Some(business(after))],
            };
            let whole = choose_sends(limit, &quota, read(&lines, 1_000), 1_000).unwrap();
            let mut depth = first_depth(limit, lines.len());
            let bit_by_bit = loop {
                prop_assert!(depth <= 64, "it ends");
                match choose_sends(limit, &quota, read(&lines, depth), depth) {
                    Some(chosen) => break chosen,
                    None => depth *= 2,
                }
            };
            prop_assert_eq!(whole, bit_by_bit);
        }

        /// A business waits for at most one row of each other one.
        #[test]
        fn no_business_waits_for_more_than_one_of_each_other(
            counts in prop::collection::vec(1usize..50, 1..8), limit in 1u32..6,
        ) {
            let all = counts.len();
            let mut left = counts;
            let mut after = None;
            let mut served: Vec<usize> = Vec::new();
            while left.iter().any(|count| *count > 0) {
                let queues = left.iter().enumerate().filter(|(_, count)| **count > 0);
                let queues = queues
                    .map(|(n, count)| (business(n as u8), vec![n; *count], Reach::End))
                    .collect();
                let taken = take_turns(limit, after, queues, 1).unwrap();
                for n in &taken {
                    left[*n] -= 1;
                }
                after = taken.last().map(|n| business(*n as u8));
                served.extend(taken);
                for (n, count) in left.iter().enumerate().filter(|(_, count)| **count > 0) {
                    let since = served.iter().rev().take_while(|other| **other != n);
                    let others = since.count();
                    prop_assert!(others < all, "{} of {} waits behind {:?}", n, count, served);
                }
            }
        }
    }
}
