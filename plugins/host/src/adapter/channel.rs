//! Channels.
//!
//! A channel of a plugin is one of the provider [`PLUGIN_PROVIDER`]. Its settings name the plugin and
//! hold what the plugin said of itself when the channel was made, since opening a channel does no I/O:
//! `{"plugin": "sms-gateway", "kind": "sms", "capabilities": {…}}`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, ChannelConfig, ChannelKind, ChannelSecrets, Identity, Inbound,
};
use justping_core::port::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, HttpMethod, Outbound, Rate,
    Receipt, ReceiveError, Received, SendError, WebhookRequest,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::contract::channels;
use crate::plugins::{Ask, Plugins, UseError};
use crate::{CallError, Called, Caller, Code, Sandbox};

/// The provider of channels that plugins are.
pub const PLUGIN_PROVIDER: &str = "plugin";
/// Most news of one webhook.
const INBOUND_MAX: usize = 1_000;
/// Messages a second of a channel that says nothing of its pace.
const PER_SECOND_DEFAULT: u32 = 10;
/// Characters of a text where the plugin says nothing of it.
const TEXT_MAX_DEFAULT: usize = 1_600;
/// Most bytes of the name of a kind.
const KIND_MAX_BYTES: usize = 64;

/// Opens channels that plugins are.
#[derive(Debug, Clone)]
pub struct PluginChannels {
    plugins: Plugins,
}

impl PluginChannels {
    /// Opens channels of these plugins.
    pub fn new(plugins: Plugins) -> Self {
        Self { plugins }
    }
}

impl ChannelProvider for PluginChannels {
    fn name(&self) -> &str {
        PLUGIN_PROVIDER
    }

    /// Its channels say their kind themselves.
    fn kind(&self) -> ChannelKind {
        ChannelKind::new(PLUGIN_PROVIDER)
    }

    fn open(
        &self,
        config: &ChannelConfig,
        _: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        let Settings { plugin, kind, capabilities } = Settings::read(&config.settings)?;
        Ok(Arc::new(PluginChannel {
            plugins: self.plugins.clone(),
            business_id: config.business_id,
            plugin,
            channel: config.id.to_string(),
            capabilities: capabilities.of(kind),
        }))
    }
}

/// The settings of a channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    plugin: String,
    kind: String,
    #[serde(default)]
    capabilities: Abilities,
}

impl Settings {
    fn read(settings: &Value) -> Result<Self, ChannelConfigError> {
        let error =
            |field: &str, message: String| ChannelConfigError { field: field.to_owned(), message };
        let read = Self::deserialize(settings).map_err(|why| error("settings", why.to_string()))?;
        if read.kind.is_empty() || read.kind.len() > KIND_MAX_BYTES {
            return Err(error("kind", format!("must be 1 to {KIND_MAX_BYTES} bytes")));
        }
        Ok(read)
    }
}

/// What a plugin says that its channel can do; what is left out it cannot do.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Abilities {
    text_max: usize,
    buttons_max: usize,
    button_title_max: usize,
    list_rows_max: usize,
    list_title_max: usize,
    list_description_max: usize,
    interactive_text_max: usize,
    option_id_max: usize,
    echoes_key: bool,
    service_window: bool,
    templates: bool,
    per_second: u32,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            text_max: TEXT_MAX_DEFAULT,
            buttons_max: 0,
            button_title_max: 20,
            list_rows_max: 0,
            list_title_max: 24,
            list_description_max: 72,
            interactive_text_max: TEXT_MAX_DEFAULT,
            option_id_max: 200,
            echoes_key: false,
            service_window: false,
            templates: false,
            per_second: PER_SECOND_DEFAULT,
        }
    }
}

