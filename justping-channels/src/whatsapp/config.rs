use std::net::IpAddr;
use std::time::Duration;

use justping_core::model::{ChannelConfig, ChannelSecrets};
use justping_core::port::ChannelConfigError;
use justping_http::{ConfiguredUrl, HeaderValue, Refusal, Url};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::mac::MacKey;

/// The name of the secret that authorises requests: a system user's or business token.
pub const ACCESS_TOKEN: &str = "access_token";
/// The name of the secret that signs webhooks: the Meta app's.
pub const APP_SECRET: &str = "app_secret";
/// The name of the secret that a webhook's subscription must repeat: chosen by the operator.
pub const VERIFY_TOKEN: &str = "verify_token";

/// Where the Graph API is.
pub const GRAPH_URL: &str = "https://graph.facebook.com";
/// The version of the Graph API that is used unless the settings name another.
pub const API_VERSION: &str = "v23.0";
/// Messages a second that every number may send; see [`WhatsAppSettings::messages_per_second`].
pub const THROUGHPUT_DEFAULT: u32 = 80;

/// Digits of a phone number id that are plausible.
const PHONE_NUMBER_ID_MAX: usize = 32;
/// Messages a second that an upgraded number may send.
const THROUGHPUT_MAX: u32 = 1000;
const MISSING: &str = "the secret is missing";
const TIMEOUT_MS_DEFAULT: u64 = 20_000;
const TIMEOUT_MS_MIN: u64 = 50;
const TIMEOUT_MS_MAX: u64 = 120_000;

/// The settings of a WhatsApp channel, as [`ChannelConfig::settings`] carries them.
///
/// ```json
/// { "phone_number_id": "106540352242922" }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatsAppSettings {
    /// The id of the business's phone number at Meta (not the number itself).
    pub phone_number_id: String,
    /// Where the Graph API is; `http` is for loopback hosts only.
    #[serde(default = "graph_url")]
    pub base_url: String,
    /// The version of the Graph API, such as `v23.0`.
    #[serde(default = "api_version")]
    pub api_version: String,
    /// How long a request may take from its start to the end of the answer, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// What Meta lets this number send: 80 by default, up to 1000 once it is upgraded, 20 for a
    /// number that is also used in the WhatsApp Business app.
    #[serde(default = "throughput")]
    pub messages_per_second: u32,
    /// Whether the first link of a text is shown with a preview.
    #[serde(default)]
    pub link_preview: bool,
}

fn graph_url() -> String {
    GRAPH_URL.to_owned()
}

fn api_version() -> String {
    API_VERSION.to_owned()
}

fn timeout_ms() -> u64 {
    TIMEOUT_MS_DEFAULT
}

fn throughput() -> u32 {
    THROUGHPUT_DEFAULT
}

/// Settings and secrets, checked and ready for use.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) settings: WhatsAppSettings,
    /// `<base>/<version>/<phone number id>?fields=id`.
    pub(super) look: ConfiguredUrl,
    /// `<base>/<version>/<phone number id>/messages`.
    pub(super) messages: ConfiguredUrl,
    pub(super) timeout: Duration,
    pub(super) authorization: HeaderValue,
    pub(super) signing: MacKey,
    pub(super) verify_token: SecretString,
}

/// Reads and checks the settings and secrets of a channel.
pub(super) fn check(
    config: &ChannelConfig,
    secrets: &ChannelSecrets,
) -> Result<Checked, ChannelConfigError> {
    let settings = WhatsAppSettings::deserialize(&config.settings)
        .map_err(|error| wrong("settings", &error.to_string()))?;
    check_limits(&settings)?;
    let base = base_url(&settings.base_url)?;
    let node = below(&base, &[&settings.api_version, &settings.phone_number_id])?;
    let messages = below(&node, &["messages"])?;
    let mut look = node;
    look.query_pairs_mut().append_pair("fields", "id");
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {}", secret(secrets, ACCESS_TOKEN)?))
            .map_err(|_| wrong(ACCESS_TOKEN, "it holds characters that no header may carry"))?;
    authorization.set_sensitive(true);
    Ok(Checked {
        look: configured(look)?,
        messages: configured(messages)?,
        timeout: Duration::from_millis(settings.timeout_ms),
        authorization,
        signing: MacKey::new(secret(secrets, APP_SECRET)?)
            .ok_or_else(|| wrong(APP_SECRET, MISSING))?,
        verify_token: SecretString::from(secret(secrets, VERIFY_TOKEN)?),
        settings,
    })
}

fn check_limits(settings: &WhatsAppSettings) -> Result<(), ChannelConfigError> {
    let id = &settings.phone_number_id;
    if id.is_empty() || id.len() > PHONE_NUMBER_ID_MAX || !id.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong("phone_number_id", "it must be the number's id: digits only"));
    }
    if !is_version(&settings.api_version) {
        return Err(wrong("api_version", "it must look like v23.0"));
    }
    if !(TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(&settings.timeout_ms) {
        let range = format!("it must be {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX} milliseconds");
        return Err(wrong("timeout_ms", &range));
    }
    if !(1..=THROUGHPUT_MAX).contains(&settings.messages_per_second) {
        return Err(wrong("messages_per_second", &format!("it must be 1 to {THROUGHPUT_MAX}")));
    }
    Ok(())
}

fn is_version(text: &str) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.parse::<u16>().is_ok();
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

fn base_url(text: &str) -> Result<Url, ChannelConfigError> {
    let url = Url::parse(text).map_err(|error| wrong("base_url", &error.to_string()))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("base_url", "it must have no credentials, query or fragment"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(wrong("base_url", "http is for loopback hosts only; use https")),
        _ => Err(wrong("base_url", "it must be an https address")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn below(base: &Url, segments: &[&str]) -> Result<Url, ChannelConfigError> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| wrong("base_url", "it cannot be a base"))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

fn configured(url: Url) -> Result<ConfiguredUrl, ChannelConfigError> {
    url.try_into().map_err(|refusal: Refusal| wrong("base_url", &refusal.to_string()))
}

fn secret<'a>(secrets: &'a ChannelSecrets, name: &str) -> Result<&'a str, ChannelConfigError> {
    let value = secrets.get(name).unwrap_or_default();
    if value.trim().is_empty() {
        return Err(wrong(name, MISSING));
    }
    Ok(value)
}

fn wrong(field: &str, message: &str) -> ChannelConfigError {
    ChannelConfigError { field: field.to_owned(), message: message.to_owned() }
}
