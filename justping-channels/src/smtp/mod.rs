//! E-mail: sent over SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)) to the business's own
//! server, received as raw mails that are handed on to the webhook.
//!
//! # Setting it up
//! Provider name `smtp`, settings [`SmtpSettings`], secrets [`PASSWORD`] (where a user signs in) and
//! [`WEBHOOK_SECRET`].
//!
//! # What goes out
//! A [`Mail`](justping_core::model::Mail), as `multipart/alternative` where it has HTML. What was written
//! for any channel comes as a mail that answers the newest one of the conversation, made by the engine
//! ([`answer_by_mail`](justping_core::policy::answer_by_mail)); the subject of a conversation without
//! mails is the channel's.
//!
//! | header | holds |
//! |---|---|
//! | `Message-ID` | the message's key at the sender's domain: a repeat is the same mail, a report names the message |
//! | `In-Reply-To`, `References` | the mail it answers |
//! | `Auto-Submitted` | `auto-generated` on what a program wrote ([RFC 3834](https://www.rfc-editor.org/rfc/rfc3834)) |
//! | `List-Unsubscribe`, `List-Unsubscribe-Post` | the address of the settings ([RFC 2369](https://www.rfc-editor.org/rfc/rfc2369), [RFC 8058](https://www.rfc-editor.org/rfc/rfc8058)); it takes effect only where the server signs both (DKIM) |
//!
//! The server is a customer's word: its name is judged, resolved once, and connected to by the addresses
//! that may be ([`justping_http::reach`]); the certificate must be the name's. Whatever goes wrong
//! before the mail itself was handed over is certain not to have left; a connection that is lost after
//! that leaves the outcome unknown, as SMTP knows no idempotency.
//!
//! # What comes in
//! Whoever takes the business's mail (a pipe of Postfix, a mail worker) posts each as it is:
//!
//! ```text
//! POST /webhooks/email/{channel}
//! x-justping-timestamp: 1767603600
//! x-justping-signature: v1=<hexadecimal HMAC-SHA256 of "1767603600." and the body>
//!
//! From: Ada <ada@example.org>
//! …
//! ```
//!
//! The signature is good for [`TOLERANCE_SECONDS`] either way; within that, a repeat is the same
//! Message-ID and enters once. From the mail comes its text (as it is, with what it quotes), the names of
//! its attachments, the mail it answers, and whether a program wrote it: such a mail is shown to people
//! and answered by no bot. HTML and files are not kept. The `From` is believed as far as whoever hands
//! mails on believes it: let that server check DMARC.
//!
//! A report about a mail of ours ([RFC 3464](https://www.rfc-editor.org/rfc/rfc3464)) becomes the
//! message's status; where the mailbox does not exist, the engine writes to it no more.

mod bounce;
mod client;
mod config;
mod error;
mod incoming;
mod map;
mod webhook;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use justping_core::model::{ChannelConfig, ChannelKind, ChannelSecrets};
use justping_core::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, Clock, HttpMethod, Outbound, Rate,
    Receipt, ReceiveError, Received, SendError, WebhookRequest,
};
use justping_http::Policy;
use lettre::transport::smtp::client::Certificate;

pub use config::{
    NAME_MAX, PASSWORD, PORT, PORTS, Security, SmtpSettings, THROUGHPUT_DEFAULT, TLS_PORT,
    WEBHOOK_SECRET, WEBHOOK_SECRET_MIN,
};
pub use webhook::{MAIL_MAX_BYTES, SIGNATURE_HEADER, TIMESTAMP_HEADER, TOLERANCE_SECONDS};

use client::Server;

/// The provider's name in channel configurations.
pub const PROVIDER: &str = "smtp";

/// What mail can show.
pub static CAPABILITIES: Capabilities = Capabilities {
    kind: ChannelKind::EMAIL,
    service_window: false,
    templates: false,
    echoes_key: true,
    text_max: 100_000,
    buttons_max: 0,
    button_title_max: 0,
    list_rows_max: 0,
    list_title_max: 0,
    list_description_max: 0,
    interactive_text_max: 0,
    option_id_max: 0,
    rate: Rate::within(THROUGHPUT_DEFAULT),
};

/// Opens e-mail channels.
///
/// ```
/// use std::sync::Arc;
///
/// use justping_channels::smtp::SmtpProvider;
/// use justping_core::port::ChannelProvider;
/// use justping_core::system::SystemClock;
///
/// let provider = SmtpProvider::new(Arc::new(SystemClock::new()));
/// assert_eq!(provider.name(), "smtp");
/// ```
pub struct SmtpProvider {
    clock: Arc<dyn Clock>,
    policy: Policy,
    roots: Vec<Certificate>,
}

/// What was to be trusted is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is malformed")]
pub struct CertificateError;

impl SmtpProvider {
    /// Makes a provider whose channels may have servers on the public internet, on [`PORTS`].
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let policy = Policy { ports: PORTS.to_vec(), ..Policy::default() };
        Self { clock, policy, roots: Vec::new() }
    }

    /// Lets channels have servers at these addresses as well, and speak to them in the open: relays of
    /// the operator's own network.
    #[must_use]
    pub fn allowing(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.policy.except.extend(addresses);
        self
    }

    /// Trusts servers that this authority vouches for, besides those the machine trusts; in PEM.
    ///
    /// # Errors
    /// [`CertificateError`] when it is no certificate.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, CertificateError> {
        // A text without a certificate would be read as none.
        if !pem.starts_with(b"-----BEGIN CERTIFICATE-----") {
            return Err(CertificateError);
        }
        self.roots.push(Certificate::from_pem(pem).map_err(|_| CertificateError)?);
        Ok(self)
    }

    /// Opens a channel. Connects to nothing.
    ///
    /// # Errors
    /// [`ChannelConfigError`] when a setting or secret is missing or malformed.
    pub fn open_channel(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<SmtpChannel, ChannelConfigError> {
        let sender = config::check(config, secrets, &self.policy)?;
        let capabilities = Capabilities { rate: sender.rate, ..CAPABILITIES.clone() };
        let server = Server::new(sender, self.policy.clone(), self.roots.clone());
        Ok(SmtpChannel { server, capabilities, clock: Arc::clone(&self.clock) })
    }
}

impl fmt::Debug for SmtpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpProvider").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl ChannelProvider for SmtpProvider {
    fn name(&self) -> &str {
        PROVIDER
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::EMAIL
    }

    fn open(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        Ok(Arc::new(self.open_channel(config, secrets)?))
    }
}

/// One mailbox of a business. See the [module](self) for what it maps to what.
#[derive(Debug)]
pub struct SmtpChannel {
    server: Server,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Channel for SmtpChannel {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, request: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        match request.method {
            HttpMethod::Get => Err(ReceiveError::Unsupported),
            HttpMethod::Post => {
                let news = webhook::news(request, self.server.sender(), self.clock.now());
                news.map(Received::Events)
            }
        }
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        let now = SystemTime::from(self.clock.now());
        let letter = map::letter(outbound, self.server.sender(), now)?;
        self.server.send(&letter).await?;
        Ok(Receipt { provider_ref: Some(letter.id) })
    }

    /// Does nothing: nobody who wrote a mail is told that it was read.
    async fn mark_read(&self, _: &str) -> Result<(), SendError> {
        Ok(())
    }

    async fn verify(&self) -> Result<(), SendError> {
        self.server.look().await
    }
}
