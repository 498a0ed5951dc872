use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::table::{Table, cursor, page};
use super::{MemoryStore, State};
use crate::model::{
    BusinessId, ContactId, ContactPatch, GROUPS_MAX, GROUPS_OF_CONTACT_MAX, Group, GroupId,
    Membership, Page, PageRequest, Timestamp,
};
use crate::port::store::{GROUP_BATCH_MAX, GroupChange, GroupStore};
use crate::port::{StoreError, StoreResult};

/// Groups, and who is in them from both ends.
#[derive(Debug)]
pub(super) struct Groups {
    rows: Table<GroupId, Group>,
    members: BTreeMap<(BusinessId, GroupId), BTreeMap<ContactId, Timestamp>>,
    of_contact: BTreeMap<(BusinessId, ContactId), BTreeSet<GroupId>>,
    /// Groups that were deleted and whose memberships are still there.
    gone: BTreeSet<(BusinessId, GroupId)>,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            rows: Table::new("group"),
            members: BTreeMap::new(),
            of_contact: BTreeMap::new(),
            gone: BTreeSet::new(),
        }
    }

    /// The groups a contact is in.
    pub(super) fn of(&self, business: BusinessId, contact: ContactId) -> BTreeSet<GroupId> {
        let groups = self.of_contact.get(&(business, contact));
        groups.map(|groups| self.known(business, groups)).unwrap_or_default()
    }

    /// Those of some groups that are there.
    fn known(&self, business: BusinessId, groups: &BTreeSet<GroupId>) -> BTreeSet<GroupId> {
        groups.iter().copied().filter(|id| self.rows.find(business, *id).is_some()).collect()
    }

    /// What decides a patch: the groups a contact is in, and those of the patch that are there.
    fn around(
        &self,
        (business, contact): (BusinessId, ContactId),
        patch: &ContactPatch,
    ) -> (BTreeSet<GroupId>, BTreeSet<GroupId>) {
        let named = patch.join_groups.union(&patch.leave_groups).copied().collect();
        (self.of(business, contact), self.known(business, &named))
    }

    /// What a turn's patch does.
    pub(super) fn possible(
        &self,
        contact: (BusinessId, ContactId),
        patch: &ContactPatch,
    ) -> GroupChange {
        let (current, known) = self.around(contact, patch);
        GroupChange::possible(patch, &current, &known)
    }

    /// What the patch of somebody who hears of errors does.
    pub(super) fn asked(
        &self,
        contact: (BusinessId, ContactId),
        patch: &ContactPatch,
    ) -> StoreResult<GroupChange> {
        let (current, known) = self.around(contact, patch);
        GroupChange::asked(patch, &current, &known)
    }

    pub(super) fn change(
        &mut self,
        (business, contact): (BusinessId, ContactId),
        change: &GroupChange,
        now: Timestamp,
    ) {
        for group in &change.left {
            self.take_out(business, *group, contact);
        }
        for group in &change.joined {
            self.put_in(business, *group, contact, now);
        }
    }

    /// Says whether it was not in it.
    fn put_in(
        &mut self,
        business: BusinessId,
        group: GroupId,
        contact: ContactId,
        now: Timestamp,
    ) -> bool {
        let is_new = self.of_contact.entry((business, contact)).or_default().insert(group);
        if is_new {
            self.members.entry((business, group)).or_default().insert(contact, now);
        }
        is_new
    }

    /// Says whether it was in it.
    fn take_out(&mut self, business: BusinessId, group: GroupId, contact: ContactId) -> bool {
        if let Some(groups) = self.of_contact.get_mut(&(business, contact)) {
            groups.remove(&group);
            if groups.is_empty() {
                self.of_contact.remove(&(business, contact));
            }
        }
        let members = self.members.get_mut(&(business, group));
        members.is_some_and(|members| members.remove(&contact).is_some())
    }

    /// Takes a contact out of everything.
    pub(super) fn forget(&mut self, business: BusinessId, contact: ContactId) {
        for group in self.of_contact.remove(&(business, contact)).unwrap_or_default() {
            self.take_out(business, group, contact);
        }
    }

    fn check_name(&self, group: &Group) -> StoreResult<()> {
        if !Group::is_name(&group.name) {
            return Err(StoreError::Invalid("name"));
        }
        let mut others = self.rows.rows(group.business_id).filter(|row| row.id != group.id);
        if others.any(|row| row.name == group.name) {
            return Err(StoreError::Conflict("group"));
        }
        Ok(())
    }

    fn create(&mut self, group: &Group) -> StoreResult<()> {
        self.check_name(group)?;
        let is_known = self.rows.find(group.business_id, group.id).is_some();
        if self.rows.ids(group.business_id).count() >= GROUPS_MAX && !is_known {
            return Err(StoreError::Invalid("number of groups"));
        }
        self.rows.add(group.business_id, group.id, group.clone())
    }

    fn update(&mut self, group: &Group) -> StoreResult<Group> {
        let stored = self.rows.get(group.business_id, group.id)?;
        if stored.revision != group.revision {
            return Err(StoreError::Stale("group"));
        }
        self.check_name(group)?;
        let row = self.rows.get_mut(group.business_id, group.id)?;
        *row = row.clone().replaced(group);
        Ok(row.clone())
    }

    fn delete(&mut self, business: BusinessId, id: GroupId) -> StoreResult<()> {
        self.rows.remove(business, id)?;
        self.gone.insert((business, id));
        Ok(())
    }

    /// Drops memberships of groups that were deleted; how many.
    pub(super) fn trim(&mut self, limit: u32) -> u64 {
        let mut dropped = 0;
        while let Some(&(business, group)) = self.gone.first() {
            let members = self.members.get(&(business, group));
            let Some(contact) = members.and_then(|members| members.keys().next().copied()) else {
                self.members.remove(&(business, group));
                self.gone.remove(&(business, group));
                continue;
            };
            if dropped == u64::from(limit) {
                break;
            }
            self.take_out(business, group, contact);
            dropped += 1;
        }
        dropped
    }

    fn page(
        &self,
        business: BusinessId,
        id: GroupId,
        request: &PageRequest,
    ) -> StoreResult<Page<Membership>> {
        self.rows.get(business, id)?;
        let after: Option<ContactId> = cursor(request)?;
        let members = self.members.get(&(business, id)).into_iter().flatten();
        let rows = members.filter(|(contact, _)| after.is_none_or(|after| **contact > after));
        let rows = rows.map(|(contact, since)| {
            let (contact_id, since) = (*contact, *since);
            (contact_id, Membership { business_id: business, group_id: id, contact_id, since })
        });
        Ok(page(rows, request))
    }
}

