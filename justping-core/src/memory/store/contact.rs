use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;

use super::table::Table;
use super::{MemoryStore, State};
use crate::model::{
    BusinessId, Contact, ContactId, ContactPatch, Identity, Page, PageRequest, Timestamp,
};
use crate::port::store::ContactStore;
use crate::port::{StoreError, StoreResult};

/// Contacts, with the owner of every identity.
#[derive(Debug)]
pub(super) struct Contacts {
    pub(super) rows: Table<ContactId, Contact>,
    identities: BTreeMap<(BusinessId, Identity), ContactId>,
    /// Those that changed since they were last taken in by the search, the oldest change first.
    pub(super) changed: VecDeque<(BusinessId, ContactId)>,
}

impl Contacts {
    pub(super) fn new() -> Self {
        Self { rows: Table::new("contact"), identities: BTreeMap::new(), changed: VecDeque::new() }
    }

    /// Who has an identity.
    pub(super) fn owner(&self, business: BusinessId, identity: &Identity) -> Option<ContactId> {
        self.identities.get(&(business, identity.clone())).copied()
    }

    /// Adds a contact none of whose identities is taken.
    pub(super) fn add(&mut self, contact: Contact) -> StoreResult<()> {
        let business = contact.business_id;
        if contact.identities.iter().any(|identity| self.owner(business, identity).is_some()) {
            return Err(StoreError::Conflict("identity"));
        }
        let (id, identities) = (contact.id, contact.identities.clone());
        self.rows.add(business, id, contact)?;
        self.changed.push_back((business, id));
        self.identities.extend(identities.into_iter().map(|identity| ((business, identity), id)));
        Ok(())
    }

    /// Tells a contact what a channel says about it; identities of others stay theirs.
    pub(super) fn learn(
        &mut self,
        (business, id): (BusinessId, ContactId),
        identities: &[Identity],
        name: Option<&str>,
        now: Timestamp,
    ) -> StoreResult<Contact> {
        let free: Vec<Identity> = identities
            .iter()
            .filter(|identity| self.owner(business, identity).is_none())
            .cloned()
            .collect();
        let contact = self.rows.get_mut(business, id)?;
        if contact.learn(free.iter().cloned(), name, now) {
            self.changed.push_back((business, id));
        }
        self.identities.extend(free.into_iter().map(|identity| ((business, identity), id)));
        Ok(contact.clone())
    }

    /// Changes a contact.
    pub(super) fn apply(
        &mut self,
        (business, id): (BusinessId, ContactId),
        patch: &ContactPatch,
        now: Timestamp,
    ) -> StoreResult<()> {
        if self.rows.get_mut(business, id)?.apply(patch, now) {
            self.changed.push_back((business, id));
        }
        Ok(())
    }

    fn remove(&mut self, business: BusinessId, id: ContactId) -> StoreResult<()> {
        for identity in self.rows.remove(business, id)?.identities {
            self.identities.remove(&(business, identity));
        }
        self.changed.push_back((business, id));
        Ok(())
    }
}

impl State {
    fn contact_by_identity(
        &self,
        business: BusinessId,
        identity: &Identity,
    ) -> StoreResult<&Contact> {
        let owner = self.contacts.owner(business, identity);
        self.contacts.rows.get(business, owner.ok_or(StoreError::NotFound("contact"))?)
    }

    fn delete_contact(&mut self, business: BusinessId, id: ContactId) -> StoreResult<()> {
        self.contacts.rows.get(business, id)?;
        // A business has a handful of channels, so this asks each for the pair.
        let mut channels = self.channels.ids(business);
        if channels.any(|channel| self.pairs.contains_key(&(business, channel, id))) {
            return Err(StoreError::Conflict("contact"));
        }
        self.groups.forget(business, id);
        self.contacts.remove(business, id)
    }
}

#[async_trait]
impl ContactStore for MemoryStore {
    async fn create_contact(&self, contact: &Contact) -> StoreResult<()> {
        let mut state = self.state();
        state.business(contact.business_id)?;
        state.contacts.add(contact.clone())
    }

    async fn contact(&self, business: BusinessId, id: ContactId) -> StoreResult<Contact> {
        self.state().contacts.rows.get(business, id).cloned()
    }

    async fn contact_by_identity(
        &self,
        business: BusinessId,
        identity: &Identity,
    ) -> StoreResult<Contact> {
        self.state().contact_by_identity(business, identity).cloned()
    }

    async fn patch_contact(
        &self,
        business: BusinessId,
        id: ContactId,
        patch: &ContactPatch,
        now: Timestamp,
    ) -> StoreResult<Contact> {
        let mut state = self.state();
        state.contacts.rows.get(business, id)?;
        let change = state.groups.asked((business, id), patch)?;
        state.groups.change((business, id), &change, now);
        state.contacts.apply((business, id), patch, now)?;
        state.contacts.rows.get(business, id).cloned()
    }

    async fn link_identities(
        &self,
        business: BusinessId,
        known: &Identity,
        also: &[Identity],
        now: Timestamp,
    ) -> StoreResult<Contact> {
        let mut state = self.state();
        let id = state.contact_by_identity(business, known)?.id;
        state.contacts.learn((business, id), also, None, now)
    }

    async fn delete_contact(&self, business: BusinessId, id: ContactId) -> StoreResult<()> {
        self.state().delete_contact(business, id)
    }

    async fn contacts(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        self.state().contacts.rows.page(business, page, Clone::clone)
    }
}
