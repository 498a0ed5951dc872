use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::model::{BusinessId, Page, PageRequest, TOOLS_MAX, ToolConfig, ToolId, ToolSecrets};
use crate::port::store::ToolStore;
use crate::port::{StoreError, StoreResult};

/// A tool with its secrets.
#[derive(Debug)]
pub(super) struct ToolRow {
    config: ToolConfig,
    secrets: ToolSecrets,
}

impl State {
    fn create_tool(&mut self, tool: &ToolConfig, secrets: &ToolSecrets) -> StoreResult<()> {
        self.business(tool.business_id)?;
        self.check_tool_name(tool)?;
        if self.tools.ids(tool.business_id).count() >= TOOLS_MAX {
            return Err(StoreError::Invalid("number of tools"));
        }
        let row = ToolRow { config: tool.clone(), secrets: secrets.clone() };
        self.tools.add(tool.business_id, tool.id, row)
    }

    /// No other tool of the business is called so.
    fn check_tool_name(&self, tool: &ToolConfig) -> StoreResult<()> {
        match self.tool_named(tool.business_id, &tool.name) {
            Some(row) if row.config.id != tool.id => Err(StoreError::Conflict("tool")),
            _ => Ok(()),
        }
    }

    fn tool_named(&self, business: BusinessId, name: &str) -> Option<&ToolRow> {
        let rows = self.tools.ids(business).filter_map(|id| self.tools.find(business, id));
        rows.into_iter().find(|row| row.config.name == name)
    }

    fn update_tool(
        &mut self,
        tool: &ToolConfig,
        secrets: Option<&ToolSecrets>,
    ) -> StoreResult<ToolConfig> {
        let stored = self.tools.get(tool.business_id, tool.id)?;
        if stored.config.revision != tool.revision {
            return Err(StoreError::Stale("tool"));
        }
        self.check_tool_name(tool)?;
        let row = self.tools.get_mut(tool.business_id, tool.id)?;
        row.config = row.config.clone().replaced(tool);
        for (name, value) in secrets.into_iter().flat_map(ToolSecrets::expose) {
            row.secrets.insert(name, value);
        }
        Ok(row.config.clone())
    }
}

#[async_trait]
impl ToolStore for MemoryStore {
    async fn create_tool(&self, tool: &ToolConfig, secrets: &ToolSecrets) -> StoreResult<()> {
        self.state().create_tool(tool, secrets)
    }

    async fn tool(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolConfig> {
        Ok(self.state().tools.get(business, id)?.config.clone())
    }

    async fn tool_by_name(&self, business: BusinessId, name: &str) -> StoreResult<ToolConfig> {
        let state = self.state();
        let row = state.tool_named(business, name).ok_or(StoreError::NotFound("tool"))?;
        Ok(row.config.clone())
    }

    async fn update_tool(
        &self,
        tool: &ToolConfig,
        secrets: Option<&ToolSecrets>,
    ) -> StoreResult<ToolConfig> {
        self.state().update_tool(tool, secrets)
    }

    async fn delete_tool(&self, business: BusinessId, id: ToolId) -> StoreResult<()> {
        self.state().tools.remove(business, id).map(drop)
    }

    async fn tools(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ToolConfig>> {
        self.state().tools.page(business, page, |row| row.config.clone())
    }

    async fn tool_secrets(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolSecrets> {
        Ok(self.state().tools.get(business, id)?.secrets.clone())
    }
}
