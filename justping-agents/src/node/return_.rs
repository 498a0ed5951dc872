//! Goes back to what is under way.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{config, schema};

/// Ends a called flow, the turn of a loop or an interruption; without one, the session.
#[derive(Debug)]
pub(super) struct Return;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    exit: Option<String>,
}

impl FlowNode for Return {
    fn descriptor(&self) -> NodeDescriptor {
        let id = schema::id("What the caller is told; `break` ends a loop");
        NodeDescriptor {
            kind: "return".to_owned(),
            title: "Return".to_owned(),
            summary: "Ends a called flow or the turn of a loop; without one, the session."
                .to_owned(),
            schema: schema::object(json!({"exit": id}), &[]),
            exits: Vec::new(),
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        Ok(Box::new(Back { exit: config.exit }))
    }
}

#[derive(Debug)]
struct Back {
    exit: Option<String>,
}

impl BuiltNode for Back {
    fn enter(&self, _: &mut NodeContext<'_>) -> Step {
        Step::Return { exit: self.exit.clone() }
    }

    fn exits(&self) -> Vec<String> {
        Vec::new()
    }
}
