//! Reading a node's `data` and its texts.

use justping_core::model::{Content, GroupId};
use justping_core::port::{ChatMessage, ChatRole, NodeConfigError, NodeContext, Step};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::names::Names;
use crate::check::code;
use crate::condition::Condition;
use crate::text::Template;

/// Reads `data`, which already matches the schema.
pub(super) fn read<T: DeserializeOwned>(data: &Value) -> Result<T, NodeConfigError> {
    T::deserialize(data).map_err(|reason| NodeConfigError::new("", reason.to_string()))
}

/// The fault of a node that needs a model where none is configured.
pub(super) fn no_provider() -> NodeConfigError {
    NodeConfigError::new("", "no AI provider is configured").with_code(code::MISSING_PROVIDER)
}

/// Instructions, unless they are blank.
pub(super) fn system_message(text: &str) -> Option<ChatMessage> {
    (!text.trim().is_empty()).then(|| ChatMessage::new(ChatRole::System, text))
}

/// Compiles a template.
pub(super) fn template(path: &str, source: &str) -> Result<Template, NodeConfigError> {
    Template::compile(source).map_err(|reason| {
        NodeConfigError::new(path, reason.to_string()).with_code(code::INVALID_TEMPLATE)
    })
}

/// Compiles a template that may be absent.
pub(super) fn template_if(
    path: &str,
    source: Option<&str>,
) -> Result<Option<Template>, NodeConfigError> {
    source.map(|source| template(path, source)).transpose()
}

/// Compiles a template of HTML that may be absent.
pub(super) fn html_if(
    path: &str,
    source: Option<&str>,
) -> Result<Option<Template>, NodeConfigError> {
    let compile = |source: &str| {
        Template::compile_html(source).map_err(|reason| {
            NodeConfigError::new(path, reason.to_string()).with_code(code::INVALID_TEMPLATE)
        })
    };
    source.map(compile).transpose()
}

/// Compiles a condition.
pub(super) fn condition(path: &str, json: &Value) -> Result<Condition, NodeConfigError> {
    Condition::compile(json).map_err(|reason| {
        NodeConfigError::new(path, reason.to_string()).with_code(code::INVALID_CONDITION)
    })
}

/// The groups that conditions ask for: whether `contact.groups` contains them.
pub(super) fn groups<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> Vec<GroupId> {
    let texts = conditions.into_iter().flat_map(|one| one.texts_beside("contact.groups"));
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Reports a repeated id.
pub(super) fn duplicate(path: String, id: &str) -> NodeConfigError {
    NodeConfigError::new(path, format!("`{id}` is there twice")).with_code(code::DUPLICATE_ID)
}

/// Renders a text; one that fails fails the node.
pub(super) fn render(cx: &NodeContext<'_>, template: &Template) -> Result<String, Step> {
    template.render(&Names::of(cx)).map_err(|reason| Step::Fail { reason: reason.to_string() })
}

/// Renders a text that may be absent; blank counts as absent.
pub(super) fn render_if(
    cx: &NodeContext<'_>,
    template: Option<&Template>,
) -> Result<Option<String>, Step> {
    let text = template.map(|template| render(cx, template)).transpose()?;
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// Sends a text, unless it is blank.
pub(super) fn say(cx: &mut NodeContext<'_>, template: &Template) -> Result<(), Step> {
    if let Some(text) = render_if(cx, Some(template))? {
        cx.send(Content::Text { text });
    }
    Ok(())
}

/// The step of either arm.
pub(super) fn step(result: Result<Step, Step>) -> Step {
    result.unwrap_or_else(|failed| failed)
}

/// The paths that templates read.
pub(super) fn reads<'t>(templates: impl IntoIterator<Item = &'t Template>) -> Vec<String> {
    templates.into_iter().flat_map(|one| one.variables().map(str::to_owned)).collect()
}
