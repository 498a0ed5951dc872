use justping_core::model::{ChannelConfig, ChannelSecrets};
use justping_core::port::ChannelConfigError;
use serde::{Deserialize, Serialize};

use crate::mac::MacKey;

/// The name of the secret that signs visitor tokens: at least [`TOKEN_SECRET_MIN`] random bytes.
pub const TOKEN_SECRET: &str = "token_secret";
/// Bytes of the shortest token secret: as many as the signature has.
pub const TOKEN_SECRET_MIN: usize = 32;
/// Origins that one channel may allow.
pub const ORIGINS_MAX: usize = 100;
/// Characters of the name shown to visitors.
pub const NAME_MAX: usize = 100;

/// The settings of a web chat channel, as [`ChannelConfig::settings`] carries them.
///
/// ```json
/// { "name": "Acme support", "allowed_origins": ["https://www.acme.example"] }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebChatSettings {
    /// The name shown to visitors; without one it is the channel's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Origins (`https://shop.example`, with a port where it is not the usual one) whose pages may
    /// open the chat, besides those that come from the server itself.
    pub allowed_origins: Vec<String>,
}

/// Settings and secrets, checked and ready for use.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) origins: Vec<Origin>,
    pub(super) key: MacKey,
}

/// The origin of a page, in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// `https` or `http`.
    scheme: String,
    /// Lowercase host and port; the scheme's usual port is left out.
    authority: String,
}

impl Origin {
    /// Reads an `Origin` header; `null` and everything with a path is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") || !is_authority(authority) {
            return None;
        }
        let authority = shortened(&scheme, authority);
        Some(Self { scheme, authority })
    }

    /// Says whether a page of this origin came from `host`, as a `Host` header names it. The scheme
    /// is not compared: behind a proxy the server does not know its own.
    pub(super) fn is_of_host(&self, host: &str) -> bool {
        is_authority(host) && shortened(&self.scheme, host) == self.authority
    }
}

fn is_authority(text: &str) -> bool {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !text.is_empty() && text.bytes().all(allowed)
}

fn shortened(scheme: &str, authority: &str) -> String {
    let usual = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(usual).unwrap_or(authority).to_ascii_lowercase()
}

/// Reads and checks the settings and secrets of a channel.
pub(super) fn check(
    config: &ChannelConfig,
    secrets: &ChannelSecrets,
) -> Result<Checked, ChannelConfigError> {
    let settings = WebChatSettings::deserialize(&config.settings)
        .map_err(|error| wrong("settings", &error.to_string()))?;
    let name = settings.name.unwrap_or_else(|| config.name.clone());
    if name.chars().count() > NAME_MAX {
        return Err(wrong("name", &format!("it must have at most {NAME_MAX} characters")));
    }
    if settings.allowed_origins.len() > ORIGINS_MAX {
        return Err(wrong("allowed_origins", &format!("at most {ORIGINS_MAX} are allowed")));
    }
    let origins = settings.allowed_origins.iter().map(|text| {
        Origin::parse(text).ok_or_else(|| {
            wrong("allowed_origins", "an origin looks like https://shop.example, without a path")
        })
    });
    let origins = origins.collect::<Result<_, _>>()?;
    Ok(Checked { name, origins, key: key(secrets)? })
}

fn key(secrets: &ChannelSecrets) -> Result<MacKey, ChannelConfigError> {
    let secret = secrets.get(TOKEN_SECRET).unwrap_or_default();
    if secret.is_empty() {
        return Err(wrong(TOKEN_SECRET, "the secret is missing"));
    }
    if secret.len() < TOKEN_SECRET_MIN {
        let message = format!("the secret must have at least {TOKEN_SECRET_MIN} bytes");
        return Err(wrong(TOKEN_SECRET, &message));
    }
    MacKey::new(secret).ok_or_else(|| wrong(TOKEN_SECRET, "the secret is missing"))
}

fn wrong(field: &str, message: &str) -> ChannelConfigError {
    ChannelConfigError { field: field.to_owned(), message: message.to_owned() }
}
