//! The flow runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use justping_core::model::{BusinessId, GroupId};
use justping_core::port::{
    AiProvider, Finding, FlowNode, FlowRuntime, FlowRuntimeError, NodeDescriptor, PluginNodes,
    Program, Tool, ToolContext, ToolError, ToolOutput, ToolSource, ToolSpec,
};
use serde_json::Value;

use crate::ai::{AiHost, Ledger};
use crate::check::{self, Draft};
use crate::fetch::Fetcher;
use crate::hash::{content_hash_hex, strip_layout};
use crate::knowledge::Knowledge;
use crate::link;
use crate::node;
use crate::program::FlowProgram;
use crate::registry::Registry;

/// Checks and compiles `justping.flow/1` documents with a set of node types.
///
/// ```
/// use justping_agents::Flows;
/// use justping_core::port::FlowRuntime;
/// use serde_json::json;
///
/// let document = json!({
///     "schema": "justping.flow/1",
///     "nodes": [
///         {"id": "start", "type": "trigger"},
///         {"id": "hello", "type": "text", "data": {"text": "Hello!"}}
///     ],
///     "edges": [{"id": "e1", "source": "start", "target": "hello"}]
/// });
/// let flows = Flows::new();
/// assert!(flows.check(&document).is_empty());
/// assert!(flows.compile(&document).is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct Flows {
    registry: Registry,
    host: Arc<AiHost>,
}

