//! Messages that plugins write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use justping::JustPing;
use justping::engine::{EngineError, SendMessage};
use justping::model::{Author, Direction, MessageId, PluginId};
use justping::plugins::{Messenger, MessengerError, PluginMessage};
use justping::port::StoreError;

/// Writes into the conversations of the stage, under its rules.
#[derive(Debug, Default)]
pub(super) struct StageMessenger {
    engine: Mutex<Option<JustPing>>,
    /// What was written under each name.
    written: tokio::sync::Mutex<HashMap<(PluginId, String), (PluginMessage, MessageId)>>,
}

impl StageMessenger {
    /// Says which platform takes the messages. It must be told when that is over: the platform holds
    /// the messenger too.
    pub(super) fn connect(&self, engine: Option<JustPing>) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = engine;
    }

    fn engine(&self) -> Option<JustPing> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Messenger for StageMessenger {
    async fn send(&self, message: PluginMessage) -> Result<MessageId, MessengerError> {
        let not_yet = || MessengerError::Unavailable("the platform is starting".to_owned());
        let engine = self.engine().ok_or_else(not_yet)?;
        let name = (message.plugin_id, message.idempotency_key.clone());
        let mut written = self.written.lock().await;
        match written.get(&name) {
            Some((same, id)) if *same == message => return Ok(*id),
            Some(_) => {
                let reason = "the key was used for another message".to_owned();
                return Err(MessengerError::Invalid(reason));
            }
            None => {}
        }
        let id = write(&engine, message.clone()).await?;
        written.insert(name, (message, id));
        Ok(id)
    }
}

async fn write(engine: &JustPing, message: PluginMessage) -> Result<MessageId, MessengerError> {
    let send = SendMessage {
        author: Author::System,
        content: message.content,
        direction: Direction::Outbound,
        reply_to: None,
    };
    let sent = engine.send(message.business_id, message.conversation_id, send).await;
    let sent = sent.map_err(|error| match error {
        EngineError::Store(StoreError::NotFound(_)) => {
            MessengerError::Invalid("there is no such conversation".to_owned())
        }
        EngineError::Store(error) => MessengerError::Unavailable(error.to_string()),
        EngineError::Denied(reason) => MessengerError::Refused(format!("{reason:?}")),
        other => MessengerError::Refused(other.to_string()),
    })?;
    let first = sent.first().map(|message| message.id);
    first.ok_or_else(|| MessengerError::Invalid("there is nothing to send".to_owned()))
}
