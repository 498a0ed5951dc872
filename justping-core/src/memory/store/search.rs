use std::collections::BTreeMap;

use async_trait::async_trait;

use super::table::{cursor, page};
use super::{Key, MemoryStore, State};
use crate::model::{
    BusinessId, Contact, ContactId, Message, Page, PageRequest, SearchQuery, Words,
};
use crate::port::StoreResult;
use crate::port::store::{MessageFilter, SearchIndex};

/// What is found. The words of a message are cut when it is searched, which is slow and certainly
/// right; those of a contact are kept, since a contact changes.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Every message, in the order in which they were recorded.
    messages: Vec<(Key, u64)>,
    /// How many of them are taken in.
    taken: usize,
    contacts: BTreeMap<(BusinessId, ContactId), Words>,
}

impl Index {
    /// Takes note of a new message.
    pub(super) fn recorded(&mut self, key: Key, seq: u64) {
        self.messages.push((key, seq));
    }
}

impl State {
    fn index_due(&mut self, limit: u32) -> u64 {
        let limit = limit as usize;
        let messages = limit.min(self.index.messages.len() - self.index.taken);
        self.index.taken += messages;
        let contacts = (limit - messages).min(self.contacts.changed.len());
        for key in self.contacts.changed.drain(..contacts) {
            match self.contacts.rows.find(key.0, key.1) {
                Some(contact) => self.index.contacts.insert(key, contact.words()),
                None => self.index.contacts.remove(&key),
            };
        }
        (messages + contacts) as u64
    }

    fn search_contacts(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        request: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        let before: Option<ContactId> = cursor(request)?;
        let found = self.index.contacts.iter().rev().filter(|((owner, id), words)| {
            *owner == business && before.is_none_or(|end| *id < end) && words.answer(query)
        });
        let rows = found.filter_map(|((_, id), _)| {
            Some((*id, self.contacts.rows.find(business, *id)?.clone()))
        });
        Ok(page(rows, request))
    }

    fn search_messages(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        filter: &MessageFilter,
        request: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        let end = cursor(request)?.unwrap_or(usize::MAX).min(self.index.taken);
        let wanted = |(owner, id): &Key| {
            *owner == business && filter.conversation_id.is_none_or(|wanted| wanted == *id)
        };
        let rows = self.index.messages.iter().enumerate().take(end).rev();
        let rows = rows.filter(|(_, (key, _))| wanted(key)).filter_map(|(place, (key, seq))| {
            let message = self.threads.find(key.0, key.1)?.message(*seq)?;
            message.content.words().answer(query).then(|| (place, message.clone()))
        });
        Ok(page(rows, request))
    }
}

#[async_trait]
impl SearchIndex for MemoryStore {
    async fn search_contacts(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        self.state().search_contacts(business, query, page)
    }

    async fn search_messages(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        self.state().search_messages(business, query, filter, page)
    }

    async fn index_due(&self, limit: u32) -> StoreResult<u64> {
        Ok(self.state().index_due(limit))
    }

    async fn unindexed(&self) -> StoreResult<u64> {
        let state = self.state();
        let messages = state.index.messages.len() - state.index.taken;
        Ok((messages + state.contacts.changed.len()) as u64)
    }
}
