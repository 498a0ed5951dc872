use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;

use crate::model::{ChannelId, Lane, Timestamp};
use crate::policy::{LANES, Throttle};
use crate::port::Rate;

/// Channels whose pace is remembered. Beyond it those at full speed are forgotten, then all.
const PACES_MAX: usize = 4_096;

/// How fast each channel goes in this process.
#[derive(Debug, Default)]
pub(super) struct Paces {
    channels: Mutex<HashMap<ChannelId, Pace>>,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    throttle: Throttle,
    /// The provider asked for silence until then.
    paused_until: Timestamp,
    /// For each lane, the first moment at which the limit still has room.
    next_slot: [Timestamp; LANES],
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            throttle: Throttle::default(),
            paused_until: Timestamp::MIN,
            next_slot: [Timestamp::MIN; LANES],
        }
    }
}

impl Pace {
    fn is_idle(&self, now: Timestamp) -> bool {
        let slots = self.next_slot.iter().all(|slot| *slot <= now);
        slots && self.paused_until <= now && self.throttle.is_full(now)
    }
}

impl Paces {
    /// The rate that a channel keeps now.
    pub(super) fn rate(&self, id: ChannelId, limit: Rate, now: Timestamp) -> Rate {
        self.channels().get(&id).map_or(limit, |pace| pace.throttle.rate(limit, now))
    }

    /// Until when a channel waits, if it does.
    pub(super) fn paused_until(&self, id: ChannelId, now: Timestamp) -> Option<Timestamp> {
        self.channels().get(&id).map(|pace| pace.paused_until).filter(|until| *until > now)
    }

    /// The provider refused a send that began then as too fast: everything of the channel waits
    /// until `resume`, and goes on slower.
    pub(super) fn refused(
        &self,
        id: ChannelId,
        began: Timestamp,
        now: Timestamp,
        resume: Timestamp,
    ) {
        let mut channels = self.channels();
        let pace = entry(&mut channels, id, now);
        pace.throttle.refused(began, now, resume);
        pace.paused_until = pace.paused_until.max(resume);
    }

    /// Gives a send that found no room a moment of its own, not before `earliest`: a backlog spreads
    /// over the seconds it needs, instead of coming back as a crowd that hides everybody else. Each
    /// lane has moments of its own, so that an answer does not queue behind a campaign.
    pub(super) fn reserve(
        &self,
        id: ChannelId,
        lane: Lane,
        limit: Rate,
        (now, earliest): (Timestamp, Timestamp),
    ) -> Timestamp {
        let mut channels = self.channels();
        let pace = entry(&mut channels, id, now);
        let Some(next) = pace.next_slot.get_mut(usize::from(lane.rank())) else { return earliest };
        let slot = (*next).max(earliest);
        *next = slot.checked_add(step(limit)).unwrap_or(slot);
        slot
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelId, Pace>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time between two moments. A bucket of one token forgives nothing: where clocks count whole
/// milliseconds, moments that were closer than its tokens would find it empty again and again.
fn step(limit: Rate) -> SignedDuration {
    let per_second = limit.per_second.max(1);
    if limit.burst > 1 {
        return SignedDuration::from_micros(i64::from(1_000_000u32.div_ceil(per_second)));
    }
    SignedDuration::from_millis(i64::from(1_000u32.div_ceil(per_second)))
}

fn entry(channels: &mut HashMap<ChannelId, Pace>, id: ChannelId, now: Timestamp) -> &mut Pace {
    if channels.len() >= PACES_MAX && !channels.contains_key(&id) {
        channels.retain(|_, pace| !pace.is_idle(now));
        if channels.len() >= PACES_MAX {
            channels.clear();
        }
    }
    channels.entry(id).or_default()
}
