//! Calls of a plugin, as people write them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Which function is called.
pub(crate) enum Ask<'c> {
    Enter(&'c NodeAsk),
    Resume(&'c NodeAsk),
    Tool(&'c ToolAsk),
    BeforeSend(&'c MessageAsk),
    AfterReceive(&'c MessageAsk),
    Interests,
    Handle(&'c [EventAsk]),
    Receive(&'c WebhookAsk),
    Send(&'c OutboundAsk),
    Apply(&'c FilterAsk),
}

/// A function that is told nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The contact of a call.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ContactAsk {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) fields: Map<String, Value>,
    pub(crate) tags: Vec<String>,
    pub(crate) locale: Option<String>,
    pub(crate) time_zone: Option<String>,
}

impl Default for ContactAsk {
    fn default() -> Self {
        Self {
            id: "contact-1".to_owned(),
            name: None,
            address: Some("+4915112345678".to_owned()),
            channel: Some("memory".to_owned()),
            fields: Map::new(),
            tags: Vec::new(),
            locale: None,
            time_zone: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NodeAsk {
    pub(crate) node: String,
    pub(crate) config: Map<String, Value>,
    pub(crate) contact: ContactAsk,
    pub(crate) variables: Map<String, Value>,
    pub(crate) last_text: String,
    pub(crate) memory: Value,
    /// Of `resume`: what the contact wrote. Without, the moment has come that it waited for.
    pub(crate) message: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolAsk {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) arguments: Map<String, Value>,
    #[serde(default = "contact")]
    pub(crate) contact_id: String,
}

fn contact() -> String {
    ContactAsk::default().id
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MessageAsk {
    pub(crate) text: String,
    /// All that it says; a text unless given.
    pub(crate) content: Option<Value>,
    pub(crate) contact: ContactAsk,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventAsk {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) data: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebhookAsk {
    pub(crate) method: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// A text as it is, everything else as JSON.
    pub(crate) body: Value,
    /// Puts the signature of the body into a header.
    pub(crate) sign: Option<Sign>,
}

/// A signature: hexadecimal HMAC-SHA-256 under a secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sign {
    pub(crate) header: String,
    pub(crate) secret: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OutboundAsk {
    pub(crate) to: String,
    pub(crate) content: Value,
    pub(crate) reply_to: Option<String>,
    pub(crate) idempotency_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterAsk {
    pub(crate) filter: String,
    pub(crate) value: Value,
    #[serde(default)]
    pub(crate) arguments: Vec<Value>,
}
