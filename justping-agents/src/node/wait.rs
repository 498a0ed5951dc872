//! Lets time pass.

use justping_core::model::{Content, Timestamp};
use justping_core::port::{
    BuiltNode, Effect, Fit, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config;
use super::prompt::{after, exit};
use super::schema;

/// The longest wait: a year.
const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// Waits for a while. Messages meanwhile take the `interrupted` exit if it leads somewhere.
#[derive(Debug)]
pub(super) struct Wait;

#[derive(Debug, Deserialize)]
struct Config {
    amount: u64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl Unit {
    fn seconds(self) -> u64 {
        match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => 60 * 60,
            Self::Days => 24 * 60 * 60,
        }
    }
}

impl FlowNode for Wait {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "wait".to_owned(),
            title: "Wait".to_owned(),
            summary: "Lets time pass; a message meanwhile interrupts it or goes unheard."
                .to_owned(),
            schema: schema::object(
                json!({
                    "amount": {
                        "type": "integer", "title": "How long",
                        "minimum": 1, "maximum": SECONDS_MAX
                    },
                    "unit": {"title": "Unit", "enum": ["seconds", "minutes", "hours", "days"]}
                }),
                &["amount", "unit"],
            ),
            exits: vec![
                schema::exit("next", "Afterwards"),
                schema::exit("interrupted", "The contact writes meanwhile"),
            ],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let seconds = config.amount.saturating_mul(config.unit.seconds());
        if seconds > SECONDS_MAX {
            return Err(NodeConfigError::new("/amount", "a wait is at most 365 days long"));
        }
        Ok(Box::new(Pause::new(seconds)))
    }
}

/// Lets seconds pass.
#[derive(Debug)]
pub(super) struct Pause {
    seconds: u64,
    has_interrupt: bool,
    is_typing: bool,
}

impl Pause {
    pub(super) fn new(seconds: u64) -> Self {
        Self { seconds, has_interrupt: false, is_typing: false }
    }

    /// Shows meanwhile that an answer is being written.
    pub(super) fn typing(self) -> Self {
        Self { is_typing: true, ..self }
    }
}

impl BuiltNode for Pause {
    fn connect(&mut self, exits: &[String]) {
        self.has_interrupt = exits.iter().any(|exit| exit == "interrupted");
    }

    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        match after(cx.now, self.seconds, 1) {
            Some(until) => {
                *cx.local = Value::from(until.as_millisecond());
                if self.is_typing {
                    cx.effects.push(Effect::Typing { until });
                }
                Step::Wait { until: Some(until) }
            }
            None => Step::Fail { reason: "the wait ends after the end of time".to_owned() },
        }
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Timer { .. } => exit("next"),
            StepEvent::Message { .. } if self.has_interrupt => exit("interrupted"),
            StepEvent::Message { .. } | StepEvent::CallDone { .. } | StepEvent::Outside { .. } => {
                self.again(cx)
            }
        }
    }

    fn fits(&self, _: &NodeContext<'_>, _: &Content) -> Fit {
        if self.has_interrupt { Fit::Free } else { Fit::Other }
    }

    fn again(&self, cx: &mut NodeContext<'_>) -> Step {
        let until = cx.local.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Step::Wait { until }
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned(), "interrupted".to_owned()]
    }

    fn suspends(&self) -> bool {
        true
    }
}
