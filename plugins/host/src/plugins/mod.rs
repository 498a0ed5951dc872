//! What businesses have installed, and calling it.
//!
//! `installed` one plugin, ready · `shelf` what was read of each business · `breaker` who is paused ·
//! `ledger` what calls took · `policy` what the operator allows · `manage` installing and changing ·
//! `flow` what flows may use.
//!
//! Invariant: a call ends on the code that it began with, whatever is installed meanwhile.

mod breaker;
mod flow;
mod installed;
mod ledger;
mod manage;
mod policy;
mod shelf;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use justping_core::model::{
    BusinessId, ConversationId, PluginId, PluginLevel, PluginLine, PluginLineKind, PluginQuota,
    Timestamp,
};
use justping_core::port::store::PluginStore;
use justping_core::port::{Clock, ClockExt as _, StoreError, StoreResult};

use self::breaker::{Breakers, Gate, Pass, Turn};
pub use self::breaker::{FAULTS_MAX, PAUSE_FIRST, PAUSE_MAX};
pub use self::flow::{NODE_KIND, PluginNode};
pub use self::installed::Installed;
use self::ledger::Ledger;
pub use self::manage::{Change, Field, Kept, ManageError, NewPlugin, PLUGINS_MAX};
pub use self::policy::{OperatorPolicy, Signers};
use self::shelf::Shelf;
use crate::blob::{BLOB_MAX_BYTES, BlobError, PackageBlobs};
use crate::package::{Archive, Verified, VerifyError, verify};
use crate::{CallError, Called, Caller, Code, Export, LoadError, Sandbox};

/// For how long what was read of a business is believed: another process may have changed it.
pub const FRESH_FOR: Duration = Duration::from_secs(1);
/// How often what calls took is written.
pub const WRITE_EVERY: Duration = Duration::from_secs(1);

/// How plugins are used.
#[derive(Debug, Clone, Default)]
pub struct PluginsConfig {
    /// What the operator allows.
    pub policy: OperatorPolicy,
    /// How much each plugin may keep.
    pub quota: PluginQuota,
}

/// Why a plugin did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UseError {
    /// The business has none of this name.
    #[error("no plugin {0} is installed")]
    NotInstalled(String),
    /// It is switched off.
    #[error("the plugin {0} is switched off")]
    Disabled(String),
    /// It broke too often, and is left alone until then.
    #[error("the plugin {name} is paused until {until}, as it broke too often")]
    Paused {
        /// Its name.
        name: String,
        /// Until when.
        until: Timestamp,
    },
    /// Its package cannot be had or run here.
    #[error("the plugin {name} cannot be loaded: {reason}")]
    Unloadable {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
        /// Whether it may be loaded later.
        is_passing: bool,
    },
    /// What is installed cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was called, and has no answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl UseError {
    /// A stable code. A plugin that says that it failed has its own besides.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotInstalled(_) => "not_installed",
            Self::Disabled(_) => "disabled",
            Self::Paused { .. } => "paused",
            Self::Unloadable { .. } => "unloadable",
            Self::Store(_) => "store",
            Self::Call(error) => error.code(),
        }
    }

    /// After how long the same may do better, where that is known.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self {
            Self::Paused { until, .. } => Duration::try_from(until.duration_since(now)).ok(),
            Self::Call(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Whether the same may work later, without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotInstalled(_) | Self::Disabled(_) => false,
            Self::Paused { .. } => true,
            Self::Unloadable { is_passing, .. } => *is_passing,
            Self::Store(error) => matches!(error, StoreError::Unavailable(_)),
            Self::Call(error) => {
                matches!(error, CallError::Busy | CallError::Closed)
                    || error.retry_after().is_some()
            }
        }
    }
}

/// What a call is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The conversation, where there is one.
    pub conversation_id: Option<ConversationId>,
    /// The same each time that the same work is done again.
    pub call_id: String,
    /// The moment of the call.
    pub now: Timestamp,
}

/// The plugins of all businesses. Clones are one.
///
/// # Contract
/// What a process changes it sees at once; what another one changed, after [`FRESH_FOR`]. A process
/// pauses by itself what breaks in it. What calls took is written every [`WRITE_EVERY`] by
/// [`run`](Self::run), and lost with a process that dies before.
#[derive(Clone)]
pub struct Plugins {
    inner: Arc<Inner>,
}

struct Inner {
    sandbox: Sandbox,
    store: Arc<dyn PluginStore>,
    clock: Arc<dyn Clock>,
    blobs: PackageBlobs,
    config: PluginsConfig,
    shelf: Shelf,
    breakers: Arc<Breakers>,
    ledger: Ledger,
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { sandbox, blobs, config, .. } = &*self.inner;
        f.debug_struct("Plugins")
            .field("sandbox", sandbox)
            .field("blobs", blobs)
            .field("config", config)
            .finish_non_exhaustive()
    }
}