impl Abilities {
    fn of(self, kind: String) -> Capabilities {
        let per_second = self.per_second.max(1);
        Capabilities {
            kind: ChannelKind::from(kind),
            service_window: self.service_window,
            templates: self.templates,
            echoes_key: self.echoes_key,
            text_max: self.text_max.max(1),
            buttons_max: self.buttons_max,
            button_title_max: self.button_title_max.max(1),
            list_rows_max: self.list_rows_max,
            list_title_max: self.list_title_max.max(1),
            list_description_max: self.list_description_max,
            interactive_text_max: self.interactive_text_max.max(1),
            option_id_max: self.option_id_max.max(1),
            rate: Rate { per_second, burst: per_second },
        }
    }
}

impl Plugins {
    /// The settings of a channel that is this plugin: its name, and what it says of itself.
    ///
    /// # Errors
    /// [`UseError::NotInstalled`] also when the plugin is no channel, and what
    /// [`installed`](Self::installed) says.
    pub async fn channel_settings(
        &self,
        business: BusinessId,
        plugin: &str,
    ) -> Result<Value, UseError> {
        let installed = self.installed(business, plugin).await?;
        let Some(channel) = &installed.inspection.channel else {
            return Err(UseError::NotInstalled(plugin.to_owned()));
        };
        Ok(json!({
            "plugin": plugin, "kind": channel.kind, "capabilities": channel.capabilities
        }))
    }
}

/// Says whether a plugin's words about its channel can be read, as [`PluginChannels`] reads them.
///
/// # Errors
/// What is wrong, for the plugin's author.
pub fn check_channel(kind: &str, capabilities: &str) -> Result<(), String> {
    if kind.is_empty() || kind.len() > KIND_MAX_BYTES {
        return Err(format!("the kind must be 1 to {KIND_MAX_BYTES} bytes"));
    }
    serde_json::from_str::<Abilities>(capabilities).map(drop).map_err(|error| error.to_string())
}

/// An opened channel.
#[derive(Debug)]
struct PluginChannel {
    plugins: Plugins,
    business_id: BusinessId,
    plugin: String,
    channel: String,
    capabilities: Capabilities,
}

impl PluginChannel {
    /// Makes one call of the plugin.
    async fn call<T, W>(
        &self,
        call_id: String,
        work: impl FnOnce(Sandbox, Arc<Code>, Caller) -> W,
    ) -> Result<T, UseError>
    where
        W: Future<Output = Called<T>>,
    {
        let installed = self.plugins.installed(self.business_id, &self.plugin).await?;
        let now = self.plugins.sandbox().ports().clock.now();
        let ask = Ask { conversation_id: None, call_id, now };
        self.plugins.call(&installed, &ask, work).await
    }

    /// News as a plugin tells it. Whoever writes is of the channel's own kind: no plugin may speak for
    /// a person of another one.
    fn news(&self, json: &str) -> Result<Inbound, ReceiveError> {
        let malformed = |why: String| ReceiveError::Malformed(why);
        let news: Inbound =
            serde_json::from_str(json).map_err(|error| malformed(error.to_string()))?;
        let own = |identities: &[Identity]| {
            let is_own = |identity: &Identity| identity.kind == self.capabilities.kind;
            !identities.is_empty() && identities.iter().all(is_own)
        };
        let is_own = match &news {
            Inbound::Message(message) => own(&message.from),
            Inbound::Echo(echo) => own(&echo.to),
            Inbound::IdentityChanged { known, also } => {
                own(std::slice::from_ref(known)) && own(also)
            }
            Inbound::Status(_) | Inbound::Unsupported { .. } => true,
        };
        if is_own {
            return Ok(news);
        }
        Err(malformed(format!(
            "people of this channel are of the kind `{}`",
            self.capabilities.kind
        )))
    }
}

