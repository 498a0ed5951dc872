//! Full-text search.
//!
//! The words are read by two functions of the database alone, which refuse whoever does not speak for
//! the business; see `0003_search.sql` for why no statement of ours may.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Contact, ContactId, ConversationId, Message, Page, PageRequest, SearchQuery, Words,
};
use justping_core::port::store::{MessageFilter, SearchIndex, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{get, get_count, get_doc, parse_cursor, parse_doc, statements};
use crate::document::ContentOf;

statements! {
    /// "JustFind" in ASCII: one process takes in, so that places are given out one after another.
    INDEX_LOCK = "SELECT pg_try_advisory_xact_lock(5365825025655762532)";
    MESSAGES_UNINDEXED = "SELECT q.id, m.doc \
        FROM (SELECT * FROM unindexed_messages ORDER BY id LIMIT $1) q \
            LEFT JOIN LATERAL ( \
                SELECT doc FROM messages g WHERE g.business_id = q.business_id \
                    AND g.conversation_id = q.conversation_id AND g.seq = q.seq \
                    AND g.created_at = q.message_at OFFSET 0) m ON true \
        ORDER BY q.id";
    /// Gives the messages that have words the next places of their business.
    INDEX_MESSAGES = "WITH taken AS ( \
            DELETE FROM unindexed_messages q USING unnest($1::bigint[], $2::text[]) v (id, words) \
            WHERE q.id = v.id RETURNING q.*, v.words), \
        ends AS ( \
            SELECT b.business_id, coalesce((SELECT max(place) FROM message_words w \
                WHERE w.business_id = b.business_id), -1) AS place \
            FROM (SELECT DISTINCT business_id FROM taken) b), \
        placed AS ( \
            SELECT t.*, e.place + row_number() OVER ( \
                PARTITION BY t.business_id ORDER BY t.id) AS place \
            FROM taken t JOIN ends e ON e.business_id = t.business_id WHERE t.words <> ''), \
        wanted AS (SELECT DISTINCT business_id, place / 16384 AS number FROM placed), \
        made AS ( \
            INSERT INTO search_segments (business_id, number) \
            SELECT business_id, number FROM wanted ON CONFLICT DO NOTHING \
            RETURNING business_id, number, id), \
        segments AS ( \
            SELECT business_id, number, id FROM made UNION ALL \
            SELECT s.business_id, s.number, s.id FROM wanted w JOIN search_segments s \
                ON s.business_id = w.business_id AND s.number = w.number) \
        INSERT INTO message_words (business_id, place, conversation_id, seq, message_at, words) \
        SELECT p.business_id, p.place, p.conversation_id, p.seq, p.message_at, array_to_tsvector( \
            ARRAY(SELECT to_hex(s.id) || '_' || w FROM unnest(string_to_array(p.words, ' ')) w)) \
        FROM placed p JOIN segments s \
            ON s.business_id = p.business_id AND s.number = p.place / 16384";
    CONTACTS_UNINDEXED = "SELECT id, business_id, contact_id FROM unindexed_contacts \
        ORDER BY id LIMIT $1";
    /// Whoever is locked can change but not go until the words are there to go along.
    PEOPLE_UNINDEXED = "SELECT c.doc FROM contacts c \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON c.business_id = v.b AND c.id = v.id \
        ORDER BY c.business_id, c.id FOR KEY SHARE OF c";
    INDEX_CONTACTS = "WITH taken AS (DELETE FROM unindexed_contacts WHERE id = ANY($1)), \
        people AS ( \
            SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[]) v (business_id, id, words)), \
        made AS ( \
            INSERT INTO search_segments (business_id, number) \
            SELECT DISTINCT business_id, -1 FROM people ON CONFLICT DO NOTHING \
            RETURNING business_id, id), \
        segments AS ( \
            SELECT business_id, id FROM made UNION ALL \
            SELECT s.business_id, s.id FROM search_segments s \
            WHERE s.number = -1 AND s.business_id IN (SELECT business_id FROM people)) \
        INSERT INTO contact_words (business_id, contact_id, words) \
        SELECT p.business_id, p.id, array_to_tsvector( \
            ARRAY(SELECT to_hex(s.id) || '_' || w FROM unnest(string_to_array(p.words, ' ')) w)) \
        FROM people p JOIN segments s ON s.business_id = p.business_id \
        ON CONFLICT (business_id, contact_id) DO UPDATE SET words = excluded.words";
    UNINDEXED = "SELECT (SELECT count(*) FROM unindexed_messages) \
        + (SELECT count(*) FROM unindexed_contacts)";
    SEARCH_MESSAGES = "SELECT h.place, m.doc \
        FROM justping_search_messages($1, $2, $3, $4, $5, $6) h \
            CROSS JOIN LATERAL ( \
                SELECT m.doc FROM messages m \
                WHERE m.business_id = $1 AND m.conversation_id = h.conversation_id \
                    AND m.seq = h.seq AND m.created_at = h.message_at LIMIT 1) m \
        ORDER BY h.place DESC";
    SEARCH_CONTACTS = "SELECT c.doc FROM justping_search_contacts($1, $2, $3, $4, $5) h \
            CROSS JOIN LATERAL ( \
                SELECT c.id, c.doc FROM contacts c \
                WHERE c.business_id = $1 AND c.id = h.contact_id LIMIT 1) c \
        ORDER BY c.id DESC";
}

#[async_trait]
impl SearchIndex for PostgresStore {
    async fn search_contacts(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        let below = parse_cursor::<ContactId>(page.after.as_ref())?;
        if query.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let search = || {
            sqlx::query(SEARCH_CONTACTS)
                .bind(business.uuid())
                .bind(whole(query))
                .bind(query.start().map(str::to_owned))
                .bind(below.map(ContactId::uuid))
                .bind(page.rows() as i64 + 1)
        };
        let rows = self.connections.list(business, search).await?;
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
        if query.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let search = || {
            sqlx::query(SEARCH_MESSAGES)
                .bind(business.uuid())
                .bind(whole(query))
                .bind(query.start().map(str::to_owned))
                .bind(filter.conversation_id.map(ConversationId::uuid))
                .bind(below)
                .bind(page.rows() as i64 + 1)
        };
        let rows = self.connections.list(business, search).await?;
        let rows: Vec<(i64, Message)> = rows.iter().map(place).collect::<StoreResult<_>>()?;
        let page = Page::from_rows(rows, page.rows(), |(place, _)| place.to_string());
        Ok(Page { items: page.items.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }

    async fn index_due(&self, limit: u32) -> StoreResult<u64> {
        let taken: StoreResult<u64> =
            transaction!(self, Scope::System, |write| index(write, i64::from(limit)));
        let taken = taken?;
        if taken > 0 {
            self.connections.changed();
        }
        Ok(taken)
    }

    async fn unindexed(&self) -> StoreResult<u64> {
        let query = query(UNINDEXED);
        get_count(&self.connections.read_one(Scope::System, query, "index").await?, 0)
    }
}

fn whole(query: &SearchQuery) -> Vec<String> {
    query.whole().map(str::to_owned).collect()
}

fn place(row: &PgRow) -> StoreResult<(i64, Message)> {
    Ok((get(row, 0)?, get_doc(row, 1, "message")?))
}

/// Words as one column: none has a space in it.
fn joined(words: &Words) -> String {
    words.iter().collect::<Vec<_>>().join(" ")
}

async fn index(write: &mut Write, limit: i64) -> StoreResult<u64> {
    let lock = write.run(query(INDEX_LOCK)).await?;
    if !lock.first().map(|row| get::<bool>(row, 0)).transpose()?.unwrap_or_default() {
        return Ok(0);
    }
    let messages = index_messages(write, limit).await?;
    Ok(messages + index_contacts(write, limit - messages as i64).await?)
}

async fn index_messages(write: &mut Write, limit: i64) -> StoreResult<u64> {
    let (mut ids, mut texts) = (Vec::<i64>::new(), Vec::new());
    for row in write.run(query(MESSAGES_UNINDEXED).bind(limit)).await? {
        ids.push(get(&row, 0)?);
        texts.push(match get::<Option<&str>>(&row, 1)? {
            Some(doc) => joined(&parse_doc::<ContentOf>(doc, "message")?.content.words()),
            None => String::new(),
        });
    }
    let taken = ids.len() as u64;
    if taken > 0 {
        write.run(query(INDEX_MESSAGES).bind(ids).bind(texts)).await?;
    }
    Ok(taken)
}

async fn index_contacts(write: &mut Write, limit: i64) -> StoreResult<u64> {
    let mut ids: Vec<i64> = Vec::new();
    let mut changed: BTreeSet<(Uuid, Uuid)> = BTreeSet::new();
    for row in write.run(query(CONTACTS_UNINDEXED).bind(limit.max(0))).await? {
        ids.push(get(&row, 0)?);
        changed.insert((get(&row, 1)?, get(&row, 2)?));
    }
    if ids.is_empty() {
        return Ok(0);
    }
    let taken = ids.len() as u64;
    let (businesses, contacts): (Vec<Uuid>, Vec<Uuid>) = changed.into_iter().unzip();
    let mut people = BTreeMap::new();
    for row in write.run(query(PEOPLE_UNINDEXED).bind(businesses).bind(contacts)).await? {
        let contact: Contact = get_doc(&row, 0, "contact")?;
        let key = (contact.business_id.uuid(), contact.id.uuid());
        people.insert(key, joined(&contact.words()));
    }
    let mut columns = (vec![], vec![], vec![]);
    for ((business, contact), words) in people {
        columns.0.push(business);
        columns.1.push(contact);
        columns.2.push(words);
    }
    let index = query(INDEX_CONTACTS).bind(ids).bind(columns.0).bind(columns.1).bind(columns.2);
    write.run(index).await?;
    Ok(taken)
}
