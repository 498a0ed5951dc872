//! The shapes of calls, from what scenarios say to the contract and back.

use justping::model::Timestamp;
use justping::plugins::contract::{Contact, Message, channels, hooks, nodes, subscriber};
use justping::plugins::sandbox;
use justping::plugins::{Caller, millis};
use serde_json::{Value, json};

use super::ask::{
    ContactAsk, EventAsk, FilterAsk, MessageAsk, NodeAsk, OutboundAsk, ToolAsk, WebhookAsk,
};

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap_or_default().to_string()
}

/// Text as JSON, and what is none as a text.
pub(super) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

pub(super) fn contact(ask: &ContactAsk) -> Contact {
    Contact {
        id: ask.id.clone(),
        name: ask.name.clone(),
        address: ask.address.clone(),
        channel: ask.channel.clone(),
        fields: text(&ask.fields),
        tags: ask.tags.clone(),
        locale: ask.locale.clone(),
        time_zone: ask.time_zone.clone(),
    }
}

pub(super) fn context(ask: &NodeAsk, caller: &Caller) -> nodes::Context {
    nodes::Context {
        scope: caller.scope(),
        node: ask.node.clone(),
        config: text(&ask.config),
        contact: contact(&ask.contact),
        variables: text(&ask.variables),
        last_text: ask.last_text.clone(),
        memory: ask.memory.to_string(),
    }
}

pub(super) fn event(ask: &NodeAsk) -> nodes::Event {
    match &ask.message {
        Some(content) => nodes::Event::Message(content.to_string()),
        None => nodes::Event::Timer,
    }
}

pub(super) fn step(step: &nodes::Step) -> Value {
    let next = match &step.next {
        nodes::Next::Leave(exit) => json!({"leave": exit}),
        nodes::Next::Wait(nodes::Waiting { memory, until }) => {
            json!({"wait": {"memory": value(memory), "until": until}})
        }
    };
    json!({
        "messages": step.messages.iter().map(|message| value(message)).collect::<Vec<_>>(),
        "output": step.output.as_deref().map(value),
        "contact": step.contact.as_deref().map(value),
        "next": next
    })
}

pub(super) fn tool(ask: &ToolAsk) -> sandbox::ToolAsk {
    let ToolAsk { name, arguments, contact_id } = ask;
    sandbox::ToolAsk {
        contact_id: contact_id.clone(),
        tool: name.clone(),
        arguments: text(arguments),
    }
}

pub(super) fn filter(ask: &FilterAsk) -> sandbox::FilterAsk {
    let FilterAsk { filter, value, arguments } = ask;
    sandbox::FilterAsk {
        filter: filter.clone(),
        value: value.to_string(),
        arguments: text(arguments),
    }
}

pub(super) fn message(ask: &MessageAsk) -> Message {
    let plain = || json!({"type": "text", "text": ask.text});
    Message {
        id: String::new(),
        conversation_id: String::new(),
        channel: ask.contact.channel.clone().unwrap_or_default(),
        text: ask.text.clone(),
        content: ask.content.clone().unwrap_or_else(plain).to_string(),
    }
}

pub(super) fn verdict(verdict: &hooks::Verdict) -> Value {
    match verdict {
        hooks::Verdict::Pass => json!("pass"),
        hooks::Verdict::Change(content) => json!({"change": value(content)}),
        hooks::Verdict::Drop(reason) => json!({"drop": reason}),
    }
}

pub(super) fn events(asks: &[EventAsk], now: Timestamp) -> Vec<subscriber::Event> {
    let event = |ask: &EventAsk| subscriber::Event {
        id: ask.id.clone(),
        name: ask.name.clone(),
        at: millis(now),
        data: text(&ask.data),
    };
    asks.iter().map(event).collect()
}

/// The bytes of a webhook's body.
pub(super) fn body(ask: &WebhookAsk) -> Vec<u8> {
    match &ask.body {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

pub(super) fn webhook(ask: &WebhookAsk, signature: Option<(String, String)>) -> channels::Webhook {
    let pairs = |map: &std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut headers = pairs(&ask.headers);
    headers.extend(signature);
    let method = ask.method.clone().unwrap_or_else(|| "POST".to_owned());
    channels::Webhook { method, query: pairs(&ask.query), headers, body: body(ask) }
}

pub(super) fn received(received: &channels::Received) -> Value {
    json!({
        "inbound": received.inbound.iter().map(|one| value(one)).collect::<Vec<_>>(),
        "reply": String::from_utf8_lossy(&received.reply)
    })
}

/// The code and the words of a refusal.
pub(super) fn refusal(refusal: channels::Refusal) -> (String, String) {
    let (code, words) = match refusal {
        channels::Refusal::Unauthorized => ("unauthorized", String::new()),
        channels::Refusal::Malformed(why) => ("malformed", why),
    };
    (code.to_owned(), words)
}

pub(super) fn outbound(ask: &OutboundAsk) -> channels::Outbound {
    channels::Outbound {
        to: ask.to.clone(),
        content: ask.content.to_string(),
        reply_to: ask.reply_to.clone(),
        idempotency_key: ask.idempotency_key.clone(),
    }
}

/// The code and the words of a message that did not leave.
pub(super) fn send_error(error: channels::SendError) -> (String, String) {
    use channels::SendError;
    let (code, words) = match error {
        SendError::Retry(_) => ("retry", String::new()),
        SendError::RateLimited(_) => ("rate_limited", String::new()),
        SendError::Unknown(why) => ("unknown", why),
        SendError::WindowClosed => ("window_closed", String::new()),
        SendError::OptedOut => ("opted_out", String::new()),
        SendError::InvalidRecipient => ("invalid_recipient", String::new()),
        SendError::Rejected(why) => ("rejected", why),
        SendError::Unauthorized => ("unauthorized", String::new()),
    };
    (code.to_owned(), words)
}
