//! The flow runtime.

use std::sync::Arc;

use justping_core::port::{
    AiProvider, Finding, FlowNode, FlowRuntime, FlowRuntimeError, NodeDescriptor, Program,
};
use serde_json::Value;

use crate::check::{self, Draft};
use crate::fetch::Fetcher;
use crate::hash::{content_hash_hex, strip_layout};
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
}

impl Flows {
    /// Every built-in node; those that talk to a model or a server are reported as
    /// `missing_provider`.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        node::built_in().into_iter().for_each(|node| registry.insert(node));
        Self { registry }
    }

    /// Lets AI nodes talk to models through `provider`.
    #[must_use]
    pub fn with_ai(self, provider: Arc<dyn AiProvider>) -> Self {
        self.with_node(node::AiReply::new(provider))
    }

    /// Lets HTTP nodes ask other servers through `fetcher`.
    #[must_use]
    pub fn with_http(self, fetcher: Arc<dyn Fetcher>) -> Self {
        self.with_node(node::Http::new(fetcher))
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

    fn content_hash(&self, document: &Value) -> String {
        let mut meaning = document.clone();
        strip_layout(&mut meaning);
        content_hash_hex(&meaning)
    }
}
