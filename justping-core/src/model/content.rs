use serde::{Deserialize, Serialize};

use super::Mail;

/// What a message says. One type for both directions; an adapter maps it to its provider's form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Plain text.
    Text {
        /// The text, in UTF-8.
        text: String,
    },
    /// A file.
    Media {
        /// What kind of file.
        kind: MediaKind,
        /// Where it is.
        #[serde(flatten)]
        source: MediaSource,
        /// Text shown with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
        /// The name of the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        /// Its MIME type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime: Option<String>,
    },
    /// Text with a few buttons.
    Buttons {
        /// The text above the buttons.
        text: String,
        /// A short line above the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// A short line below the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        footer: Option<String>,
        /// The buttons.
        options: Vec<Choice>,
    },
    /// Text with a list that opens.
    List {
        /// The text above the list.
        text: String,
        /// The label that opens the list.
        button: String,
        /// The rows, by section.
        sections: Vec<ListSection>,
    },
    /// A contact's choice among buttons or rows.
    Reply {
        /// The id of the option, as it was sent.
        option: String,
        /// The title the contact saw.
        title: String,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// The name of the place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Contact cards, in the provider's own form.
    Contacts {
        /// The cards.
        contacts: Vec<serde_json::Value>,
    },
    /// An emoji on an earlier message; an empty emoji removes it.
    Reaction {
        /// The provider's reference of the earlier message.
        target: String,
        /// The emoji.
        emoji: String,
    },
    /// A template the provider has approved.
    Template(TemplateContent),
    /// A mail.
    Email(Mail),
    /// Something that happened, shown in the thread but never sent.
    System {
        /// What happened.
        text: String,
    },
    /// What no rule here understands, kept as it came.
    Unsupported {
        /// The provider's name for it.
        kind: String,
        /// The provider's own JSON.
        raw: serde_json::Value,
    },
}

/// A reference to an approved template with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateContent {
    /// The template's name.
    pub name: String,
    /// Its language, such as `en_US`.
    pub language: String,
    /// Values of the body's parameters, in order, each with a name where the template names them.
    #[serde(default)]
    pub parameters: Vec<TemplateParameter>,
    /// Further components (header, buttons) in the provider's own form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<serde_json::Value>,
}

/// One value of a template's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateParameter {
    /// The parameter's name; `None` where parameters are positional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The text.
    pub text: String,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound, voice notes too.
    Audio,
    /// Moving pictures.
    Video,
    /// Any other file.
    Document,
    /// A sticker.
    Sticker,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// At a public address.
    Url(String),
    /// At the provider, under this id.
    ProviderId(String),
}

/// One button or row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Comes back when it is chosen.
    pub id: String,
    /// What the contact sees.
    pub title: String,
    /// A second line, in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A part of a list with an optional heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSection {
    /// The heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The rows.
    pub options: Vec<Choice>,
}

impl Content {
    /// Makes plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// What a person would read of it, for flows, previews and search.
    pub fn plain(&self) -> &str {
        match self {
            Self::Text { text }
            | Self::Buttons { text, .. }
            | Self::List { text, .. }
            | Self::System { text } => text,
            Self::Reply { title, .. } => title,
            Self::Media { caption, .. } => caption.as_deref().unwrap_or_default(),
            Self::Location { name, .. } => name.as_deref().unwrap_or_default(),
            Self::Reaction { emoji, .. } => emoji,
            Self::Template(template) => &template.name,
            Self::Email(mail) => mail.plain(),
            Self::Contacts { .. } | Self::Unsupported { .. } => "",
        }
    }

    /// Says whether a program wrote it in somebody's absence: no bot answers it.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Self::Email(mail) if mail.automatic)
    }
}
