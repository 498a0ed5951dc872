//! Tests with real guests.

mod call;
mod capability;
mod fair;
pub(crate) mod guest;
mod hostile;
mod load;
mod script;

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::memory::{ManualClock, MemoryStore};
use justping_core::model::{
    Business, BusinessId, Capability, Grants, MessageId, PageRequest, Plugin, PluginId, PluginLine,
    PluginQuota, PluginRelease, Timestamp,
};
use justping_core::port::store::{BusinessStore as _, PluginStore as _};
use justping_http::{OpenClient, Policy};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::sandbox::{Called, ToolAsk};
use crate::{
    CallError, Caller, Code, Limits, LineSink, Messenger, MessengerError, PluginMessage, Ports,
    Sandbox, SandboxConfig,
};

/// The moment of the tests' clock.
pub(crate) fn moment() -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000).unwrap()
}

pub(crate) fn business(number: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn plugin(number: u128) -> PluginId {
    PluginId::from_uuid(Uuid::from_u128(number))
}

/// Remembers what was sent, by key.
#[derive(Debug, Default)]
pub(crate) struct TestMessenger {
    pub(crate) sent: std::sync::Mutex<Vec<PluginMessage>>,
}

#[async_trait]
impl Messenger for TestMessenger {
    async fn send(&self, message: PluginMessage) -> Result<MessageId, MessengerError> {
        if message.idempotency_key == "refuse" {
            return Err(MessengerError::Refused("opted out".to_owned()));
        }
        let mut sent = self.sent.lock().unwrap();
        let same = |one: &PluginMessage| {
            (one.business_id, one.plugin_id, &one.idempotency_key)
                == (message.business_id, message.plugin_id, &message.idempotency_key)
        };
        let at = sent.iter().position(same).unwrap_or(sent.len());
        if at == sent.len() {
            sent.push(message);
        }
        Ok(MessageId::from_uuid(Uuid::from_u128(at as u128 + 1)))
    }
}

/// Installs a plugin, of which only that it is there matters, with two secrets.
async fn install(store: &MemoryStore, of: BusinessId, number: u128) {
    let digest = format!("{number:064x}");
    let release = PluginRelease {
        digest: digest.clone(),
        business_id: of,
        name: format!("plugin-{number}"),
        version: "1.0.0".to_owned(),
        manifest: Value::Null,
        requested: Grants::default(),
        inspection: Value::Null,
        bytes: 0,
        signer: None,
        created_at: moment(),
    };
    store.keep_plugin_release(&release).await.unwrap();
    let installed = Plugin {
        id: plugin(number),
        business_id: of,
        name: release.name,
        enabled: true,
        digest,
        history: Vec::new(),
        grants: Grants::default(),
        config: Map::new(),
        fail_open: true,
        revision: 1,
        created_at: moment(),
        updated_at: moment(),
    };
    let secrets = [("token", "s3cret-token"), ("empty", "")].into_iter().collect();
    store.create_plugin(&installed, &secrets).await.unwrap();
}

/// A sandbox and the platform around it.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) messenger: Arc<TestMessenger>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(SandboxConfig::default(), Policy::default()).await
    }

    pub(crate) async fn with(config: SandboxConfig, policy: Policy) -> Self {
        let store = Arc::new(MemoryStore::new());
        for of in 1..=2 {
            let (id, name) = (business(of), format!("business {of}"));
            store.create_business(&Business { id, name, created_at: moment() }).await.unwrap();
            for by in 1..=2 {
                install(&store, id, by).await;
            }
        }
        let messenger = Arc::new(TestMessenger::default());
        let clock = Arc::new(ManualClock::new(moment()));
        let ports = Ports {
            plugins: Arc::clone(&store) as _,
            contacts: Arc::clone(&store) as _,
            http: OpenClient::new(policy),
            messenger: Arc::clone(&messenger) as _,
            clock: Arc::clone(&clock) as _,
            lines: LineSink::start(Arc::clone(&store) as _),
        };
        let sandbox = Sandbox::new(config, ports).unwrap();
        Self { sandbox, store, messenger, clock }
    }

    pub(crate) async fn load(&self, component: Vec<u8>) -> Arc<Code> {
        self.sandbox.load(component).await.unwrap()
    }

    /// The lines of the first business's first plugin, as stored, the newest first.
    pub(crate) async fn lines(&self) -> Vec<PluginLine> {
        self.sandbox.ports().lines.flush().await;
        let page = PageRequest::first(100);
        self.store.plugin_lines(business(1), plugin(1), None, &page).await.unwrap().items
    }

    /// Calls the tool of a guest with three texts: contact, tool and arguments.
    pub(crate) async fn ask(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        [contact, tool, arguments]: [&str; 3],
    ) -> Called<String> {
        let ask = ToolAsk {
            contact_id: contact.to_owned(),
            tool: tool.to_owned(),
            arguments: arguments.to_owned(),
        };
        self.sandbox.call_tool(code, caller, ask).await
    }

    /// The same, of which only the answer matters.
    pub(crate) async fn told(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        words: [&str; 3],
    ) -> Result<String, CallError> {
        self.ask(code, caller, words).await.result
    }
}

/// A caller of the first business with these grants.
pub(crate) fn caller(capabilities: &[Capability]) -> Caller {
    caller_of(1, 1, capabilities)
}

pub(crate) fn caller_of(of: u128, by: u128, capabilities: &[Capability]) -> Caller {
    let capabilities = capabilities.iter().copied().collect();
    Caller {
        business_id: business(of),
        plugin_id: plugin(by),
        plugin: "test".into(),
        grants: Arc::new(Grants { capabilities, ..Grants::default() }),
        config: r#"{"greeting":"hello"}"#.into(),
        conversation_id: None,
        call_id: "call-1".to_owned(),
        now: moment(),
        limits: Arc::new(Limits::default()),
        quota: PluginQuota::default(),
    }
}
