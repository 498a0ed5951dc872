//! Plays the calls of a scenario.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use justping::http::{OpenClient, Policy};
use justping::plugins::CallMeter;
use justping::stage::Stage;
use serde_json::{Value, json};

use super::super::call::Outcome;
use super::super::stand::{Platform, Servers, said};
use super::refused;
use super::script::{Call, Script};
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
    /// The plugin's log of the call.
    log: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, what, expected, found, log } = self;
        write!(f, "{at}: {what}: expected {expected}, found {found}")?;
        log.iter().try_for_each(|line| write!(f, "\n    log: {line}"))
    }
}

/// Plays the calls of a scenario.
pub(super) async fn play(
    package: Bytes,
    script: &Script,
    source: &Source,
) -> Result<Report, Trouble> {
    let servers = Arc::new(Servers::new(&script.replies));
    let http = OpenClient::scripted(Policy::default(), Arc::clone(&servers) as _);
    let platform = Platform::open(http)?;
    let mut stage = Stage::builder(Arc::new(platform.flows()));
    if let Some(now) = script.now {
        stage = stage.start(now);
    }
    let stand = platform.set(stage, &[]).await;
    let mut stand = stand.map_err(|error| Trouble::Other(error.to_string()))?;
    let terms = script.terms();
    stand.install(package, &terms).await.map_err(|error| refused(source, &error))?;
    let mut report = Report::default();
    for (index, call) in script.calls.iter().enumerate() {
        let at = source.at(&format!("/calls/{index}"));
        let id = call.call_id.clone().unwrap_or_else(|| format!("call-{index}"));
        let Some(ask) = call.ask() else {
            let reason = "must name one function of the contract".to_owned();
            return Err(Trouble::File { path: at, reason });
        };
        let (outcome, meter) = stand.call(ask, (&id, None), &terms.secrets).await?;
        report.compare(&at, call, &outcome, &meter, servers.take_asked());
    }
    Ok(report)
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
        let failed = self.failures.len();
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
        if let Some(last) = self.failures.get_mut(failed..).and_then(<[_]>::last_mut) {
            last.log = meter.lines.iter().map(said).collect();
        }
    }

    fn expect(&mut self, at: &str, what: &'static str, expected: &Value, found: &Value) {
        self.checked += 1;
        if !agrees(expected, found) {
            let (expected, found) = (expected.clone(), found.clone());
            let (at, log) = (at.to_owned(), Vec::new());
            self.failures.push(Failure { at, what, expected, found, log });
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
