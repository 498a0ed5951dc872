//! How much memory all guests may hold together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use justping_core::model::BusinessId;

/// The memory of all guests, of which one business may have a half.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    by: HashMap<BusinessId, usize>,
}

/// What one call holds of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    business: BusinessId,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, held: Mutex::default() })
    }

    /// Begins a call's share, of nothing yet.
    pub(crate) fn share(self: &Arc<Self>, business: BusinessId) -> Share {
        Share { budget: Arc::clone(self), business, bytes: 0 }
    }

    /// Whether there is no room for so many more bytes of a business.
    pub(crate) fn is_tight(&self, business: BusinessId, more: usize) -> bool {
        let held = self.held();
        let own = held.by.get(&business).copied().unwrap_or_default().saturating_add(more);
        held.all.saturating_add(more) > self.total || own > self.total / 2
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, business: BusinessId, bytes: usize) {
        let mut held = self.held();
        held.all = held.all.saturating_sub(bytes);
        if let Some(own) = held.by.get_mut(&business) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                held.by.remove(&business);
            }
        }
    }
}

impl Share {
    /// Makes the share so large, if there is room.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else {
            self.budget.give_back(self.business, self.bytes - bytes);
            self.bytes = bytes;
            return true;
        };
        let mut held = self.budget.held();
        let own = held.by.get(&self.business).copied().unwrap_or_default().saturating_add(more);
        let all = held.all.saturating_add(more);
        if all > self.budget.total || own > self.budget.total / 2 {
            return false;
        }
        held.all = all;
        held.by.insert(self.business, own);
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.business, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_business_has_a_half_and_all_have_the_whole() {
        let budget = Budget::new(100);
        let business = |number| BusinessId::from_uuid(Uuid::from_u128(number));
        let mut one = budget.share(business(1));
        assert!(one.resize(50) && !one.resize(51));
        let mut again = budget.share(business(1));
        assert!(!again.resize(1));
        let (mut two, mut three) = (budget.share(business(2)), budget.share(business(3)));
        assert!(two.resize(30) && three.resize(20) && !three.resize(21));
        assert!(one.resize(40) && again.resize(10));
        drop((one, again, two, three));
        assert_eq!(budget.held().all, 0);
        assert!(budget.held().by.is_empty());
    }
}
