//! Web chat: our own small protocol over a WebSocket.
//!
//! This module is the pure half: frames ([`protocol`]), visitor tokens, and the mapping to and from
//! the domain. The socket itself is the server's.
//!
//! # Setting it up
//! Provider name `webchat`. [`WebChatSettings`] may be `{}`; the one secret is [`TOKEN_SECRET`].
//!
//! # A chat, from the server's side
//! 1. Upgrade the request only when [`WebChatChannel::origin_allowed`].
//! 2. Read frames with [`ClientFrame::parse`]; answer errors with [`ServerFrame::from`].
//! 3. At `hello`, [`WebChatChannel::visit`] tells who it is; answer [`ServerFrame::Welcome`] with the
//!    messages of the visitor's conversation behind `after` ([`WebMessage::show`]). Notes between
//!    members are left out: go on to the next page while a page shows nothing, because the client
//!    goes on from the last seq it was shown.
//! 4. Hand [`WebChatChannel::inbound`] of a `message` or `choice` to the engine and answer
//!    `accepted` with the seq it got.
//! 5. Hand a `read` to the engine as a status under the message's
//!    [`idempotency_key`](justping_core::model::OutboxRow::idempotency_key), for messages of the
//!    visitor's own conversation only.
//! 6. Forward the events of the conversation with [`ServerFrame::event`].
//!
//! # What goes out
//! [`send`](justping_core::port::Channel::send) succeeds at once and reaches nobody: a message is
//! delivered by the event bus to the sockets that are open, and by `hello` from the store to those
//! that come back. So a visitor who is offline loses nothing, and the outbox never waits for a
//! browser. Receipts carry no reference; `read` frames become
//! statuses by our own key.
//!
//! A message is shown when it is recorded, before it is decided that it may leave: waiting for the
//! outbox would make each answer slower for the sake of the rare one that is withheld. If it fails
//! then, whatever the reason, an open chat gets a `status` frame `failed` and marks it as not sent.
//! Messages that were withheld because the contact opted out or somebody else took the conversation
//! are not shown at all to those who come later.
//!
//! # Who a visitor is
//! A token made of the visitor's UUID and a signature, kept by the browser. It is bound to the
//! channel and needs no store. A token that is forged, cut or of another channel is not an error: it
//! simply makes a new visitor, never an existing one.

pub mod protocol;

mod config;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{
    ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, Content, InboundMessage,
};
use justping_core::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, Outbound, Rate, Receipt,
    ReceiveError, Received, SendError, WebhookRequest,
};
use uuid::Uuid;

pub use config::{NAME_MAX, ORIGINS_MAX, TOKEN_SECRET, TOKEN_SECRET_MIN, WebChatSettings};
pub use protocol::{
    ClientFrame, FrameError, FrameErrorCode, ServerFrame, WebContent, WebDirection, WebMessage,
};
pub use token::{ParseVisitorIdError, VisitorId};

use config::Origin;
use token::TokenKey;

/// The provider's name in channel configurations.
pub const PROVIDER: &str = "webchat";

/// Messages a second: as many as any process can commit, since nothing leaves it.
const RATE: u32 = 10_000;

/// What the widget can show.
pub static CAPABILITIES: Capabilities = Capabilities {
    kind: ChannelKind::WEBCHAT,
    service_window: false,
    templates: false,
    echoes_key: false,
    text_max: protocol::TEXT_MAX,
    buttons_max: 10,
    button_title_max: 60,
    list_rows_max: 20,
    list_title_max: 60,
    list_description_max: 200,
    interactive_text_max: protocol::TEXT_MAX,
    option_id_max: protocol::OPTION_MAX,
    rate: Rate { per_second: RATE, burst: RATE },
};

/// Opens web chat channels.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebChatProvider;

impl WebChatProvider {
    /// Makes the provider.
    pub fn new() -> Self {
        Self
    }
}

impl ChannelProvider for WebChatProvider {
    fn name(&self) -> &str {
        PROVIDER
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::WEBCHAT
    }

    fn open(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        Ok(Arc::new(WebChatChannel::open(config, secrets)?))
    }
}

/// Who opened a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The visitor.
    pub visitor: VisitorId,
    /// The token that names the visitor from now on.
    pub token: String,
    /// Whether the visitor was here before.
    pub returning: bool,
}

