use std::fmt::Debug;

use async_trait::async_trait;

use super::StoreResult;
use crate::model::{BusinessId, Page, PageRequest, ToolConfig, ToolId, ToolSecrets};

/// Tools that businesses have set up, and their secrets. Secrets go in and are read by whoever calls
/// the tools; no list shows them.
///
/// # Contract
/// - The name of a tool is unique in its business, in [`create_tool`](Self::create_tool) and
///   [`update_tool`](Self::update_tool) alike: [`Conflict`](super::StoreError::Conflict) when it is
///   taken.
/// - A business has at most [`TOOLS_MAX`](crate::model::TOOLS_MAX);
///   [`Invalid`](super::StoreError::Invalid) beyond.
/// - With a tool go its secrets.
#[async_trait]
pub trait ToolStore: Send + Sync + Debug + 'static {
    /// Adds a tool with its secrets.
    async fn create_tool(&self, tool: &ToolConfig, secrets: &ToolSecrets) -> StoreResult<()>;

    /// Reads a tool.
    async fn tool(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolConfig>;

    /// Finds the tool of this name.
    async fn tool_by_name(&self, business: BusinessId, name: &str) -> StoreResult<ToolConfig>;

    /// Replaces a tool whose `revision` is still the stored one and returns it with the next. With
    /// `secrets`, those named are set and the others stay. `business_id`, `kind` and `created_at`
    /// never change.
    async fn update_tool(
        &self,
        tool: &ToolConfig,
        secrets: Option<&ToolSecrets>,
    ) -> StoreResult<ToolConfig>;

    /// Removes a tool.
    async fn delete_tool(&self, business: BusinessId, id: ToolId) -> StoreResult<()>;

    /// Lists tools by id.
    async fn tools(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ToolConfig>>;

    /// Opens the secrets of a tool.
    async fn tool_secrets(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolSecrets>;
}
