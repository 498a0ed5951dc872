use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EngineConfig;
use crate::model::{BusinessId, ChannelId, Lane};
use crate::policy::LANES;
use crate::port::store::{Held, SendClaim, SendQuota};

/// Which places of this worker are taken, and whose turn was last.
///
/// Every worker counts for itself: what another process sends, or a dead one had begun, takes no
/// place here.
#[derive(Debug, Default)]
pub(super) struct Places {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: BTreeMap<Slot, u32>,
    sends_after: [Option<BusinessId>; LANES],
    turns_after: Option<BusinessId>,
}

type Slot = (Lane, BusinessId, ChannelId);

/// A claimed send with its place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) claim: SendClaim,
    places: Arc<Places>,
}

impl Places {
    /// How many sends a claim may take, and which.
    pub(super) fn quota(&self, config: &EngineConfig) -> (u32, SendQuota) {
        let state = self.state();
        let places = config.sends_max.max(LANES as u32);
        let mut in_flight = [0u32; LANES];
        let mut held = Vec::with_capacity(state.taken.len());
        for (&(lane, business, channel), &count) in &state.taken {
            if let Some(sum) = in_flight.get_mut(usize::from(lane.rank())) {
                *sum = sum.saturating_add(count);
            }
            held.push(Held { lane, business, channel, count });
        }
        let free = places.saturating_sub(in_flight.into_iter().sum());
        let quota = SendQuota {
            lanes: config.lanes.quota(places, in_flight),
            per_business: config.sends_per_business.max(1),
            per_channel: config.sends_per_channel.max(1),
            held,
            after: state.sends_after,
        };
        (free, quota)
    }

    /// Gives every claim its place.
    pub(super) fn take(self: &Arc<Self>, claims: Vec<SendClaim>) -> Vec<Placed> {
        let mut state = self.state();
        for claim in &claims {
            let slot = slot(claim);
            *state.taken.entry(slot).or_default() += 1;
            if let Some(after) = state.sends_after.get_mut(usize::from(slot.0.rank())) {
                *after = Some(slot.1);
            }
        }
        drop(state);
        let place = |claim| Placed { claim, places: Arc::clone(self) };
        claims.into_iter().map(place).collect()
    }

    /// The business that had the last of the turns.
    pub(super) fn turns_after(&self) -> Option<BusinessId> {
        self.state().turns_after
    }

    /// Remembers which business had the last turn.
    pub(super) fn turn_of(&self, last: Option<BusinessId>) {
        if last.is_some() {
            self.state().turns_after = last;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let mut state = self.places.state();
        let slot = slot(&self.claim);
        if let Some(count) = state.taken.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                state.taken.remove(&slot);
            }
        }
    }
}

fn slot(claim: &SendClaim) -> Slot {
    (claim.row.lane, claim.row.business_id, claim.row.channel_id)
}
