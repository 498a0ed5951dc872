//! What a scenario of calls says.

use std::collections::BTreeMap;

use justping::agents::scenario::ServerReply;
use justping::model::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::call::{
    Ask, EventAsk, FilterAsk, MessageAsk, NodeAsk, Nothing, OutboundAsk, ToolAsk, WebhookAsk,
};
use super::super::stand::Terms;

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

impl Script {
    /// What the business says.
    pub(super) fn terms(&self) -> Terms {
        Terms { config: self.config.clone(), secrets: self.secrets.clone(), grants: None }
    }
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
