//! What a scenario of a plugin says.

use std::collections::BTreeMap;

use justping::agents::scenario::ServerReply;
use justping::model::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Calls of a plugin, and what should come of each.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Script {
    /// What people call it.
    name: Option<String>,
    /// What time it is.
    pub(super) now: Option<Timestamp>,
    /// What the business configured.
    pub(super) config: Map<String, Value>,
    /// The secrets that the business gave.
    pub(super) secrets: BTreeMap<String, String>,
    /// What servers answer, in order.
    pub(super) replies: Vec<ServerReply>,
    /// What is called, in order. What a plugin keeps stays from call to call.
    pub(super) calls: Vec<Call>,
}

/// A call: one of the functions of the contract, and what should come of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Call {
    pub(super) enter: Option<NodeAsk>,
    pub(super) resume: Option<NodeAsk>,
    pub(super) tool: Option<ToolAsk>,
    pub(super) before_send: Option<MessageAsk>,
    pub(super) after_receive: Option<MessageAsk>,
    pub(super) interests: Option<Nothing>,
    pub(super) handle: Option<Vec<EventAsk>>,
    pub(super) receive: Option<WebhookAsk>,
    pub(super) send: Option<OutboundAsk>,
    pub(super) apply: Option<FilterAsk>,
    /// Names the call: the same name is the same work, done again.
    pub(super) call_id: Option<String>,
    /// What it gives. Of objects only the members that are named are looked at.
    pub(super) gives: Option<Value>,
    /// The code of its failure. Without, it may not fail.
    pub(super) fails: Option<String>,
    /// The lines that it writes.
    pub(super) logs: Option<Vec<String>>,
    /// The requests that it makes.
    pub(super) asks: Option<Vec<Value>>,
}

/// Which function is called.
pub(super) enum Ask<'c> {
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

impl Call {
    /// The function that is named, if it is exactly one.
    pub(super) fn ask(&self) -> Option<Ask<'_>> {
        let asks = [
            self.enter.as_ref().map(Ask::Enter),
            self.resume.as_ref().map(Ask::Resume),
            self.tool.as_ref().map(Ask::Tool),
            self.before_send.as_ref().map(Ask::BeforeSend),
            self.after_receive.as_ref().map(Ask::AfterReceive),
            self.interests.as_ref().map(|Nothing {}| Ask::Interests),
            self.handle.as_deref().map(Ask::Handle),
            self.receive.as_ref().map(Ask::Receive),
            self.send.as_ref().map(Ask::Send),
            self.apply.as_ref().map(Ask::Apply),
        ];
        let mut named = asks.into_iter().flatten();
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }
}

/// A function that is told nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The contact of a call.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ContactAsk {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) fields: Map<String, Value>,
    pub(super) tags: Vec<String>,
    pub(super) locale: Option<String>,
    pub(super) time_zone: Option<String>,
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
pub(super) struct NodeAsk {
    pub(super) node: String,
    pub(super) config: Map<String, Value>,
    pub(super) contact: ContactAsk,
    pub(super) variables: Map<String, Value>,
    pub(super) last_text: String,
    pub(super) memory: Value,
    /// Of `resume`: what the contact wrote. Without, the moment has come that it waited for.
    pub(super) message: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolAsk {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    #[serde(default = "contact")]
    pub(super) contact_id: String,
}

fn contact() -> String {
    ContactAsk::default().id
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MessageAsk {
    pub(super) text: String,
    /// All that it says; a text unless given.
    pub(super) content: Option<Value>,
    pub(super) contact: ContactAsk,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventAsk {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) data: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebhookAsk {
    pub(super) method: Option<String>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    /// A text as it is, everything else as JSON.
    pub(super) body: Value,
    /// Puts the signature of the body into a header.
    pub(super) sign: Option<Sign>,
}

/// A signature: hexadecimal HMAC-SHA-256 under a secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    pub(super) header: String,
    pub(super) secret: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutboundAsk {
    pub(super) to: String,
    pub(super) content: Value,
    pub(super) reply_to: Option<String>,
    pub(super) idempotency_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterAsk {
    pub(super) filter: String,
    pub(super) value: Value,
    #[serde(default)]
    pub(super) arguments: Vec<Value>,
}
