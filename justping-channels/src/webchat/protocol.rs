//! The frames of the web chat, as JSON text messages of a WebSocket.
//!
//! A frame is one JSON object whose `type` names it. Unknown fields are ignored, unknown types are
//! an error. A client sends `hello` first and every frame of at most [`FRAME_MAX`] bytes.
//!
//! | client sends | fields | server answers |
//! |---|---|---|
//! | `hello` | `token` (text or null), `after` (the last seq it has, or 0) | `welcome` |
//! | `message` | `id` (a UUID of its own), `text` | `accepted` |
//! | `choice` | `id`, `option`, `title` | `accepted` |
//! | `read` | `seq` (everything up to it was seen) | nothing |
//! | `ping` | none | `pong` |
//!
//! | server sends | fields |
//! |---|---|
//! | `welcome` | `token` to keep, `name` to show, `messages` behind `after`, `more` when there are further ones |
//! | `message` | `message`, `client_id` when it is the client's own |
//! | `accepted` | `client_id`, `seq`: it is stored |
//! | `delta` | `text`: a part of an answer that is being written |
//! | `typing` | none: an answer is being written |
//! | `status` | `seq`, `status` |
//! | `pong` | none |
//! | `error` | `code`, `detail`, `client_id` when it concerns one frame |
//!
//! A client that does not hear `accepted` repeats the frame with the same `id`: it is stored once.
//! A client that reconnects says `hello` with the last seq it has and misses nothing but deltas.

use justping_core::model::{
    Choice, Content, DeliveryStatus, Direction, EventBody, FailureKind, ListSection, MediaKind,
    MediaSource, Message, Timestamp, Typist,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Bytes of the largest frame a client may send.
pub const FRAME_MAX: usize = 16 * 1024;
/// Characters of the longest text.
pub const TEXT_MAX: usize = 4096;
/// Bytes of the longest id of an option.
pub const OPTION_MAX: usize = 256;
/// Characters of the longest title of an option.
pub const TITLE_MAX: usize = 256;
/// Messages that one `welcome` carries at most; `more` says that there are others.
pub const WELCOME_MAX: usize = 100;

/// A frame from the visitor's browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Starts or resumes a chat.
    Hello {
        /// The token of an earlier `welcome`.
        #[serde(default)]
        token: Option<String>,
        /// The last seq the client has; 0 for none.
        #[serde(default)]
        after: u64,
    },
    /// Says something.
    Message {
        /// The client's own id of the message, new for each.
        id: Uuid,
        /// What it says, 1 to [`TEXT_MAX`] characters.
        text: String,
    },
    /// Chooses a button or a row.
    Choice {
        /// The client's own id of the message, new for each.
        id: Uuid,
        /// The id of the option.
        option: String,
        /// The title the visitor saw.
        title: String,
    },
    /// Says that everything up to a message was seen.
    Read {
        /// The seq of the last message that was seen.
        seq: u64,
    },
    /// Asks for a sign of life.
    Ping {},
}

/// Why a frame was refused. The code is stable, the detail is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FrameError {
    /// What is wrong.
    pub code: FrameErrorCode,
    /// The same as a sentence; carries nothing of the frame.
    pub detail: String,
    /// The client's id of the frame, where it could be read.
    pub client_id: Option<Uuid>,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameErrorCode {
    /// Larger than [`FRAME_MAX`].
    FrameTooLarge,
    /// Not a JSON object.
    InvalidJson,
    /// `type` is missing or unknown.
    UnknownType,
    /// A field is missing or of the wrong form.
    InvalidField,
    /// The text, option or title is empty.
    Empty,
    /// The text, option or title is too long.
    TooLong,
}

impl FrameErrorCode {
    /// The code as frames carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FrameTooLarge => "frame_too_large",
            Self::InvalidJson => "invalid_json",
            Self::UnknownType => "unknown_type",
            Self::InvalidField => "invalid_field",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
        }
    }
}

/// The part of a frame that tells which frame it is.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(default, rename = "type")]
    kind: serde_json::Value,
    #[serde(default)]
    id: serde_json::Value,
}

/// The names of the frames a client may send.
const CLIENT_TYPES: [&str; 5] = ["hello", "message", "choice", "read", "ping"];

