use std::sync::Arc;

use justping::port::{FlowRuntime, NodeDescriptor};

/// What flows are made of, and what runs them where nothing may leave.
#[derive(Debug, Clone)]
pub struct Catalog {
    nodes: Vec<NodeDescriptor>,
    sandbox: Arc<dyn FlowRuntime>,
}

impl Catalog {
    /// Node types, and the runtime of sandboxes: the same nodes, but none of them can reach out.
    pub fn new(nodes: Vec<NodeDescriptor>, sandbox: Arc<dyn FlowRuntime>) -> Self {
        Self { nodes, sandbox }
    }

    /// The types of nodes.
    pub fn nodes(&self) -> &[NodeDescriptor] {
        &self.nodes
    }

    /// What runs flows in sandboxes.
    pub fn sandbox(&self) -> &Arc<dyn FlowRuntime> {
        &self.sandbox
    }
}
