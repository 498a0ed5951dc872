//! Calling tools, outside the step.

use std::sync::Arc;
use std::time::Duration;

use jsonschema::Validator;
use justping_core::model::{CallResult, ContactId, ContactPatch};
use justping_core::port::{
    PerformContext, Tool, ToolContext, ToolError, ToolOrigin, ToolOutput, ToolSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument;

use super::guard::mark_foreign;
use super::work::refused;
use super::{AiHost, span};

/// The longest a tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of what a tool says that a model is told.
const TEXT_MAX_BYTES: usize = 8 * 1024;
/// The code of arguments that do not fit a tool, or make no sense to it.
pub(crate) const INVALID_ARGUMENTS_CODE: &str = "invalid_arguments";
/// The code of a name that no tool has.
pub(super) const UNKNOWN_TOOL_CODE: &str = "unknown_tool";
/// Problems of arguments that a model is told at once.
const PROBLEMS_MAX: usize = 5;

/// A tool with its compiled schema.
#[derive(Debug)]
pub(crate) struct Registered {
    tool: Arc<dyn Tool>,
    spec: ToolSpec,
    validator: Option<Validator>,
}

impl Registered {
    pub(super) fn new(tool: Arc<dyn Tool>) -> Self {
        let spec = tool.spec();
        // A tool with a schema that is none is given whatever a model writes.
        let validator = jsonschema::validator_for(&spec.parameters).ok();
        Self { tool, spec, validator }
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// Reads arguments, or says what is wrong with them.
    pub(super) fn read(&self, arguments: &str) -> Result<Value, String> {
        // Models write nothing where a tool wants nothing.
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        self.check(&value)?;
        Ok(value)
    }

    /// Calls it, once its arguments fit.
    pub(super) async fn call(
        &self,
        arguments: &Value,
        cx: &ToolContext,
    ) -> Result<ToolOutput, ToolError> {
        self.check(arguments).map_err(ToolError::Arguments)?;
        within(self.tool.call(arguments, cx)).await
    }

    fn check(&self, arguments: &Value) -> Result<(), String> {
        let Some(validator) = &self.validator else { return Ok(()) };
        let problems = validator.iter_errors(arguments).take(PROBLEMS_MAX);
        let problems: Vec<String> =
            problems.map(|problem| format!("{}: {problem}", problem.instance_path())).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

/// One call, as it is journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolWork {
    pub(crate) tool: String,
    /// JSON text, as a model wrote it.
    pub(crate) arguments: String,
    pub(crate) contact: ContactId,
}

/// What a call comes back with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolResult {
    /// What the tool gave.
    pub(crate) content: Value,
    /// The same as a model is told, marked when somebody else wrote it.
    #[serde(default)]
    pub(crate) text: String,
    /// What changes of the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<ContactPatch>,
}

/// Calls a tool.
pub(super) async fn call(host: &AiHost, work: &ToolWork, cx: &PerformContext<'_>) -> CallResult {
    let tool = match host.tool(cx.scope.business_id, &work.tool).await {
        Ok(Some(tool)) => tool,
        Ok(None) => return refused(UNKNOWN_TOOL_CODE, "there is no such tool"),
        Err(error) => return refused(error.code(), &error.to_string()),
    };
    let arguments = match tool.read(&work.arguments) {
        Ok(arguments) => arguments,
        Err(problem) => return refused(INVALID_ARGUMENTS_CODE, &problem),
    };
    let context = ToolContext { scope: cx.scope, contact_id: work.contact };
    let span = span::tool(tool.spec(), cx);
    if host.captures {
        span::tool_arguments(&span, &work.arguments);
    }
    let called = tool.tool.call(&arguments, &context).instrument(span.clone());
    match within(called).await {
        Ok(output) => {
            if host.captures {
                span::tool_result(&span, &output.text());
            }
            answer(&work.tool, output)
        }
        Err(error) => {
            span::failed(&span, error.code());
            refused(error.code(), &error.to_string())
        }
    }
}

/// Waits no longer than a tool may take.
pub(super) async fn within<T>(
    work: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    let late = |_| Err(ToolError::Unavailable("the tool took too long".to_owned()));
    tokio::time::timeout(TOOL_TIMEOUT, work).await.unwrap_or_else(late)
}

fn answer(tool: &str, output: ToolOutput) -> CallResult {
    let text = output.text();
    let end = text.floor_char_boundary(TEXT_MAX_BYTES);
    let mut told = text.get(..end).unwrap_or_default().to_owned();
    if end < text.len() {
        told.push_str("\n(shortened)");
    }
    let text = match output.origin {
        ToolOrigin::Own => told,
        ToolOrigin::Foreign => mark_foreign(tool, &told),
    };
    let result = ToolResult { text, contact: output.contact, content: output.content };
    match serde_json::to_value(&result) {
        Ok(value) => CallResult::Ok(value),
        Err(_) => refused("malformed", "what the tool gave is not JSON"),
    }
}
