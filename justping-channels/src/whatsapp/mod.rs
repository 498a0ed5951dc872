//! WhatsApp, through Meta's Business Cloud API.
//!
//! # Setting it up
//! Provider name `whatsapp`. [`WhatsAppSettings`] needs one setting, `phone_number_id`; the secrets
//! are [`ACCESS_TOKEN`], [`APP_SECRET`] and [`VERIFY_TOKEN`]. A channel without all three is not
//! opened. The webhook of the Meta app points at the channel's address with the field `messages`
//! (and `user_id_update`) subscribed; its subscription challenge is answered by
//! [`receive`](justping_core::port::Channel::receive).
//!
//! # What comes in
//! `X-Hub-Signature-256` is checked over the raw bytes before anything is read. A webhook may hold
//! many messages and statuses; each becomes one [`Inbound`](justping_core::model::Inbound), in
//! order.
//!
//! | provider | domain |
//! |---|---|
//! | text, image, audio, video, document, sticker, location, contacts, reaction | the content of the same name; media as provider ids |
//! | button, interactive `button_reply` and `list_reply` | `Reply` with the option's id |
//! | `nfm_reply`, order, unsupported, unknown types | a message with `Unsupported` content and the raw message |
//! | statuses sent, delivered, read (and played), failed | `Status` with our key, when it was echoed, and the failure |
//! | `user_id_update`, system `user_changed_number` | `IdentityChanged` |
//! | `smb_message_echoes`: what people send with the app on a phone | `Echo` |
//! | edits, deletions, group messages, referrals, errors, account, template and quality news | `Unsupported` with the raw part |
//! | anything for another phone number | `Unsupported`, kind `other_phone_number` |
//!
//! A person is known by the phone number (`wa_id`), by a business-scoped user id such as
//! `US.13491208655302741918`, or by both; either alone is enough.
//!
//! # What goes out
//! One POST for a message, to the phone number or else to the user id. Our idempotency key travels
//! as `biz_opaque_callback_data` and comes back in the statuses, so a send whose answer was lost is
//! reconciled. The provider itself does not de-duplicate. Errors are sorted by a table of codes.
//!
//! # Limits
//! 4096 characters of text; 3 buttons of 20 characters; 10 rows of 24 and 72 characters; 1024
//! characters beside buttons and lists; 80 messages a second unless the settings say otherwise;
//! free-form messages only within 24 hours of the contact's last message.

mod client;
mod config;
mod error;
mod map;
mod mend;
mod webhook;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use justping_core::model::{ChannelConfig, ChannelKind, ChannelSecrets};
use justping_core::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, HttpMethod, Outbound, Rate,
    Receipt, ReceiveError, Received, SendError, WebhookRequest,
};
use justping_http::ConfiguredClient;

pub use config::{
    ACCESS_TOKEN, API_VERSION, APP_SECRET, GRAPH_URL, THROUGHPUT_DEFAULT, VERIFY_TOKEN,
    WhatsAppSettings,
};

use client::Graph;
use config::Checked;
use map::LinkPreview;

/// The provider's name in channel configurations.
pub const PROVIDER: &str = "whatsapp";

/// What the Cloud API can show, as of version 23; a rate of one number that was not upgraded.
pub static CAPABILITIES: Capabilities = Capabilities {
    kind: ChannelKind::WHATSAPP,
    service_window: true,
    templates: true,
    echoes_key: true,
    text_max: 4096,
    buttons_max: 3,
    button_title_max: 20,
    list_rows_max: 10,
    list_title_max: 24,
    list_description_max: 72,
    interactive_text_max: 1024,
    // Buttons would take 256, rows take 200, and an option may be shown as either.
    option_id_max: 200,
    rate: Rate::within(THROUGHPUT_DEFAULT),
};

/// Opens WhatsApp channels. All of them share one pool of connections.
///
/// ```
/// use justping_channels::whatsapp::WhatsAppProvider;
/// use justping_core::port::ChannelProvider;
///
/// let provider = WhatsAppProvider::new().only_hosts(["graph.facebook.com"]);
/// assert_eq!(provider.name(), "whatsapp");
/// ```
#[derive(Debug, Default)]
pub struct WhatsAppProvider {
    http: OnceLock<ConfiguredClient>,
    hosts: Option<Vec<String>>,
}

impl WhatsAppProvider {
    /// Makes a provider that allows every `base_url` the settings allow.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses settings whose `base_url` has another host. A server whose businesses write their
    /// own settings must say this, or they can make it call addresses of its own network.
    #[must_use]
    pub fn only_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Opens a channel. Connects to nothing; the first one reads the machine's root certificates.
    ///
    /// # Errors
    /// [`ChannelConfigError`] when a setting or secret is missing or malformed, and with the field
    /// `tls` when the machine has no root certificates.
    pub fn open_channel(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<WhatsAppChannel, ChannelConfigError> {
        let sender = config::check(config, secrets)?;
        self.check_host(&sender)?;
        let rate = Rate::within(sender.settings.messages_per_second);
        let client = Graph::new(self.http()?, sender);
        Ok(WhatsAppChannel { client, capabilities: Capabilities { rate, ..CAPABILITIES.clone() } })
    }

    fn check_host(&self, sender: &Checked) -> Result<(), ChannelConfigError> {
        let host = sender.messages.url().host_str().unwrap_or_default();
        match &self.hosts {
            Some(hosts) if !hosts.iter().any(|allowed| allowed == host) => {
                let message = "the host is not allowed here".to_owned();
                Err(ChannelConfigError { field: "base_url".to_owned(), message })
            }
            _ => Ok(()),
        }
    }

    fn http(&self) -> Result<ConfiguredClient, ChannelConfigError> {
        if let Some(client) = self.http.get() {
            return Ok(client.clone());
        }
        let client = crate::http::client()
            .map_err(|message| ChannelConfigError { field: "tls".to_owned(), message })?;
        Ok(self.http.get_or_init(|| client).clone())
    }
}

impl ChannelProvider for WhatsAppProvider {
    fn name(&self) -> &str {
        PROVIDER
    }

    fn kind(&self) -> ChannelKind {
        ChannelKind::WHATSAPP
    }

    fn open(
        &self,
        config: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        Ok(Arc::new(self.open_channel(config, secrets)?))
    }
}

/// One WhatsApp number of a business. See the [module](self) for what it maps to what.
#[derive(Debug)]
pub struct WhatsAppChannel {
    client: Graph,
    capabilities: Capabilities,
}

#[async_trait]
impl Channel for WhatsAppChannel {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, request: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        let sender = self.client.sender();
        match request.method {
            HttpMethod::Get => webhook::challenge(request, sender).map(Received::Challenge),
            HttpMethod::Post => webhook::news(request, sender).map(Received::Events),
        }
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        let links = match self.client.sender().settings.link_preview {
            true => LinkPreview::Shown,
            false => LinkPreview::Hidden,
        };
        self.client.send(&map::send_request(outbound, links)?).await
    }

    /// Marks the message read, which marks the earlier ones too, and shows the contact for up to
    /// 25 seconds that an answer is being written.
    async fn mark_read(&self, provider_ref: &str) -> Result<(), SendError> {
        self.client.tell(&map::read_request(provider_ref)).await
    }

    async fn verify(&self) -> Result<(), SendError> {
        self.client.look().await
    }
}
