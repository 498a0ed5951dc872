//! Ends the session.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde_json::{Value, json};

use super::schema;

/// Ends the session.
#[derive(Debug)]
pub(super) struct End;

impl FlowNode for End {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "end".to_owned(),
            title: "End".to_owned(),
            summary: "Ends the session.".to_owned(),
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
        Step::End
    }

    fn exits(&self) -> Vec<String> {
        Vec::new()
    }
}
