//! Who and what calls are about.

use serde_json::{Map, Value, json};

use crate::Failure;
use crate::bindings::capabilities::justping::plugin::types;

/// For whom a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The business.
    pub business_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The same each time that the same work is done again, as after a crash: an idempotency key.
    pub call_id: String,
    /// The moment the call was made, in milliseconds since 1970.
    pub now_ms: u64,
}

impl From<types::Scope> for Scope {
    fn from(scope: types::Scope) -> Self {
        let types::Scope { business_id, conversation_id, call_id, now } = scope;
        Self { business_id, conversation_id, call_id, now_ms: now }
    }
}

/// A contact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contact {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its address on the conversation's channel.
    pub address: Option<String>,
    /// The kind of channel of the conversation: `whatsapp`, `sms`, `webchat`, …
    pub channel: Option<String>,
    /// Custom fields.
    pub fields: Map<String, Value>,
    /// Labels, sorted.
    pub tags: Vec<String>,
    /// Its language, as in BCP 47.
    pub locale: Option<String>,
    /// Its time zone, as in the IANA database.
    pub time_zone: Option<String>,
}

impl TryFrom<types::Contact> for Contact {
    type Error = Failure;

    fn try_from(contact: types::Contact) -> Result<Self, Failure> {
        Ok(Self {
            id: contact.id,
            name: contact.name,
            address: contact.address,
            channel: contact.channel,
            fields: serde_json::from_str(&contact.fields)?,
            tags: contact.tags,
            locale: contact.locale,
            time_zone: contact.time_zone,
        })
    }
}

/// A message on its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Its id; empty for one that was not stored yet.
    pub id: String,
    /// Its conversation; empty for one that was not stored yet.
    pub conversation_id: String,
    /// The kind of channel it travels on.
    pub channel: String,
    /// What it says, as plain text.
    pub text: String,
    /// All that it says, in the API's form: `{"type": "text", "text": "…"}` and so on.
    pub content: Value,
}

impl TryFrom<types::Message> for Message {
    type Error = Failure;

    fn try_from(message: types::Message) -> Result<Self, Failure> {
        let types::Message { id, conversation_id, channel, text, content } = message;
        Ok(Self { id, conversation_id, channel, text, content: serde_json::from_str(&content)? })
    }
}

/// What a message says that is a plain text, in the API's form.
///
/// ```
/// let content = justping_plugin::text("Hello");
/// assert_eq!(content, serde_json::json!({"type": "text", "text": "Hello"}));
/// ```
pub fn text(text: impl Into<String>) -> Value {
    json!({"type": "text", "text": text.into()})
}
