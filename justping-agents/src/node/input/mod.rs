//! A question with one answer of a kind.

mod kind;

use justping_core::model::{Content, Signal};
use justping_core::port::{
    Awaited, BuiltNode, Fit, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
    StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use self::kind::{Answer, PAYMENT_EVENTS, Paid, Wanted};
use super::config;
use super::prompt::{Patience, exit};
use super::schema;
use crate::text::Template;

/// Asks for a text, a number, a file or something else of one kind, and saves it.
#[derive(Debug)]
pub(super) struct Input;

#[derive(Debug, Deserialize)]
struct Config {
    prompt: String,
    variable: String,
    #[serde(default)]
    retry: Option<String>,
    #[serde(flatten)]
    wanted: Wanted,
    #[serde(flatten)]
    patience: Patience,
}

impl FlowNode for Input {
    fn descriptor(&self) -> NodeDescriptor {
        let own = json!({
            "prompt": schema::template_required("Question"),
            "variable": schema::variable("Save the answer in")
        });
        NodeDescriptor {
            kind: "input".to_owned(),
            title: "Question".to_owned(),
            summary: "Asks for one answer of a kind: a text, a number, a date, a file, a payment …"
                .to_owned(),
            schema: schema::object(
                schema::merged(schema::merged(own, kind::schema()), schema::asking()),
                &["prompt", "variable"],
            ),
            exits: vec![
                schema::exit("reply", "Answered"),
                schema::exit("invalid", "After the last retry"),
                schema::exit("timeout", "No answer in time"),
                schema::exit("interrupted", "After an intent went first, instead of asking again"),
            ],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        config.patience.check()?;
        Ok(Box::new(Ask {
            prompt: config::template("/prompt", &config.prompt)?,
            answer: config.wanted.answer()?,
            retry: config::template_if("/retry", config.retry.as_deref())?,
            variable: config.variable,
            patience: config.patience,
        }))
    }
}

#[derive(Debug)]
struct Ask {
    prompt: Template,
    answer: Answer,
    retry: Option<Template>,
    variable: String,
    patience: Patience,
}

impl Ask {
    fn hear(&self, cx: &mut NodeContext<'_>, content: &Content) -> Result<Step, Step> {
        if self.answer.is_outside() {
            return Ok(Patience::on(cx));
        }
        match self.answer.read(content) {
            Some(value) => Ok(self.save(cx, value)),
            None => self.miss(cx),
        }
    }

    /// Hears whether it was paid.
    fn hear_outside(
        &self,
        cx: &mut NodeContext<'_>,
        signal: &Signal,
        data: &Value,
    ) -> Result<Step, Step> {
        match self.answer.paid(signal) {
            Some(Paid::Yes) => Ok(self.save(cx, data.clone())),
            Some(Paid::No) => self.miss(cx),
            Some(Paid::NotYet) | None => Ok(Patience::on(cx)),
        }
    }

    fn save(&self, cx: &mut NodeContext<'_>, value: Value) -> Step {
        cx.set(&self.variable, value);
        exit("reply")
    }

    /// Nothing of the kind: ask again, a few times.
    fn miss(&self, cx: &mut NodeContext<'_>) -> Result<Step, Step> {
        let Some(wait) = self.patience.again(cx) else { return Ok(exit("invalid")) };
        config::say(cx, self.retry.as_ref().unwrap_or(&self.prompt))?;
        Ok(wait)
    }
}

impl BuiltNode for Ask {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(config::say(cx, &self.prompt).map(|()| self.patience.first(cx)))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Message { content } => config::step(self.hear(cx, content)),
            StepEvent::Outside { signal, data } => {
                config::step(self.hear_outside(cx, signal, data))
            }
            StepEvent::Timer { .. } => self.patience.over(cx),
            StepEvent::CallDone { .. } => Patience::on(cx),
        }
    }

    fn fits(&self, _: &NodeContext<'_>, content: &Content) -> Fit {
        self.answer.fits(content)
    }

    fn awaits(&self) -> Option<Awaited<'_>> {
        self.answer.is_outside().then_some(Awaited { name: PAYMENT_EVENTS, link: false })
    }

    fn exits(&self) -> Vec<String> {
        std::iter::once("reply".to_owned()).chain(self.patience.exits()).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        let own = [&self.prompt].into_iter().chain(&self.retry);
        config::reads(own.chain(self.patience.templates()))
    }

    fn writes(&self) -> Vec<String> {
        vec![self.variable.clone()]
    }
}
