//! What was read of each business, for as long as it is believed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use justping_core::model::{BusinessId, Timestamp};

use super::{FRESH_FOR, Installed};

/// Most businesses that are remembered; with more, those not asked for the longest go.
const BUSINESSES_MAX: usize = 10_000;

/// The plugins of one business. Locked while they are read, so that many who ask read once.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Known>>>;

/// What was read of one business.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) read_at: Timestamp,
    pub(super) plugins: Arc<[Arc<Installed>]>,
}

impl Known {
    /// Whether it may still be believed.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        let fresh = SignedDuration::try_from(FRESH_FOR).unwrap_or_default();
        now.duration_since(self.read_at) < fresh
    }
}

#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    /// Counts uses, to tell which was last.
    uses: u64,
    rows: HashMap<BusinessId, (u64, Slot)>,
}

impl Shelf {
    /// The place of a business.
    pub(super) fn slot(&self, business: BusinessId) -> Slot {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.uses += 1;
        let used = rows.uses;
        if rows.rows.len() >= BUSINESSES_MAX && !rows.rows.contains_key(&business) {
            rows.make_room();
        }
        let (last, slot) = rows.rows.entry(business).or_default();
        *last = used;
        Arc::clone(slot)
    }

    /// Forgets a business. Who reads it now keeps what it reads to itself.
    pub(super) fn forget(&self, business: BusinessId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rows.remove(&business);
    }
}

impl Rows {
    /// Forgets the half that was not asked for the longest, so that this is rare.
    fn make_room(&mut self) {
        let recent = self.uses.saturating_sub(BUSINESSES_MAX as u64 / 2);
        self.rows.retain(|_, (used, _)| *used > recent);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn businesses_are_bounded_and_the_recent_ones_stay() {
        let shelf = Shelf::default();
        let business = |number: usize| BusinessId::from_uuid(Uuid::from_u128(number as u128));
        for number in 0..3 * BUSINESSES_MAX {
            let _ = shelf.slot(business(number));
        }
        let rows = shelf.0.lock().unwrap();
        assert!(rows.rows.len() <= BUSINESSES_MAX);
        assert!(rows.rows.contains_key(&business(3 * BUSINESSES_MAX - 1)));
    }
}
