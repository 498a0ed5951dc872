//! A sandbox to try things in, and who asks.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use justping_core::memory::{ManualClock, MemoryStore};
use justping_core::model::{
    BusinessId, Capability, Grants, MessageId, PluginId, PluginQuota, Timestamp,
};
use justping_http::{OpenClient, Policy};
use justping_plugins::{
    Caller, LineSink, Messenger, MessengerError, PluginMessage, Ports, Sandbox, SandboxConfig,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Refuses whatever is sent.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl Messenger for Nobody {
    async fn send(&self, _: PluginMessage) -> Result<MessageId, MessengerError> {
        Err(MessengerError::Refused("nobody is there".to_owned()))
    }
}

pub struct Room {
    pub runtime: Runtime,
    pub sandbox: Sandbox,
}

/// One for all that is tried, which must live through it.
pub static ROOM: LazyLock<Room> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let sandbox = runtime.block_on(async {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports {
            plugins: Arc::clone(&store) as _,
            contacts: Arc::clone(&store) as _,
            http: OpenClient::new(Policy::default()),
            messenger: Arc::new(Nobody),
            clock: Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)),
            lines: LineSink::start(store as _),
        };
        let config = SandboxConfig { loaded_max: 4, ..SandboxConfig::default() };
        Sandbox::new(config, ports).expect("a sandbox")
    });
    Room { runtime, sandbox }
});

pub fn caller() -> Caller {
    let grants =
        Grants { capabilities: Capability::ALL.into_iter().collect(), ..Grants::default() };
    Caller {
        business_id: BusinessId::from_uuid(Uuid::from_u128(1)),
        plugin_id: PluginId::from_uuid(Uuid::from_u128(1)),
        plugin: "fuzz".into(),
        grants: Arc::new(grants),
        config: "{}".into(),
        conversation_id: None,
        call_id: "call".to_owned(),
        now: Timestamp::UNIX_EPOCH,
        limits: Arc::default(),
        quota: PluginQuota::default(),
    }
}
