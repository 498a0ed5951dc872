//! Goes one of many ways.

use std::collections::HashSet;

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

/// Most cases of a switch.
const CASES_MAX: usize = 50;

/// Takes the first case whose condition holds.
#[derive(Debug)]
pub(super) struct Switch;

#[derive(Debug, Deserialize)]
struct Config {
    cases: Vec<CaseConfig>,
}

#[derive(Debug, Deserialize)]
struct CaseConfig {
    id: String,
    condition: Value,
}

impl FlowNode for Switch {
    fn descriptor(&self) -> NodeDescriptor {
        let case = json!({
            "id": schema::id("Id"),
            "title": {"type": "string", "title": "Title", "maxLength": 200},
            "condition": schema::condition()
        });
        NodeDescriptor {
            kind: "switch".to_owned(),
            title: "Switch".to_owned(),
            summary: "Takes the first case whose condition holds.".to_owned(),
            schema: schema::object(
                json!({"cases": {
                    "type": "array", "title": "Cases", "minItems": 1, "maxItems": CASES_MAX,
                    "items": schema::object(case, &["id", "condition"])
                }}),
                &["cases"],
            ),
            exits: vec![
                schema::exit("option:*", "One for each case"),
                schema::exit("default", "No case holds"),
            ],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let mut ids = HashSet::new();
        let mut cases = Vec::with_capacity(config.cases.len());
        for (at, case) in config.cases.into_iter().enumerate() {
            let path = format!("/cases/{at}");
            if !ids.insert(case.id.clone()) {
                return Err(config::duplicate(format!("{path}/id"), &case.id));
            }
            let condition = config::condition(&format!("{path}/condition"), &case.condition)?;
            cases.push(Case { exit: format!("option:{}", case.id), condition });
        }
        Ok(Box::new(Fan { cases }))
    }
}

#[derive(Debug)]
struct Fan {
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    exit: String,
    condition: Condition,
}

impl BuiltNode for Fan {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let names = Names::of(cx);
        match self.cases.iter().find(|case| case.condition.eval(&names)) {
            Some(case) => Step::Exit(case.exit.clone().into()),
            None => exit("default"),
        }
    }

    fn exits(&self) -> Vec<String> {
        self.cases.iter().map(|case| case.exit.clone()).chain(["default".to_owned()]).collect()
    }

    fn groups(&self) -> Vec<GroupId> {
        config::groups(self.cases.iter().map(|case| &case.condition))
    }

    fn reads(&self) -> Vec<String> {
        self.cases.iter().flat_map(|case| case.condition.fields().map(str::to_owned)).collect()
    }
}