impl State {
    /// Everything that can be wrong with a batch.
    fn check_group_batch(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
    ) -> StoreResult<()> {
        check_batch(contacts)?;
        self.groups.rows.get(business, id)?;
        contacts.iter().try_for_each(|id| self.contacts.rows.get(business, *id).map(drop))
    }

    fn add_to_group(
        &mut self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
        now: Timestamp,
    ) -> StoreResult<u64> {
        self.check_group_batch(business, id, contacts)?;
        let is_full = |contact: &ContactId| {
            let groups = self.groups.of(business, *contact);
            groups.len() >= GROUPS_OF_CONTACT_MAX && !groups.contains(&id)
        };
        if contacts.iter().any(is_full) {
            return Err(StoreError::Invalid("number of groups"));
        }
        let put = |contact: &&ContactId| self.groups.put_in(business, id, **contact, now);
        Ok(contacts.iter().filter(put).count() as u64)
    }
}

fn check_batch(contacts: &[ContactId]) -> StoreResult<()> {
    if contacts.len() > GROUP_BATCH_MAX {
        return Err(StoreError::Invalid("number of contacts"));
    }
    Ok(())
}

#[async_trait]
impl GroupStore for MemoryStore {
    async fn create_group(&self, group: &Group) -> StoreResult<()> {
        let mut state = self.state();
        state.business(group.business_id)?;
        state.groups.create(group)
    }

    async fn group(&self, business: BusinessId, id: GroupId) -> StoreResult<Group> {
        self.state().groups.rows.get(business, id).cloned()
    }

    async fn update_group(&self, group: &Group) -> StoreResult<Group> {
        self.state().groups.update(group)
    }

    async fn delete_group(&self, business: BusinessId, id: GroupId) -> StoreResult<()> {
        self.state().groups.delete(business, id)
    }

    async fn groups(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Group>> {
        self.state().groups.rows.page(business, page, Clone::clone)
    }

    async fn add_to_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
        now: Timestamp,
    ) -> StoreResult<u64> {
        self.state().add_to_group(business, id, contacts, now)
    }

    async fn remove_from_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
    ) -> StoreResult<u64> {
        let mut state = self.state();
        state.check_group_batch(business, id, contacts)?;
        let take = |contact: &&ContactId| state.groups.take_out(business, id, **contact);
        Ok(contacts.iter().filter(take).count() as u64)
    }

    async fn memberships(
        &self,
        business: BusinessId,
        id: GroupId,
        page: &PageRequest,
    ) -> StoreResult<Page<Membership>> {
        self.state().groups.page(business, id, page)
    }

    async fn group_size(&self, business: BusinessId, id: GroupId) -> StoreResult<u64> {
        let state = self.state();
        state.groups.rows.get(business, id)?;
        Ok(state.groups.members.get(&(business, id)).map_or(0, BTreeMap::len) as u64)
    }

    async fn groups_of(
        &self,
        business: BusinessId,
        contacts: &[ContactId],
    ) -> StoreResult<BTreeMap<ContactId, BTreeSet<GroupId>>> {
        check_batch(contacts)?;
        let state = self.state();
        let groups = contacts.iter().map(|id| (*id, state.groups.of(business, *id)));
        Ok(groups.filter(|(_, groups)| !groups.is_empty()).collect())
    }
}
