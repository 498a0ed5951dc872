use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Rate;
use crate::model::{
    ChannelConfig, ChannelKind, ChannelSecrets, Content, Failure, FailureKind, Identity, Inbound,
};

/// What a channel can show and how fast it may send. Data, so that a provider's change is a change
/// of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The kind of identities it reaches.
    pub kind: ChannelKind,
    /// Whether free-form messages need an open customer-service window.
    pub service_window: bool,
    /// Whether approved templates exist.
    pub templates: bool,
    /// Whether the provider echoes our idempotency key in its statuses.
    pub echoes_key: bool,
    /// Characters of a text.
    pub text_max: usize,
    /// Reply buttons of a message; 0 where there are none.
    pub buttons_max: usize,
    /// Characters of a button's title.
    pub button_title_max: usize,
    /// Rows of a list; 0 where there are none.
    pub list_rows_max: usize,
    /// Characters of a row's title.
    pub list_title_max: usize,
    /// Characters of a row's description.
    pub list_description_max: usize,
    /// Characters of the text of an interactive message.
    pub interactive_text_max: usize,
    /// Bytes of an option's id.
    pub option_id_max: usize,
    /// How fast one channel may send.
    pub rate: Rate,
}

/// The method of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET: a subscription challenge.
    Get,
    /// POST: news.
    Post,
}

/// A request as it came, untouched: signatures are over raw bytes.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// Its method.
    pub method: HttpMethod,
    /// The query, decoded, in order.
    pub query: &'a [(String, String)],
    /// Headers with lowercase names.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl WebhookRequest<'_> {
    /// The first header called `name` (lowercase).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first query parameter called `name`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a verified webhook was.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// News, in the order of the request.
    Events(Vec<Inbound>),
    /// A subscription challenge: answer 200 with this text and nothing else.
    Challenge(String),
}

/// Why a webhook was refused. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// Unsigned, wrongly signed, or a wrong challenge token.
    #[error("the request is not signed by the provider")]
    Unauthorized,
    /// Signed, but not a document of the provider's form.
    #[error("the body is malformed: {0}")]
    Malformed(String),
    /// Larger or deeper than anything the provider sends.
    #[error("the body is too large")]
    TooLarge,
    /// The channel takes no webhooks of this method.
    #[error("the channel does not take such requests")]
    Unsupported,
    /// The channel cannot look at it now: the provider is to repeat it.
    #[error("the webhook cannot be read now: {0}")]
    Unavailable(String),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// Who gets it: every identity of the contact in this kind of channel, at least one.
    pub to: Vec<Identity>,
    /// What it says, already fitted to the capabilities.
    pub content: Content,
    /// The provider's reference of the message it answers.
    pub reply_to: Option<String>,
    /// The same for every try of the same message.
    pub idempotency_key: String,
}

/// The provider took the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id, where it gives one.
    pub provider_ref: Option<String>,
}

/// Why a send did not happen, by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Try again, after this time if the provider named one. It did certainly not leave.
    #[error("try again: {detail}")]
    Retry {
        /// The provider's wish.
        after: Option<Duration>,
        /// What happened.
        detail: String,
    },
    /// The sender is too fast: everything of this channel waits.
    #[error("rate limited")]
    RateLimited {
        /// The provider's wish.
        after: Option<Duration>,
    },
    /// The request went out and no answer came: it may have left.
    #[error("unknown outcome: {detail}")]
    Unknown {
        /// What happened.
        detail: String,
    },
    /// The customer-service window is closed: a template is needed.
    #[error("the customer-service window is closed")]
    WindowClosed {
        /// The provider's code.
        code: Option<String>,
    },
    /// The contact asked for silence.
    #[error("the contact has opted out")]
    OptedOut {
        /// The provider's code.
        code: Option<String>,
    },
    /// The address cannot get messages.
    #[error("the recipient cannot be reached")]
    InvalidRecipient {
        /// The provider's code.
        code: Option<String>,
    },
    /// The provider refuses this message.
    #[error("rejected: {reason}")]
    Rejected {
        /// The provider's code.
        code: Option<String>,
        /// Its reason.
        reason: String,
    },
    /// The channel's credentials do not work.
    #[error("unauthorized")]
    Unauthorized {
        /// The provider's code.
        code: Option<String>,
    },
}

impl SendError {
    /// The failure to store when this error ends the message; `None` when it can be tried again.
    pub fn final_failure(&self) -> Option<Failure> {
        let (kind, code) = match self {
            Self::Retry { .. } | Self::RateLimited { .. } | Self::Unknown { .. } => return None,
            Self::WindowClosed { code } => (FailureKind::WindowClosed, code),
            Self::OptedOut { code } => (FailureKind::OptedOut, code),
            Self::InvalidRecipient { code } => (FailureKind::InvalidRecipient, code),
            Self::Rejected { code, .. } => (FailureKind::Rejected, code),
            Self::Unauthorized { code } => (FailureKind::Unauthorized, code),
        };
        Some(Failure { kind, code: code.clone(), detail: self.to_string() })
    }
}

/// A channel cannot be opened with its settings and secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ChannelConfigError {
    /// The setting or secret at fault.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// One configured sender: verifies and parses what comes in, sends what goes out.
///
/// # Contract
/// - [`receive`](Self::receive) verifies the signature over the raw bytes, in constant time, before
///   it parses. Parsing is total: what it does not know becomes [`Inbound::Unsupported`].
/// - [`send`](Self::send) tries once. It says [`SendError::Unknown`] whenever the message may have
///   left, and [`SendError::Retry`] only when it certainly did not.
///
/// # Ordering and idempotency
/// The engine sends the messages of a conversation one after the other, and repeats a message only
/// with the same `idempotency_key`.
///
/// # Cancellation
/// A dropped `send` may or may not have sent: the engine treats it as unknown. A dropped `receive`
/// took nothing: the provider repeats the webhook.
///
/// # Implementing
/// See [`memory::MemoryChannel`](crate::memory::MemoryChannel) for the smallest one; run
/// [`conformance::channel`](crate::conformance::channel) on yours.
#[async_trait]
pub trait Channel: Send + Sync + Debug + 'static {
    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Verifies and parses a webhook. The provider waits for the answer: nothing is asked of it here.
    ///
    /// # Errors
    /// [`ReceiveError`]; the request is answered with 401, 400, 413, 404 or 503 and nothing is stored.
    async fn receive(&self, request: &WebhookRequest<'_>) -> Result<Received, ReceiveError>;

    /// Hands a message to the provider, once.
    ///
    /// # Errors
    /// [`SendError`], by what to do about it.
    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError>;

    /// Tells the provider that the contact's message was seen. Best effort.
    ///
    /// # Errors
    /// [`SendError`]; whoever asked for it decides what it is worth.
    async fn mark_read(&self, provider_ref: &str) -> Result<(), SendError>;

    /// Asks the provider whether settings and secrets work.
    ///
    /// # Errors
    /// [`SendError`], usually [`SendError::Unauthorized`].
    async fn verify(&self) -> Result<(), SendError>;
}

/// Opens channels of one provider.
pub trait ChannelProvider: Send + Sync + Debug + 'static {
    /// The provider's name, as channels carry it in [`ChannelConfig::provider`].
    fn name(&self) -> &str;

    /// The kind of identities its channels reach.
    fn kind(&self) -> ChannelKind;

    /// Opens a channel. Does no I/O.
    ///
    /// # Errors
    /// [`ChannelConfigError`] when a setting or secret is missing or malformed.
    fn open(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError>;
}
