//! One tool of a server.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::port::{Tool, ToolContext, ToolError, ToolOutput, ToolSpec};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::ServiceError;
use serde_json::Value;

use super::{McpError, Shared, within};

/// Most bytes of what a server says that are kept.
const RESULT_MAX_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct RemoteTool {
    shared: Arc<Shared>,
    spec: ToolSpec,
}

impl RemoteTool {
    pub(super) fn new(shared: Arc<Shared>, spec: ToolSpec) -> Self {
        Self { shared, spec }
    }
}

#[async_trait]
impl Tool for RemoteTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    async fn call(&self, arguments: &Value, _: &ToolContext) -> Result<ToolOutput, ToolError> {
        let service = self.shared.service().await.map_err(unavailable)?;
        let config = &self.shared.config;
        let mut params = CallToolRequestParams::new(config.own_name(&self.spec.name).to_owned());
        params.arguments = arguments.as_object().cloned();
        let called = within(config.timeout, service.peer().call_tool(params)).await;
        match called.map_err(unavailable)? {
            Ok(result) => output(&result),
            Err(error) => {
                if !matches!(error, ServiceError::McpError(_)) {
                    self.shared.lost(&service).await;
                }
                Err(failed(&error))
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the end of an error")]
fn unavailable(error: McpError) -> ToolError {
    ToolError::Unavailable(error.to_string())
}

/// What a failure means to whoever called.
fn failed(error: &ServiceError) -> ToolError {
    match error {
        // By JSON-RPC: the method or its arguments.
        ServiceError::McpError(data) if data.code.0 == -32602 => {
            ToolError::Arguments(data.message.to_string())
        }
        ServiceError::McpError(data) => {
            ToolError::Refused { code: "mcp_error".to_owned(), detail: data.message.to_string() }
        }
        other => ToolError::Unavailable(other.to_string()),
    }
}

/// What the server says: data if it gives some, else its texts.
fn output(result: &CallToolResult) -> Result<ToolOutput, ToolError> {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    let text = texts.map(|text| text.text.as_str()).collect::<Vec<_>>().join("\n");
    if text.len() > RESULT_MAX_BYTES {
        let detail = "the server says too much".to_owned();
        return Err(ToolError::Refused { code: "answer_too_large".to_owned(), detail });
    }
    if result.is_error == Some(true) {
        return Err(ToolError::Refused { code: "tool_failed".to_owned(), detail: text });
    }
    let content = result.structured_content.clone().unwrap_or_else(|| Value::from(text));
    Ok(ToolOutput::foreign(content))
}
