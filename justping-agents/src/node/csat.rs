//! Asks how content the contact is.

use justping_core::model::{Choice, Content};
use justping_core::port::{
    BuiltNode, Effect, Fit, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::prompt::{Patience, exit};
use super::{config, schema};
use crate::choice::{Match, OptionRef, match_option};
use crate::text::Template;

/// The greatest score unless the node says otherwise.
const SCALE_DEFAULT: u8 = 5;
/// The greatest score a node may offer.
const SCALE_MAX: u8 = 10;
/// Most characters of a label.
const LABEL_MAX_CHARS: usize = 60;
/// Most characters that are kept of a comment.
const COMMENT_MAX_CHARS: usize = 2_000;
/// The event that tells a score.
const ANSWERED: &str = "csat.answered";
/// The event that tells what the contact wrote besides.
const COMMENTED: &str = "csat.commented";
/// The score that was given, in what the node remembers while it waits for a comment.
const SCORE: &str = "score";

/// Asks for a score and perhaps for a comment. A score counts as soon as it is given.
#[derive(Debug)]
pub(super) struct Csat;

#[derive(Debug, Deserialize)]
struct Config {
    text: String,
    #[serde(default)]
    scale: Option<u8>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    variable: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    comment_up_to: Option<u8>,
    #[serde(default)]
    comment_variable: Option<String>,
    #[serde(default)]
    retry: Option<String>,
    #[serde(flatten)]
    patience: Patience,
}

impl FlowNode for Csat {
    fn descriptor(&self) -> NodeDescriptor {
        let label = json!({"type": "string", "minLength": 1, "maxLength": LABEL_MAX_CHARS});
        let own = json!({
            "text": schema::template_required("Question"),
            "scale": {
                "type": "integer", "title": "Greatest score", "minimum": 2, "maximum": SCALE_MAX,
                "default": SCALE_DEFAULT
            },
            "labels": {
                "type": "array", "title": "What stands for each score, from 1 on",
                "maxItems": SCALE_MAX, "items": label
            },
            "variable": schema::variable("Save the score in"),
            "comment": schema::template("Question for a comment"),
            "comment_up_to": {
                "type": "integer", "title": "Ask for a comment up to this score",
                "minimum": 1, "maximum": SCALE_MAX
            },
            "comment_variable": schema::variable("Save the comment in")
        });
        NodeDescriptor {
            kind: "csat".to_owned(),
            title: "Satisfaction".to_owned(),
            summary: "Asks for a score and perhaps a comment, and tells both to the world."
                .to_owned(),
            schema: schema::object(schema::merged(own, schema::asking()), &["text"]),
            exits: vec![
                schema::exit("next", "Answered"),
                schema::exit("invalid", "After the last retry"),
                schema::exit("timeout", "No score in time"),
            ],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        config.patience.check()?;
        let scale = config.scale.unwrap_or(SCALE_DEFAULT);
        let labels = if config.labels.is_empty() {
            (1..=scale).map(|score| score.to_string()).collect()
        } else {
            config.labels
        };
        if labels.len() != usize::from(scale) {
            let message = format!("{scale} labels are needed, one for each score");
            return Err(NodeConfigError::new("/labels", message));
        }
        Ok(Box::new(Survey {
            text: config::template("/text", &config.text)?,
            labels,
            variable: config.variable,
            comment: config::template_if("/comment", config.comment.as_deref())?,
            comment_up_to: config.comment_up_to.unwrap_or(scale),
            comment_variable: config.comment_variable,
            retry: config::template_if("/retry", config.retry.as_deref())?,
            patience: config.patience,
        }))
    }
}

#[derive(Debug)]
struct Survey {
    text: Template,
    /// One a score, from 1 on.
    labels: Vec<String>,
    variable: Option<String>,
    comment: Option<Template>,
    comment_up_to: u8,
    comment_variable: Option<String>,
    retry: Option<Template>,
    patience: Patience,
}

impl Survey {
    fn ask(&self, cx: &mut NodeContext<'_>, text: &Template) -> Result<(), Step> {
        let text = config::render(cx, text)?;
        let option = |(score, title): (u8, &String)| Choice {
            id: score.to_string(),
            title: title.clone(),
            description: None,
        };
        let options = (1..).zip(&self.labels).map(option).collect();
        cx.send(Content::Buttons { text, header: None, footer: None, options });
        Ok(())
    }

    /// The score a message gives: by its button, its label, or the one number in it.
    fn score(&self, content: &Content) -> Option<u8> {
        let ids: Vec<String> = (1..=self.labels.len()).map(|score| score.to_string()).collect();
        let refs: Vec<OptionRef<'_>> =
            ids.iter().zip(&self.labels).map(|(id, title)| OptionRef { id, title }).collect();
        let at = match content {
            Content::Reply { option, .. } => ids.iter().position(|id| id == option),
            _ => None,
        };
        let found = at.map_or_else(|| match_option(&refs, content.plain()), Match::One);
        match found {
            Match::One(at) => u8::try_from(at + 1).ok(),
            Match::None => self.number(content.plain()),
            Match::Ambiguous => None,
        }
    }

    /// "4", "4/5", "4 stars"; two numbers that differ are no score unless the second is the scale.
    fn number(&self, text: &str) -> Option<u8> {
        let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        let mut numbers = numbers.map(str::parse::<usize>);
        let score = numbers.next()?.ok()?;
        let scale_only = numbers.all(|number| number == Ok(self.labels.len()));
        let fits = scale_only && (1..=self.labels.len()).contains(&score);
        u8::try_from(score).ok().filter(|_| fits)
    }

    fn hear(&self, cx: &mut NodeContext<'_>, content: &Content) -> Result<Step, Step> {
        let Some(score) = self.score(content) else {
            let Some(wait) = self.patience.again(cx) else { return Ok(exit("invalid")) };
            self.ask(cx, self.retry.as_ref().unwrap_or(&self.text))?;
            return Ok(wait);
        };
        let data = json!({"score": score, "scale": self.labels.len()});
        cx.effects.push(Effect::Emit { name: ANSWERED.to_owned(), data });
        if let Some(variable) = &self.variable {
            cx.set(variable, Value::from(score));
        }
        match &self.comment {
            Some(question) if score <= self.comment_up_to => {
                config::say(cx, question)?;
                let wait = self.patience.first(cx);
                match cx.local.as_object_mut() {
                    Some(local) => drop(local.insert(SCORE.to_owned(), Value::from(score))),
                    None => *cx.local = json!({SCORE: score}),
                }
                Ok(wait)
            }
            _ => Ok(exit("next")),
        }
    }

    /// Any words are a comment; what has none is not.
    fn comment(&self, cx: &mut NodeContext<'_>, content: &Content) -> Step {
        let comment: String = content.plain().trim().chars().take(COMMENT_MAX_CHARS).collect();
        if comment.is_empty() {
            return Patience::on(cx);
        }
        let data = json!({"score": cx.local.get(SCORE), "comment": comment});
        cx.effects.push(Effect::Emit { name: COMMENTED.to_owned(), data });
        if let Some(variable) = &self.comment_variable {
            cx.set(variable, Value::from(comment));
        }
        exit("next")
    }
}

impl BuiltNode for Survey {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.ask(cx, &self.text).map(|()| self.patience.first(cx)))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        let scored = cx.local.get(SCORE).is_some();
        match event {
            StepEvent::Message { content } if scored => self.comment(cx, content),
            StepEvent::Message { content } => config::step(self.hear(cx, content)),
            StepEvent::Timer { .. } if scored => match self.patience.over(cx) {
                Step::Exit(_) => exit("next"),
                reminded => reminded,
            },
            StepEvent::Timer { .. } => self.patience.over(cx),
            StepEvent::CallDone { .. } | StepEvent::Outside { .. } => Patience::on(cx),
        }
    }

    fn fits(&self, cx: &NodeContext<'_>, content: &Content) -> Fit {
        match self.score(content) {
            _ if cx.local.get(SCORE).is_some() => Fit::Free,
            Some(_) => Fit::Exact,
            None => Fit::Other,
        }
    }

    fn exits(&self) -> Vec<String> {
        std::iter::once("next".to_owned()).chain(self.patience.exits()).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        let own = [&self.text].into_iter().chain(&self.comment).chain(&self.retry);
        config::reads(own.chain(self.patience.templates()))
    }

    fn writes(&self) -> Vec<String> {
        self.variable.iter().chain(&self.comment_variable).cloned().collect()
    }
}
