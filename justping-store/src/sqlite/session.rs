//! Sessions, their traces, and events: what turns leave behind.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ConversationId, Event, Page, PageRequest, Session, SessionId, TraceStep,
};
use justping_core::port::store::{EventStore, SessionStore, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::row::{after, get, get_count, get_doc, parse_cursor, statements};

statements! {
    SESSION = "SELECT doc FROM sessions WHERE business_id = $1 AND id = $2";
    WAITING = "SELECT s.doc FROM conversations n \
        LEFT JOIN sessions s ON s.business_id = n.business_id AND s.id = n.session_id \
        WHERE n.business_id = $1 AND n.id = $2";
    /// One row with nothing but the conversation's existence, then the sessions.
    SESSIONS = "SELECT NULL AS doc, x'' AS id FROM conversations \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, id FROM ( \
            SELECT doc, id FROM sessions \
            WHERE business_id = $1 AND conversation_id = $2 AND id > $3 ORDER BY id LIMIT $4) \
        ORDER BY id";
    /// One row with nothing but the session's existence, then the steps.
    TRACE = "SELECT 0 AS number, NULL AS input, NULL AS effects, NULL AS state FROM sessions \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT number, input, effects, state FROM ( \
            SELECT number, input, effects, state FROM trace_steps \
            WHERE business_id = $1 AND session_id = $2 AND number > $3 \
            ORDER BY number LIMIT $4) \
        ORDER BY number";
    EVENTS = "SELECT seq, doc FROM events WHERE business_id = $1 AND seq > $2 \
        ORDER BY seq LIMIT $3";
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn session(&self, business: BusinessId, id: SessionId) -> StoreResult<Session> {
        let query = query(SESSION).bind(business.uuid()).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "session").await?, 0, "session")
    }

    async fn waiting_session(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Option<Session>> {
        let query = query(WAITING).bind(business.uuid()).bind(conversation.uuid());
        let row = self.connections.read_one(query, "conversation").await?;
        match get::<Option<&str>>(&row, 0)? {
            Some(_) => get_doc(&row, 0, "session").map(Some),
            None => Ok(None),
        }
    }

    async fn sessions(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        let from = parse_cursor::<SessionId>(page.after.as_ref())?;
        let list = query(SESSIONS).bind(business.uuid()).bind(conversation.uuid());
        let list = list.bind(after(from.map(SessionId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(list).await?;
        let (_, rows) = rows.split_first().ok_or(StoreError::NotFound("conversation"))?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "session")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Session| row.id.to_string()))
    }

    async fn trace(
        &self,
        business: BusinessId,
        session: SessionId,
        page: &PageRequest,
    ) -> StoreResult<Page<TraceStep>> {
        let from: Option<u32> = parse_cursor(page.after.as_ref())?;
        let list = query(TRACE).bind(business.uuid()).bind(session.uuid());
        let list = list.bind(from.map_or(-1, i64::from)).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("session"));
        }
        let steps = rows.iter().filter_map(|row| read_step(row).transpose());
        let steps = steps.collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(steps, page.rows(), |step: &TraceStep| step.number.to_string()))
    }
}

/// Reads a step; `None` for the row that only says that the session exists.
fn read_step(row: &SqliteRow) -> StoreResult<Option<TraceStep>> {
    let Some(input) = get(row, 1)? else { return Ok(None) };
    let number = u32::try_from(get_count(row, 0)?);
    let number = number.map_err(|_| StoreError::Corrupt("a step".to_owned()))?;
    Ok(Some(TraceStep { number, input, effects: get(row, 2)?, state: get(row, 3)? }))
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn events(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Event>> {
        let from: u64 = parse_cursor(page.after.as_ref())?.unwrap_or(0);
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let list = query(EVENTS).bind(business.uuid()).bind(from).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(list).await?;
        let read = |row: &SqliteRow| Ok((get_count(row, 0)?, get_doc(row, 1, "event")?));
        let rows = rows.iter().map(read).collect::<StoreResult<Vec<(u64, Event)>>>()?;
        let page = Page::from_rows(rows, page.rows(), |(seq, _)| seq.to_string());
        Ok(Page {
            items: page.items.into_iter().map(|(_, event)| event).collect(),
            next: page.next,
        })
    }
}
