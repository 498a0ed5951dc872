//! Sends a file.

use justping_core::model::{Content, MediaKind, MediaSource};
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config;
use super::prompt::exit;
use super::schema;
use crate::text::Template;

/// Sends a file from a public address.
#[derive(Debug)]
pub(super) struct Media;

#[derive(Debug, Deserialize)]
struct Config {
    kind: MediaKind,
    url: String,
    #[serde(default)]
    caption: Option<String>,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    mime: Option<String>,
}

impl FlowNode for Media {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "media".to_owned(),
            title: "Media".to_owned(),
            summary: "Sends a picture, sound, video or document from a public address.".to_owned(),
            schema: schema::object(
                json!({
                    "kind": {
                        "title": "Kind",
                        "enum": ["image", "audio", "video", "document", "sticker"]
                    },
                    "url": schema::template_required("Address"),
                    "caption": schema::template("Caption"),
                    "filename": schema::template("File name"),
                    "mime": {"type": "string", "title": "MIME type", "maxLength": 200}
                }),
                &["kind", "url"],
            ),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        Ok(Box::new(Show {
            kind: config.kind,
            url: config::template("/url", &config.url)?,
            caption: config::template_if("/caption", config.caption.as_deref())?,
            filename: config::template_if("/filename", config.filename.as_deref())?,
            mime: config.mime,
        }))
    }
}

#[derive(Debug)]
struct Show {
    kind: MediaKind,
    url: Template,
    caption: Option<Template>,
    filename: Option<Template>,
    mime: Option<String>,
}

impl Show {
    fn send(&self, cx: &mut NodeContext<'_>) -> Result<Step, Step> {
        let url = config::render(cx, &self.url)?.trim().to_owned();
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(Step::Fail { reason: "the address is not a web address".to_owned() });
        }
        let caption = config::render_if(cx, self.caption.as_ref())?;
        let filename = config::render_if(cx, self.filename.as_ref())?;
        let (kind, mime, source) = (self.kind, self.mime.clone(), MediaSource::Url(url));
        cx.send(Content::Media { kind, source, caption, filename, mime });
        Ok(exit("next"))
    }
}

impl BuiltNode for Show {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.send(cx))
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }

    fn reads(&self) -> Vec<String> {
        config::reads([&self.url].into_iter().chain(&self.caption).chain(&self.filename))
    }
}
