//! Agents.

use async_trait::async_trait;
use justping_core::model::{Agent, AgentId, BusinessId, ChannelConfig, Page, PageRequest};
use justping_core::port::store::{AgentStore, StoreError, StoreResult};
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{from, get_doc, parse_cursor, statements, to_doc};

statements! {
    INSERT_AGENT = "INSERT INTO agents (business_id, id, doc) \
        SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1)";
    AGENT = "SELECT doc FROM agents WHERE business_id = $1 AND id = $2";
    AGENT_TO_UPDATE = "SELECT doc FROM agents WHERE business_id = $1 AND id = $2 FOR UPDATE";
    UPDATE_AGENT = "UPDATE agents SET doc = $3 WHERE business_id = $1 AND id = $2";
    DELETE_AGENT = "\
        DELETE FROM agents WHERE business_id = $1 AND id = $2 RETURNING 1";
    /// Channels that named the agent.
    CHANNELS_OF_AGENT = "SELECT doc FROM channels WHERE business_id = $1 AND agent_id = $2 \
        ORDER BY id FOR UPDATE";
    FREE_CHANNELS = "UPDATE channels c SET agent_id = NULL, doc = v.doc \
        FROM unnest($2::uuid[], $3::text[]) v (id, doc) \
        WHERE c.business_id = $1 AND c.id = v.id";
    AGENTS = "SELECT doc FROM agents WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
}

#[async_trait]
impl AgentStore for PostgresStore {
    async fn create_agent(&self, agent: &Agent) -> StoreResult<()> {
        let insert = query(INSERT_AGENT)
            .bind(agent.business_id.uuid())
            .bind(agent.id.uuid())
            .bind(to_doc(agent)?);
        self.connections.insert(Scope::Business(agent.business_id), insert, "business").await
    }

    async fn agent(&self, business: BusinessId, id: AgentId) -> StoreResult<Agent> {
        let query = query(AGENT).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "agent").await?,
            0,
            "agent",
        )
    }

    async fn update_agent(&self, agent: &Agent) -> StoreResult<Agent> {
        transaction!(self, Scope::Business(agent.business_id), |write| update(write, agent))
    }

    async fn delete_agent(&self, business: BusinessId, id: AgentId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id))
    }

    async fn agents(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Agent>> {
        let last = parse_cursor::<AgentId>(page.after.as_ref())?;
        let list = query(AGENTS).bind(business.uuid()).bind(from(last.map(AgentId::uuid)));
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "agent")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Agent| row.id.to_string()))
    }
}

/// Channels that named the agent count its end as a change: opened adapters are cached by it.
async fn delete(write: &mut Write, business: BusinessId, id: AgentId) -> StoreResult<()> {
    let named = query(CHANNELS_OF_AGENT).bind(business.uuid()).bind(id.uuid());
    let (mut ids, mut docs) = (Vec::new(), Vec::new());
    for row in write.run(named).await? {
        let stored: ChannelConfig = get_doc(&row, 0, "channel")?;
        let revision = stored.revision + 1;
        let channel = ChannelConfig { agent_id: None, revision, ..stored };
        ids.push(channel.id.uuid());
        docs.push(to_doc(&channel)?);
    }
    write.run(query(FREE_CHANNELS).bind(business.uuid()).bind(ids).bind(docs)).await?;
    let gone = write.run(query(DELETE_AGENT).bind(business.uuid()).bind(id.uuid())).await?;
    gone.first().map(|_| ()).ok_or(StoreError::NotFound("agent"))
}

async fn update(write: &mut Write, agent: &Agent) -> StoreResult<Agent> {
    let (business, id) = (agent.business_id.uuid(), agent.id.uuid());
    let rows = write.run(query(AGENT_TO_UPDATE).bind(business).bind(id)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("agent"))?;
    let stored: Agent = get_doc(row, 0, "agent")?;
    if stored.revision != agent.revision {
        return Err(StoreError::Stale("agent"));
    }
    let agent =
        Agent { revision: agent.revision + 1, created_at: stored.created_at, ..agent.clone() };
    let update = query(UPDATE_AGENT).bind(business).bind(id).bind(to_doc(&agent)?);
    write.run(update).await?;
    Ok(agent)
}
