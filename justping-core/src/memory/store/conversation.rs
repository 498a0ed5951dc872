use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use async_trait::async_trait;

use super::table::{cursor, page};
use super::thread::Thread;
use super::{Key, MemoryStore, State};
use crate::model::{
    BusinessId, ChannelId, ContactId, Conversation, ConversationChange, ConversationId, EventBody,
    Message, Page, PageRequest, SessionStatus, Timestamp,
};
use crate::port::store::{ConversationFilter, ConversationStore, MessageOrder};
use crate::port::{StoreError, StoreResult};

/// Where a list of conversations goes on: before this moment and id.
struct Place(Timestamp, ConversationId);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(text: &str) -> StoreResult<Self> {
        let malformed = || StoreError::Invalid("cursor");
        let (at, id) = text.split_once('/').ok_or_else(malformed)?;
        Ok(Self(at.parse().map_err(|_| malformed())?, id.parse().map_err(|_| malformed())?))
    }
}

fn matches(filter: &ConversationFilter, row: &Conversation) -> bool {
    filter.status.is_none_or(|status| status == row.status)
        && filter.owner.is_none_or(|owner| owner == row.owner)
        && filter.channel_id.is_none_or(|channel| channel == row.channel_id)
        && filter.contact_id.is_none_or(|contact| contact == row.contact_id)
}

impl State {
    /// Appends the message that `write` makes of the conversation's next place.
    pub(super) fn append(
        &mut self,
        (business, id): Key,
        write: impl FnOnce(&mut Conversation) -> Message,
    ) -> StoreResult<Message> {
        let thread = self.threads.get_mut(business, id)?;
        let before = thread.conversation.last_message_at;
        let message = write(&mut thread.conversation);
        thread.messages.push(message.clone());
        self.index.recorded((business, id), message.seq);
        let recency = self.recency.entry(business).or_default();
        recency.remove(&(before, id));
        recency.insert((thread.conversation.last_message_at, id));
        Ok(message)
    }

    /// Records that the conversation changed, as it is now.
    pub(super) fn record_update(&mut self, (business, id): Key, at: Timestamp) -> StoreResult<()> {
        let conversation = self.threads.get(business, id)?.conversation.clone();
        self.record(business, Some(id), at, EventBody::ConversationUpdated { conversation });
        Ok(())
    }

    /// Cancels the waiting session with its timers and calls.
    pub(super) fn end_session(&mut self, key: Key, now: Timestamp) -> StoreResult<()> {
        let (business, id) = key;
        self.clear_timers(key)?;
        self.cancel_calls(key)?;
        let waiting = self.threads.get_mut(business, id)?.waiting.take();
        if let Some(run) = waiting.and_then(|id| self.sessions.find_mut(business, id)) {
            run.session.status = SessionStatus::Cancelled;
            run.session.updated_at = now;
        }
        Ok(())
    }

    fn open_conversation(&mut self, row: &Conversation) -> StoreResult<Conversation> {
        let (business, id) = (row.business_id, row.id);
        self.channels.get(business, row.channel_id)?;
        self.contacts.rows.get(business, row.contact_id)?;
        let pair = (business, row.channel_id, row.contact_id);
        if let Some(known) = self.pairs.get(&pair) {
            return Ok(self.threads.get(business, *known)?.conversation.clone());
        }
        self.threads.add(business, id, Thread::new(row.clone()))?;
        self.pairs.insert(pair, id);
        self.recency.entry(business).or_default().insert((row.last_message_at, id));
        self.counters.follow(None, row, row.created_at);
        let body = EventBody::ConversationCreated { conversation: row.clone() };
        self.record(business, Some(id), row.created_at, body);
        Ok(row.clone())
    }

    fn change_conversation(
        &mut self,
        key: Key,
        change: &ConversationChange,
        now: Timestamp,
    ) -> StoreResult<Conversation> {
        let (business, id) = key;
        let conversation = &mut self.threads.get_mut(business, id)?.conversation;
        let before = conversation.status;
        let changed = conversation.apply(change, now);
        self.counters.follow(Some(before), conversation, now);
        if *change == ConversationChange::Close {
            self.end_session(key, now)?;
            self.threads.get_mut(business, id)?.mailbox.clear();
            self.queue_turn(key)?;
        }
        if changed {
            self.record_update(key, now)?;
        }
        Ok(self.threads.get(business, id)?.conversation.clone())
    }

    fn conversations(
        &self,
        business: BusinessId,
        filter: &ConversationFilter,
        request: &PageRequest,
    ) -> StoreResult<Page<Conversation>> {
        let end =
            cursor(request)?.map_or(Bound::Unbounded, |Place(at, id)| Bound::Excluded((at, id)));
        let rows = self.recency.get(&business).into_iter();
        let rows = rows
            .flat_map(|all| all.range((Bound::Unbounded, end)).rev())
            .filter_map(|(at, id)| Some((Place(*at, *id), self.threads.find(business, *id)?)))
            .filter(|(_, thread)| matches(filter, &thread.conversation))
            .map(|(place, thread)| (place, thread.conversation.clone()));
        Ok(page(rows, request))
    }

    fn messages(
        &self,
        (business, id): Key,
        order: MessageOrder,
        request: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        let messages = &self.threads.get(business, id)?.messages;
        let from: Option<u64> = cursor(request)?;
        let rows = messages.iter().map(|message| (message.seq, message.clone()));
        Ok(match order {
            MessageOrder::OldestFirst => {
                let skip = usize::try_from(from.unwrap_or(0)).unwrap_or(usize::MAX);
                page(rows.skip(skip), request)
            }
            MessageOrder::NewestFirst => {
                let end = from.map_or(usize::MAX, |seq| {
                    usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX)
                });
                let skip = messages.len().saturating_sub(end);
                page(rows.rev().skip(skip), request)
            }
        })
    }
}

#[async_trait]
impl ConversationStore for MemoryStore {
    async fn conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
    ) -> StoreResult<Conversation> {
        Ok(self.state().threads.get(business, id)?.conversation.clone())
    }

    async fn conversation_of(
        &self,
        business: BusinessId,
        channel: ChannelId,
        contact: ContactId,
    ) -> StoreResult<Conversation> {
        let state = self.state();
        let id = state.pairs.get(&(business, channel, contact));
        let id = id.ok_or(StoreError::NotFound("conversation"))?;
        Ok(state.threads.get(business, *id)?.conversation.clone())
    }

    async fn open_conversation(&self, conversation: &Conversation) -> StoreResult<Conversation> {
        self.state().open_conversation(conversation)
    }

    async fn conversations(
        &self,
        business: BusinessId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Conversation>> {
        self.state().conversations(business, filter, page)
    }

    async fn change_conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
        change: &ConversationChange,
        now: Timestamp,
    ) -> StoreResult<Conversation> {
        self.state().change_conversation((business, id), change, now)
    }

    async fn messages(
        &self,
        business: BusinessId,
        id: ConversationId,
        order: MessageOrder,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        self.state().messages((business, id), order, page)
    }
}