impl Plugins {
    /// The plugins of the store that the sandbox works with.
    pub fn new(sandbox: Sandbox, blobs: PackageBlobs, config: PluginsConfig) -> Self {
        let store = Arc::clone(&sandbox.ports().plugins);
        let clock = Arc::clone(&sandbox.ports().clock);
        let inner = Inner {
            shelf: Shelf::default(),
            breakers: Arc::default(),
            ledger: Ledger::new(Arc::clone(&store)),
            sandbox,
            store,
            clock,
            blobs,
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where they run.
    pub fn sandbox(&self) -> &Sandbox {
        &self.inner.sandbox
    }

    /// What the operator allows.
    pub fn policy(&self) -> &OperatorPolicy {
        &self.inner.config.policy
    }

    /// Finds a plugin that runs.
    ///
    /// # Errors
    /// [`UseError::NotInstalled`], [`UseError::Disabled`], [`UseError::Store`].
    pub async fn installed(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Arc<Installed>, UseError> {
        let found = self.all(business).await?.iter().find(|one| one.plugin.name == name).cloned();
        let found = found.ok_or_else(|| UseError::NotInstalled(name.to_owned()))?;
        if found.plugin.enabled { Ok(found) } else { Err(UseError::Disabled(name.to_owned())) }
    }

    /// The plugins that run and can be called so, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn exporting(
        &self,
        business: BusinessId,
        export: Export,
    ) -> StoreResult<Vec<Arc<Installed>>> {
        let all = self.all(business).await?;
        let runs =
            |one: &&Arc<Installed>| one.plugin.enabled && one.inspection.exports.contains(&export);
        Ok(all.iter().filter(runs).cloned().collect())
    }

    /// Whether a plugin of the business that runs may export this. It is a look in memory: `false` only
    /// where that is known for sure.
    pub fn may_export(&self, business: BusinessId, export: Export) -> bool {
        let slot = self.inner.shelf.slot(business);
        let now = self.inner.clock.now();
        let Ok(slot) = slot.try_lock() else { return true };
        let known = slot.as_ref().filter(|known| known.is_fresh(now));
        known.is_none_or(|known| {
            let runs = |one: &Arc<Installed>| {
                one.plugin.enabled && one.inspection.exports.contains(&export)
            };
            known.plugins.iter().any(runs)
        })
    }

    /// Every plugin that is installed, running or not, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn all(&self, business: BusinessId) -> StoreResult<Arc<[Arc<Installed>]>> {
        let slot = self.inner.shelf.slot(business);
        let mut slot = slot.lock().await;
        let now = self.inner.clock.now();
        if let Some(known) = slot.as_ref().filter(|known| known.is_fresh(now)) {
            return Ok(Arc::clone(&known.plugins));
        }
        let known = slot.as_ref().map(|known| Arc::clone(&known.plugins)).unwrap_or_default();
        let plugins = self.inner.read(business, &known).await?;
        *slot = Some(shelf::Known { read_at: now, plugins: Arc::clone(&plugins) });
        Ok(plugins)
    }

    /// Calls a plugin, if it is not paused, and accounts for what it took. `work` makes the one call
    /// of the sandbox.
    ///
    /// # Cancellation
    /// A call that is dropped ends, and is not accounted for.
    ///
    /// # Errors
    /// [`UseError::Paused`], [`UseError::Unloadable`], [`UseError::Call`].
    pub async fn call<T, F, W>(
        &self,
        installed: &Installed,
        ask: &Ask,
        work: F,
    ) -> Result<T, UseError>
    where
        F: FnOnce(Sandbox, Arc<Code>, Caller) -> W,
        W: Future<Output = Called<T>>,
    {
        let plugin = &installed.plugin;
        let key = (plugin.business_id, plugin.id);
        let pass = match self.inner.breakers.ask(key, &plugin.digest, self.inner.clock.now()) {
            Gate::Open(pass) => pass,
            Gate::Paused(until) => {
                return Err(UseError::Paused { name: plugin.name.clone(), until });
            }
        };
        let code = self.code(installed).await?;
        let caller = installed.caller(ask, self.inner.config.quota);
        let called = work(self.inner.sandbox.clone(), code, caller).await;
        self.inner.settle(installed, ask, pass, &called);
        Ok(called.result?)
    }

    /// The code of a plugin: in memory, from the cache of machine code, or from its package.
    ///
    /// # Errors
    /// [`UseError::Unloadable`].
    pub async fn code(&self, installed: &Installed) -> Result<Arc<Code>, UseError> {
        let sandbox = &self.inner.sandbox;
        if let Some(digest) = installed.component
            && let Some(code) = sandbox.open(digest).await
        {
            return Ok(code);
        }
        let unloadable = |reason: String, is_passing| UseError::Unloadable {
            name: installed.plugin.name.clone(),
            reason,
            is_passing,
        };
        let package = self.inner.blobs.read(&installed.plugin.digest).await.map_err(|error| {
            unloadable(error.to_string(), matches!(error, BlobError::Unavailable(_)))
        })?;
        // It was verified when it was uploaded, and its digest is the one of then.
        let archive = Archive::read(&package, BLOB_MAX_BYTES)
            .map_err(|finding| unloadable(finding.message, false))?;
        let load = |error: LoadError| unloadable(error.to_string(), error.is_passing());
        sandbox.load(archive.component).await.map_err(load)
    }

    /// Takes down that a plugin tried what it was not granted, where no host function saw it.
    pub(crate) fn denied(&self, installed: &Installed, ask: &Ask, text: &str) {
        self.inner.note(installed, ask, PluginLineKind::Denied, PluginLevel::Warn, text);
    }

    /// Until when a plugin is paused in this process, if it is.
    pub fn paused_until(&self, business: BusinessId, plugin: PluginId) -> Option<Timestamp> {
        self.inner.breakers.paused_until((business, plugin), self.inner.clock.now())
    }

    /// Looks at a package. Keeps nothing.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify(&self, package: &[u8]) -> Result<Verified, VerifyError> {
        verify(&self.inner.sandbox, &self.inner.config.policy, package).await
    }

