//! A plugin on a platform in memory: the real engine, store and sandbox, and a clock that moves when
//! told.
//!
//! `document` flows, looked over · `messenger` messages that the plugin writes · `servers` answer from a script.

mod document;
mod messenger;
mod servers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use justping::agents::Flows;
use justping::http::OpenClient;
use justping::memory::{ManualClock, MemoryStore};
use justping::model::{
    ChannelSecrets, ConversationId, Grants, PageRequest, PluginId, PluginLevel, PluginLine,
    PluginLineKind, PluginQuota, PluginSpend, Timestamp, day_of,
};
use justping::plugins::adapter::PluginSubscribers;
use justping::plugins::blob::PackageBlobs;
use justping::plugins::limits::UPLOAD_CEILING_BYTES;
use justping::plugins::package::VerifyError;
use justping::plugins::plugins::{Change, ManageError, NewPlugin};
use justping::plugins::{
    Ask as AskScope, CacheConfig, CallMeter, Installed, Limits, LineSink, Plugins, PluginsConfig,
    Ports, Sandbox, SandboxConfig,
};
use justping::port::store::{PluginDayFilter, PluginStore as _};
use justping::port::{Clock as _, StoreError, StoreResult};
use justping::stage::{Stage, StageBuilder, StageError};
use serde_json::{Map, Value};

pub(super) use self::document::{known, sound};
use self::messenger::StageMessenger;
pub(super) use self::servers::Servers;
use super::call::{Ask, Outcome, call};
use super::check::policy;
use super::place::cache;
use crate::Trouble;

/// How long a call may compute here: this program may be one that is slow, as a developer builds it.
const CPU_MAX: Duration = Duration::from_secs(2);
/// How long a component may be compiled.
const COMPILE_MAX: Duration = Duration::from_secs(1_200);
/// The plugin's id.
const PLUGIN: uuid::Uuid = uuid::Uuid::from_u128(2);
/// Who changes things here.
const AUTHOR: &str = "the author";
/// How far back is looked for what calls took.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Lines of a log that are read at once.
const LINES_PAGE: u32 = 200;

/// A platform in memory before there is a business on it.
pub(super) struct Platform {
    plugins: Plugins,
    subscribers: PluginSubscribers,
    messenger: Arc<StageMessenger>,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
}

impl Platform {
    /// Starts the sandbox. What plugins ask of other servers goes through `http`.
    pub(super) fn open(http: OpenClient) -> Result<Self, Trouble> {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::new(Timestamp::MIN));
        let messenger = Arc::new(StageMessenger::default());
        let ports = Ports {
            plugins: Arc::clone(&store) as _,
            contacts: Arc::clone(&store) as _,
            http,
            messenger: Arc::clone(&messenger) as _,
            clock: Arc::clone(&clock) as _,
            lines: LineSink::start(Arc::clone(&store) as _),
        };
        let limits =
            Limits { cpu: CPU_MAX, upload_bytes: UPLOAD_CEILING_BYTES, ..Limits::default() };
        let config = SandboxConfig {
            limits,
            compile_max: COMPILE_MAX,
            cache: Some(CacheConfig { folder: cache()?, key: None }),
            ..SandboxConfig::default()
        };
        let sandbox =
            Sandbox::new(config, ports).map_err(|error| Trouble::Other(error.to_string()))?;
        let config = PluginsConfig { policy: policy(true), ..PluginsConfig::default() };
        let plugins = Plugins::new(sandbox, PackageBlobs::in_memory(), config);
        let subscribers = PluginSubscribers::new(plugins.clone());
        Ok(Self { plugins, subscribers, messenger, store, clock })
    }

    /// Flows that may use what plugins have: nodes and tools.
    pub(super) fn flows(&self) -> Flows {
        let plugins = Arc::new(self.plugins.clone());
        Flows::new().with_plugins(Arc::clone(&plugins) as _).with_tool_source(plugins)
    }

    /// Sets the stage with these flows. Nothing is installed yet.
    pub(super) async fn set(
        self,
        builder: StageBuilder,
        flows: &[Value],
    ) -> Result<Stand, StageError> {
        let builder = builder
            .store(Arc::clone(&self.store) as _)
            .clock(Arc::clone(&self.clock))
            .hook(Arc::new(self.plugins.clone()))
            .subscriber(Arc::new(self.subscribers.clone()));
        let stage = builder.open(flows).await?;
        self.messenger.connect(Some(stage.engine().clone()));
        Ok(Stand { platform: self, stage, name: String::new() })
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.messenger.connect(None);
    }
}

/// What a business says when it installs a plugin.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) config: Map<String, Value>,
    pub(super) secrets: BTreeMap<String, String>,
    /// What it grants; all that is asked for unless given.
    pub(super) grants: Option<Grants>,
}

/// A stage with a plugin on it.
pub(super) struct Stand {
    platform: Platform,
    pub(super) stage: Stage,
    /// What the plugin is called.
    name: String,
}

impl Stand {
    /// Installs the plugin.
    pub(super) async fn install(
        &mut self,
        package: Bytes,
        terms: &Terms,
    ) -> Result<(), ManageError> {
        let (plugins, business) = (&self.platform.plugins, self.stage.business());
        let release = plugins.keep(business, package).await?.release;
        let new = NewPlugin {
            id: PluginId::from_uuid(PLUGIN),
            digest: release.digest,
            enabled: true,
            grants: terms.grants.clone().unwrap_or(release.requested),
            config: terms.config.clone(),
            secrets: secrets(&terms.secrets),
            fail_open: false,
        };
        plugins.install(business, new, AUTHOR).await?;
        self.name = release.name;
        self.platform.subscribers.look().await?;
        // What happens is told from here on.
        let told = self.stage.engine().tell_subscribers().await;
        told.map(drop).map_err(|error| StoreError::Unavailable(error.to_string()).into())
    }

