//! A question that is answered in words.

use justping_core::model::Content;
use justping_core::port::{
    BuiltNode, Fit, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config;
use super::prompt::{Patience, exit};
use super::schema;
use crate::answer::{AnswerKind, AnswerProblem};
use crate::text::Template;

/// Asks for a text, a number, an e-mail address or a phone number and saves it.
#[derive(Debug)]
pub(super) struct Input;

#[derive(Debug, Deserialize)]
struct Config {
    prompt: String,
    variable: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    integer: bool,
    #[serde(default)]
    default_region: Option<String>,
    #[serde(default)]
    retry: Option<String>,
    #[serde(flatten)]
    patience: Patience,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Text,
    Number,
    Email,
    Phone,
}

impl FlowNode for Input {
    fn descriptor(&self) -> NodeDescriptor {
        let own = json!({
            "prompt": schema::template_required("Question"),
            "variable": schema::variable("Save the answer in"),
            "kind": {"title": "Kind", "enum": ["text", "number", "email", "phone"]},
            "min": {"type": "number", "title": "Least number, or fewest characters"},
            "max": {"type": "number", "title": "Greatest number, or most characters"},
            "integer": {"type": "boolean", "title": "Whole numbers only"},
            "default_region": {
                "type": "string", "title": "Country of numbers without country code",
                "pattern": "^[A-Za-z]{2}$"
            }
        });
        NodeDescriptor {
            kind: "input".to_owned(),
            title: "Question".to_owned(),
            summary: "Asks for a text, a number, an e-mail address or a phone number.".to_owned(),
            schema: schema::object(schema::merged(own, schema::asking()), &["prompt", "variable"]),
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
            answer: answer(&config)?,
            retry: config::template_if("/retry", config.retry.as_deref())?,
            variable: config.variable,
            patience: config.patience,
        }))
    }
}

/// Puts the kind together and refuses limits nothing can meet.
fn answer(config: &Config) -> Result<AnswerKind, NodeConfigError> {
    if config.min.zip(config.max).is_some_and(|(min, max)| min > max) {
        return Err(NodeConfigError::new("/max", "the greatest is less than the least"));
    }
    let length = |path: &str, value: Option<f64>| match value {
        Some(chars) if chars < 0.0 || chars.fract() != 0.0 || chars > f64::from(u32::MAX) => {
            Err(NodeConfigError::new(path, "a number of characters is whole and not negative"))
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        other => Ok(other.map(|chars| chars as usize)),
    };
    let kind = match config.kind {
        Kind::Text => {
            AnswerKind::Text { min: length("/min", config.min)?, max: length("/max", config.max)? }
        }
        Kind::Number => {
            AnswerKind::Number { min: config.min, max: config.max, integer: config.integer }
        }
        Kind::Email => AnswerKind::Email {},
        Kind::Phone => AnswerKind::Phone { default_region: config.default_region.clone() },
    };
    if kind.parse("0") == Err(AnswerProblem::UnknownRegion) {
        return Err(NodeConfigError::new("/default_region", "there is no such country"));
    }
    Ok(kind)
}

#[derive(Debug)]
struct Ask {
    prompt: Template,
    answer: AnswerKind,
    retry: Option<Template>,
    variable: String,
    patience: Patience,
}

impl Ask {
    fn hear(&self, cx: &mut NodeContext<'_>, text: &str) -> Result<Step, Step> {
        if let Ok(value) = self.answer.parse(text) {
            cx.set(&self.variable, value);
            return Ok(exit("reply"));
        }
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
            StepEvent::Message { content } => config::step(self.hear(cx, content.plain())),
            StepEvent::Timer { .. } => self.patience.over(cx),
            StepEvent::CallDone { .. } | StepEvent::Outside { .. } => Patience::on(cx),
        }
    }

    fn fits(&self, _: &NodeContext<'_>, content: &Content) -> Fit {
        match (&self.answer, self.answer.parse(content.plain())) {
            (_, Err(_)) => Fit::Other,
            (AnswerKind::Text { .. }, Ok(_)) => Fit::Free,
            (_, Ok(_)) => Fit::Exact,
        }
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
