//! Closes the conversation.

use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde_json::{Value, json};

use super::schema;

/// Closes the conversation and ends the session.
#[derive(Debug)]
pub(super) struct Close;

impl FlowNode for Close {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "close".to_owned(),
            title: "Close".to_owned(),
            summary: "Closes the conversation and ends the session.".to_owned(),
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

impl BuiltNode for Close {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        cx.effects.push(Effect::CloseConversation);
        Step::End
    }

    fn exits(&self) -> Vec<String> {
        Vec::new()
    }
}
