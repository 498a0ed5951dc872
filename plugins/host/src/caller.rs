//! For whom a call is made.

use std::sync::Arc;

use justping_core::model::{BusinessId, ConversationId, Grants, PluginId, PluginQuota, Timestamp};

use crate::contract::Scope;
use crate::limits::Limits;

/// For whom a call is made, what it may use and how much of it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The business.
    pub business_id: BusinessId,
    /// The plugin.
    pub plugin_id: PluginId,
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// What takes effect: asked for, and granted, and allowed by the operator.
    pub grants: Arc<Grants>,
    /// The plugin's configuration, an object as JSON text.
    pub config: Arc<str>,
    /// The conversation, where there is one.
    pub conversation_id: Option<ConversationId>,
    /// The same each time that the same work is done again. What is random is drawn from it.
    pub call_id: String,
    /// The moment of the call; the only one that a plugin without [`Clock`] knows.
    ///
    /// [`Clock`]: justping_core::model::Capability::Clock
    pub now: Timestamp,
    /// How much it may take; never more than the sandbox's own limits.
    pub limits: Arc<Limits>,
    /// How much the plugin may keep.
    pub quota: PluginQuota,
}

impl Caller {
    /// What the plugin is told of it.
    pub fn scope(&self) -> Scope {
        Scope {
            business_id: self.business_id.to_string(),
            conversation_id: self.conversation_id.map(|id| id.to_string()).unwrap_or_default(),
            call_id: self.call_id.clone(),
            now: millis(self.now),
        }
    }
}

/// A moment in the contract's form.
pub fn millis(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millisecond()).unwrap_or_default()
}
