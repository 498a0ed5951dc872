//! A sandbox on this machine, for plugins that are looked at.

use std::sync::Arc;

use async_trait::async_trait;
use justping::http::{OpenClient, Policy};
use justping::memory::MemoryStore;
use justping::model::MessageId;
use justping::plugins::limits::UPLOAD_CEILING_BYTES;
use justping::plugins::package::{Verified, VerifyError, verify};
use justping::plugins::{
    Limits, LineSink, Messenger, MessengerError, OperatorPolicy, PluginMessage, Ports, Sandbox,
    SandboxConfig,
};
use justping::system::SystemClock;

use crate::Trouble;

/// Sends nothing.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Messenger for Silent {
    async fn send(&self, _: PluginMessage) -> Result<MessageId, MessengerError> {
        Err(MessengerError::Refused("nothing is sent from here".to_owned()))
    }
}

/// Verifies packages as a server would that allows the largest ones.
pub(super) fn verify_all(
    packages: &[Vec<u8>],
    policy: &OperatorPolicy,
) -> Result<Vec<Result<Verified, VerifyError>>, Trouble> {
    let broken = |error: &dyn std::fmt::Display| Trouble::Other(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| broken(&error))?.block_on(async {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports {
            plugins: Arc::clone(&store) as _,
            contacts: Arc::clone(&store) as _,
            http: OpenClient::new(Policy::default()),
            messenger: Arc::new(Silent),
            clock: Arc::new(SystemClock::new()),
            lines: LineSink::start(store),
        };
        let limits = Limits { upload_bytes: UPLOAD_CEILING_BYTES, ..Limits::default() };
        let config = SandboxConfig { limits, ..SandboxConfig::default() };
        let sandbox = Sandbox::new(config, ports).map_err(|error| broken(&error))?;
        let mut verified = Vec::with_capacity(packages.len());
        for package in packages {
            verified.push(verify(&sandbox, policy, package).await);
        }
        Ok(verified)
    })
}