    /// Forgets what was read of a business, as when somebody else changed it.
    pub fn changed(&self, business: BusinessId) {
        self.inner.shelf.forget(business);
    }

    /// Writes what calls took and said so far.
    ///
    /// # Errors
    /// What the store says; nothing is lost by it.
    pub async fn write(&self) -> StoreResult<()> {
        let inner = Arc::clone(&self.inner);
        // In a task of its own: who stops waiting loses nothing of what was taken out to be written.
        let writing = tokio::spawn(async move {
            inner.sandbox.ports().lines.flush().await;
            inner.ledger.write().await
        });
        writing.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }

    /// Writes what calls took until `stop` comes, and then what is left.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        loop {
            let every = u64::try_from(WRITE_EVERY.as_millis()).unwrap_or(u64::MAX);
            let next = self.inner.clock.after_ms(every);
            let is_over = tokio::select! {
                () = &mut stop => true,
                () = self.inner.clock.sleep_until(next) => false,
            };
            if let Err(error) = self.write().await {
                tracing::warn!(%error, "what plugins took cannot be written yet");
            }
            if is_over {
                return;
            }
        }
    }
}

impl Inner {
    /// Accounts for a call.
    fn settle<T>(&self, installed: &Installed, ask: &Ask, pass: Pass, called: &Called<T>) {
        let plugin = &installed.plugin;
        let now = self.clock.now();
        let error = called.result.as_ref().err();
        if !error.is_some_and(is_unmade) {
            self.ledger.add(plugin.business_id, plugin.id, now, &called.spend());
        }
        let turn = match error {
            Some(error) if error.is_fault() => pass.fault(now),
            None | Some(CallError::Failed(_)) => pass.well(),
            // It was not called: nothing is known of it.
            Some(_) => Turn::Same,
        };
        if let Some(error) = error {
            let text = match error {
                CallError::Failed(failure) => format!("{}: {}", failure.code, failure.message),
                error => format!("{}: {error}", error.code()),
            };
            self.note(installed, ask, PluginLineKind::Failed, PluginLevel::Error, &text);
        }
        let (level, text) = match turn {
            Turn::Same => return,
            Turn::Paused(until) => {
                (PluginLevel::Error, format!("paused until {until}: it broke too often"))
            }
            Turn::Well => (PluginLevel::Info, "well again: no longer paused".to_owned()),
        };
        self.note(installed, ask, PluginLineKind::Changed, level, &text);
    }

    fn note(
        &self,
        installed: &Installed,
        ask: &Ask,
        kind: PluginLineKind,
        level: PluginLevel,
        text: &str,
    ) {
        let line = PluginLine {
            business_id: installed.plugin.business_id,
            plugin_id: installed.plugin.id,
            at: self.clock.now(),
            kind,
            level,
            text: manage::short(text),
            conversation_id: ask.conversation_id,
        };
        self.sandbox.ports().lines.push(line);
    }
}

/// Whether a call never began.
fn is_unmade(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Busy | CallError::NotExported(_) | CallError::Input { .. } | CallError::Closed
    )
}
