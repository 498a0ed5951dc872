//! The types of nodes a document may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::Validator;
use justping_core::port::{BuiltNode, FlowNode, NodeConfigError, NodeDescriptor};
use serde_json::Value;

/// Schema errors reported for one node at most.
const SCHEMA_ERRORS_MAX: usize = 16;

/// Types of nodes by their `type`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    types: BTreeMap<String, Arc<NodeType>>,
}

impl Registry {
    /// Adds a type; one with the same name is replaced.
    pub(crate) fn insert(&mut self, node: Box<dyn FlowNode>) {
        let descriptor = node.descriptor();
        let known = self.types.get(&descriptor.kind);
        // To compile a schema costs more than all the rest, and replacing a node seldom changes it.
        let known = known.filter(|known| known.descriptor.schema == descriptor.schema);
        let validator = match known {
            Some(known) => Arc::clone(&known.validator),
            None => Arc::new(compile(&descriptor.schema)),
        };
        let name = descriptor.kind.clone();
        self.types.insert(name, Arc::new(NodeType { node, descriptor, validator }));
    }

    /// The type called `kind`.
    pub(crate) fn get(&self, kind: &str) -> Option<&NodeType> {
        self.types.get(kind).map(Arc::as_ref)
    }

    /// Every descriptor, by name.
    pub(crate) fn descriptors(&self) -> Vec<NodeDescriptor> {
        self.types.values().map(|kind| kind.descriptor.clone()).collect()
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::draft202012::new(schema)
        .map_err(|reason| format!("the node type's schema is invalid: {reason}"))
}

/// A type of node with its compiled schema.
#[derive(Debug)]
pub(crate) struct NodeType {
    node: Box<dyn FlowNode>,
    descriptor: NodeDescriptor,
    validator: Arc<Result<Validator, String>>,
}

impl NodeType {
    /// Checks `data` against the schema and builds the node.
    pub(crate) fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, Vec<NodeConfigError>> {
        let validator = match &*self.validator {
            Ok(validator) => validator,
            Err(reason) => return Err(vec![NodeConfigError::new("", reason)]),
        };
        let problems: Vec<NodeConfigError> = validator
            .iter_errors(data)
            .take(SCHEMA_ERRORS_MAX)
            .map(|problem| {
                NodeConfigError::new(problem.instance_path().to_string(), problem.to_string())
            })
            .collect();
        if problems.is_empty() {
            self.node.build(data).map_err(|one| vec![one])
        } else {
            Err(problems)
        }
    }
}
