//! Sessions, their traces, and events: what turns leave behind.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ConversationId, Event, FlowId, FlowVersionId, LiveCount, Page, PageRequest,
    Session, SessionId, TraceStep,
};
use justping_core::port::store::{EventStore, SessionStore, StoreError, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::Scope;
use super::row::{from, get, get_count, get_doc, get_text, parse_cursor, statements, to_doc};
use crate::document::to_live_counts;

statements! {
    SESSION = "SELECT doc FROM sessions WHERE business_id = $1 AND id = $2";
    WAITING = "SELECT (SELECT s.doc FROM sessions s \
            WHERE s.business_id = n.business_id AND s.id = n.session_id) \
        FROM conversations n WHERE n.business_id = $1 AND n.id = $2";
    /// One row with nothing but the conversation's existence, then the sessions.
    SESSIONS = "SELECT NULL::text AS doc, '00000000-0000-0000-0000-000000000000'::uuid AS id FROM conversations \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, id FROM ( \
            SELECT doc, id FROM sessions \
            WHERE business_id = $1 AND conversation_id = $2 AND id >= $3 ORDER BY id LIMIT $4) v \
        ORDER BY id, doc NULLS FIRST";
    /// One row with nothing but the flow's existence, then its versions.
    VERSION_NUMBERS = "SELECT NULL::uuid AS id, 0::bigint AS number FROM flows \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT id, number FROM flow_versions WHERE business_id = $1 AND flow_id = $2 \
        ORDER BY number";
    LIVE_COUNTS = "SELECT (SELECT count(*) FROM sessions s \
            WHERE s.business_id = $1 AND s.live = v.id) \
        FROM unnest($2::text[]) WITH ORDINALITY v (id, ord) ORDER BY v.ord";
    /// One row with nothing but the version's existence, then its sessions that wait.
    LIVE_SESSIONS = "SELECT NULL::text AS doc, '00000000-0000-0000-0000-000000000000'::uuid AS id \
        FROM flow_versions WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT doc, id FROM ( \
            SELECT doc, id FROM sessions \
            WHERE business_id = $1 AND live = $3 AND id >= $4 ORDER BY id LIMIT $5) v \
        ORDER BY id, doc NULLS FIRST";
    /// One row with nothing but the session's existence, then the steps.
    TRACE = "SELECT -1::bigint AS number, NULL::bytea AS input, NULL::bytea AS effects, \
            NULL::bytea AS state FROM sessions \
        WHERE business_id = $1 AND id = $2 \
        UNION ALL SELECT number, input, effects, state FROM ( \
            SELECT number, input, effects, state FROM trace_steps \
            WHERE business_id = $1 AND session_id = $2 AND number > $3 \
            ORDER BY number LIMIT $4) v \
        ORDER BY number";
    RECORD_EVENT = "WITH counted AS ( \
            INSERT INTO event_counters AS k (business_id, last) \
            SELECT id, 1 FROM businesses WHERE id = $1 \
            ON CONFLICT (business_id) DO UPDATE SET last = k.last + 1 \
            RETURNING k.business_id, k.last) \
        INSERT INTO events (business_id, seq, doc) SELECT business_id, last, $2 FROM counted";
    EVENTS = "SELECT seq, doc FROM events WHERE business_id = $1 AND seq > $2 \
        ORDER BY seq LIMIT $3";
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn session(&self, business: BusinessId, id: SessionId) -> StoreResult<Session> {
        let query = query(SESSION).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "session").await?,
            0,
            "session",
        )
    }

    async fn waiting_session(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Option<Session>> {
        let query = query(WAITING).bind(business.uuid()).bind(conversation.uuid());
        let scope = Scope::Business(business);
        let row = self.connections.read_one(scope, query, "conversation").await?;
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
        let last = parse_cursor::<SessionId>(page.after.as_ref())?;
        let list = query(SESSIONS).bind(business.uuid()).bind(conversation.uuid());
        let list = list.bind(from(last.map(SessionId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let (_, rows) = rows.split_first().ok_or(StoreError::NotFound("conversation"))?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "session")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Session| row.id.to_string()))
    }

    async fn live_counts(&self, business: BusinessId, flow: FlowId) -> StoreResult<Vec<LiveCount>> {
        let scope = Scope::Business(business);
        let versions = query(VERSION_NUMBERS).bind(business.uuid()).bind(flow.uuid());
        let rows = self.connections.read(scope, versions).await?;
        let (_, rows) = rows.split_first().ok_or(StoreError::NotFound("flow"))?;
        let read = |row| Ok((FlowVersionId::from_uuid(get(row, 0)?), get_count(row, 1)?));
        let versions = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        let ids: Vec<String> = versions.iter().map(|(id, _)| id.to_string()).collect();
        let counts = query(LIVE_COUNTS).bind(business.uuid()).bind(ids);
        let rows = self.connections.read(scope, counts).await?;
        let counts = rows.iter().map(|row| get_count(row, 0));
        to_live_counts(versions, counts)
    }

    async fn live_sessions(
        &self,
        business: BusinessId,
        version: FlowVersionId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        let last = parse_cursor::<SessionId>(page.after.as_ref())?;
        let list = query(LIVE_SESSIONS).bind(business.uuid()).bind(version.uuid());
        let list = list.bind(version.to_string()).bind(from(last.map(SessionId::uuid)));
        let list = list.bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let (_, rows) = rows.split_first().ok_or(StoreError::NotFound("flow version"))?;
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
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("session"));
        }
        let steps = rows.iter().filter_map(|row| read_step(row).transpose());
        let steps = steps.collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(steps, page.rows(), |step: &TraceStep| step.number.to_string()))
    }
}

/// Reads a step; `None` for the row that only says that the session exists.
fn read_step(row: &PgRow) -> StoreResult<Option<TraceStep>> {
    if get::<Option<&[u8]>>(row, 1)?.is_none() {
        return Ok(None);
    }
    let number = u32::try_from(get_count(row, 0)?);
    let number = number.map_err(|_| StoreError::Corrupt("a step".to_owned()))?;
    Ok(Some(TraceStep {
        number,
        input: get_text(row, 1)?,
        effects: get_text(row, 2)?,
        state: get_text(row, 3)?,
    }))
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn events(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Event>> {
        let from: u64 = parse_cursor(page.after.as_ref())?.unwrap_or(0);
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let list = query(EVENTS).bind(business.uuid()).bind(from).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let read = |row: &PgRow| Ok((get_count(row, 0)?, get_doc(row, 1, "event")?));
        let rows = rows.iter().map(read).collect::<StoreResult<Vec<(u64, Event)>>>()?;
        let page = Page::from_rows(rows, page.rows(), |(seq, _)| seq.to_string());
        Ok(Page {
            items: page.items.into_iter().map(|(_, event)| event).collect(),
            next: page.next,
        })
    }

    async fn record_event(&self, event: &Event) -> StoreResult<()> {
        if !event.body.is_stored() {
            return Ok(());
        }
        let record = query(RECORD_EVENT).bind(event.business_id.uuid()).bind(to_doc(event)?);
        self.connections.insert(Scope::Business(event.business_id), record, "business").await
    }
}
