//! Sends a template that the provider has approved.

use justping_core::model::{Content, TemplateContent, TemplateParameter};
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::prompt::exit;
use super::{config, schema};
use crate::text::Template;

/// Most parameters of a template's body.
const PARAMETERS_MAX: usize = 50;
/// Most components besides the body.
const COMPONENTS_MAX: usize = 20;
/// Most characters of a template's name: WhatsApp's bound.
const NAME_MAX_CHARS: usize = 512;

/// Sends a template: what may leave when the customer-service window is closed.
#[derive(Debug)]
pub(super) struct SendTemplate;

#[derive(Debug, Deserialize)]
struct Config {
    template: String,
    language: String,
    #[serde(default)]
    parameters: Vec<ParameterConfig>,
    #[serde(default)]
    components: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct ParameterConfig {
    #[serde(default)]
    name: Option<String>,
    text: String,
}

impl FlowNode for SendTemplate {
    fn descriptor(&self) -> NodeDescriptor {
        let parameter = json!({
            "name": {"type": "string", "title": "Name, where the template names it", "minLength": 1},
            "text": schema::template_required("Value")
        });
        NodeDescriptor {
            kind: "send_template".to_owned(),
            title: "Send a template".to_owned(),
            summary:
                "Sends a message that the provider approved, as needed once the contact has been \
                      silent for a day."
                    .to_owned(),
            schema: schema::object(
                json!({
                    "template": {
                        "type": "string", "title": "Template",
                        "minLength": 1, "maxLength": NAME_MAX_CHARS
                    },
                    "language": {
                        "type": "string", "title": "Language, such as en_US",
                        "pattern": "^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$"
                    },
                    "parameters": {
                        "type": "array", "title": "Parameters of the body",
                        "maxItems": PARAMETERS_MAX, "items": schema::object(parameter, &["text"])
                    },
                    "components": {
                        "type": "array", "title": "Header and buttons, as the provider wants them",
                        "maxItems": COMPONENTS_MAX, "items": {"type": "object"}
                    }
                }),
                &["template", "language"],
            ),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let parameter = |(at, parameter): (usize, ParameterConfig)| {
            let text = config::template(&format!("/parameters/{at}/text"), &parameter.text)?;
            Ok((parameter.name, text))
        };
        Ok(Box::new(Approved {
            template: config.template,
            language: config.language,
            parameters: config
                .parameters
                .into_iter()
                .enumerate()
                .map(parameter)
                .collect::<Result<_, _>>()?,
            components: config.components,
        }))
    }
}

#[derive(Debug)]
struct Approved {
    template: String,
    language: String,
    parameters: Vec<(Option<String>, Template)>,
    components: Vec<Value>,
}

impl Approved {
    fn content(&self, cx: &NodeContext<'_>) -> Result<Content, Step> {
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for (name, text) in &self.parameters {
            let text = config::render(cx, text)?;
            parameters.push(TemplateParameter { name: name.clone(), text });
        }
        Ok(Content::Template(TemplateContent {
            name: self.template.clone(),
            language: self.language.clone(),
            parameters,
            components: self.components.clone(),
        }))
    }
}

impl BuiltNode for Approved {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        match self.content(cx) {
            Ok(content) => {
                cx.send(content);
                exit("next")
            }
            Err(failed) => failed,
        }
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }

    fn reads(&self) -> Vec<String> {
        config::reads(self.parameters.iter().map(|(_, text)| text))
    }
}
