//! Plays a scenario.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use justping::plugins::{CallError, CallMeter, Called, Caller};
use serde_json::{Value, json};
use sha2::Sha256;

use super::script::{Ask, Call, Script, Sign, WebhookAsk};
use super::stand::Stand;
use super::wire;
use crate::Trouble;
use crate::source::Source;

/// What came of a scenario.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) checked: usize,
    pub(super) failures: Vec<Failure>,
    /// The longest time of a call on a processor.
    pub(super) cpu: Duration,
    /// The most memory of a call.
    pub(super) peak_bytes: usize,
}

/// Something that did not come true.
#[derive(Debug)]
pub(super) struct Failure {
    at: String,
    what: &'static str,
    expected: Value,
    found: Value,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what, expected, found } = self;
        write!(f, "{at}: {what}: expected {expected}, found {found}")
    }
}

/// What a call gave, or the code and the words of its failure.
type Outcome = Result<Value, (String, String)>;

impl Stand {
    pub(super) async fn play(&self, script: &Script, source: &Source) -> Result<Report, Trouble> {
        let mut report = Report::default();
        for (index, call) in script.calls.iter().enumerate() {
            let at = source.at(&format!("/calls/{index}"));
            let id = call.call_id.clone().unwrap_or_else(|| format!("call-{index}"));
            let caller = self.caller(&id);
            let Some(Called { result, meter }) = self.call(call, caller, script).await else {
                let reason = "must name one function of the contract".to_owned();
                return Err(Trouble::File { path: at, reason });
            };
            report.compare(&at, call, &outcome(result), &meter, self.servers.take_asked());
        }
        Ok(report)
    }

    /// Makes a call; there is none where not exactly one function is named.
    async fn call(&self, call: &Call, caller: Caller, script: &Script) -> Option<Called<Outcome>> {
        let (sandbox, code) = (&self.sandbox, &self.code);
        Some(match call.ask()? {
            Ask::Enter(ask) => {
                let context = wire::context(ask, &caller);
                let step = sandbox.enter_node(code, caller, context).await;
                step.map(|step| Ok(wire::step(&step)))
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
                let events = wire::events(asks, self.now);
                sandbox.handle_events(code, caller, events).await.map(|()| Ok(Value::Null))
            }
            Ask::Receive(ask) => {
                let webhook = wire::webhook(ask, signature(ask, script));
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
        })
    }
}

/// A header with the signature of a webhook's body.
fn signature(ask: &WebhookAsk, script: &Script) -> Option<(String, String)> {
    let Sign { header, secret } = ask.sign.as_ref()?;
    let key = script.secrets.get(secret).map(String::as_bytes).unwrap_or_default();
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

impl Report {
    /// Looks at what came of a call.
    fn compare(
        &mut self,
        at: &str,
        call: &Call,
        outcome: &Outcome,
        meter: &CallMeter,
        asked: Vec<Value>,
    ) {
        self.cpu = self.cpu.max(meter.cpu);
        self.peak_bytes = self.peak_bytes.max(meter.peak_bytes);
        let (given, code) = match outcome {
            Ok(given) => (given.clone(), Value::Null),
            Err((code, words)) => (json!({"failed": words}), json!(code)),
        };
        self.expect(at, "fails", &json!(call.fails), &code);
        if let Some(expected) = &call.gives {
            self.expect(at, "gives", expected, &given);
        }
        if let Some(expected) = &call.logs {
            let lines: Vec<&str> = meter.lines.iter().map(|line| line.text.as_str()).collect();
            self.expect(at, "logs", &json!(expected), &json!(lines));
        }
        if let Some(expected) = &call.asks {
            self.expect(at, "asks", &json!(expected), &Value::Array(asked));
        }
    }

    fn expect(&mut self, at: &str, what: &'static str, expected: &Value, found: &Value) {
        self.checked += 1;
        if !agrees(expected, found) {
            let (expected, found) = (expected.clone(), found.clone());
            self.failures.push(Failure { at: at.to_owned(), what, expected, found });
        }
    }
}

/// Whether a value is as expected: of objects only the members that are named are looked at.
fn agrees(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .all(|(name, value)| agrees(value, found.get(name).unwrap_or(&Value::Null))),
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| agrees(expected, found))
        }
        (Value::Number(expected), Value::Number(found)) => expected.as_f64() == found.as_f64(),
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_objects_only_what_is_named_is_looked_at() {
        let found = json!({"a": [{"b": 1, "c": 2}], "d": null});
        assert!(agrees(&json!({"a": [{"b": 1.0}]}), &found));
        assert!(agrees(&json!({"d": null, "e": null}), &found));
        assert!(!agrees(&json!({"a": [{"b": 2}]}), &found));
        assert!(!agrees(&json!({"a": []}), &found));
        assert!(!agrees(&json!({"e": 1}), &found));
    }
}
