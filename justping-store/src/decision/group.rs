//! Which groups contacts are in, and how patches change that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use justping_core::model::{BusinessId, ContactId, ContactPatch, GroupId, Timestamp};
use justping_core::port::store::{GroupChange, StoreResult};

/// Names a membership in the order of its key.
pub(crate) type Place = (BusinessId, GroupId, ContactId);

/// What is stored about the groups of some contacts, and then what is to be written.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    current: HashMap<(BusinessId, ContactId), BTreeSet<GroupId>>,
    known: HashMap<BusinessId, BTreeSet<GroupId>>,
    moves: BTreeMap<Place, Option<Timestamp>>,
}

impl Groups {
    /// A group that a contact is in.
    pub(crate) fn add_current(&mut self, contact: (BusinessId, ContactId), group: GroupId) {
        self.current.entry(contact).or_default().insert(group);
    }

    /// A group of a patch that is there.
    pub(crate) fn add_known(&mut self, business: BusinessId, group: GroupId) {
        self.known.entry(business).or_default().insert(group);
    }

    /// Takes in what a turn does.
    pub(crate) fn possible(
        &mut self,
        contact: (BusinessId, ContactId),
        patch: &ContactPatch,
        now: Timestamp,
    ) {
        let known = self.known.entry(contact.0).or_default();
        let current = self.current.entry(contact).or_default();
        let change = GroupChange::possible(patch, current, known);
        self.take(contact, &change, now);
    }

    /// Takes in what somebody asks for who hears of errors.
    pub(crate) fn asked(
        &mut self,
        contact: (BusinessId, ContactId),
        patch: &ContactPatch,
        now: Timestamp,
    ) -> StoreResult<()> {
        let known = self.known.entry(contact.0).or_default();
        let current = self.current.entry(contact).or_default();
        let change = GroupChange::asked(patch, current, known)?;
        self.take(contact, &change, now);
        Ok(())
    }

    /// Memberships that end.
    pub(crate) fn left(&self) -> impl Iterator<Item = Place> + '_ {
        self.moves.iter().filter(|(_, since)| since.is_none()).map(|(place, _)| *place)
    }

    /// Memberships that begin, and when.
    pub(crate) fn joined(&self) -> impl Iterator<Item = (Place, Timestamp)> + '_ {
        self.moves.iter().filter_map(|(place, since)| Some((*place, (*since)?)))
    }

    /// Says whether nothing is to be written.
    pub(crate) fn is_still(&self) -> bool {
        self.moves.is_empty()
    }

    fn take(&mut self, contact: (BusinessId, ContactId), change: &GroupChange, now: Timestamp) {
        change.apply_to(self.current.entry(contact).or_default());
        let place = |group: &GroupId| (contact.0, *group, contact.1);
        self.moves.extend(change.left.iter().map(|group| (place(group), None)));
        self.moves.extend(change.joined.iter().map(|group| (place(group), Some(now))));
    }
}
