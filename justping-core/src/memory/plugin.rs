use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::model::BusinessId;
use crate::port::{CallScope, PluginAsk, PluginError, PluginNodes, PluginStep};

/// Questions that are remembered; beyond it the oldest are dropped.
const ASKS_MAX: usize = 10_000;

type Node = Box<dyn Fn(&PluginAsk) -> Result<PluginStep, PluginError> + Send + Sync>;

/// Plugins that do what a test told them to do: each node is a function.
///
/// ```
/// use justping_core::memory::ScriptedPlugins;
/// use justping_core::model::{BusinessId, Content};
/// use justping_core::port::{PluginNext, PluginStep};
///
/// # let business = BusinessId::from_uuid(uuid::Uuid::nil());
/// let plugins = ScriptedPlugins::new().with_node(business, "shop", "greet", |ask| {
///     Ok(PluginStep {
///         messages: vec![Content::text(format!("Hello, {}", ask.last_text))],
///         output: None,
///         contact: None,
///         next: PluginNext::Leave { exit: "next".to_owned() },
///     })
/// });
/// ```
#[derive(Default)]
pub struct ScriptedPlugins {
    nodes: BTreeMap<(BusinessId, String, String), Node>,
    asks: Mutex<VecDeque<PluginAsk>>,
}

impl ScriptedPlugins {
    /// No plugin at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node to a plugin of a business.
    #[must_use]
    pub fn with_node(
        mut self,
        business: BusinessId,
        plugin: &str,
        node: &str,
        does: impl Fn(&PluginAsk) -> Result<PluginStep, PluginError> + Send + Sync + 'static,
    ) -> Self {
        self.nodes.insert((business, plugin.to_owned(), node.to_owned()), Box::new(does));
        self
    }

    /// What the plugins were asked, oldest first.
    pub fn asks(&self) -> Vec<PluginAsk> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl fmt::Debug for ScriptedPlugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.nodes.keys()).finish()
    }
}

#[async_trait]
impl PluginNodes for ScriptedPlugins {
    async fn step(&self, ask: &PluginAsk, scope: &CallScope) -> Result<PluginStep, PluginError> {
        {
            let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
            asks.push_back(ask.clone());
            if asks.len() > ASKS_MAX {
                asks.pop_front();
            }
        }
        let (business, plugin) = (scope.business_id, &ask.plugin);
        let mut of_plugin =
            self.nodes.keys().filter(|(of, name, _)| *of == business && name == plugin);
        if of_plugin.next().is_none() {
            return Err(PluginError::not_installed(plugin));
        }
        match self.nodes.get(&(business, plugin.clone(), ask.node.clone())) {
            Some(node) => node(ask),
            None => Err(PluginError::unknown_node(plugin, &ask.node)),
        }
    }
}
