use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::BusinessId;
use crate::port::{Tool, ToolError, ToolSource, ToolSpec, is_tool_name};

/// Tools that this process was given for one business or another.
#[derive(Debug, Default)]
pub struct MemoryTools {
    tools: Mutex<BTreeMap<BusinessId, Tools>>,
}

type Tools = BTreeMap<String, Arc<dyn Tool>>;

impl MemoryTools {
    /// No tools at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a business a tool; one with the same name is replaced. One whose name is none is left
    /// out: no model could be offered it.
    pub fn add(&self, business: BusinessId, tool: Arc<dyn Tool>) -> &Self {
        let name = tool.spec().name;
        if is_tool_name(&name) {
            self.all().entry(business).or_default().insert(name, tool);
        }
        self
    }

    /// Takes a tool away again.
    pub fn remove(&self, business: BusinessId, name: &str) {
        if let Some(tools) = self.all().get_mut(&business) {
            tools.remove(name);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<BusinessId, Tools>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ToolSource for MemoryTools {
    async fn tools(&self, business: BusinessId) -> Result<Vec<ToolSpec>, ToolError> {
        let all = self.all();
        let tools = all.get(&business).into_iter().flat_map(BTreeMap::values);
        Ok(tools.map(|tool| tool.spec()).collect())
    }

    async fn tool(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError> {
        Ok(self.all().get(&business).and_then(|tools| tools.get(name)).cloned())
    }
}
