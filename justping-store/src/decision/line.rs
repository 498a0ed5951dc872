//! Whose turn it is: what a claim reads of the lines, and what it then takes.

use std::collections::BTreeMap;

use justping_core::model::{BusinessId, ChannelId, Lane, MessageId, Timestamp};
use justping_core::policy::{Line, Reach, choose_sends, first_depth, take_turns};
use justping_core::port::store::SendQuota;
use uuid::Uuid;

/// Names a row of the outbox: business, conversation, place.
pub(crate) type SendKey = (Uuid, Uuid, i64);
/// Names a conversation: business, id.
pub(crate) type TurnKey = (Uuid, Uuid);

/// A lane in which a claim looks for businesses that have something ready.
pub(crate) struct LaneWish {
    pub(crate) rank: i64,
    /// The business behind which it begins.
    pub(crate) after: Option<Uuid>,
    /// How many businesses are surely enough.
    pub(crate) most: i64,
}

/// What a claim of sends looks for. A business at its bound has something on its way, so that it
/// needs no more businesses than it may take rows and has rows on their way.
pub(crate) fn lane_wishes(limit: u32, quota: &SendQuota) -> Vec<LaneWish> {
    let wish = |(lane, after): (Lane, Option<BusinessId>)| LaneWish {
        rank: i64::from(lane.rank()),
        after: after.map(BusinessId::uuid),
        most: i64::from(limit) + i64::from(quota.businesses(lane)),
    };
    Lane::ALL.into_iter().zip(quota.after).map(wish).collect()
}

/// A row that is ready, as the index of its line knows it.
pub(crate) struct ReadySend {
    pub(crate) rank: i64,
    pub(crate) channel: Uuid,
    pub(crate) age: (Timestamp, MessageId),
    pub(crate) key: SendKey,
}

/// The lines from which a claim of sends chooses.
pub(crate) struct LineDesk<'a> {
    limit: u32,
    quota: &'a SendQuota,
    businesses: Vec<(i64, Uuid)>,
    depth: u32,
}

impl<'a> LineDesk<'a> {
    /// Those of the businesses with something ready that may take a place, by lane.
    pub(crate) fn new(limit: u32, quota: &'a SendQuota, ready: Vec<(i64, Uuid)>) -> Self {
        let has_room = |(rank, business): &(i64, Uuid)| {
            lane(*rank)
                .is_some_and(|lane| quota.business_room(lane, BusinessId::from_uuid(*business)) > 0)
        };
        let mut businesses: Vec<_> = ready.into_iter().filter(has_room).collect();
        businesses.sort_unstable();
        businesses.dedup();
        let depth = first_depth(limit, businesses.len());
        Self { limit, quota, businesses, depth }
    }

    /// Whose lines to read, by lane.
    pub(crate) fn businesses(&self) -> &[(i64, Uuid)] {
        &self.businesses
    }

    /// How many rows to read of each line.
    pub(crate) fn depth(&self) -> i64 {
        i64::from(self.depth)
    }

    /// Chooses among the rows that were read; `None` when more have to be read.
    pub(crate) fn choose(&mut self, rows: Vec<ReadySend>) -> Option<Vec<SendKey>> {
        let mut lines: BTreeMap<(Lane, Uuid, Uuid), Vec<_>> = BTreeMap::new();
        for row in rows {
            if let Some(lane) = lane(row.rank) {
                let line = lines.entry((lane, row.key.0, row.channel)).or_default();
                line.push((row.age, row.key));
            }
        }
        let lines = lines.into_iter().map(|((lane, business, channel), mut rows)| {
            rows.sort_unstable();
            let (business, channel) =
                (BusinessId::from_uuid(business), ChannelId::from_uuid(channel));
            Line { lane, business, channel, rows }
        });
        let chosen = choose_sends(self.limit, self.quota, lines.collect(), self.depth);
        self.depth = self.depth.saturating_mul(2);
        chosen
    }
}

fn lane(rank: i64) -> Option<Lane> {
    Lane::ALL.get(usize::try_from(rank).ok()?).copied()
}

/// The businesses from whose mail a claim of turns chooses.
pub(crate) struct TurnDesk {
    limit: u32,
    after: Option<BusinessId>,
    businesses: Vec<Uuid>,
    depth: u32,
}

impl TurnDesk {
    /// Businesses with mail.
    pub(crate) fn new(limit: u32, after: Option<BusinessId>, mut businesses: Vec<Uuid>) -> Self {
        businesses.sort_unstable();
        businesses.dedup();
        let depth = first_depth(limit, businesses.len());
        Self { limit, after, businesses, depth }
    }

    /// Whose mail to read.
    pub(crate) fn businesses(&self) -> &[Uuid] {
        &self.businesses
    }

    /// How many conversations to read of each business.
    pub(crate) fn depth(&self) -> i64 {
        i64::from(self.depth)
    }

    /// Chooses among the conversations that were read, of each business by their oldest mail; `None`
    /// when more have to be read.
    pub(crate) fn choose(&mut self, rows: Vec<(i64, TurnKey)>) -> Option<Vec<TurnKey>> {
        let mut queues: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
        for (seq, key) in rows {
            queues.entry(key.0).or_default().push((seq, key));
        }
        let depth = self.depth;
        let queues = queues.into_iter().map(|(business, mut rows)| {
            rows.sort_unstable();
            let reach = if rows.len() < depth as usize { Reach::End } else { Reach::Depth };
            let keys = rows.into_iter().map(|(_, key)| key).collect();
            (BusinessId::from_uuid(business), keys, reach)
        });
        let chosen = take_turns(self.limit, self.after, queues.collect(), depth);
        self.depth = self.depth.saturating_mul(2);
        chosen
    }
}
