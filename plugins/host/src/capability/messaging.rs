//! Sending messages.

use std::sync::Arc;

use justping_core::model::{Capability, Content};

use super::CallState;
use crate::contract::bindings::justping::plugin::messaging::{Error, Host};
use crate::port::{MessengerError, PluginMessage};

/// Most bytes of an idempotency key.
pub const MESSAGE_KEY_MAX_BYTES: usize = 256;

impl Host for CallState {
    async fn send(
        &mut self,
        conversation_id: String,
        content: String,
        idempotency_key: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        if !self.access(Capability::Messaging)? {
            return Ok(Err(Error::Denied));
        }
        let message = match self.message(&conversation_id, &content, idempotency_key) {
            Ok(message) => message,
            Err(why) => return Ok(Err(Error::Invalid(why))),
        };
        let messenger = Arc::clone(&self.ports.messenger);
        let sent = self.outside(async move { messenger.send(message).await }).await;
        Ok(match sent {
            Some(Ok(id)) => Ok(id.to_string()),
            Some(Err(MessengerError::Invalid(why))) => Err(Error::Invalid(why)),
            Some(Err(MessengerError::Refused(why))) => Err(Error::Refused(why)),
            Some(Err(MessengerError::Unavailable(why))) => Err(Error::Unavailable(why)),
            None => Err(Error::Unavailable("the platform is closing".to_owned())),
        })
    }
}

impl CallState {
    fn message(
        &self,
        conversation: &str,
        content: &str,
        idempotency_key: String,
    ) -> Result<PluginMessage, String> {
        if idempotency_key.is_empty() || idempotency_key.len() > MESSAGE_KEY_MAX_BYTES {
            return Err(format!("an idempotency key has 1 to {MESSAGE_KEY_MAX_BYTES} bytes"));
        }
        Ok(PluginMessage {
            business_id: self.caller.business_id,
            plugin_id: self.caller.plugin_id,
            conversation_id: conversation.parse().map_err(|error| format!("{error}"))?,
            content: parse_content(content)?,
            idempotency_key,
        })
    }
}

/// Reads what a plugin wants to say, in the API's form.
///
/// # Errors
/// What is wrong, for the plugin's author.
pub fn parse_content(json: &str) -> Result<Content, String> {
    let content: Content = serde_json::from_str(json).map_err(|error| error.to_string())?;
    match &content {
        Content::Text { text } if text.trim().is_empty() => Err("the text is empty".to_owned()),
        Content::Reply { .. } | Content::System { .. } | Content::Unsupported { .. } => {
            Err("content of this type cannot be sent".to_owned())
        }
        Content::Email(mail) => {
            mail.check().map_err(|error| format!("the mail {error}")).map(|()| content)
        }
        _ => Ok(content),
    }
}
