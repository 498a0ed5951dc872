//! Calls one tool.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::CallResult;
use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, PerformContext,
    Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::names::Names;
use super::prompt::exit;
use super::{config, schema};
use crate::VARIABLES_MAX_BYTES;
use crate::ai::{AiHost, ToolResult, ToolWork, Work};
use crate::check::code;
use crate::scope::Scope as _;
use crate::size;
use crate::text::Template;

/// How deep arguments may be nested.
const DEPTH_MAX: usize = 8;
/// Where the code of a failure is saved.
const ERROR_VARIABLE: &str = "tool_error";

/// Calls one tool and saves what it gives.
#[derive(Debug)]
pub(super) struct CallTool {
    host: Arc<AiHost>,
}

impl CallTool {
    pub(super) fn new(host: Arc<AiHost>) -> Self {
        Self { host }
    }
}

#[derive(Debug, Deserialize)]
struct Config {
    tool: String,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    variable: Option<String>,
}

impl FlowNode for CallTool {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "tool".to_owned(),
            title: "Tool".to_owned(),
            summary: "Calls one tool and saves what it gives; messages meanwhile go unheard."
                .to_owned(),
            schema: schema::object(members(), &["tool"]),
            exits: vec![
                schema::exit("next", "The tool is done"),
                schema::exit("error", "The tool fails"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let Config { tool, arguments, variable } = config::read(data)?;
        let arguments = Argument::object("/arguments", &arguments, 0)?;
        Ok(Box::new(Calling { host: Arc::clone(&self.host), tool, arguments, variable }))
    }
}

fn members() -> Value {
    json!({
        "tool": {"type": "string", "title": "Tool", "minLength": 1, "maxLength": 128},
        "arguments": {
            "type": "object", "title": "Arguments", "maxProperties": 50,
            "description": "A text is a template; {\"variable\": \"path\"} is a variable as it is."
        },
        "variable": schema::variable("Save what it gives in")
    })
}

/// An argument as written: texts are templates, and `{"variable": path}` is a variable as it is.
#[derive(Debug)]
enum Argument {
    Text(Template),
    Variable(String),
    Plain(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Argument {
    fn build(path: &str, value: &Value, depth: usize) -> Result<Self, NodeConfigError> {
        if depth > DEPTH_MAX {
            return Err(NodeConfigError::new(path, "arguments are nested too deep"));
        }
        Ok(match value {
            Value::String(text) => Self::Text(config::template(path, text)?),
            Value::Array(items) => {
                let item = |(at, item)| Self::build(&format!("{path}/{at}"), item, depth + 1);
                Self::List(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => match (members.len(), members.get("variable")) {
                (1, Some(Value::String(path))) => Self::Variable(path.clone()),
                _ => Self::object(path, members, depth)?,
            },
            plain => Self::Plain(plain.clone()),
        })
    }

    fn object(
        path: &str,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<Self, NodeConfigError> {
        let member = |(name, value): (&String, &Value)| {
            Ok((name.clone(), Self::build(&format!("{path}/{name}"), value, depth + 1)?))
        };
        Ok(Self::Object(members.iter().map(member).collect::<Result<_, NodeConfigError>>()?))
    }

    fn render(&self, cx: &NodeContext<'_>) -> Result<Value, Step> {
        Ok(match self {
            Self::Text(template) => Value::from(config::render(cx, template)?),
            Self::Variable(path) => variable(cx, path),
            Self::Plain(value) => value.clone(),
            Self::List(items) => {
                items.iter().map(|item| item.render(cx)).collect::<Result<Value, _>>()?
            }
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| Ok((name.clone(), value.render(cx)?));
                Value::Object(members.iter().map(member).collect::<Result<_, Step>>()?)
            }
        })
    }

    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Text(template) => vec![template],
            Self::Variable(_) | Self::Plain(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, one)| one.templates()).collect(),
        }
    }

    fn variables(&self) -> Vec<String> {
        match self {
            Self::Variable(path) => vec![path.clone()],
            Self::Text(_) | Self::Plain(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::variables).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, one)| one.variables()).collect(),
        }
    }
}

/// The value at a dotted path; `null` when there is none.
fn variable(cx: &NodeContext<'_>, path: &str) -> Value {
    let names = Names::of(cx);
    let mut parts = path.split('.');
    let first = parts.next().and_then(|first| names.get(first));
    let found = parts.fold(first, |value, part| match value? {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    });
    found.cloned().unwrap_or_default()
}

#[derive(Debug)]
struct Calling {
    host: Arc<AiHost>,
    tool: String,
    arguments: Argument,
    variable: Option<String>,
}

impl Calling {
    fn call(&self, cx: &NodeContext<'_>) -> Result<Step, Step> {
        let allowed = cx.agent.settings.tools.as_ref();
        if allowed.is_some_and(|allowed| !allowed.contains(&self.tool)) {
            return Err(Step::Fail { reason: format!("the agent may not use `{}`", self.tool) });
        }
        let arguments = self.arguments.render(cx)?.to_string();
        let work =
            Work::Tool(ToolWork { tool: self.tool.clone(), arguments, contact: cx.contact.id });
        Ok(Step::Call { input: work.input() })
    }

    fn done(&self, cx: &mut NodeContext<'_>, result: ToolResult) -> Step {
        if let Some(patch) = result.contact.filter(|patch| !patch.is_empty()) {
            cx.effects.push(Effect::UpdateContact { patch });
        }
        if let Some(variable) = &self.variable {
            if size::weigh(&result.content) > VARIABLES_MAX_BYTES {
                return self.failed(cx, "answer_too_large");
            }
            cx.set(variable, result.content);
        }
        exit("next")
    }

    /// What would be saved is empty, so that nothing of an earlier call is taken for it.
    fn failed(&self, cx: &mut NodeContext<'_>, code: &str) -> Step {
        if let Some(variable) = &self.variable {
            cx.set(variable, Value::Null);
        }
        cx.set(ERROR_VARIABLE, Value::from(code));
        Step::Fail { reason: format!("the tool `{}` failed: {code}", self.tool) }
    }
}

#[async_trait]
impl BuiltNode for Calling {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.call(cx))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Message { .. } | StepEvent::Timer { .. } | StepEvent::Outside { .. } => {
                Step::Wait { until: None }
            }
            StepEvent::CallDone { result: CallResult::Ok(value), .. } => {
                match ToolResult::deserialize(value) {
                    Ok(result) => self.done(cx, result),
                    Err(_) => self.failed(cx, "malformed"),
                }
            }
            StepEvent::CallDone { result: CallResult::Error { code, .. }, .. } => {
                self.failed(cx, code)
            }
        }
    }

    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        Work::perform(&self.host, input, cx).await
    }

    fn exits(&self) -> Vec<String> {
        ["next", "error"].map(str::to_owned).to_vec()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn objections(&self) -> Vec<NodeConfigError> {
        if self.host.tool_spec(&self.tool).is_some() {
            return Vec::new();
        }
        let error = NodeConfigError::new("/tool", format!("there is no tool `{}`", self.tool));
        vec![error.with_code(code::MISSING_TOOL)]
    }

    fn reads(&self) -> Vec<String> {
        let mut reads = config::reads(self.arguments.templates());
        reads.extend(self.arguments.variables());
        reads
    }

    fn writes(&self) -> Vec<String> {
        self.variable.iter().cloned().chain([ERROR_VARIABLE.to_owned()]).collect()
    }
}
