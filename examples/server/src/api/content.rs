//! Content of messages in the form of the API: what the domain has, but strict about fields and
//! described for callers.

use justping::model::{
    Attachment, Choice, Content, ListSection, Mail, MediaKind, MediaSource, TemplateContent,
    TemplateParameter,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::Problem;

/// What a message says. `reply`, `system` and `unsupported` are only ever received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Content)]
pub(super) enum ContentBody {
    /// Plain text.
    Text { text: String },
    /// A file, at a public address (`url`) or at the provider (`provider_id`): exactly one.
    Media {
        kind: MediaKindBody,
        url: Option<String>,
        provider_id: Option<String>,
        caption: Option<String>,
        filename: Option<String>,
        mime: Option<String>,
    },
    /// Text with a few buttons.
    Buttons {
        text: String,
        header: Option<String>,
        footer: Option<String>,
        options: Vec<ChoiceBody>,
    },
    /// Text with a list that opens.
    List { text: String, button: String, sections: Vec<SectionBody> },
    /// A contact's choice among buttons or rows.
    Reply { option: String, title: String },
    /// A place.
    Location { latitude: f64, longitude: f64, name: Option<String>, address: Option<String> },
    /// Contact cards, in the provider's own form.
    Contacts { contacts: Vec<Value> },
    /// An emoji on an earlier message; an empty emoji removes it.
    Reaction { target: String, emoji: String },
    /// A template the provider has approved.
    Template {
        name: String,
        language: String,
        #[serde(default)]
        parameters: Vec<ParameterBody>,
        #[serde(default)]
        components: Vec<Value>,
    },
    /// A mail. On channels of other kinds it becomes text below its subject. `automatic` (a program wrote
    /// it) and `attachments` (files by name) are only ever received.
    Email {
        #[serde(default)]
        subject: String,
        text: String,
        /// The same as HTML.
        html: Option<String>,
        /// The contact's address, where it has several.
        address: Option<String>,
        #[serde(default)]
        automatic: bool,
        #[serde(default)]
        attachments: Vec<AttachmentBody>,
    },
    /// Something that happened, shown in the thread but never sent.
    System { text: String },
    /// What no rule here understands, kept as it came.
    Unsupported { kind: String, raw: Value },
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MediaKind)]
pub(super) enum MediaKindBody {
    Image,
    Audio,
    Video,
    Document,
    Sticker,
}

/// One button or row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Choice)]
pub(super) struct ChoiceBody {
    /// Comes back when it is chosen.
    id: String,
    title: String,
    description: Option<String>,
}

/// A part of a list with an optional heading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ListSection)]
pub(super) struct SectionBody {
    title: Option<String>,
    options: Vec<ChoiceBody>,
}

/// A file that came with a mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Attachment)]
pub(super) struct AttachmentBody {
    name: String,
    mime: Option<String>,
}

/// One value of a template's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TemplateParameter)]
pub(super) struct ParameterBody {
    /// The parameter's name, where the template names them.
    name: Option<String>,
    text: String,
}

