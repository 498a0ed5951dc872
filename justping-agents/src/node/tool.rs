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

use super::argument::Argument;
use super::prompt::exit;
use super::{config, schema};
use crate::VARIABLES_MAX_BYTES;
use crate::ai::{AiHost, ToolResult, ToolWork, Work};
use crate::check::code;
use crate::size;

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
        if self.host.may_have_tool(&self.tool) {
            return Vec::new();
        }
        let error = NodeConfigError::new("/tool", format!("there is no tool `{}`", self.tool));
        vec![error.with_code(code::MISSING_TOOL)]
    }

    fn tools(&self) -> Vec<String> {
        vec![self.tool.clone()]
    }

    fn reads(&self) -> Vec<String> {
        self.arguments.reads()
    }

    fn writes(&self) -> Vec<String> {
        self.variable.iter().cloned().chain([ERROR_VARIABLE.to_owned()]).collect()
    }
}
