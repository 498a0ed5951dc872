use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use justping::model::{
    BusinessId, ContactId, Group, GroupId, Membership, Page, PageRequest, Timestamp,
};
use justping::port::StoreResult;
use justping::port::store::GroupStore;

use super::SimStore;

#[async_trait]
impl GroupStore for SimStore {
    async fn create_group(&self, group: &Group) -> StoreResult<()> {
        self.pass("create_group", self.world.store.create_group(group)).await
    }

    async fn group(&self, business: BusinessId, id: GroupId) -> StoreResult<Group> {
        self.pass("group", self.world.store.group(business, id)).await
    }

    async fn update_group(&self, group: &Group) -> StoreResult<Group> {
        self.pass("update_group", self.world.store.update_group(group)).await
    }

    async fn delete_group(&self, business: BusinessId, id: GroupId) -> StoreResult<()> {
        self.pass("delete_group", self.world.store.delete_group(business, id)).await
    }

    async fn groups(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Group>> {
        self.pass("groups", self.world.store.groups(business, page)).await
    }

    async fn add_to_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
        now: Timestamp,
    ) -> StoreResult<u64> {
        let add = self.world.store.add_to_group(business, id, contacts, now);
        self.pass("add_to_group", add).await
    }

    async fn remove_from_group(
        &self,
        business: BusinessId,
        id: GroupId,
        contacts: &[ContactId],
    ) -> StoreResult<u64> {
        let remove = self.world.store.remove_from_group(business, id, contacts);
        self.pass("remove_from_group", remove).await
    }

    async fn memberships(
        &self,
        business: BusinessId,
        id: GroupId,
        page: &PageRequest,
    ) -> StoreResult<Page<Membership>> {
        self.pass("memberships", self.world.store.memberships(business, id, page)).await
    }

    async fn group_size(&self, business: BusinessId, id: GroupId) -> StoreResult<u64> {
        self.pass("group_size", self.world.store.group_size(business, id)).await
    }

    async fn groups_of(
        &self,
        business: BusinessId,
        contacts: &[ContactId],
    ) -> StoreResult<BTreeMap<ContactId, BTreeSet<GroupId>>> {
        self.pass("groups_of", self.world.store.groups_of(business, contacts)).await
    }
}
