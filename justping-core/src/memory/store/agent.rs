use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::model::{Agent, AgentId, BusinessId, Page, PageRequest};
use crate::port::store::AgentStore;
use crate::port::{StoreError, StoreResult};

impl State {
    fn update_agent(&mut self, agent: &Agent) -> StoreResult<Agent> {
        let row = self.agents.get_mut(agent.business_id, agent.id)?;
        if row.revision != agent.revision {
            return Err(StoreError::Stale("agent"));
        }
        let created_at = row.created_at;
        *row = Agent { revision: agent.revision + 1, created_at, ..agent.clone() };
        Ok(row.clone())
    }

    fn delete_agent(&mut self, business: BusinessId, id: AgentId) -> StoreResult<()> {
        self.agents.remove(business, id)?;
        for channel in self.channels.rows_mut(business) {
            if channel.config.agent_id == Some(id) {
                channel.config.agent_id = None;
                channel.config.revision += 1;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl AgentStore for MemoryStore {
    async fn create_agent(&self, agent: &Agent) -> StoreResult<()> {
        let mut state = self.state();
        state.business(agent.business_id)?;
        state.agents.add(agent.business_id, agent.id, agent.clone())
    }

    async fn agent(&self, business: BusinessId, id: AgentId) -> StoreResult<Agent> {
        self.state().agents.get(business, id).cloned()
    }

    async fn update_agent(&self, agent: &Agent) -> StoreResult<Agent> {
        self.state().update_agent(agent)
    }

    async fn delete_agent(&self, business: BusinessId, id: AgentId) -> StoreResult<()> {
        self.state().delete_agent(business, id)
    }

    async fn agents(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Agent>> {
        self.state().agents.page(business, page, Clone::clone)
    }
}
