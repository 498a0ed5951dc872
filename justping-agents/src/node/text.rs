//! Says something.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config;
use super::prompt::exit;
use super::schema;
use crate::text::Template;

/// Sends a text.
#[derive(Debug)]
pub(super) struct Text;

#[derive(Debug, Deserialize)]
struct Config {
    text: String,
}

impl FlowNode for Text {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "text".to_owned(),
            title: "Text".to_owned(),
            summary: "Sends a text; one that comes out blank is not sent.".to_owned(),
            schema: schema::object(json!({"text": schema::template_required("Text")}), &["text"]),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        Ok(Box::new(Say { text: config::template("/text", &config.text)? }))
    }
}

#[derive(Debug)]
struct Say {
    text: Template,
}

impl BuiltNode for Say {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(config::say(cx, &self.text).map(|()| exit("next")))
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }

    fn reads(&self) -> Vec<String> {
        config::reads([&self.text])
    }
}
