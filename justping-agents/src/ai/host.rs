//! What a process offers to AI nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use justping_core::port::{AiProvider, Tool, ToolSpec};

use super::ledger::Ledger;
use super::tool::Registered;
use crate::knowledge::Knowledge;

/// A provider of models, tools, and accounts of what models cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct AiHost {
    pub(super) provider: Option<Arc<dyn AiProvider>>,
    pub(super) ledger: Option<Ledger>,
    /// Whether traces hold what is said.
    pub(super) captures: bool,
    tools: BTreeMap<String, Arc<Registered>>,
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

    pub(crate) fn tool_spec(&self, name: &str) -> Option<&ToolSpec> {
        self.tools.get(name).map(|tool| tool.spec())
    }

    pub(super) fn tool(&self, name: &str) -> Option<&Registered> {
        self.tools.get(name).map(Arc::as_ref)
    }
}
