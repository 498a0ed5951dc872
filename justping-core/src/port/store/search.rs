use std::fmt::Debug;

use async_trait::async_trait;

use super::StoreResult;
use crate::model::{BusinessId, Contact, ConversationId, Message, Page, PageRequest, SearchQuery};

/// Which messages are searched; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Those of this conversation.
    pub conversation_id: Option<ConversationId>,
}

/// Full-text search of contacts and messages.
///
/// # Contract
/// - What matches is decided by [`Words::answer`](crate::model::Words::answer) over
///   [`Contact::words`] and [`Content::words`](crate::model::Content::words), on every store alike.
///   A query without a word finds nothing.
/// - The index follows the ledger: what was written is found once [`index_due`](Self::index_due)
///   took it in, and a contact is found by what it was then. What is no longer in the ledger is not
///   found, from the moment on at which it went.
/// - No other business's text is searched, let alone shown.
///
/// # Ordering and idempotency
/// Messages come newest first, in the order in which they were recorded; contacts come by id, the
/// greatest first. Pages go by key: what is taken in meanwhile moves none.
#[async_trait]
pub trait SearchIndex: Send + Sync + Debug + 'static {
    /// Finds contacts.
    async fn search_contacts(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>>;

    /// Finds messages, of both directions and notes.
    async fn search_messages(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>>;

    /// Takes in what is not in the index yet, of all businesses, the oldest first and at most about
    /// `limit` rows; returns how many it took. Several processes may call it at once: one works, the
    /// others are told that there was nothing to do.
    async fn index_due(&self, limit: u32) -> StoreResult<u64>;

    /// How many rows wait to be taken in.
    async fn unindexed(&self) -> StoreResult<u64>;
}
