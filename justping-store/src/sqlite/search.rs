//! Full-text search. The words are cut here, outside of any transaction: the writer only stores them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Contact, ContactId, Message, Page, PageRequest, SearchQuery, Words,
};
use justping_core::port::store::{MessageFilter, SearchIndex, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::connection::Bound;
use super::row::{Hex, batch, get, get_count, get_doc, parse_cursor, parse_doc, statements};
use crate::document::ContentOf;

statements! {
    MESSAGES_UNINDEXED = "SELECT p.id, p.business_id, p.conversation_id, m.doc \
        FROM message_places p CROSS JOIN messages m ON m.business_id = p.business_id \
            AND m.conversation_id = p.conversation_id AND m.seq = p.seq \
        WHERE p.id > (SELECT message FROM search_progress) ORDER BY p.id LIMIT $1";
    CONTACTS_UNINDEXED = "SELECT q.id, q.business_id, q.contact_id, c.doc \
        FROM unindexed_contacts q \
            LEFT JOIN contacts c ON c.business_id = q.business_id AND c.id = q.contact_id \
        ORDER BY q.id LIMIT $1";
    /// Somebody else may have been faster: then the progress says so.
    INDEX_MESSAGES = "BEGIN IMMEDIATE; \
        INSERT INTO message_words (rowid, words) SELECT value ->> 0, value ->> 1 \
            FROM json_each($1) WHERE value ->> 0 > (SELECT message FROM search_progress); \
        UPDATE search_progress SET message = max(message, $2); \
        COMMIT";
    /// Somebody else may have been faster: then their rows of the queue are gone. So is a contact
    /// that was deleted meanwhile.
    INDEX_CONTACTS = "BEGIN IMMEDIATE; \
        INSERT OR IGNORE INTO contact_places (business_id, contact_id) \
            SELECT c.business_id, c.id FROM json_each($1) v CROSS JOIN contacts c \
                ON c.business_id = unhex(v.value ->> 1) AND c.id = unhex(v.value ->> 2); \
        INSERT OR REPLACE INTO contact_words (rowid, words) SELECT p.id, v.value ->> 3 \
            FROM json_each($1) v CROSS JOIN contact_places p \
                ON p.business_id = unhex(v.value ->> 1) AND p.contact_id = unhex(v.value ->> 2) \
            WHERE EXISTS (SELECT 1 FROM unindexed_contacts WHERE id = v.value ->> 0); \
        DELETE FROM unindexed_contacts WHERE id IN (SELECT value FROM json_each($2)); \
        COMMIT";
    UNINDEXED = "SELECT (SELECT count(*) FROM message_places \
            WHERE id > (SELECT message FROM search_progress)) \
        + (SELECT count(*) FROM unindexed_contacts)";
    /// The outer loop is the index of words, which knows the places backwards.
    SEARCH_MESSAGES = "SELECT p.id, m.doc FROM message_words \
            CROSS JOIN message_places p ON p.id = message_words.rowid \
            CROSS JOIN messages m ON m.business_id = p.business_id \
                AND m.conversation_id = p.conversation_id AND m.seq = p.seq \
        WHERE message_words MATCH $1 AND message_words.rowid < $2 AND p.business_id = $3 \
        ORDER BY message_words.rowid DESC LIMIT $4";
    SEARCH_CONTACTS = "SELECT c.doc FROM contact_words \
            CROSS JOIN contact_places p ON p.id = contact_words.rowid \
            CROSS JOIN contacts c ON c.business_id = p.business_id AND c.id = p.contact_id \
        WHERE contact_words MATCH $1 AND p.business_id = $2 \
            AND ($3 IS NULL OR p.contact_id < $3) \
        ORDER BY p.contact_id DESC LIMIT $4";
}

#[async_trait]
impl SearchIndex for SqliteStore {
    async fn search_contacts(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        let below = parse_cursor::<ContactId>(page.after.as_ref())?;
        let terms = terms(business.uuid(), query);
        let rows = match terms {
            None => Vec::new(),
            Some(terms) => {
                let search = sqlx::query(SEARCH_CONTACTS).bind(terms).bind(business.uuid());
                let search = search.bind(below.map(ContactId::uuid)).bind(page.rows() as i64 + 1);
                self.connections.read(search).await?
            }
        };
        let rows = rows.iter().map(|row| get_doc(row, 0, "contact")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Contact| row.id.to_string()))
    }

    async fn search_messages(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        let below = parse_cursor::<i64>(page.after.as_ref())?.unwrap_or(i64::MAX);
        let Some(mut terms) = terms(business.uuid(), query) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        if let Some(conversation) = filter.conversation_id {
            terms = format!("\"{}\" AND {terms}", thread(conversation.uuid()));
        }
        let search = sqlx::query(SEARCH_MESSAGES).bind(terms).bind(below);
        let search = search.bind(business.uuid()).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(search).await?;
        let rows: Vec<(i64, Message)> = rows.iter().map(place).collect::<StoreResult<_>>()?;
        let page = Page::from_rows(rows, page.rows(), |(place, _)| place.to_string());
        Ok(Page { items: page.items.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }

    async fn index_due(&self, limit: u32) -> StoreResult<u64> {
        let messages = self.index_messages(i64::from(limit)).await?;
        Ok(messages + self.index_contacts(i64::from(limit) - messages as i64).await?)
    }

    async fn unindexed(&self) -> StoreResult<u64> {
        get_count(&self.connections.read_one(query(UNINDEXED), "index").await?, 0)
    }
}

impl SqliteStore {
    async fn index_messages(&self, limit: i64) -> StoreResult<u64> {
        let rows = self.connections.read(query(MESSAGES_UNINDEXED).bind(limit)).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let last: i64 = get(last, 0)?;
        let texts = rows.iter().map(message_text).collect::<StoreResult<Vec<_>>>()?;
        self.store_index(query(INDEX_MESSAGES).bind(batch(&texts)?).bind(last)).await?;
        Ok(rows.len() as u64)
    }

    async fn index_contacts(&self, limit: i64) -> StoreResult<u64> {
        if limit <= 0 {
            return Ok(0);
        }
        let rows = self.connections.read(query(CONTACTS_UNINDEXED).bind(limit)).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let (mut people, mut queued) = (BTreeMap::new(), Vec::new());
        for row in &rows {
            let id: i64 = get(row, 0)?;
            queued.push(id);
            let Some(doc) = get::<Option<&str>>(row, 3)? else { continue };
            let (business, contact): (Uuid, Uuid) = (get(row, 1)?, get(row, 2)?);
            let words = parse_doc::<Contact>(doc, "contact")?.words();
            let text = tagged(business, &words);
            people.insert((business, contact), (id, Hex(business), Hex(contact), text));
        }
        let people: Vec<_> = people.into_values().collect();
        let store = query(INDEX_CONTACTS).bind(batch(&people)?).bind(batch(&queued)?);
        self.store_index(store).await?;
        Ok(rows.len() as u64)
    }

    async fn store_index(&self, query: Bound) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = write.whole(query).await;
        write.settle(result).await.map(drop)
    }
}

/// A message's place with its words.
fn message_text(row: &SqliteRow) -> StoreResult<(i64, String)> {
    let (business, conversation): (Uuid, Uuid) = (get(row, 1)?, get(row, 2)?);
    let message: ContentOf = parse_doc(get::<&str>(row, 3)?, "message")?;
    let words = message.content.words();
    let mut text = tagged(business, &words);
    if !words.is_empty() {
        text.push_str(&thread(conversation));
    }
    Ok((get(row, 0)?, text))
}

fn place(row: &SqliteRow) -> StoreResult<(i64, Message)> {
    Ok((get(row, 0)?, get_doc(row, 1, "message")?))
}

/// The words of a business as the index has them.
fn tagged(business: Uuid, words: &Words) -> String {
    let tag = business.simple();
    words.iter().map(|word| format!("{tag}_{word} ")).collect()
}

/// A conversation as the index has it.
fn thread(conversation: Uuid) -> String {
    format!("_{}", conversation.simple())
}

/// A query as the index takes it. In quotes nothing has a meaning, and words have no quotes.
fn terms(business: Uuid, query: &SearchQuery) -> Option<String> {
    let tag = business.simple();
    let whole = query.whole().map(|word| format!("\"{tag}_{word}\""));
    let start = query.start().map(|word| format!("\"{tag}_{word}\"*"));
    let terms: Vec<String> = whole.chain(start).collect();
    if terms.is_empty() { None } else { Some(terms.join(" AND ")) }
}
