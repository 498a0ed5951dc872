//! Agents.

use async_trait::async_trait;
use justping_core::model::{Agent, AgentId, BusinessId, Page, PageRequest};
use justping_core::port::store::{AgentStore, StoreError, StoreResult};
use sqlx::query;

use super::SqliteStore;
use super::connection::Write;
use super::row::{after, get_doc, parse_cursor, statements, to_doc};

statements! {
    INSERT_AGENT = "INSERT INTO agents (business_id, id, doc) \
        SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1)";
    AGENT = "SELECT doc FROM agents WHERE business_id = $1 AND id = $2";
    AGENT_TO_UPDATE = "BEGIN IMMEDIATE; SELECT doc FROM agents WHERE business_id = $1 AND id = $2";
    UPDATE_AGENT = "UPDATE agents SET doc = $3 WHERE business_id = $1 AND id = $2; COMMIT";
    /// Channels that named the agent count it as a change: opened adapters are cached by it.
    DELETE_AGENT = "BEGIN IMMEDIATE; \
        DELETE FROM agents WHERE business_id = $1 AND id = $2 RETURNING 1; \
        UPDATE channels SET agent_id = NULL, doc = json_set(doc, \
            '$.agent_id', json('null'), '$.revision', (doc ->> '$.revision') + 1) \
        WHERE business_id = $1 AND agent_id = $2; \
        COMMIT";
    AGENTS = "SELECT doc FROM agents WHERE business_id = $1 AND id > $2 ORDER BY id LIMIT $3";
}

#[async_trait]
impl AgentStore for SqliteStore {
    async fn create_agent(&self, agent: &Agent) -> StoreResult<()> {
        let insert = query(INSERT_AGENT)
            .bind(agent.business_id.uuid())
            .bind(agent.id.uuid())
            .bind(to_doc(agent)?);
        self.connections.insert(insert, "business").await
    }

    async fn agent(&self, business: BusinessId, id: AgentId) -> StoreResult<Agent> {
        let query = query(AGENT).bind(business.uuid()).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "agent").await?, 0, "agent")
    }

    async fn update_agent(&self, agent: &Agent) -> StoreResult<Agent> {
        let mut write = self.connections.write().await?;
        let result = update(&mut write, agent).await;
        write.settle(result).await
    }

    async fn delete_agent(&self, business: BusinessId, id: AgentId) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let delete = query(DELETE_AGENT).bind(business.uuid()).bind(id.uuid());
        let result = write.whole(delete).await;
        let rows = write.settle(result).await?;
        rows.first().map(|_| ()).ok_or(StoreError::NotFound("agent"))
    }

    async fn agents(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Agent>> {
        let from = parse_cursor::<AgentId>(page.after.as_ref())?;
        let list = query(AGENTS).bind(business.uuid()).bind(after(from.map(AgentId::uuid)));
        let rows = self.connections.read(list.bind(page.rows() as i64 + 1)).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "agent")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Agent| row.id.to_string()))
    }
}

async fn update(write: &mut Write<'_>, agent: &Agent) -> StoreResult<Agent> {
    let (business, id) = (agent.business_id.uuid(), agent.id.uuid());
    let rows = write.begin(query(AGENT_TO_UPDATE).bind(business).bind(id)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("agent"))?;
    let stored: Agent = get_doc(row, 0, "agent")?;
    if stored.revision != agent.revision {
        return Err(StoreError::Stale("agent"));
    }
    let agent =
        Agent { revision: agent.revision + 1, created_at: stored.created_at, ..agent.clone() };
    let update = query(UPDATE_AGENT).bind(business).bind(id).bind(to_doc(&agent)?);
    write.commit(update).await?;
    Ok(agent)
}
