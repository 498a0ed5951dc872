//! Calls of a plugin, one by one.
//!
//! `ask` calls as people write them · `wire` their shapes, to the contract and back.

mod ask;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use justping::plugins::{CallError, CallMeter, Called, Caller, Code, Sandbox};
use serde_json::{Value, json};
use sha2::Sha256;

pub(super) use self::ask::{
    Ask, ContactAsk, EventAsk, FilterAsk, MessageAsk, NodeAsk, Nothing, OutboundAsk, Sign, ToolAsk,
    WebhookAsk,
};

/// What a call gave, or the code and the words of its failure.
pub(super) type Outcome = Result<Value, (String, String)>;

/// Makes a call. `secrets` are what webhooks are signed with.
pub(super) async fn call(
    sandbox: &Sandbox,
    code: &Arc<Code>,
    caller: Caller,
    ask: Ask<'_>,
    secrets: &BTreeMap<String, String>,
) -> (Outcome, CallMeter) {
    let called = match ask {
        Ask::Enter(ask) => {
            let context = wire::context(ask, &caller);
            sandbox.enter_node(code, caller, context).await.map(|step| Ok(wire::step(&step)))
        }
        Ask::Resume(ask) => {
            let (context, event) = (wire::context(ask, &caller), wire::event(ask));
            let step = sandbox.resume_node(code, caller, context, event).await;
            step.map(|step| Ok(wire::step(&step)))
        }
        Ask::Tool(ask) => {
            let answer = sandbox.call_tool(code, caller, wire::tool(ask)).await;
            answer.map(|answer| Ok(wire::value(&answer)))
        }
        Ask::BeforeSend(ask) => {
            let (message, contact) = (wire::message(ask), wire::contact(&ask.contact));
            let verdict = sandbox.before_send(code, caller, message, contact).await;
            verdict.map(|verdict| Ok(wire::verdict(&verdict)))
        }
        Ask::AfterReceive(ask) => {
            let verdict = sandbox.after_receive(code, caller, wire::message(ask)).await;
            verdict.map(|verdict| Ok(wire::verdict(&verdict)))
        }
        Ask::Interests => sandbox.interests(code, caller).await.map(|names| Ok(json!(names))),
        Ask::Handle(asks) => {
            let events = wire::events(asks, caller.now);
            sandbox.handle_events(code, caller, events).await.map(|()| Ok(Value::Null))
        }
        Ask::Receive(ask) => {
            let webhook = wire::webhook(ask, signature(ask, secrets));
            let received = sandbox.receive(code, caller, webhook).await;
            received.map(|received| {
                received.map(|received| wire::received(&received)).map_err(wire::refusal)
            })
        }
        Ask::Send(ask) => {
            let sent = sandbox.send(code, caller, wire::outbound(ask)).await;
            sent.map(|sent| sent.map(|reference| json!(reference)).map_err(wire::send_error))
        }
        Ask::Apply(ask) => {
            let answer = sandbox.apply_filter(code, caller, wire::filter(ask)).await;
            answer.map(|answer| Ok(wire::value(&answer)))
        }
    };
    let Called { result, meter } = called;
    (outcome(result), meter)
}

/// A header with the signature of a webhook's body.
fn signature(ask: &WebhookAsk, secrets: &BTreeMap<String, String>) -> Option<(String, String)> {
    let Sign { header, secret } = ask.sign.as_ref()?;
    let key = secrets.get(secret).map(String::as_bytes).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(&wire::body(ask));
    let hex = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Some((header.to_lowercase(), hex))
}

/// What a call came to: what it gave, or the code and the words of its failure.
fn outcome(result: Result<Outcome, CallError>) -> Outcome {
    result.unwrap_or_else(|error| match error {
        CallError::Failed(failure) => Err((failure.code, failure.message)),
        error => Err((error.code().to_owned(), error.to_string())),
    })
}