/// One chat widget of a business. See the [module](self) for how a server uses it.
///
/// ```
/// use justping_channels::webchat::{ClientFrame, TOKEN_SECRET, WebChatChannel};
/// use justping_core::model::*;
/// use uuid::Uuid;
///
/// let config = ChannelConfig {
///     id: ChannelId::from_uuid(Uuid::from_u128(1)),
///     business_id: BusinessId::from_uuid(Uuid::from_u128(2)),
///     provider: "webchat".into(),
///     name: "Acme".into(),
///     settings: serde_json::json!({}),
///     agent_id: None,
///     enabled: true,
///     unknown_policy: UnknownPolicy::AtMostOnce,
///     revision: 1,
///     created_at: Timestamp::UNIX_EPOCH,
///     updated_at: Timestamp::UNIX_EPOCH,
/// };
/// let secrets = ChannelSecrets::from_iter([(TOKEN_SECRET, "0123456789abcdef0123456789abcdef")]);
/// let chat = WebChatChannel::open(&config, &secrets)?;
///
/// let first = chat.visit(None, || Uuid::from_u128(3));
/// let again = chat.visit(Some(&first.token), || Uuid::from_u128(4));
/// assert_eq!((again.visitor, again.returning), (first.visitor, true));
///
/// let frame = r#"{"type":"message","id":"019a0000-0000-7000-8000-000000000000","text":"Hi"}"#;
/// let message = WebChatChannel::inbound(again.visitor, &ClientFrame::parse(frame)?).unwrap();
/// assert_eq!(message.content, Content::text("Hi"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WebChatChannel {
    id: ChannelId,
    name: String,
    origins: Vec<Origin>,
    tokens: TokenKey,
}

impl WebChatChannel {
    /// Opens a channel. Does no I/O.
    ///
    /// # Errors
    /// [`ChannelConfigError`] when the secret is missing or short, or a setting is malformed.
    pub fn open(
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Self, ChannelConfigError> {
        let config::Checked { name, origins, key } = config::check(config, secrets)?;
        Ok(Self { id: config.id, name, origins, tokens: TokenKey::new(config.id, key) })
    }

    /// The channel's id.
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// The name shown to visitors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells who opens a chat with `token`: the visitor it was issued for, or a new one named by
    /// `fresh` when there is no token or it is not ours.
    pub fn visit(&self, token: Option<&str>, fresh: impl FnOnce() -> Uuid) -> Visit {
        let known = token.and_then(|token| self.tokens.check(token));
        let visitor = known.unwrap_or_else(|| VisitorId::from_uuid(fresh()));
        Visit { visitor, token: self.tokens.issue(visitor), returning: known.is_some() }
    }

    /// The visitor that `token` names, if this channel issued it.
    pub fn visitor(&self, token: &str) -> Option<VisitorId> {
        self.tokens.check(token)
    }

    /// Says whether a page of `origin` (the `Origin` header) may open the chat on `host` (the
    /// `Host` header): the server's own pages and those of the allowed origins may.
    ///
    /// A request without an `Origin` is allowed: browsers always send one with a WebSocket, and
    /// whatever is no browser could send any.
    pub fn origin_allowed(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(text) = origin else {
            return true;
        };
        Origin::parse(text)
            .is_some_and(|origin| origin.is_of_host(host) || self.origins.contains(&origin))
    }

    /// What a frame says to the business; `None` for frames that say nothing.
    ///
    /// Its reference is `<visitor>:<client uuid>`, so a repeated frame is the same message and no
    /// visitor can take another one's reference.
    pub fn inbound(visitor: VisitorId, frame: &ClientFrame) -> Option<InboundMessage> {
        let (id, content) = match frame {
            ClientFrame::Message { id, text } => (id, Content::text(text)),
            ClientFrame::Choice { id, option, title } => {
                (id, Content::Reply { option: option.clone(), title: title.clone() })
            }
            ClientFrame::Hello { .. } | ClientFrame::Read { .. } | ClientFrame::Ping {} => {
                return None;
            }
        };
        Some(InboundMessage {
            provider_ref: format!("{visitor}:{id}"),
            from: vec![visitor.identity()],
            name: None,
            content,
            reply_to: None,
            sent_at: None,
        })
    }
}

#[async_trait]
impl Channel for WebChatChannel {
    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    /// Takes no webhooks: news comes over the socket.
    async fn receive(&self, _: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        Err(ReceiveError::Unsupported)
    }

    /// Succeeds at once: the event bus and the store deliver. Only content that no visitor may see
    /// and contacts who are no visitors are refused.
    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        if !outbound.to.iter().any(|identity| identity.kind == ChannelKind::WEBCHAT) {
            return Err(SendError::InvalidRecipient { code: None });
        }
        Ok(Receipt { provider_ref: None })
    }

    /// Does nothing: a visitor's own message needs no receipt.
    async fn mark_read(&self, _: &str) -> Result<(), SendError> {
        Ok(())
    }

    /// Succeeds: there is no provider that could refuse.
    async fn verify(&self) -> Result<(), SendError> {
        Ok(())
    }
}