    /// Runs another package of the plugin from now on. Says whether it is another one.
    pub(super) async fn upgrade(&self, package: Bytes) -> Result<bool, ManageError> {
        let (plugins, business) = (&self.platform.plugins, self.stage.business());
        let release = plugins.keep(business, package).await?.release;
        if self.installed().await?.plugin.digest == release.digest {
            return Ok(false);
        }
        let id = PluginId::from_uuid(PLUGIN);
        plugins.upgrade(business, id, (&release.digest, None), AUTHOR).await?;
        self.platform.subscribers.look().await?;
        Ok(true)
    }

    /// Changes what the business decides of the plugin.
    pub(super) async fn change(&self, change: Change) -> Result<(), ManageError> {
        let (plugins, id) = (&self.platform.plugins, PluginId::from_uuid(PLUGIN));
        plugins.change(self.stage.business(), id, change, AUTHOR).await.map(drop)
    }

    /// The plugin as it stands.
    pub(super) async fn installed(&self) -> StoreResult<Arc<Installed>> {
        let all = self.platform.plugins.all(self.stage.business()).await?;
        let missing = StoreError::NotFound("plugin");
        all.iter().find(|one| one.plugin.name == self.name).cloned().ok_or(missing)
    }

    /// Makes a call of the plugin. `secrets` are what webhooks are signed with.
    pub(super) async fn call(
        &self,
        ask: Ask<'_>,
        (call_id, conversation_id): (&str, Option<ConversationId>),
        secrets: &BTreeMap<String, String>,
    ) -> Result<(Outcome, CallMeter), Trouble> {
        let other = |error: &dyn std::fmt::Display| Trouble::Other(error.to_string());
        let installed = self.installed().await.map_err(|error| other(&error))?;
        let code = self.platform.plugins.code(&installed).await.map_err(|error| other(&error))?;
        let scope = AskScope {
            conversation_id,
            call_id: call_id.to_owned(),
            now: self.platform.clock.now(),
        };
        let mut caller = installed.caller(&scope, PluginQuota::default());
        let sandbox = self.platform.plugins.sandbox();
        // What a plugin wishes for is meant for a platform that is not slow.
        let limits = Limits { cpu: sandbox.limits().cpu, ..(*caller.limits).clone() };
        caller.limits = Arc::new(limits);
        Ok(call(sandbox, &code, caller, ask, secrets).await)
    }

    /// What stands in the plugin's log about its work, oldest first: without what its author changed.
    pub(super) async fn lines(&self) -> Result<Vec<PluginLine>, Trouble> {
        self.write().await?;
        let (business, id) = (self.stage.business(), PluginId::from_uuid(PLUGIN));
        let mut page = PageRequest::first(LINES_PAGE);
        let mut lines = Vec::new();
        loop {
            let read = self.platform.store.plugin_lines(business, id, None, &page).await;
            let read = read.map_err(|error| Trouble::Other(error.to_string()))?;
            lines.extend(read.items);
            match read.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let by_author = |line: &PluginLine| {
            line.kind == PluginLineKind::Changed && line.text.starts_with(AUTHOR)
        };
        lines.retain(|line| !by_author(line));
        lines.reverse();
        Ok(lines)
    }

    /// What the plugin's calls took that the engine made, from a moment on, at most a year ago.
    pub(super) async fn spent(&self, from: Timestamp) -> Result<PluginSpend, Trouble> {
        self.write().await?;
        let now = self.platform.clock.now();
        let from = now.checked_sub(YEAR).map_or(from, |year_ago| from.max(year_ago));
        let filter = PluginDayFilter { from: day_of(from), to: day_of(now), plugin_id: None };
        let days = self.platform.store.plugin_days(self.stage.business(), &filter).await;
        let days = days.map_err(|error| Trouble::Other(error.to_string()))?;
        let mut sum = PluginSpend::default();
        days.iter().for_each(|day| sum.add(&day.spend));
        Ok(sum)
    }

    async fn write(&self) -> Result<(), Trouble> {
        let written = self.platform.plugins.write().await;
        written.map_err(|error| Trouble::Other(error.to_string()))
    }
}

/// Why a change was not made, in words.
pub(super) fn reason(error: &ManageError) -> String {
    let lines = reasons(error).into_iter().map(|(pointer, reason)| match pointer.as_str() {
        "" => reason,
        pointer => format!("{pointer}: {reason}"),
    });
    lines.collect::<Vec<_>>().join("\n  ")
}

/// A line of a plugin's log, in words.
pub(super) fn said(line: &PluginLine) -> String {
    let kind = match line.kind {
        PluginLineKind::Log => match line.level {
            PluginLevel::Debug => "debug",
            PluginLevel::Info => "info",
            PluginLevel::Warn => "warn",
            PluginLevel::Error => "error",
        },
        kind => kind.name(),
    };
    format!("{kind}: {}", line.text)
}

/// Secrets as the platform keeps them.
pub(super) fn secrets(secrets: &BTreeMap<String, String>) -> ChannelSecrets {
    ChannelSecrets::from_iter(secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Why a change was not made: everything that is wrong, each with the JSON pointer of the part that it is
/// about, if it is about one.
pub(super) fn reasons(error: &ManageError) -> Vec<(String, String)> {
    match error {
        ManageError::Package(VerifyError::Refused(findings)) => {
            let errors = findings.iter().filter(|finding| finding.is_error());
            errors.map(|finding| (String::new(), finding.to_string())).collect()
        }
        ManageError::Fields(fields) => {
            fields.iter().map(|field| (field.path.clone(), field.message.clone())).collect()
        }
        other => vec![(String::new(), other.to_string())],
    }
}
