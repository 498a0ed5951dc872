use std::sync::OnceLock;

use async_trait::async_trait;
use justping::JustPing;
use justping::engine::{EngineError, SendMessage};
use justping::model::{Author, Direction, MessageId, Timestamp};
use justping::plugins::{Messenger, MessengerError, PluginMessage};
use justping::port::StoreError;
use justping::port::store::{IdempotencyRecord, IdempotencyStart};
use sha2::{Digest, Sha256};

/// Writes what plugins want to say, each of their messages at most once.
///
/// A message whose process died while it was written stays unanswered: whether it left is unknown, and
/// nothing is sent twice.
#[derive(Debug, Default)]
pub struct PluginMessenger {
    jp: OnceLock<JustPing>,
}

impl PluginMessenger {
    /// Says which platform takes the messages. The first one counts.
    pub(super) fn connect(&self, jp: &JustPing) {
        // There is one platform in a process; a second one is not told to the plugins of the first.
        drop(self.jp.set(jp.clone()));
    }
}

#[async_trait]
impl Messenger for PluginMessenger {
    async fn send(&self, message: PluginMessage) -> Result<MessageId, MessengerError> {
        let not_yet = || MessengerError::Unavailable("the platform is starting".to_owned());
        let jp = self.jp.get().ok_or_else(not_yet)?;
        let (business, key) = (message.business_id, key(&message));
        let request_sha256 = digest(&message)?;
        let record = IdempotencyRecord { key: key.clone(), request_sha256, now: jp.clock().now() };
        let begun = jp.store().start_request(business, &record, Timestamp::MIN).await;
        match begun.map_err(store)? {
            IdempotencyStart::Started => {}
            IdempotencyStart::Done { body, .. } => {
                return body.parse().map_err(|_| unknown());
            }
            IdempotencyStart::InFlight => return Err(unknown()),
            IdempotencyStart::Mismatch => {
                let reason = "the key was used for another message".to_owned();
                return Err(MessengerError::Invalid(reason));
            }
        }
        let sent = write(jp, message).await;
        let kept = match &sent {
            Ok(id) => jp.store().finish_request(business, &key, 200, &id.to_string()).await,
            Err(_) => jp.store().forget_request(business, &key).await,
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "what became of a plugin's message could not be kept");
        }
        sent
    }
}

async fn write(jp: &JustPing, message: PluginMessage) -> Result<MessageId, MessengerError> {
    let written = SendMessage {
        author: Author::System,
        content: message.content,
        direction: Direction::Outbound,
        reply_to: None,
    };
    let sent = jp.send(message.business_id, message.conversation_id, written).await;
    let sent = sent.map_err(|error| match error {
        EngineError::Store(error) => store(error),
        EngineError::Denied(reason) => MessengerError::Refused(format!("{reason:?}")),
        EngineError::Overloaded => MessengerError::Unavailable("too much waits".to_owned()),
        other => MessengerError::Refused(other.to_string()),
    })?;
    let first = sent.first().map(|message| message.id);
    first.ok_or_else(|| MessengerError::Invalid("there is nothing to send".to_owned()))
}

/// The name of a message among all that the business remembers.
fn key(message: &PluginMessage) -> String {
    format!("plugin:{}:{}", message.plugin_id, hex(&Sha256::digest(&message.idempotency_key)))
}

fn digest(message: &PluginMessage) -> Result<[u8; 32], MessengerError> {
    let content = serde_json::to_vec(&message.content)
        .map_err(|error| MessengerError::Invalid(error.to_string()))?;
    let mut hash = Sha256::new();
    hash.update(message.conversation_id.to_string());
    hash.update(content);
    Ok(hash.finalize().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unknown() -> MessengerError {
    MessengerError::Unavailable("a message with this key is being written".to_owned())
}

fn store(error: StoreError) -> MessengerError {
    match error {
        StoreError::NotFound(_) => {
            MessengerError::Invalid("there is no such conversation".to_owned())
        }
        other => MessengerError::Unavailable(other.to_string()),
    }
}