#[async_trait]
impl Channel for PluginChannel {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, request: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        let webhook = channels::Webhook {
            method: match request.method {
                HttpMethod::Get => "GET".to_owned(),
                HttpMethod::Post => "POST".to_owned(),
            },
            query: request.query.to_vec(),
            headers: request.headers.to_vec(),
            body: request.body.to_vec(),
        };
        // Providers repeat a webhook as it was: then it is the same call.
        let call_id = format!("{}/{}", self.channel, hex::encode(Sha256::digest(&webhook.body)));
        let received = self
            .call(call_id, |sandbox, code, caller| async move {
                sandbox.receive(&code, caller, webhook).await
            })
            .await;
        let received = received.map_err(|error| not_received(&error))?;
        let received = received.map_err(|refusal| match refusal {
            channels::Refusal::Unauthorized => ReceiveError::Unauthorized,
            channels::Refusal::Malformed(why) => ReceiveError::Malformed(why),
        })?;
        if received.inbound.is_empty() && !received.reply.is_empty() {
            let reply = String::from_utf8(received.reply);
            return reply
                .map(Received::Challenge)
                .map_err(|_| ReceiveError::Malformed("the answer is no text".to_owned()));
        }
        if received.inbound.len() > INBOUND_MAX {
            return Err(ReceiveError::TooLarge);
        }
        let news = received.inbound.iter().map(|json| self.news(json));
        news.collect::<Result<_, _>>().map(Received::Events)
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        let Some(to) = outbound.to.first() else {
            return Err(SendError::InvalidRecipient { code: None });
        };
        let message = channels::Outbound {
            to: to.id.clone(),
            // Content always becomes JSON.
            content: serde_json::to_string(&outbound.content).unwrap_or_default(),
            reply_to: outbound.reply_to.clone(),
            idempotency_key: outbound.idempotency_key.clone(),
        };
        let sent = self
            .call(outbound.idempotency_key.clone(), |sandbox, code, caller| async move {
                sandbox.send(&code, caller, message).await
            })
            .await;
        let sent = sent.map_err(|error| not_sent(&error))?;
        sent.map(|provider_ref| Receipt { provider_ref }).map_err(refused)
    }

    /// Plugins are not told.
    async fn mark_read(&self, _: &str) -> Result<(), SendError> {
        Ok(())
    }

    async fn verify(&self) -> Result<(), SendError> {
        let installed = self.plugins.installed(self.business_id, &self.plugin).await;
        installed.map(drop).map_err(|error| not_sent(&error))
    }
}

/// What becomes of a webhook that the plugin could not look at: the provider is to repeat it.
fn not_received(error: &UseError) -> ReceiveError {
    match error {
        UseError::Call(CallError::Input { .. }) => ReceiveError::TooLarge,
        UseError::NotInstalled(_) | UseError::Disabled(_) => ReceiveError::Unsupported,
        other => ReceiveError::Unavailable(other.to_string()),
    }
}

/// A call that was not made sent nothing; one that broke off may have.
fn not_sent(error: &UseError) -> SendError {
    let detail = error.to_string();
    match error {
        UseError::NotInstalled(_)
        | UseError::Disabled(_)
        | UseError::Unloadable { is_passing: false, .. }
        | UseError::Call(CallError::NotExported(_) | CallError::Input { .. }) => {
            SendError::Rejected { code: Some(error.code().to_owned()), reason: detail }
        }
        UseError::Call(CallError::Busy | CallError::Closed)
        | UseError::Paused { .. }
        | UseError::Unloadable { .. }
        | UseError::Store(_) => SendError::Retry { after: None, detail },
        UseError::Call(_) => SendError::Unknown { detail },
    }
}

fn refused(error: channels::SendError) -> SendError {
    let after = |millis: Option<u64>| millis.map(Duration::from_millis);
    match error {
        channels::SendError::Retry(millis) => {
            SendError::Retry { after: after(millis), detail: "the plugin says so".to_owned() }
        }
        channels::SendError::RateLimited(millis) => SendError::RateLimited { after: after(millis) },
        channels::SendError::Unknown(detail) => SendError::Unknown { detail },
        channels::SendError::WindowClosed => SendError::WindowClosed { code: None },
        channels::SendError::OptedOut => SendError::OptedOut { code: None },
        channels::SendError::InvalidRecipient => SendError::InvalidRecipient { code: None },
        channels::SendError::Rejected(reason) => SendError::Rejected { code: None, reason },
        channels::SendError::Unauthorized => SendError::Unauthorized { code: None },
    }
}
