//! What AI nodes ask for outside the step.

use justping_core::model::CallResult;
use justping_core::port::PerformContext;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AiHost, Ask, ToolWork, ask, tool};

/// The code of work that a budget forbids.
pub(crate) const BUDGET_CODE: &str = "budget";

/// One call, as it is journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// One answer of a model; gives a [`Reply`](super::Reply).
    Ask(Box<Ask>),
    /// One call of a tool; gives a [`ToolResult`](super::ToolResult).
    Tool(ToolWork),
}

impl Work {
    /// The input of the call. Texts and numbers always become JSON.
    pub(crate) fn input(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Does the work that an input asks for.
    pub(crate) async fn perform(
        host: &AiHost,
        input: &Value,
        cx: &PerformContext<'_>,
    ) -> CallResult {
        match Self::deserialize(input) {
            Ok(Self::Ask(work)) => ask::ask(host, &work, cx).await,
            Ok(Self::Tool(work)) => tool::call(host, &work, cx).await,
            Err(_) => refused("unsupported", "the call's input cannot be read"),
        }
    }
}

pub(crate) fn refused(code: &str, detail: &str) -> CallResult {
    CallResult::Error { code: code.to_owned(), detail: detail.to_owned() }
}
