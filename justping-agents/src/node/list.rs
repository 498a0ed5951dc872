//! A question with a list that opens.

use justping_core::model::{Choice as Row, Content, ListSection};
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::choice::{self, Choice, ChoiceConfig, Look, OPTIONS_MAX, OptionConfig};
use super::{config, schema};
use crate::text::Template;

/// Most sections of a list.
const SECTIONS_MAX: usize = 10;

/// Asks with a list of rows in sections.
#[derive(Debug)]
pub(super) struct List;

#[derive(Debug, Deserialize)]
struct Config {
    button: String,
    sections: Vec<SectionConfig>,
    #[serde(flatten)]
    choice: ChoiceConfig,
}

#[derive(Debug, Deserialize)]
struct SectionConfig {
    #[serde(default)]
    title: Option<String>,
    options: Vec<OptionConfig>,
}

impl FlowNode for List {
    fn descriptor(&self) -> NodeDescriptor {
        let row = json!({
            "id": schema::id("Id"),
            "title": schema::template_required("Title"),
            "description": schema::template("Description")
        });
        let section = json!({
            "title": schema::template("Heading"),
            "options": {
                "type": "array", "title": "Rows", "minItems": 1, "maxItems": OPTIONS_MAX,
                "items": schema::object(row, &["id", "title"])
            }
        });
        let own = json!({
            "button": schema::template_required("Label that opens the list"),
            "sections": {
                "type": "array", "title": "Sections", "minItems": 1, "maxItems": SECTIONS_MAX,
                "items": schema::object(section, &["options"])
            }
        });
        let required = ["text", "button", "sections"];
        NodeDescriptor {
            kind: "list".to_owned(),
            title: "List".to_owned(),
            summary: "Asks a question that is answered with a row, its words or its number."
                .to_owned(),
            schema: schema::object(schema::merged(own, choice::schema()), &required),
            exits: choice::exits(),
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let mut sections = Vec::with_capacity(config.sections.len());
        let mut rows = Vec::new();
        for (at, section) in config.sections.into_iter().enumerate() {
            let path = format!("/sections/{at}");
            let title = section.title.as_deref();
            let title = config::template_if(&format!("{path}/title"), title)?;
            sections.push((title, section.options.len()));
            let place = |(row, option)| (format!("{path}/options/{row}"), option);
            rows.extend(section.options.into_iter().enumerate().map(place));
        }
        let look = Shape { button: config::template("/button", &config.button)?, sections };
        Ok(Box::new(Choice::build(look, config.choice, rows)?))
    }
}

#[derive(Debug)]
struct Shape {
    button: Template,
    /// Headings, each with the number of its rows.
    sections: Vec<(Option<Template>, usize)>,
}

impl Look for Shape {
    fn content(
        &self,
        cx: &NodeContext<'_>,
        text: String,
        options: Vec<Row>,
    ) -> Result<Content, Step> {
        let button = config::render(cx, &self.button)?;
        let mut rows = options.into_iter();
        let section = |(title, count): &(Option<Template>, usize)| {
            let title = config::render_if(cx, title.as_ref())?;
            Ok(ListSection { title, options: rows.by_ref().take(*count).collect() })
        };
        let sections = self.sections.iter().map(section).collect::<Result<_, Step>>()?;
        Ok(Content::List { text, button, sections })
    }

    fn templates(&self) -> Vec<&Template> {
        let headings = self.sections.iter().filter_map(|(title, _)| title.as_ref());
        [&self.button].into_iter().chain(headings).collect()
    }
}
