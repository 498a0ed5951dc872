use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;

use super::{StoreError, StoreResult};
use crate::model::{
    BusinessId, ContactId, ContactPatch, GROUPS_OF_CONTACT_MAX, Group, GroupId, Membership, Page,
    PageRequest, Timestamp,
};

/// Most contacts that one call puts into a group, takes out of it, or asks about.
pub const GROUP_BATCH_MAX: usize = 1_000;

/// Groups, and who is in them.
///
/// # Contract
/// - The name of a group fits [`Group::is_name`], [`Invalid`](StoreError::Invalid) otherwise, and
///   is unique in its business, [`Conflict`](StoreError::Conflict) when it is taken; in
///   [`create_group`](Self::create_group) and [`update_group`](Self::update_group) alike.
/// - A business has at most [`GROUPS_MAX`](crate::model::GROUPS_MAX), a contact is in at most
///   [`GROUPS_OF_CONTACT_MAX`]; [`Invalid`](StoreError::Invalid) beyond.
/// - Groups are also joined and left by contact patches: see [`GroupChange`].
/// - With a contact go its memberships. With a group go its memberships too, for whoever asks:
///   their rows may go later, by the [upkeep](super::UpkeepStore), a bounded number at a time.
///
/// # Ordering & idempotency
/// To put in who is in, or take out who is not, changes nothing and is no error. A batch happens as
/// a whole or not at all.
#[async_trait]
pub trait GroupStore: Send + Sync + Debug + 'static {
    /// Adds a group.
    async fn create_group(&self, group: &Group) -> StoreResult<()>;

    /// Reads a group.
    async fn group(&self, business: BusinessId, id: GroupId) -> StoreResult<Group>;

    /// Renames a group whose `revision` is still the stored one and returns it with the next.
    /// `created_at` never changes.
    async fn update_group(&self, group: &Group) -> StoreResult<Group>;

    /// Removes a group. Nobody is in it any more, and its name is free.
    async fn delete_group(&self, business: BusinessId, id: GroupId) -> StoreResult<()>;

    /// Lists groups by id.
    async fn groups(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Group>>;

    /// Puts contacts into a group; how many were not in it. [`NotFound`](StoreError::NotFound) when
    /// the group or one of them does not exist, [`Invalid`](StoreError::Invalid) when there are more
    /// than [`GROUP_BATCH_MAX`] or one of them is in too many groups.
    async fn add_to_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
        now: Timestamp,
    ) -> StoreResult<u64>;

    /// Takes contacts out of a group; how many were in it. Errors as
    /// [`add_to_group`](Self::add_to_group).
    async fn remove_from_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
    ) -> StoreResult<u64>;

    /// Lists who is in a group by contact: a walk along one key.
    async fn memberships(
        &self,
        business: BusinessId,
        id: GroupId,
        page: &PageRequest,
    ) -> StoreResult<Page<Membership>>;

    /// Counts who is in a group: a walk along its whole key.
    async fn group_size(&self, business: BusinessId, id: GroupId) -> StoreResult<u64>;

    /// The groups of up to [`GROUP_BATCH_MAX`] contacts; who is in none, or does not exist, is left
    /// out. [`Invalid`](StoreError::Invalid) when there are more.
    async fn groups_of(
        &self,
        business: BusinessId,
        contacts: &[ContactId],
    ) -> StoreResult<BTreeMap<ContactId, BTreeSet<GroupId>>>;
}

/// What a patch of a contact does to its memberships. Every store asks this, so that all agree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Groups it is in from now on, and was not.
    pub joined: BTreeSet<GroupId>,
    /// Groups it was in.
    pub left: BTreeSet<GroupId>,
}

impl GroupChange {
    /// What a turn does: all that is possible. A group that is not there is passed over, and so is
    /// one too many: a flow that names it must not lose its turn.
    ///
    /// `current` are the groups the contact is in; `known` those of the patch that are there.
    pub fn possible(
        patch: &ContactPatch,
        current: &BTreeSet<GroupId>,
        known: &BTreeSet<GroupId>,
    ) -> Self {
        let left: BTreeSet<GroupId> = current.intersection(&patch.leave_groups).copied().collect();
        let room = GROUPS_OF_CONTACT_MAX.saturating_sub(current.len() - left.len());
        let joined = Self::wanted(patch, current).filter(|id| known.contains(id)).take(room);
        Self { joined: joined.collect(), left }
    }

    /// What somebody does who is there to hear an error: all of it or nothing.
    /// [`NotFound`](StoreError::NotFound) when a group is not there,
    /// [`Invalid`](StoreError::Invalid) when they are too many.
    pub fn asked(
        patch: &ContactPatch,
        current: &BTreeSet<GroupId>,
        known: &BTreeSet<GroupId>,
    ) -> StoreResult<Self> {
        if !patch.join_groups.union(&patch.leave_groups).all(|id| known.contains(id)) {
            return Err(StoreError::NotFound("group"));
        }
        let change = Self::possible(patch, current, known);
        if change.joined.len() < Self::wanted(patch, current).count() {
            return Err(StoreError::Invalid("number of groups"));
        }
        Ok(change)
    }

    /// Says whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.left.is_empty()
    }

    /// Takes the change down in the groups of a contact.
    pub fn apply_to(&self, groups: &mut BTreeSet<GroupId>) {
        groups.retain(|id| !self.left.contains(id));
        groups.extend(&self.joined);
    }

    /// Groups to come into.
    fn wanted(patch: &ContactPatch, current: &BTreeSet<GroupId>) -> impl Iterator<Item = GroupId> {
        let wanted = patch.join_groups.difference(&patch.leave_groups).copied();
        wanted.filter(|id| !current.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn groups(numbers: impl IntoIterator<Item = u128>) -> BTreeSet<GroupId> {
        numbers.into_iter().map(|number| GroupId::from_uuid(Uuid::from_u128(number))).collect()
    }

    fn patch(join: &[u128], leave: &[u128]) -> ContactPatch {
        ContactPatch {
            join_groups: groups(join.iter().copied()),
            leave_groups: groups(leave.iter().copied()),
            ..ContactPatch::default()
        }
    }

    #[test]
    fn a_turn_does_what_is_possible() {
        let (current, known) = (groups([1, 2]), groups([1, 2, 3, 5]));
        let change = GroupChange::possible(&patch(&[1, 3, 4, 5], &[2, 5, 9]), &current, &known);
        assert_eq!(change, GroupChange { joined: groups([3]), left: groups([2]) });
        let mut after = current;
        change.apply_to(&mut after);
        assert_eq!(after, groups([1, 3]));
    }

    #[test]
    fn a_full_contact_joins_what_fits() {
        let full = groups(0..GROUPS_OF_CONTACT_MAX as u128);
        let known = groups(0..200);
        let change = GroupChange::possible(&patch(&[150, 151], &[7]), &full, &known);
        assert_eq!(change, GroupChange { joined: groups([150]), left: groups([7]) });
        let refused = GroupChange::asked(&patch(&[150, 151], &[7]), &full, &known);
        assert_eq!(refused, Err(StoreError::Invalid("number of groups")));
        assert!(GroupChange::asked(&patch(&[3, 5], &[]), &full, &known).unwrap().is_empty());
    }

    #[test]
    fn whoever_asks_hears_of_groups_that_are_not_there() {
        let known = groups([1]);
        for asked in [patch(&[1, 2], &[]), patch(&[1], &[2])] {
            let refused = GroupChange::asked(&asked, &groups([]), &known);
            assert_eq!(refused, Err(StoreError::NotFound("group")));
        }
    }
}
