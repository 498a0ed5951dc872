//! Goes on elsewhere.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{config, schema};
use crate::document::ID_MAX_BYTES;

/// Goes on at another node, without a line across the canvas.
#[derive(Debug)]
pub(super) struct Jump;

#[derive(Debug, Deserialize)]
struct Config {
    node: String,
}

impl FlowNode for Jump {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "jump".to_owned(),
            title: "Jump".to_owned(),
            summary: "Goes on at another node.".to_owned(),
            schema: schema::object(
                json!({"node": {
                    "type": "string", "title": "Node", "format": "node",
                    "minLength": 1, "maxLength": ID_MAX_BYTES
                }}),
                &["node"],
            ),
            exits: Vec::new(),
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        Ok(Box::new(Hop { node: config.node }))
    }
}

#[derive(Debug)]
struct Hop {
    node: String,
}

impl BuiltNode for Hop {
    fn enter(&self, _: &mut NodeContext<'_>) -> Step {
        Step::Jump { node: self.node.clone() }
    }

    fn exits(&self) -> Vec<String> {
        Vec::new()
    }

    fn jumps(&self) -> Vec<String> {
        vec![self.node.clone()]
    }
}