impl Flows {
    /// Every built-in node; those that talk to a model or a server are reported as
    /// `missing_provider`.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        node::built_in().into_iter().for_each(|node| registry.insert(node));
        Self { registry, host: Arc::default() }
    }

    /// Lets AI nodes talk to models through `provider`.
    #[must_use]
    pub fn with_ai(self, provider: Arc<dyn AiProvider>) -> Self {
        self.with_host(|host| host.set_provider(provider))
    }

    /// Lets AI nodes, and nodes of the type `tool`, call a tool; one with the same name is
    /// replaced.
    #[must_use]
    pub fn with_tool(self, tool: Arc<dyn Tool>) -> Self {
        self.with_host(|host| host.add_tool(tool))
    }

    /// Lets AI nodes, and nodes of the type `tool`, call the tools that each business has besides. A
    /// tool [of the process](Self::with_tool) goes before one of the same name; of several sources
    /// the first that knows a name answers.
    #[must_use]
    pub fn with_tool_source(self, source: Arc<dyn ToolSource>) -> Self {
        self.with_host(|host| host.add_tool_source(source))
    }

    /// Keeps account of what models cost, and has them keep the budgets.
    #[must_use]
    pub fn with_ledger(self, ledger: Ledger) -> Self {
        self.with_host(|host| host.set_ledger(ledger))
    }

    /// Keeps no account: for trying flows out with a model that costs nothing.
    #[must_use]
    pub fn without_ledger(self) -> Self {
        self.with_host(AiHost::drop_ledger)
    }

    /// Has no tools any more: for trying flows out where nothing may leave. A call of one fails.
    #[must_use]
    pub fn without_tools(self) -> Self {
        self.with_host(AiHost::drop_tools)
    }

    /// Has traces hold what is said to models, by them and to tools. It is what contacts said.
    #[must_use]
    pub fn with_traced_content(self) -> Self {
        self.with_host(AiHost::capture_content)
    }

    /// Changes what AI nodes work with, and puts them in again.
    fn with_host(mut self, change: impl FnOnce(&mut AiHost)) -> Self {
        change(Arc::make_mut(&mut self.host));
        node::ai(&self.host).into_iter().for_each(|node| self.registry.insert(node));
        self
    }

    /// Lets HTTP nodes ask other servers through `fetcher`.
    #[must_use]
    pub fn with_http(self, fetcher: Arc<dyn Fetcher>) -> Self {
        self.with_node(node::Http::new(fetcher))
    }

    /// Has nodes of the type `plugin` decided by plugins.
    #[must_use]
    pub fn with_plugins(self, nodes: Arc<dyn PluginNodes>) -> Self {
        self.with_node(node::Plugin::new(nodes))
    }

    /// Lets knowledge nodes look up what businesses know; their answers need a [model](Self::with_ai).
    #[must_use]
    pub fn with_knowledge(self, knowledge: Knowledge) -> Self {
        self.with_host(|host| host.set_knowledge(knowledge))
    }

    /// Adds a type of node; one with the same name is replaced.
    #[must_use]
    pub fn with_node(mut self, node: impl FlowNode) -> Self {
        self.registry.insert(Box::new(node));
        self
    }

    /// What a kind of channel (`whatsapp`, `sms`, …) shows otherwise than a document says it, as notes:
    /// said by the function that fits messages when they are sent. Nothing for kinds without
    /// [`channel_limits`](crate::channel_limits).
    pub fn channel_notes(&self, document: &Value, kind: &str) -> Vec<Finding> {
        Draft::of(&self.registry, document).channel_notes(kind)
    }

    /// Looks at flows that one agent asks in this order, each with a name: reports triggers whose
    /// messages an earlier flow takes, with the place of the flow that never hears them.
    pub fn check_together(&self, flows: &[(&str, &Value)]) -> Vec<(usize, Finding)> {
        check::competing(flows)
    }

    /// Says whether the process has a tool of this name, for every business.
    pub fn has_tool(&self, name: &str) -> bool {
        self.host.has_tool(name)
    }

    /// Calls a tool as a flow of the business of `cx` would.
    ///
    /// # Errors
    /// [`ToolError`], also when there is no such tool (`unknown_tool`) or the arguments do not fit it.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: &Value,
        cx: &ToolContext,
    ) -> Result<ToolOutput, ToolError> {
        self.host.call_tool(name, arguments, cx).await
    }

    /// Every tool that flows of a business may name, by name.
    ///
    /// # Errors
    /// [`ToolError::Unavailable`] when a source cannot say.
    pub async fn tools(&self, business: BusinessId) -> Result<Vec<ToolSpec>, ToolError> {
        self.host.tools(business).await
    }

    /// Which tools a document names that its business does not have, as warnings: the business may
    /// get them later, and until then a call of one fails.
    ///
    /// # Errors
    /// [`ToolError::Unavailable`] when a source cannot say.
    pub async fn check_tools(
        &self,
        business: BusinessId,
        document: &Value,
    ) -> Result<Vec<Finding>, ToolError> {
        let named = Draft::of(&self.registry, document).tools();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.tools(business).await?;
        Ok(check::missing_tools(&named, &known))
    }

    /// The groups that a document names: those that contacts join or leave, and those that conditions
    /// ask for.
    #[must_use]
    pub fn groups(&self, document: &Value) -> BTreeSet<GroupId> {
        let named = Draft::of(&self.registry, document).groups();
        named.into_iter().map(|group| group.what).collect()
    }

    /// Which groups a document names that are not among the `known` ones of its business, as
    /// warnings: nobody joins a group that is not there, and nobody is in it.
    #[must_use]
    pub fn check_groups(&self, document: &Value, known: &BTreeSet<GroupId>) -> Vec<Finding> {
        check::missing_groups(&Draft::of(&self.registry, document).groups(), known)
    }

    /// What editors need to draw each type of node and its form, by name.
    pub fn descriptors(&self) -> Vec<NodeDescriptor> {
        self.registry.descriptors()
    }
}

impl Default for Flows {
    fn default() -> Self {
        Self::new()
    }
}

impl FlowRuntime for Flows {
    fn check(&self, document: &Value) -> Vec<Finding> {
        Draft::of(&self.registry, document).with_objections().with_lint().findings
    }

    fn compile(&self, document: &Value) -> Result<Arc<dyn Program>, FlowRuntimeError> {
        let program = FlowProgram::of(Draft::of(&self.registry, document))
            .map_err(|findings| FlowRuntimeError { findings })?;
        Ok(Arc::new(program))
    }

    fn missing_flows(&self, document: &Value) -> Vec<String> {
        link::missing(document)
    }

    fn with_flows(
        &self,
        document: &Value,
        flows: &BTreeMap<String, Value>,
    ) -> Result<Value, FlowRuntimeError> {
        link::link(document, flows).map_err(|findings| FlowRuntimeError { findings })
    }

    fn content_hash(&self, document: &Value) -> String {
        let mut meaning = document.clone();
        strip_layout(&mut meaning);
        content_hash_hex(&meaning)
    }
}
