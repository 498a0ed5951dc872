//! Goes one of two ways.

use justping_core::model::GroupId;
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use super::prompt::exit;
use super::{config, schema};
use crate::condition::Condition;

/// Asks a question about what is known.
#[derive(Debug)]
pub(super) struct If;

#[derive(Debug, Deserialize)]
struct Config {
    condition: Value,
}

impl FlowNode for If {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "condition".to_owned(),
            title: "Condition".to_owned(),
            summary: "Goes one way when a condition holds and another when it does not.".to_owned(),
            schema: schema::object(json!({"condition": schema::condition()}), &["condition"]),
            exits: vec![schema::exit("true", "It holds"), schema::exit("false", "It does not")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let condition = config::condition("/condition", &config.condition)?;
        Ok(Box::new(Fork { condition }))
    }
}

#[derive(Debug)]
struct Fork {
    condition: Condition,
}

impl BuiltNode for Fork {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let holds = self.condition.eval(&Names::of(cx));
        exit(if holds { "true" } else { "false" })
    }

    fn exits(&self) -> Vec<String> {
        vec!["true".to_owned(), "false".to_owned()]
    }

    fn groups(&self) -> Vec<GroupId> {
        config::groups([&self.condition])
    }

    fn reads(&self) -> Vec<String> {
        self.condition.fields().map(str::to_owned).collect()
    }
}