impl ContentBody {
    /// Reads content that somebody wants to send.
    ///
    /// # Errors
    /// 422 for what cannot be sent.
    pub(super) fn into_outgoing(self, path: &str) -> Result<Content, Problem> {
        let refuse = |what: &str| Err(Problem::invalid_field(path.to_owned(), what.to_owned()));
        Ok(match self {
            Self::Text { text } if text.trim().is_empty() => return refuse("has no text"),
            Self::Text { text } => Content::Text { text },
            Self::Media { kind, url, provider_id, caption, filename, mime } => {
                let source = match (url, provider_id) {
                    (Some(url), None) => MediaSource::Url(url),
                    (None, Some(id)) => MediaSource::ProviderId(id),
                    _ => return refuse("needs exactly one of url and provider_id"),
                };
                Content::Media { kind: kind.into(), source, caption, filename, mime }
            }
            Self::Buttons { text, header, footer, options } => {
                Content::Buttons { text, header, footer, options: choices(options) }
            }
            Self::List { text, button, sections } => {
                let section =
                    |s: SectionBody| ListSection { title: s.title, options: choices(s.options) };
                Content::List {
                    text,
                    button,
                    sections: sections.into_iter().map(section).collect(),
                }
            }
            Self::Location { latitude, longitude, name, address } => {
                Content::Location { latitude, longitude, name, address }
            }
            Self::Contacts { contacts } => Content::Contacts { contacts },
            Self::Reaction { target, emoji } => Content::Reaction { target, emoji },
            Self::Template { name, language, parameters, components } => {
                let parameter = |p: ParameterBody| TemplateParameter { name: p.name, text: p.text };
                let parameters = parameters.into_iter().map(parameter).collect();
                Content::Template(TemplateContent { name, language, parameters, components })
            }
            Self::Email { subject, text, html, address, automatic: false, attachments } => {
                let file = |file: AttachmentBody| Attachment { name: file.name, mime: file.mime };
                let attachments = attachments.into_iter().map(file).collect();
                let mail = Mail { subject, text, html, address, automatic: false, attachments };
                match mail.check() {
                    Ok(()) => Content::Email(mail),
                    Err(error) => return refuse(&error.to_string()),
                }
            }
            Self::Email { .. } => return refuse("cannot be marked as written by a program"),
            Self::Reply { .. } | Self::System { .. } | Self::Unsupported { .. } => {
                return refuse("content of this type cannot be sent");
            }
        })
    }
}

fn choices(options: Vec<ChoiceBody>) -> Vec<Choice> {
    let choice = |c: ChoiceBody| Choice { id: c.id, title: c.title, description: c.description };
    options.into_iter().map(choice).collect()
}

impl From<MediaKindBody> for MediaKind {
    fn from(kind: MediaKindBody) -> Self {
        match kind {
            MediaKindBody::Image => Self::Image,
            MediaKindBody::Audio => Self::Audio,
            MediaKindBody::Video => Self::Video,
            MediaKindBody::Document => Self::Document,
            MediaKindBody::Sticker => Self::Sticker,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One of each kind that the domain has, as the domain writes it.
    fn every_content() -> Vec<Value> {
        let option = json!({"id": "a", "title": "A", "description": "first"});
        vec![
            json!({"type": "text", "text": "hi"}),
            json!({"type": "media", "kind": "image", "url": "https://example.org/a.png", "caption": "c"}),
            json!({"type": "media", "kind": "audio", "provider_id": "77"}),
            json!({"type": "buttons", "text": "t", "options": [option]}),
            json!({"type": "list", "text": "t", "button": "b", "sections": [{"options": [option]}]}),
            json!({"type": "location", "latitude": 1.5, "longitude": 2.5, "name": "n"}),
            json!({"type": "contacts", "contacts": [{"name": "x"}]}),
            json!({"type": "reaction", "target": "wamid.1", "emoji": "👍"}),
            json!({"type": "template", "name": "n", "language": "en", "parameters": [{"text": "x"}]}),
            json!({"type": "email", "subject": "s", "text": "t", "html": "<p>t</p>", "address": "a@b.example"}),
            json!({"type": "reply", "option": "a", "title": "A"}),
            json!({"type": "system", "text": "closed"}),
            json!({"type": "unsupported", "kind": "poll", "raw": {"a": 1}}),
        ]
    }

    #[test]
    fn the_described_form_is_the_form_of_the_domain() {
        for json in every_content() {
            let content: Content = serde_json::from_value(json.clone()).expect("domain");
            let body: ContentBody = serde_json::from_value(json.clone()).expect("described");
            match body.into_outgoing("/content") {
                Ok(outgoing) => assert_eq!(outgoing, content),
                Err(_) => assert!(matches!(
                    content,
                    Content::Reply { .. } | Content::System { .. } | Content::Unsupported { .. }
                )),
            }
        }
    }

    #[test]
    fn media_needs_one_source() {
        let body =
            json!({"type": "media", "kind": "image", "url": "https://a", "provider_id": "1"});
        let body: ContentBody = serde_json::from_value(body).expect("readable");
        assert!(body.into_outgoing("/content").is_err());
    }
}