impl ClientFrame {
    /// Reads a frame and checks its limits.
    ///
    /// # Errors
    /// [`FrameError`], to be answered with [`ServerFrame::from`] it.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        if text.len() > FRAME_MAX {
            let detail = format!("a frame has at most {FRAME_MAX} bytes");
            return Err(refused(FrameErrorCode::FrameTooLarge, None, detail));
        }
        let frame = serde_json::from_str::<Self>(text).map_err(|_| explain(text))?;
        frame.check_limits()?;
        Ok(frame)
    }

    /// The client's id of the frame, where it has one.
    pub fn client_id(&self) -> Option<Uuid> {
        match self {
            Self::Message { id, .. } | Self::Choice { id, .. } => Some(*id),
            Self::Hello { .. } | Self::Read { .. } | Self::Ping {} => None,
        }
    }

    fn check_limits(&self) -> Result<(), FrameError> {
        match self {
            Self::Message { id, text } => limit(*id, "the text", text, TEXT_MAX),
            Self::Choice { id, option, title } => {
                limit(*id, "the title", title, TITLE_MAX)?;
                limit(*id, "the option", option, OPTION_MAX)?;
                // Options are ids: their limit is in bytes.
                match option.len() > OPTION_MAX {
                    true => Err(too_long(*id, "the option", OPTION_MAX)),
                    false => Ok(()),
                }
            }
            Self::Hello { .. } | Self::Read { .. } | Self::Ping {} => Ok(()),
        }
    }
}

fn limit(id: Uuid, what: &str, text: &str, max: usize) -> Result<(), FrameError> {
    if text.trim().is_empty() {
        return Err(refused(FrameErrorCode::Empty, Some(id), format!("{what} is empty")));
    }
    if text.chars().count() > max {
        return Err(too_long(id, what, max));
    }
    Ok(())
}

fn too_long(id: Uuid, what: &str, max: usize) -> FrameError {
    refused(FrameErrorCode::TooLong, Some(id), format!("{what} is longer than {max}"))
}

fn refused(code: FrameErrorCode, client_id: Option<Uuid>, detail: String) -> FrameError {
    FrameError { code, detail, client_id }
}

/// Finds out what is wrong with a text that is no frame.
fn explain(text: &str) -> FrameError {
    let Ok(head) = serde_json::from_str::<Head>(text) else {
        let detail = "a frame is one JSON object".to_owned();
        return refused(FrameErrorCode::InvalidJson, None, detail);
    };
    let client_id = head.id.as_str().and_then(|id| Uuid::try_parse(id).ok());
    match head.kind.as_str().and_then(|kind| CLIENT_TYPES.iter().find(|known| **known == kind)) {
        Some(kind) => {
            let detail = format!("a field of {kind} is missing or has the wrong form");
            refused(FrameErrorCode::InvalidField, client_id, detail)
        }
        None => {
            let detail = format!("type must be one of {}", CLIENT_TYPES.join(", "));
            refused(FrameErrorCode::UnknownType, client_id, detail)
        }
    }
}

/// A frame to the visitor's browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The chat is open.
    Welcome {
        /// The token to keep for the next `hello`.
        token: String,
        /// The name to show.
        name: String,
        /// The messages behind the client's last one, in order, at most [`WELCOME_MAX`].
        messages: Vec<WebMessage>,
        /// Whether there are further messages: say `hello` again with the last seq.
        more: bool,
    },
    /// A message of the chat, the visitor's own ones too.
    Message {
        /// The message.
        message: WebMessage,
        /// The client's own id, when the visitor wrote it.
        client_id: Option<Uuid>,
    },
    /// A message of the client is stored.
    Accepted {
        /// The client's id of it.
        client_id: Uuid,
        /// Its place in the chat.
        seq: u64,
    },
    /// A part of an answer that is being written; the whole follows as a message.
    Delta {
        /// The part.
        text: String,
    },
    /// An answer is being written.
    Typing {},
    /// A message got further.
    Status {
        /// Its place in the chat.
        seq: u64,
        /// How far it got.
        status: DeliveryStatus,
    },
    /// The answer to `ping`.
    Pong {},
    /// Something was refused.
    Error {
        /// A stable code; those of frames are [`FrameErrorCode`]'s.
        code: String,
        /// A sentence for people.
        detail: String,
        /// The client's id of the refused frame.
        client_id: Option<Uuid>,
    },
}

impl From<FrameError> for ServerFrame {
    fn from(error: FrameError) -> Self {
        let FrameError { code, detail, client_id } = error;
        Self::Error { code: code.as_str().to_owned(), detail, client_id }
    }
}

impl ServerFrame {
    /// The frame that shows a message; `None` for what visitors must not see.
    pub fn message(message: &Message) -> Option<Self> {
        let message = WebMessage::show(message)?;
        let client_id = message.client_id;
        Some(Self::Message { message, client_id })
    }

    /// The frame that tells of an event of the chat's conversation; `None` for events that are not
    /// for visitors.
    ///
    /// Events of other conversations must not be passed: nothing in them says so.
    pub fn event(event: &EventBody) -> Option<Self> {
        match event {
            EventBody::MessageNew { message } => Self::message(message),
            EventBody::MessageStatus { seq, status, .. } => {
                Some(Self::Status { seq: *seq, status: *status })
            }
            EventBody::MessageDelta { text } => Some(Self::Delta { text: text.clone() }),
            EventBody::TypingStarted { typist: Typist::Bot | Typist::Member(_), .. } => {
                Some(Self::Typing {})
            }
            _ => None,
        }
    }

