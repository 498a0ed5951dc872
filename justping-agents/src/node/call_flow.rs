//! Runs another flow of the document.

use std::collections::BTreeMap;

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Returned, Step,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::names::Names;
use super::prompt::exit;
use super::{config, schema};
use crate::document::{FLOW_KEY_MAX_BYTES, is_variable_name};
use crate::scope::Path;
use crate::text::Template;

/// Most variables given to a flow, and taken from it.
const VARIABLES_MAX: usize = 50;

/// Runs another flow with variables of its own, and goes on when it ends.
#[derive(Debug)]
pub(super) struct CallFlow;

#[derive(Debug, Deserialize)]
struct Config {
    flow: String,
    #[serde(default)]
    inputs: BTreeMap<String, String>,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
}

impl FlowNode for CallFlow {
    fn descriptor(&self) -> NodeDescriptor {
        let names = json!({
            "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
            "not": {"enum": crate::document::RESERVED_NAMES}
        });
        let map = |title: &str, of: Value| {
            json!({
                "type": "object", "title": title, "maxProperties": VARIABLES_MAX,
                "propertyNames": names, "additionalProperties": of
            })
        };
        let inputs = map("Its variables at the start", schema::template("Value"));
        let outputs = map("Variables set from its own", schema::variable("Its variable"));
        NodeDescriptor {
            kind: "call_flow".to_owned(),
            title: "Call a flow".to_owned(),
            summary: "Runs another flow with variables of its own, and goes on when it ends."
                .to_owned(),
            schema: schema::object(
                json!({
                    "flow": {
                        "type": "string", "title": "Flow", "format": "flow",
                        "minLength": 1, "maxLength": FLOW_KEY_MAX_BYTES
                    },
                    "inputs": inputs,
                    "outputs": outputs
                }),
                &["flow"],
            ),
            exits: vec![schema::exit("next", "When it ends"), schema::exit("error", "It fails")],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let inputs = config.inputs.iter().map(|(name, source)| {
            let path = format!("/inputs/{name}");
            if !is_variable_name(name) {
                return Err(NodeConfigError::new(path, "this is not the name of a variable"));
            }
            Ok((name.clone(), Input::of(&path, source)?))
        });
        Ok(Box::new(Call {
            inputs: inputs.collect::<Result<_, _>>()?,
            outputs: config.outputs.into_iter().collect(),
            flow: config.flow,
        }))
    }
}

/// What a variable is given.
#[derive(Debug)]
enum Input {
    /// A value as it is: `{{ path }}` and nothing else.
    Value(Path),
    /// A text.
    Text(Template),
}

impl Input {
    fn of(path: &str, source: &str) -> Result<Self, NodeConfigError> {
        let template = config::template(path, source)?;
        let code = source.trim().strip_prefix("{{").and_then(|code| code.strip_suffix("}}"));
        let whole = code.map(str::trim).filter(|code| template.variables().eq([*code]));
        Ok(match whole.and_then(|code| Path::parse(code).ok()) {
            Some(path) => Self::Value(path),
            None => Self::Text(template),
        })
    }

    fn value(&self, cx: &NodeContext<'_>) -> Result<Value, Step> {
        match self {
            Self::Value(path) => Ok(path.find(&Names::of(cx)).cloned().unwrap_or_default()),
            Self::Text(template) => config::render(cx, template).map(Value::from),
        }
    }
}

#[derive(Debug)]
struct Call {
    flow: String,
    inputs: Vec<(String, Input)>,
    outputs: Vec<(String, String)>,
}

impl BuiltNode for Call {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let given = self.inputs.iter().map(|(name, input)| Ok((name.clone(), input.value(cx)?)));
        match given.collect::<Result<Map<_, _>, Step>>() {
            Ok(variables) => Step::Run { flow: self.flow.clone(), variables },
            Err(failed) => failed,
        }
    }

    fn returned(&self, cx: &mut NodeContext<'_>, back: &Returned) -> Step {
        for (variable, theirs) in &self.outputs {
            cx.set(variable, back.variables.get(theirs).cloned().unwrap_or_default());
        }
        exit("next")
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned(), "error".to_owned()]
    }

    /// It may: what the flow it calls does is seen in the whole document only.
    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        let paths = self.inputs.iter().flat_map(|(_, input)| match input {
            Input::Value(path) => vec![path.as_str().to_owned()],
            Input::Text(template) => config::reads([template]),
        });
        paths.collect()
    }

    fn writes(&self) -> Vec<String> {
        self.outputs.iter().map(|(variable, _)| variable.clone()).collect()
    }

    fn flows(&self) -> Vec<(String, Vec<String>)> {
        let given = self.inputs.iter().map(|(name, _)| name.clone()).collect();
        vec![(self.flow.clone(), given)]
    }
}
