use async_trait::async_trait;
use justping::model::{BusinessId, Page, PageRequest, ToolConfig, ToolId, ToolSecrets};
use justping::port::StoreResult;
use justping::port::store::ToolStore;

use super::SimStore;

#[async_trait]
impl ToolStore for SimStore {
    async fn create_tool(&self, tool: &ToolConfig, secrets: &ToolSecrets) -> StoreResult<()> {
        self.pass("create_tool", self.world.store.create_tool(tool, secrets)).await
    }

    async fn tool(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolConfig> {
        self.pass("tool", self.world.store.tool(business, id)).await
    }

    async fn tool_by_name(&self, business: BusinessId, name: &str) -> StoreResult<ToolConfig> {
        self.pass("tool_by_name", self.world.store.tool_by_name(business, name)).await
    }

    async fn update_tool(
        &self,
        tool: &ToolConfig,
        secrets: Option<&ToolSecrets>,
    ) -> StoreResult<ToolConfig> {
        self.pass("update_tool", self.world.store.update_tool(tool, secrets)).await
    }

    async fn delete_tool(&self, business: BusinessId, id: ToolId) -> StoreResult<()> {
        self.pass("delete_tool", self.world.store.delete_tool(business, id)).await
    }

    async fn tools(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ToolConfig>> {
        self.pass("tools", self.world.store.tools(business, page)).await
    }

    async fn tool_secrets(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolSecrets> {
        self.pass("tool_secrets", self.world.store.tool_secrets(business, id)).await
    }
}
