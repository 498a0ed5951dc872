//! Ends the flow.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde_json::{Value, json};

use super::schema;

/// Ends the flow it stands in: what called it goes on, and without that the session ends.
#[derive(Debug)]
pub(super) struct End;

impl FlowNode for End {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "end".to_owned(),
            title: "End".to_owned(),
            summary: "Ends the flow, and the session unless another flow called it.".to_owned(),
            schema: schema::object(json!({}), &[]),
            exits: Vec::new(),
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, _: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        Ok(Box::new(Self))
    }
}

impl BuiltNode for End {
    fn enter(&self, _: &mut NodeContext<'_>) -> Step {
        Step::Finish
    }

    fn exits(&self) -> Vec<String> {
        Vec::new()
    }
}
