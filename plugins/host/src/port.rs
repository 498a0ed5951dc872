//! What the sandbox needs of the platform.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{BusinessId, Content, ConversationId, MessageId, PluginId};
use justping_core::port::Clock;
use justping_core::port::store::{ContactStore, PluginStore};
use justping_http::OpenClient;

use crate::line::LineSink;

/// What capabilities work with.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Values and secrets of plugins.
    pub plugins: Arc<dyn PluginStore>,
    /// The businesses' contacts.
    pub contacts: Arc<dyn ContactStore>,
    /// Asks other servers. Its policy is the operator's; each plugin's grants narrow it.
    pub http: OpenClient,
    /// Takes messages.
    pub messenger: Arc<dyn Messenger>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Takes the lines of plugins' logs.
    pub lines: LineSink,
}

/// A message that a plugin writes.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginMessage {
    /// The business.
    pub business_id: BusinessId,
    /// The plugin.
    pub plugin_id: PluginId,
    /// The conversation, of any business: it is the messenger that looks.
    pub conversation_id: ConversationId,
    /// What it says.
    pub content: Content,
    /// The plugin's name for this message, 1 to
    /// [`MESSAGE_KEY_MAX_BYTES`](crate::MESSAGE_KEY_MAX_BYTES) bytes.
    pub idempotency_key: String,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessengerError {
    /// There is no such conversation in the business, or it cannot carry the content.
    #[error("{0}")]
    Invalid(String),
    /// The rules forbid it, such as for somebody who opted out.
    #[error("{0}")]
    Refused(String),
    /// It may be taken later.
    #[error("{0}")]
    Unavailable(String),
}

/// Takes messages that plugins write.
///
/// # Contract
/// - A message is taken under the rules that hold for everybody: consent, windows, pace.
/// - The same plugin of the same business, with the same key, gets the same id again, and nothing is
///   sent twice. Keys of others never meet.
/// - A conversation of another business is [`Invalid`](MessengerError::Invalid), like a missing one.
#[async_trait]
pub trait Messenger: Send + Sync + Debug + 'static {
    /// Takes a message; returns its id, the first one's where the channel needs several.
    async fn send(&self, message: PluginMessage) -> Result<MessageId, MessengerError>;
}
