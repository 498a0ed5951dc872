//! What a process offers to AI nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use justping_core::model::BusinessId;
use justping_core::port::{
    AiProvider, Tool, ToolContext, ToolError, ToolOutput, ToolSource, ToolSpec,
};
use serde_json::Value;

use super::ledger::Ledger;
use super::tool::{Registered, UNKNOWN_TOOL_CODE, within};
use crate::knowledge::Knowledge;

/// A provider of models, tools, and accounts of what models cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct AiHost {
    pub(super) provider: Option<Arc<dyn AiProvider>>,
    pub(super) ledger: Option<Ledger>,
    /// Whether traces hold what is said.
    pub(super) captures: bool,
    tools: BTreeMap<String, Arc<Registered>>,
    sources: Vec<Arc<dyn ToolSource>>,
    knowledge: Option<Knowledge>,
}

impl AiHost {
    pub(crate) fn set_provider(&mut self, provider: Arc<dyn AiProvider>) {
        self.provider = Some(provider);
    }

    pub(crate) fn set_ledger(&mut self, ledger: Ledger) {
        self.ledger = Some(ledger);
    }

    pub(crate) fn drop_ledger(&mut self) {
        self.ledger = None;
    }

    pub(crate) fn drop_tools(&mut self) {
        self.tools.clear();
        self.sources.clear();
    }

    /// Adds a source of what businesses have besides.
    pub(crate) fn add_tool_source(&mut self, source: Arc<dyn ToolSource>) {
        self.sources.push(source);
    }

    pub(crate) fn capture_content(&mut self) {
        self.captures = true;
    }

    /// Adds a tool; one with the same name is replaced.
    pub(crate) fn add_tool(&mut self, tool: Arc<dyn Tool>) {
        let registered = Registered::new(tool);
        self.tools.insert(registered.name().to_owned(), Arc::new(registered));
    }

    pub(crate) fn set_knowledge(&mut self, knowledge: Knowledge) {
        self.knowledge = Some(knowledge);
    }

    /// What businesses know, if it can be looked up.
    pub(crate) fn knowledge(&self) -> Option<&Knowledge> {
        self.knowledge.as_ref()
    }

    pub(crate) fn has_provider(&self) -> bool {
        self.provider.is_some()
    }

    /// Says whether the process has a tool of this name.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    /// Calls a tool as it is.
    pub(crate) async fn call_tool(
        &self,
        name: &str,
        arguments: &Value,
        cx: &ToolContext,
    ) -> Result<ToolOutput, ToolError> {
        match self.tool(cx.scope.business_id, name).await? {
            Some(tool) => tool.call(arguments, cx).await,
            None => Err(ToolError::Refused {
                code: UNKNOWN_TOOL_CODE.to_owned(),
                detail: "there is no such tool".to_owned(),
            }),
        }
    }

    /// Says whether nodes may name a tool before it is known whose they are.
    pub(crate) fn may_have_tool(&self, name: &str) -> bool {
        self.tools.contains_key(name) || !self.sources.is_empty()
    }

    /// The tool that a name means to a business: the process' own, else the first that a source has.
    pub(crate) async fn tool(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<Arc<Registered>>, ToolError> {
        if let Some(tool) = self.tools.get(name) {
            return Ok(Some(Arc::clone(tool)));
        }
        for source in &self.sources {
            if let Some(tool) = within(source.tool(business, name)).await? {
                return Ok(Some(Arc::new(Registered::new(tool))));
            }
        }
        Ok(None)
    }

    /// Every tool that nodes of a business may name, by name.
    pub(crate) async fn tools(&self, business: BusinessId) -> Result<Vec<ToolSpec>, ToolError> {
        let own = self.tools.values().map(|tool| tool.spec().clone());
        let mut all: BTreeMap<String, ToolSpec> =
            own.map(|spec| (spec.name.clone(), spec)).collect();
        for source in &self.sources {
            for spec in within(source.tools(business)).await? {
                all.entry(spec.name.clone()).or_insert(spec);
            }
        }
        Ok(all.into_values().collect())
    }
}