    /// The frame as the text of a WebSocket message.
    pub fn to_json(&self) -> String {
        // Every field has a JSON form, so the fallback is never used.
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"type":"pong"}"#.to_owned())
    }
}

/// Which way a message went, seen from the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebDirection {
    /// The visitor wrote it.
    Inbound,
    /// The business wrote it.
    Outbound,
}

/// A message as a visitor sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebMessage {
    /// Its place in the chat. Grows, but with gaps: notes between members and withheld
    /// messages are not shown.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// Which way it went.
    pub direction: WebDirection,
    /// When it was recorded.
    pub at: Timestamp,
    /// How far it got.
    pub status: DeliveryStatus,
    /// What it says.
    pub content: WebContent,
    /// The client's own id, when the visitor wrote it.
    pub client_id: Option<Uuid>,
}

impl WebMessage {
    /// Shows a message as a visitor may see it; `None` for a note between members, and for a message
    /// of the business that failed because it was never to be sent: the visitor wanted silence, or
    /// somebody else took the conversation first.
    pub fn show(message: &Message) -> Option<Self> {
        let direction = match message.direction {
            Direction::Inbound => WebDirection::Inbound,
            Direction::Outbound if was_withheld(message) => return None,
            Direction::Outbound => WebDirection::Outbound,
            Direction::Note => return None,
        };
        Some(Self {
            seq: message.seq,
            id: message.id.to_string(),
            direction,
            at: message.created_at,
            status: message.status,
            content: WebContent::show(&message.content),
            client_id: client_id(message),
        })
    }
}

/// Says whether a message was recorded and then, rightly, not sent.
fn was_withheld(message: &Message) -> bool {
    let kind = message.failure.as_ref().map(|failure| failure.kind);
    message.status == DeliveryStatus::Failed
        && matches!(kind, Some(FailureKind::OptedOut | FailureKind::Superseded))
}

/// Inbound messages carry `<visitor>:<client uuid>` as their reference.
fn client_id(message: &Message) -> Option<Uuid> {
    let reference = message.provider_ref.as_deref()?;
    let (_, id) = reference.split_once(':').filter(|_| message.direction == Direction::Inbound)?;
    Uuid::try_parse(id).ok()
}

/// What a message says, as a browser can show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WebContent {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A file.
    Media {
        /// What kind of file.
        kind: MediaKind,
        /// Where it is: an http address or a path of the server; `null` when a browser cannot open
        /// it.
        url: Option<String>,
        /// Text shown with it.
        caption: Option<String>,
        /// The name of the file.
        filename: Option<String>,
        /// Its MIME type.
        mime: Option<String>,
    },
    /// Text with buttons.
    Buttons {
        /// The text above the buttons.
        text: String,
        /// A short line above the text.
        header: Option<String>,
        /// A short line below the text.
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
    /// The visitor's choice.
    Reply {
        /// The id of the option.
        option: String,
        /// The title the visitor saw.
        title: String,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// The name of the place.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// An emoji on an earlier message.
    Reaction {
        /// The reference of the earlier message.
        target: String,
        /// The emoji; empty when it was removed.
        emoji: String,
    },
    /// Something that happened.
    System {
        /// What happened.
        text: String,
    },
    /// What a browser cannot show; its own form stays on the server.
    Unsupported {
        /// What kind of content.
        kind: String,
    },
}

impl WebContent {
    /// Shows content as a browser can show it.
    pub fn show(content: &Content) -> Self {
        match content.clone() {
            Content::Text { text } => Self::Text { text },
            Content::Media { kind, source, caption, filename, mime } => {
                Self::Media { kind, url: address(source), caption, filename, mime }
            }
            Content::Buttons { text, header, footer, options } => {
                Self::Buttons { text, header, footer, options }
            }
            Content::List { text, button, sections } => Self::List { text, button, sections },
            Content::Reply { option, title } => Self::Reply { option, title },
            Content::Location { latitude, longitude, name, address } => {
                Self::Location { latitude, longitude, name, address }
            }
            Content::Reaction { target, emoji } => Self::Reaction { target, emoji },
            Content::System { text } => Self::System { text },
            Content::Email(mail) => Self::Text { text: mail.as_text() },
            Content::Contacts { .. } => Self::Unsupported { kind: "contacts".to_owned() },
            Content::Template(_) => Self::Unsupported { kind: "template".to_owned() },
            Content::Unsupported { kind, .. } => Self::Unsupported { kind },
        }
    }
}

/// The address of a file, unless it is another provider's id or something a page would run.
fn address(source: MediaSource) -> Option<String> {
    match source {
        MediaSource::Url(url) => {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            let web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
            // A path is one of the server's own files.
            (web || url.starts_with('/')).then_some(url)
        }
        MediaSource::ProviderId(_) => None,
    }
}
