//! Plugins of businesses: the sandbox, where packages are kept, and what the operator allows.
//!
//! `config` the settings · `messenger` how plugins write messages.

mod config;
mod messenger;

use std::io;
use std::sync::Arc;

use justping::agents::Flows;
use justping::http::{OpenClient, Policy};
use justping::plugins::adapter::{PluginChannels, PluginSubscribers};
use justping::plugins::blob::{BlobError, PackageBlobs};
use justping::plugins::sandbox::StartError;
use justping::plugins::{
    CacheConfig, LineSink, Plugins, PluginsConfig, Ports, Sandbox, SandboxConfig,
};
use justping::port::{Clock, Store};
use justping::{Builder, JustPing};

pub use self::config::{
    PackagePlace, PluginConfig, PluginConfigError, PluginFlags, Switch, Unsigned,
};
pub use self::messenger::PluginMessenger;

/// Why plugins cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PluginStartError {
    /// Packages cannot be kept.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The folder of machine code cannot be made.
    #[error("the folder of machine code: {0}")]
    Cache(io::Error),
    /// The sandbox does not start.
    #[error(transparent)]
    Sandbox(#[from] StartError),
}

/// Plugins before there is a platform to write messages with.
#[derive(Debug)]
pub struct Opened {
    /// The plugins.
    pub plugins: Plugins,
    /// Tells them what happens.
    pub subscribers: PluginSubscribers,
    messenger: Arc<PluginMessenger>,
}

impl Opened {
    /// Starts the sandbox. What plugins ask of other servers goes through a client with `policy`.
    ///
    /// # Errors
    /// [`PluginStartError`].
    pub fn start(
        config: &PluginConfig,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        policy: Policy,
    ) -> Result<Self, PluginStartError> {
        let blobs = config.place.open()?;
        let cache = CacheConfig { folder: config.cache.clone(), key: None };
        std::fs::create_dir_all(&cache.folder).map_err(PluginStartError::Cache)?;
        let sandbox = SandboxConfig {
            limits: config.limits.clone(),
            cache: Some(cache),
            ..SandboxConfig::default()
        };
        Self::with(sandbox, blobs, config.plugins.clone(), (store, clock, policy))
    }

    /// The same with parts that are made elsewhere.
    ///
    /// # Errors
    /// [`PluginStartError::Sandbox`].
    pub fn with(
        sandbox: SandboxConfig,
        blobs: PackageBlobs,
        config: PluginsConfig,
        (store, clock, policy): (&Arc<dyn Store>, Arc<dyn Clock>, Policy),
    ) -> Result<Self, PluginStartError> {
        let messenger = Arc::new(PluginMessenger::default());
        let ports = Ports {
            plugins: Arc::clone(store) as _,
            contacts: Arc::clone(store) as _,
            http: OpenClient::new(policy),
            messenger: Arc::clone(&messenger) as _,
            clock,
            lines: LineSink::start(Arc::clone(store) as _),
        };
        let sandbox = Sandbox::new(sandbox, ports)?;
        let plugins = Plugins::new(sandbox, blobs, config);
        Ok(Self { subscribers: PluginSubscribers::new(plugins.clone()), plugins, messenger })
    }

    /// Lets flows use the nodes and tools of plugins.
    #[must_use]
    pub fn join_flows(&self, flows: Flows) -> Flows {
        let plugins = Arc::new(self.plugins.clone());
        flows.with_plugins(Arc::clone(&plugins) as _).with_tool_source(plugins)
    }

    /// Lets plugins be channels, look at messages on their way and hear what happens.
    #[must_use]
    pub fn join(&self, builder: Builder) -> Builder {
        let channels = PluginChannels::new(self.plugins.clone());
        let builder = builder.provider(Arc::new(channels)).hook(Arc::new(self.plugins.clone()));
        builder.subscriber(Arc::new(self.subscribers.clone()))
    }

    /// Lets plugins write messages.
    pub fn connect(&self, jp: &JustPing) {
        self.messenger.connect(jp);
    }
}
