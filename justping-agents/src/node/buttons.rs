//! A question with buttons.

use justping_core::model::{Choice as Button, Content};
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::choice::{self, Choice, ChoiceConfig, Look, OPTIONS_MAX, OptionConfig};
use super::{config, schema};
use crate::text::Template;

/// Asks with buttons. Channels with fewer buttons show a list or numbers instead.
#[derive(Debug)]
pub(super) struct Buttons;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    footer: Option<String>,
    options: Vec<OptionConfig>,
    #[serde(flatten)]
    choice: ChoiceConfig,
}

impl FlowNode for Buttons {
    fn descriptor(&self) -> NodeDescriptor {
        let own = json!({
            "header": schema::template("Header"),
            "footer": schema::template("Footer"),
            "options": {
                "type": "array", "title": "Buttons", "minItems": 1, "maxItems": OPTIONS_MAX,
                "items": schema::object(
                    json!({"id": schema::id("Id"), "title": schema::template_required("Title")}),
                    &["id", "title"],
                )
            }
        });
        NodeDescriptor {
            kind: "buttons".to_owned(),
            title: "Buttons".to_owned(),
            summary: "Asks a question that is answered with a button, its words or its number."
                .to_owned(),
            schema: schema::object(schema::merged(own, choice::schema()), &["text", "options"]),
            exits: choice::exits(),
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let look = Shape {
            header: config::template_if("/header", config.header.as_deref())?,
            footer: config::template_if("/footer", config.footer.as_deref())?,
        };
        let place = |(at, option)| (format!("/options/{at}"), option);
        let options = config.options.into_iter().enumerate().map(place).collect();
        Ok(Box::new(Choice::build(look, config.choice, options)?))
    }
}

#[derive(Debug)]
struct Shape {
    header: Option<Template>,
    footer: Option<Template>,
}

impl Look for Shape {
    fn content(
        &self,
        cx: &NodeContext<'_>,
        text: String,
        options: Vec<Button>,
    ) -> Result<Content, Step> {
        let header = config::render_if(cx, self.header.as_ref())?;
        let footer = config::render_if(cx, self.footer.as_ref())?;
        Ok(Content::Buttons { text, header, footer, options })
    }

    fn templates(&self) -> Vec<&Template> {
        self.header.iter().chain(&self.footer).collect()
    }
}
