//! Waits for something to happen outside.

use justping_core::model::Content;
use justping_core::model::Signal;
use justping_core::port::{
    Awaited, BuiltNode, Fit, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
    StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::prompt::{Patience, exit};
use super::{config, schema};

/// Longest name of an event.
pub(super) const EVENT_NAME_MAX_CHARS: usize = 100;

/// Waits until an event of a name is sent to the session, or somebody follows the session's link.
#[derive(Debug)]
pub(super) struct WaitEvent;

#[derive(Debug, Deserialize)]
struct Config {
    event: String,
    #[serde(default)]
    variable: Option<String>,
    #[serde(default)]
    link: Link,
    #[serde(flatten)]
    patience: Patience,
}

/// Whether the session's link ends the wait too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Link {
    #[default]
    Allowed,
    Never,
}

/// The schema of the name of an event.
pub(super) fn event_name(title: &str) -> Value {
    json!({
        "type": "string", "title": title, "maxLength": EVENT_NAME_MAX_CHARS,
        "pattern": "^[A-Za-z0-9_.:-]+[*]?$"
    })
}

impl FlowNode for WaitEvent {
    fn descriptor(&self) -> NodeDescriptor {
        let own = json!({
            "event": event_name("Event; one `*` at the end stands for any rest"),
            "variable": schema::variable("Save what it brings in"),
            "link": {"title": "The link `resume_url` ends the wait", "enum": ["allowed", "never"]}
        });
        NodeDescriptor {
            kind: "wait_event".to_owned(),
            title: "Wait for an event".to_owned(),
            summary: "Waits until something happens outside, told by name or by a link.".to_owned(),
            schema: schema::object(schema::merged(own, schema::reminding()), &["event"]),
            exits: vec![
                schema::exit("next", "It happened"),
                schema::exit("timeout", "It did not happen in time"),
                schema::exit("interrupted", "The contact writes meanwhile"),
            ],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        config.patience.check()?;
        Ok(Box::new(Listen { config, has_interrupt: false }))
    }
}

#[derive(Debug)]
struct Listen {
    config: Config,
    has_interrupt: bool,
}

impl BuiltNode for Listen {
    fn connect(&mut self, exits: &[String]) {
        self.has_interrupt = exits.iter().any(|exit| exit == "interrupted");
    }

    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        self.config.patience.first(cx)
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Outside { signal, data } => {
                let awaited = self.awaits();
                let ours = awaited.is_some_and(|awaited| match signal {
                    Signal::Name(name) => awaited.takes(name),
                    Signal::Link(_) => awaited.link,
                });
                if !ours {
                    return Patience::on(cx);
                }
                if let Some(variable) = &self.config.variable {
                    cx.set(variable, data.clone());
                }
                exit("next")
            }
            StepEvent::Timer { .. } => self.config.patience.over(cx),
            StepEvent::Message { .. } if self.has_interrupt => exit("interrupted"),
            StepEvent::Message { .. } | StepEvent::CallDone { .. } => Patience::on(cx),
        }
    }

    fn fits(&self, _: &NodeContext<'_>, _: &Content) -> Fit {
        if self.has_interrupt { Fit::Free } else { Fit::Other }
    }

    fn again(&self, cx: &mut NodeContext<'_>) -> Step {
        Patience::on(cx)
    }

    fn awaits(&self) -> Option<Awaited<'_>> {
        Some(Awaited { name: &self.config.event, link: self.config.link == Link::Allowed })
    }

    fn exits(&self) -> Vec<String> {
        let timeout = self.config.patience.timeout_exit();
        ["next", "interrupted"].into_iter().chain(timeout).map(str::to_owned).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        config::reads(self.config.patience.templates())
    }

    fn writes(&self) -> Vec<String> {
        self.config.variable.iter().cloned().collect()
    }
}
