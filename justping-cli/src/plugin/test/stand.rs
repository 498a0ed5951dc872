//! The sandbox, and the platform around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use justping::http::{OpenClient, Policy};
use justping::memory::{ManualClock, MemoryStore};
use justping::model::{
    Business, BusinessId, ChannelSecrets, Content, MessageId, Plugin, PluginId, PluginQuota,
    PluginRelease, Timestamp,
};
use justping::plugins::package::{Manifest, Templates, config_problems};
use justping::plugins::{
    CacheConfig, Caller, Code, Limits, LimitsWish, LineSink, Messenger, MessengerError,
    PluginMessage, Ports, Sandbox, SandboxConfig,
};
use justping::port::store::{BusinessStore as _, PluginStore as _};
use serde_json::{Map, Value};

use super::script::Script;
use super::servers::Servers;
use crate::Trouble;

/// When the clock of a scenario starts unless told otherwise: 2026-01-05T09:00:00Z, a Monday morning.
const START: i64 = 1_767_603_600_000;
/// How long a call may compute here: this program may be one that is slow, as a developer builds it.
const CPU_MAX: Duration = Duration::from_secs(2);
/// How long a component may be compiled.
const COMPILE_MAX: Duration = Duration::from_secs(1_200);
/// The release of a scenario.
const DIGEST: &str = "scenario";

/// A plugin, installed and granted all that it asks for.
pub(super) struct Stand {
    pub(super) sandbox: Sandbox,
    pub(super) code: Arc<Code>,
    pub(super) servers: Arc<Servers>,
    pub(super) now: Timestamp,
    caller: Caller,
}

impl Stand {
    pub(super) async fn open(
        manifest: &Manifest,
        component: Bytes,
        script: &Script,
        cache: PathBuf,
    ) -> Result<Self, Trouble> {
        let problems =
            config_problems(manifest.config_schema.as_ref(), &script.config, Templates::Literal);
        if let Some(problem) = problems.into_iter().next() {
            return Err(Trouble::Other(format!("/config{}: {}", problem.path, problem.message)));
        }
        let start = Timestamp::from_millisecond(START).unwrap_or(Timestamp::UNIX_EPOCH);
        let now = script.now.unwrap_or(start);
        let store = Arc::new(MemoryStore::new());
        let servers = Arc::new(Servers::new(&script.replies));
        let ports = Ports {
            plugins: Arc::clone(&store) as _,
            contacts: Arc::clone(&store) as _,
            http: OpenClient::scripted(Policy::default(), Arc::clone(&servers) as _),
            messenger: Arc::new(NoMessages),
            clock: Arc::new(ManualClock::new(now)),
            lines: LineSink::start(Arc::clone(&store) as _),
        };
        let limits = Limits {
            cpu: CPU_MAX,
            upload_bytes: justping::plugins::limits::UPLOAD_CEILING_BYTES,
            ..Limits::default()
        };
        let config = SandboxConfig {
            limits: limits.clone(),
            compile_max: COMPILE_MAX,
            cache: Some(CacheConfig { folder: cache, key: None }),
            ..SandboxConfig::default()
        };
        let other = |reason: String| Trouble::Other(reason);
        let sandbox = Sandbox::new(config, ports).map_err(|error| other(error.to_string()))?;
        let code = sandbox.load(component).await.map_err(|error| other(error.to_string()))?;
        let caller = install(&store, manifest, script, limits, now)
            .await
            .map_err(|error| other(error.to_string()))?;
        Ok(Self { sandbox, code, servers, now, caller })
    }

    /// For whom a call is made.
    pub(super) fn caller(&self, call_id: &str) -> Caller {
        Caller { call_id: call_id.to_owned(), ..self.caller.clone() }
    }
}

/// Installs the plugin in a business.
async fn install(
    store: &MemoryStore,
    manifest: &Manifest,
    script: &Script,
    limits: Limits,
    now: Timestamp,
) -> Result<Caller, justping::port::StoreError> {
    let business_id = BusinessId::from_uuid(uuid::Uuid::from_u128(1));
    let plugin_id = PluginId::from_uuid(uuid::Uuid::from_u128(2));
    let name = manifest.name.clone();
    store
        .create_business(&Business { id: business_id, name: name.clone(), created_at: now })
        .await?;
    let requested = manifest.requested();
    let release = PluginRelease {
        digest: DIGEST.to_owned(),
        business_id,
        name: name.clone(),
        version: manifest.version.to_string(),
        manifest: manifest.written.clone(),
        requested: requested.clone(),
        inspection: Value::Object(Map::new()),
        bytes: 0,
        signer: None,
        created_at: now,
    };
    store.keep_plugin_release(&release).await?;
    let plugin = Plugin {
        id: plugin_id,
        business_id,
        name: name.clone(),
        enabled: true,
        digest: DIGEST.to_owned(),
        history: Vec::new(),
        grants: requested.clone(),
        config: script.config.clone(),
        fail_open: false,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let secrets = script.secrets.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    store.create_plugin(&plugin, &ChannelSecrets::from_iter(secrets)).await?;
    let wish = LimitsWish { cpu_ms: None, ..manifest.limits };
    Ok(Caller {
        business_id,
        plugin_id,
        plugin: name.into(),
        grants: Arc::new(requested),
        config: Value::Object(plugin.config).to_string().into(),
        conversation_id: None,
        call_id: String::new(),
        now,
        limits: Arc::new(limits.tightened(&wish)),
        quota: PluginQuota::default(),
    })
}

/// There are no conversations to write into.
#[derive(Debug)]
struct NoMessages;

#[async_trait]
impl Messenger for NoMessages {
    async fn send(&self, message: PluginMessage) -> Result<MessageId, MessengerError> {
        let _: &Content = &message.content;
        Err(MessengerError::Invalid("a scenario has no conversations".to_owned()))
    }
}
