use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CallScope, ToolSpec};
use crate::model::{BusinessId, ContactId, ContactPatch};

/// Most bytes of a tool's name.
pub const TOOL_NAME_MAX_BYTES: usize = 64;
/// What stands between the name of a server or plugin and that of its own tool: `crm__find_order`.
pub const TOOL_NAME_SEPARATOR: &str = "__";

/// Says whether models can be offered a tool of this name: 1 to [`TOOL_NAME_MAX_BYTES`] letters and
/// digits of ASCII, `_` and `-`, which is what providers take.
pub fn is_tool_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=TOOL_NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(fits)
}

/// Who speaks in what a tool gives back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOrigin {
    /// The business: what is said is meant.
    #[default]
    Own,
    /// Somebody else, such as a web page: models are told to take it as data, whatever it asks for.
    Foreign,
}

/// What a tool gives back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// What the model is told; a text is told as it is, anything else as JSON.
    pub content: Value,
    /// Who speaks in it.
    #[serde(default)]
    pub origin: ToolOrigin,
    /// What the tool changes of the contact; the step commits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactPatch>,
}

impl ToolOutput {
    /// Words or data of the business.
    pub fn own(content: impl Into<Value>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Words or data of somebody else.
    pub fn foreign(content: impl Into<Value>) -> Self {
        Self { origin: ToolOrigin::Foreign, ..Self::own(content) }
    }

    /// The content as a model reads it.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        }
    }
}

/// Why a tool gave nothing back. Messages hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments make no sense to it, though they match its schema; a model may mend them.
    #[error("{0}")]
    Arguments(String),
    /// It cannot be reached, or took too long; it may have done its work.
    #[error("{0}")]
    Unavailable(String),
    /// It says no.
    #[error("{detail}")]
    Refused {
        /// A stable code.
        code: String,
        /// Why, for people and models.
        detail: String,
    },
}

impl ToolError {
    /// A stable code.
    pub fn code(&self) -> &str {
        match self {
            Self::Arguments(_) => "invalid_arguments",
            Self::Unavailable(_) => "unavailable",
            Self::Refused { code, .. } => code,
        }
    }
}

/// For whom a tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolContext {
    /// Whose conversation it is. Its [`call_id`](CallScope::call_id) is the idempotency key: it
    /// stays the same when a worker dies and another one calls again.
    pub scope: CallScope,
    /// The contact of the conversation.
    pub contact_id: ContactId,
}

/// Something a model or a flow can have done.
///
/// # Contract
/// - A tool sees and changes only what belongs to the business of the [`ToolContext`].
/// - [`spec`](Self::spec) is stable while the process lives; its schema is an object's.
/// - Arguments match the schema when [`call`](Self::call) is reached.
///
/// # Ordering and idempotency
/// Each call is journaled by its caller: one that came back is not made again. One whose worker died
/// may be, with the same [`call_id`](CallScope::call_id).
///
/// # Cancellation
/// Dropping the future gives the work up; it may have been done.
///
/// # Errors
/// [`ToolError`], by what to do about it.
///
/// # Implementing
/// ```
/// use justping_core::port::{Tool, ToolContext, ToolError, ToolOutput, ToolSpec};
/// use serde_json::{Value, json};
///
/// /// Adds two numbers.
/// #[derive(Debug)]
/// struct Add;
///
/// #[async_trait::async_trait]
/// impl Tool for Add {
///     fn spec(&self) -> ToolSpec {
///         let number = json!({"type": "number"});
///         ToolSpec {
///             name: "add".to_owned(),
///             description: "Adds two numbers.".to_owned(),
///             parameters: json!({
///                 "type": "object",
///                 "properties": {"a": number, "b": number},
///                 "required": ["a", "b"]
///             }),
///         }
///     }
///
///     async fn call(&self, arguments: &Value, _: &ToolContext) -> Result<ToolOutput, ToolError> {
///         let number = |name: &str| arguments.get(name).and_then(Value::as_f64).unwrap_or(0.0);
///         Ok(ToolOutput::own(number("a") + number("b")))
///     }
/// }
/// ```
#[async_trait]
pub trait Tool: Send + Sync + Debug + 'static {
    /// Its name, what it is for, and the schema of its arguments.
    fn spec(&self) -> ToolSpec;

    /// Does its work, once.
    async fn call(&self, arguments: &Value, cx: &ToolContext) -> Result<ToolOutput, ToolError>;
}

/// The tools that businesses have besides those of the process, each business its own.
///
/// # Contract
/// - A business is given its own tools only; a foreign one's is a missing one.
/// - Names follow [`is_tool_name`]. Whoever has several under one roof puts its own name and
///   [`TOOL_NAME_SEPARATOR`] before theirs, so that no two sources use one name.
/// - A tool of the process goes before one of the same name from here, so nobody can put his own in
///   the place of what others count on. Of several sources the first that knows a name answers.
/// - What [`tools`](Self::tools) lists, [`tool`](Self::tool) finds, under the same
///   [`spec`](Tool::spec).
///
/// # Ordering and idempotency
/// Lists come by name. A name is looked up again for every call and every question to a model, so
/// what a business changes is in force with the next one.
///
/// # Cancellation
/// Looking up changes nothing.
///
/// # Errors
/// [`ToolError::Unavailable`] when nobody can say which tools there are. A server that is away is no
/// reason: its tools are listed as they were last seen, and fail when they are called.
///
/// # Implementing
/// [`MemoryTools`](crate::memory::MemoryTools) is an example; run
/// [`tool_source_conformance!`](crate::tool_source_conformance) on yours.
#[async_trait]
pub trait ToolSource: Send + Sync + Debug + 'static {
    /// Every tool of a business, by name.
    async fn tools(&self, business: BusinessId) -> Result<Vec<ToolSpec>, ToolError>;

    /// The tool of a business with this name.
    async fn tool(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_providers_take() {
        for name in ["a", "find_order", "order-status__look_up", &"x".repeat(64)] {
            assert!(is_tool_name(name), "{name}");
        }
        for name in ["", "a.b", "a b", "größe", "a/b", &"x".repeat(65)] {
            assert!(!is_tool_name(name), "{name}");
        }
    }
}
