use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CallScope, ContactView};
use crate::model::{ContactPatch, Content, Timestamp};

/// What a node of a plugin is asked. All of it is journaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginAsk {
    /// The plugin, by its name in the business.
    pub plugin: String,
    /// The node, by its name in the plugin.
    pub node: String,
    /// The node's configuration; templates in it are filled in.
    pub config: Value,
    /// The contact.
    pub contact: ContactView,
    /// The session's variables, an object.
    pub variables: Value,
    /// The contact's newest text.
    pub last_text: String,
    /// The moment.
    pub now: Timestamp,
    /// What the node remembered when it waited; `null` when it is entered.
    #[serde(default)]
    pub memory: Value,
    /// Why it is called again; `None` when it is entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<PluginEvent>,
}

/// Why a waiting node of a plugin is called again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PluginEvent {
    /// The contact wrote.
    Message {
        /// What it says.
        content: Content,
    },
    /// The moment it waited for has come.
    Timer,
}

/// What a node of a plugin decides. The step that hears of it does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginStep {
    /// Messages to send first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Content>,
    /// What it gives to the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How the contact changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactPatch>,
    /// What is next.
    pub next: PluginNext,
}

/// What is next after a node of a plugin was called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PluginNext {
    /// The session leaves by an exit.
    Leave {
        /// The exit.
        exit: String,
    },
    /// The node waits for the contact.
    Wait {
        /// What it will be told again.
        memory: Value,
        /// When it is called even if the contact stays silent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// A plugin could not do its work. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct PluginError {
    /// A stable code in snake_case.
    pub code: String,
    /// What went wrong, for people.
    pub detail: String,
}

impl PluginError {
    /// The code when the business has no such plugin, or it is not enabled.
    pub const NOT_INSTALLED: &'static str = "plugin_not_installed";
    /// The code when the plugin has no such node.
    pub const UNKNOWN_NODE: &'static str = "unknown_node";

    /// The business has no such plugin.
    pub fn not_installed(plugin: &str) -> Self {
        Self::new(Self::NOT_INSTALLED, format!("there is no plugin `{plugin}`"))
    }

    /// The plugin has no such node.
    pub fn unknown_node(plugin: &str, node: &str) -> Self {
        Self::new(Self::UNKNOWN_NODE, format!("the plugin `{plugin}` has no node `{node}`"))
    }

    /// An error with a stable code and a sentence for people.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

/// Runs the nodes of plugins.
///
/// # Contract
/// - A plugin is one of the business of the scope; a foreign one is a missing one.
/// - Nothing is left of a call but what the plugin keeps through its capabilities.
/// - What comes back is within bounds that the implementation names. Whatever a plugin does, the
///   answer comes in bounded time.
///
/// # Ordering and idempotency
/// The caller journals each answer: what came back is not asked again. A call whose worker died may
/// be made again, with the same [`call_id`](CallScope::call_id).
///
/// # Cancellation
/// Dropping the future gives the work up; it may have been done.
///
/// # Errors
/// [`PluginError`]; the node leaves by its `error` exit. A plugin or node that is not there has the code
/// [`NOT_INSTALLED`](PluginError::NOT_INSTALLED) or [`UNKNOWN_NODE`](PluginError::UNKNOWN_NODE).
///
/// # Implementing
/// The sandbox of `justping-plugins` is one; a program that runs its customers' code another way
/// brings its own and runs [`conformance::plugin`](crate::conformance::plugin) on it. See
/// [`memory::ScriptedPlugins`](crate::memory::ScriptedPlugins) for the smallest one.
#[async_trait]
pub trait PluginNodes: Send + Sync + Debug + 'static {
    /// Calls a node.
    async fn step(&self, ask: &PluginAsk, scope: &CallScope) -> Result<PluginStep, PluginError>;
}
