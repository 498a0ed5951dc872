//! Tools that models and flows can have called: those of every plugin that runs, each named
//! `<plugin>__<tool>`.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::BusinessId;
use justping_core::port::{
    TOOL_NAME_SEPARATOR, Tool, ToolContext, ToolError, ToolOutput, ToolSource, ToolSpec,
    is_tool_name,
};
use serde_json::Value;

use super::told;
use crate::package::ToolInfo;
use crate::plugins::{Ask, Installed, Plugins, UseError};
use crate::sandbox::ToolAsk;
use crate::{CallError, Export};

#[async_trait]
impl ToolSource for Plugins {
    async fn tools(&self, business: BusinessId) -> Result<Vec<ToolSpec>, ToolError> {
        let plugins =
            self.exporting(business, Export::Tools).await.map_err(|error| unavailable(&error))?;
        let specs = plugins
            .iter()
            .flat_map(|one| one.inspection.tools.iter().map(|tool| spec(&one.plugin.name, tool)));
        let mut specs: Vec<ToolSpec> = specs.filter(|spec| is_tool_name(&spec.name)).collect();
        specs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(specs)
    }

    async fn tool(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError> {
        let named = name.split_once(TOOL_NAME_SEPARATOR).filter(|_| is_tool_name(name));
        let Some((plugin, tool)) = named else { return Ok(None) };
        let plugins =
            self.exporting(business, Export::Tools).await.map_err(|error| unavailable(&error))?;
        let found = plugins.into_iter().find(|one| one.plugin.name == plugin);
        let found = found.and_then(|installed| {
            let info = installed.inspection.tools.iter().find(|info| info.name == tool)?.clone();
            Some(PluginTool { plugins: self.clone(), installed, info })
        });
        Ok(found.map(|tool| Arc::new(tool) as Arc<dyn Tool>))
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> ToolError {
    ToolError::Unavailable(error.to_string())
}

fn spec(plugin: &str, tool: &ToolInfo) -> ToolSpec {
    ToolSpec {
        name: format!("{plugin}{TOOL_NAME_SEPARATOR}{}", tool.name),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
    }
}

/// A tool of a plugin, as it was installed when it was looked up.
#[derive(Debug)]
struct PluginTool {
    plugins: Plugins,
    installed: Arc<Installed>,
    info: ToolInfo,
}

#[async_trait]
impl Tool for PluginTool {
    fn spec(&self) -> ToolSpec {
        spec(&self.installed.plugin.name, &self.info)
    }

    async fn call(&self, arguments: &Value, cx: &ToolContext) -> Result<ToolOutput, ToolError> {
        let ask = Ask {
            conversation_id: Some(cx.scope.conversation_id),
            call_id: cx.scope.call_id.to_string(),
            now: self.plugins.sandbox().ports().clock.now(),
        };
        let what = ToolAsk {
            contact_id: cx.contact_id.to_string(),
            tool: self.info.name.clone(),
            arguments: arguments.to_string(),
        };
        let answer = self.plugins.call(&self.installed, &ask, |sandbox, code, caller| async move {
            sandbox.call_tool(&code, caller, what).await
        });
        let answer = answer.await.map_err(|error| refused(&error))?;
        let content: Value = serde_json::from_str(&answer).map_err(|error| ToolError::Refused {
            code: "invalid_output".to_owned(),
            detail: format!("the answer is no JSON: {error}"),
        })?;
        Ok(ToolOutput::foreign(content))
    }
}

/// A plugin that was not there is unavailable; one that says no, or broke, says so to the model.
fn refused(error: &UseError) -> ToolError {
    match error {
        UseError::Call(CallError::Failed(failure)) if failure.code == "invalid_arguments" => {
            ToolError::Arguments(failure.message.clone())
        }
        error if error.is_passing() => unavailable(&error),
        error => {
            let told = told(error);
            ToolError::Refused { code: told.code, detail: told.detail }
        }
    }
}
