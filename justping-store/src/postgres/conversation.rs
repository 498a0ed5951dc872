//! Conversations and their messages.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ChannelId, ContactId, Conversation, ConversationChange, ConversationId, Message,
    Page, PageRequest, Timestamp,
};
use justping_core::port::store::{
    ConversationFilter, ConversationStore, MessageOrder, StoreError, StoreResult,
};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, transaction};
use super::engine::{change, open};
use super::row::{RecentCursor, get, get_doc, parse_cursor, statements};
use crate::document::{owner_column, status_column};

statements! {
    CONVERSATION = "SELECT doc FROM conversations WHERE business_id = $1 AND id = $2";
    /// Along the one index that has this order, however empty the table was.
    CONVERSATION_OF = "SELECT n.doc FROM ( \
            SELECT contact_id, channel_id, doc FROM conversations \
            WHERE (business_id, contact_id, channel_id) >= ($1, $3, $2) AND business_id <= $1 \
            ORDER BY business_id, contact_id, channel_id LIMIT 1) n \
        WHERE n.contact_id = $3 AND n.channel_id = $2";
    CONVERSATIONS = "SELECT doc FROM conversations \
        WHERE business_id = $1 AND (last_message_at, id) < ($2, $3) \
            AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR owner = $5) \
            AND ($6::uuid IS NULL OR channel_id = $6) \
        AND $8::uuid IS NULL ORDER BY last_message_at DESC, id DESC LIMIT $7";
    /// The same for one contact, which has a handful.
    CONVERSATIONS_OF_CONTACT = "SELECT doc FROM conversations \
        WHERE business_id = $1 AND contact_id = $8 AND (last_message_at, id) < ($2, $3) \
            AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR owner = $5) \
            AND ($6::uuid IS NULL OR channel_id = $6) \
        ORDER BY last_message_at DESC, id DESC LIMIT $7";
    /// One row with nothing but the conversation's existence, then the messages.
    MESSAGES_OLDEST = "SELECT NULL::text AS doc, -1::bigint AS seq FROM conversations \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, seq FROM ( \
            SELECT doc, seq FROM messages \
            WHERE business_id = $1 AND conversation_id = $2 AND seq > $3 \
            ORDER BY seq LIMIT $4) v \
        ORDER BY seq";
    MESSAGES_NEWEST = "SELECT NULL::text AS doc, 9223372036854775807::bigint AS seq FROM conversations \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, seq FROM ( \
            SELECT doc, seq FROM messages \
            WHERE business_id = $1 AND conversation_id = $2 AND seq < $3 \
            ORDER BY seq DESC LIMIT $4) v \
        ORDER BY seq DESC";
}

#[async_trait]
impl ConversationStore for PostgresStore {
    async fn conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
    ) -> StoreResult<Conversation> {
        let query = query(CONVERSATION).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "conversation").await?,
            0,
            "conversation",
        )
    }

    async fn conversation_of(
        &self,
        business: BusinessId,
        channel: ChannelId,
        contact: ContactId,
    ) -> StoreResult<Conversation> {
        let query =
            query(CONVERSATION_OF).bind(business.uuid()).bind(channel.uuid()).bind(contact.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "conversation").await?,
            0,
            "conversation",
        )
    }

    async fn open_conversation(&self, conversation: &Conversation) -> StoreResult<Conversation> {
        let scope = Scope::Business(conversation.business_id);
        transaction!(self, scope, |write| open::run(write, conversation))
    }

    async fn conversations(
        &self,
        business: BusinessId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Conversation>> {
        let from: Option<RecentCursor> = parse_cursor(page.after.as_ref())?;
        let end = from.unwrap_or(RecentCursor::END);
        let statement = match filter.contact_id {
            Some(_) => CONVERSATIONS_OF_CONTACT,
            None => CONVERSATIONS,
        };
        let list = || {
            query(statement)
                .bind(business.uuid())
                .bind(end.at)
                .bind(end.id)
                .bind(filter.status.map(status_column))
                .bind(filter.owner.map(owner_column))
                .bind(filter.channel_id.map(ChannelId::uuid))
                .bind(page.rows() as i64 + 1)
                .bind(filter.contact_id.map(ContactId::uuid))
        };
        let rows = self.connections.list(business, list).await?;
        let read = |row: &PgRow| get_doc(row, 0, "conversation");
        let rows = rows.iter().map(read).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Conversation| {
            RecentCursor::of(row).to_string()
        }))
    }

    async fn change_conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
        change: &ConversationChange,
        now: Timestamp,
    ) -> StoreResult<Conversation> {
        transaction!(self, Scope::Business(business), |write| change::run(
            write,
            (business, id),
            change,
            now
        ))
    }

    async fn messages(
        &self,
        business: BusinessId,
        id: ConversationId,
        order: MessageOrder,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        let from: Option<u64> = parse_cursor(page.after.as_ref())?;
        let from = from.map(|seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let (statement, from) = match order {
            MessageOrder::OldestFirst => (MESSAGES_OLDEST, from.unwrap_or(0)),
            MessageOrder::NewestFirst => (MESSAGES_NEWEST, from.unwrap_or(i64::MAX)),
        };
        let list = query(statement).bind(business.uuid()).bind(id.uuid()).bind(from);
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let (head, rows) = rows.split_first().ok_or(StoreError::NotFound("conversation"))?;
        if get::<Option<&str>>(head, 0)?.is_some() {
            return Err(StoreError::NotFound("conversation"));
        }
        let rows = rows.iter().map(|row| get_doc(row, 0, "message")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Message| row.seq.to_string()))
    }
}
